"""The Codebooks view of the shipped models: its size, its colours, and what can be chosen and saved."""

# ruff: noqa: F811  (fixtures are imported, and named as arguments)
import os
from pathlib import Path
from xml.etree import ElementTree

import pytest
from browsing import browser, served, windows  # noqa: F401

from vqaudio import hub

ARTIFACTS = Path(os.environ.get("VQAUDIO_ARTIFACTS", Path(__file__).resolve().parents[2] / "artifacts"))
SCREEN = 900
WINDOWS = {"phone": {"width": 390, "has_touch": True, "is_mobile": True}, "desktop": {"width": 1440}}
FILLS = "all => all.map(n => getComputedStyle(n).fill)"


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    if not {"voice-16khz", "notes-16khz"} <= set(hub.installed()):
        pytest.skip("the shipped models are not here")
    patch = pytest.MonkeyPatch()
    yield from served(patch, tmp_path_factory)


@pytest.fixture
def codebooks(windows):
    def new(model: str = "voice-16khz", theme: str = "light", **size):
        page = windows(**size, query=f"model={model}&__theme={theme}", timeout_s=120)
        page.wait_for_selector("#model input:checked", state="attached")
        page.get_by_role("tab", name="Codebooks").click()
        page.wait_for_selector(".cb-card summary")
        return page

    return new


@pytest.mark.parametrize("model", ["voice-16khz", "notes-16khz"])
def test_it_takes_at_most_two_screens(codebooks, model):
    page = codebooks(model)
    assert page.evaluate("document.documentElement.scrollHeight") <= 2 * SCREEN
    assert page.locator(".cb-card .vq-chart").first.is_hidden(), "the training curves are in the model card"
    page.locator(".cb-card summary").click()
    assert page.locator(".cb-card .vq-chart").first.is_visible()


def test_the_figures_follow_the_theme(codebooks):
    pages = (codebooks(theme=theme) for theme in ("light", "dark"))
    light, dark = (page.eval_on_selector_all(".cb-figures .accent, .cb-book path", FILLS) for page in pages)
    assert len(light) == len(dark) > 20 and all(a != b for a, b in zip(light, dark))


def test_a_label_is_highlighted_and_the_figure_is_saved_as_drawn(codebooks, tmp_path):
    page = codebooks("notes-16khz")
    assert page.locator(".cb-figures g:visible").count() == 1
    page.locator(".cb-choose select").select_option(label="instrument flute")
    hot = page.locator(".cb-figures g[data-kind=instrument] .dots.hot")
    assert hot.count() == 1 and hot.get_attribute("data-label") == "flute" and hot.is_visible()
    with page.expect_download() as waiting:
        page.locator(".cb-figure a").filter(has_text="SVG").first.click()
    assert waiting.value.suggested_filename == "notes-16khz-map.svg"
    waiting.value.save_as(tmp_path / "map.svg")
    root = ElementTree.parse(tmp_path / "map.svg").getroot()
    assert root.tag.endswith("svg") and "flute" in [n.get("data-label") for n in root.iter() if n.get("class") == "dots hot"]
    with page.expect_download() as waiting:
        page.locator(".cb-figure a").filter(has_text="PNG").nth(1).click()
    waiting.value.save_as(tmp_path / "distances.png")
    assert (tmp_path / "distances.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", WINDOWS.values(), ids=WINDOWS)
def test_it_fits_the_window(codebooks, size, theme):
    page = codebooks(theme=theme, **size)
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], "nothing sticks out to the right"
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"codebooks-{size['width']}-{theme}.png", full_page=True)
