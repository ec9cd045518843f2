"""The page with the shipped codec of speech units: phones over the map, speakers, and what its codewords say."""

import re

import pytest
from browsing import browser, ready, rest, served, shows, windows  # noqa: F401

MODEL = "speech-16khz"


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    yield from served(pytest.MonkeyPatch(), tmp_path_factory)


@pytest.fixture
def page(windows):  # noqa: F811
    page = windows(query=f"model={MODEL}")
    ready(page)
    return page


def last_heard(page) -> dict:
    return page.evaluate("window.ear[window.ear.length - 1]")


def test_phones_stand_over_the_codes_and_a_codeword_names_its_own(page):
    lane = page.locator(".cm-lane-phones")
    codes = page.locator(".cm-lane-stage").first
    above, below = lane.bounding_box(), codes.bounding_box()
    assert above["height"] > 10 and above["y"] + above["height"] <= below["y"] and above["width"] == below["width"]
    codes.hover(position={"x": below["width"] * 0.2, "y": below["height"] / 2})
    shows(page, ".cm-tip", re.compile(r"code \d+, mostly \S+, \d+ %.* Here: \S+\."))


def test_another_speaker_is_heard_at_the_same_length(page):
    speaker = page.get_by_label("Speaker", exact=True)
    names = speaker.locator("option").all_inner_texts()
    assert "George (FSDD)" in names and "Allison, American English" in names and not [n for n in names if "_" in n]
    page.get_by_role("button", name="Play", exact=True).first.click()
    page.wait_for_function("window.ear.length > 0")
    before = last_heard(page)
    speaker.select_option("vctk-p239")
    page.wait_for_function("(n) => window.ear.length > n", arg=page.evaluate("window.ear.length"))
    after = last_heard(page)
    assert after["n"] == before["n"] and after["rms"] > 0.005 and after["rms"] != before["rms"]
    assert "as P239 (VCTK)" in page.locator("#codemap [role=status]").first.inner_text()


def test_one_stage_has_no_stages_to_choose_from(page):
    assert not page.get_by_role("slider", name="Stages").is_visible()
    assert not page.get_by_role("switch", name="Stage 1").is_visible()


def uncut(locator) -> bool:
    """Whether all of a text is shown."""
    return locator.evaluate("(node) => node.scrollWidth <= node.clientWidth && node.scrollHeight <= node.clientHeight")


def test_nothing_in_the_head_is_cut_or_wrapped(page):
    for width in (390, 641, 768, 900, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        rest(page)
        assert uncut(page.locator(".cm-title")) and page.get_by_label("Speaker", exact=True).is_visible(), width
        assert all(uncut(way) for way in page.locator(".cm-way").all()), width
        title, link = (page.locator(f".vq-title {tag}").bounding_box() for tag in ("h1", "a"))
        assert (link is None) == (width == 390)
        assert link is None or abs(link["y"] + link["height"] / 2 - title["y"] - title["height"] / 2) < 8, width
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [390, 1440])
def test_codebooks_shows_what_follows_what_the_phones_and_the_figures(windows, width):  # noqa: F811
    page = windows(width, f"model={MODEL}")
    page.get_by_role("tab", name="Codebooks").click()
    table = page.locator(".cb-metrics")
    table.wait_for()
    assert table.locator("tbody tr").count() == 9 and "k-means" in table.inner_text()
    for title in ("What follows what", "Codewords and phones", "How much a codeword says about the phone"):
        heading = page.get_by_role("heading", name=title)
        assert uncut(heading)
    overlapping = page.evaluate("""() => [...document.querySelectorAll('.cb-phones .vq-chart')].flatMap((chart) => {
      const names = [...chart.querySelectorAll('.name[text-anchor=end]')];
      const left = names.map((name) => name.getBoundingClientRect()).filter((box) => box.height);
      return left.slice(1).filter((box, i) => box.top < left[i].top + 0.6 * left[i].height);
    }).length""")
    assert overlapping == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
