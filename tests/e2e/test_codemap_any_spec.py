"""The component draws codes that no codec here makes: stages with several bands, and stages finer in time."""

import os
from pathlib import Path

import pytest
from browsing import EAR, browser, lane, rest, settle, shows  # noqa: F401
from tones import Tones

from vqaudio.codes import CodeSpec, Stage

ARTIFACTS = Path(os.environ.get("VQAUDIO_ARTIFACTS", Path(__file__).resolve().parents[2] / "artifacts"))
SPEC = CodeSpec((Stage(6, 1, 32), Stage(1, 4, 16), Stage(2, 2, 8)), 10.0)
COLUMNS = 15


@pytest.fixture(scope="module")
def codes():
    return Tones(SPEC, 8000).ramp(COLUMNS, missing=300)


@pytest.fixture
def page(browser, codes):  # noqa: F811
    import gradio as gr

    from vqaudio.ui.clip import cell_edits, handlers, inpainting
    from vqaudio.ui.clip.workbench import Workbench
    from vqaudio.ui.codemap import CodeMap

    bench = Workbench(Tones(SPEC, 8000), codes, "tones")
    token = handlers.store.put(bench)
    with gr.Blocks(analytics_enabled=False) as demo:
        codemap = CodeMap(server_functions=[*handlers.FUNCTIONS, *inpainting.FUNCTIONS, *cell_edits.FUNCTIONS], elem_id="codemap")
        demo.load(lambda: handlers.describe(token, bench), None, codemap)
    _, address, _ = demo.launch(prevent_thread_lock=True, quiet=True)
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    context.add_init_script(EAR)
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector(".cm[data-state=open]")
    settle(page)
    yield page
    context.close()
    demo.close()
    handlers.store.drop(token)


def test_every_cell_is_where_the_spec_puts_it(page, codes):
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTIFACTS / "codemap-any-spec.png", full_page=True)
    assert page.locator(".cm-lane-stage").count() == 3
    assert f"{SPEC.rows} codes in 3 stages" in page.locator(".cm-intro").text_content()
    for number, x, band in [(1, 3, 0), (1, 14, 5), (2, 0, 0), (2, 41, 0), (3, 7, 1), (3, 28, 0)]:
        picture = codes.stage(number - 1)[0]
        bands, width = picture.shape
        box = lane(page, number).locator("canvas").bounding_box()
        page.mouse.move(box["x"] + (x + 0.5) / width * box["width"], box["y"] + (bands - band - 0.5) / bands * box["height"])
        shows(page, ".cm-tip", f"code {int(picture[band, x])},")
        if bands > 1:
            shows(page, ".cm-tip", f"band {band + 1}")


def test_arrows_walk_through_bands_stages_and_sub_columns(page):
    page.locator(".cm-lanes").focus()
    page.keyboard.press("ArrowRight")
    for key, told in [
        ("ArrowUp", "Stage 1, band 2, 0.00"), ("ArrowRight", "Stage 1, band 2, 0.10"), ("ArrowDown", "Stage 1, band 1, 0.10"),
        ("ArrowDown", "Stage 2, 0.10"), ("ArrowRight", "Stage 2, 0.13"), ("ArrowDown", "Stage 3, band 2, 0.10"),
        ("End", "Stage 3, band 2, 1.45"),
    ]:  # fmt: skip
        page.keyboard.press(key)
        shows(page, ".cm-status", told)


def test_a_stage_of_several_rows_costs_all_of_them(page):
    rates = [node.get_attribute("title") for node in page.get_by_role("switch").all()]
    assert [rate.split(".")[0] for rate in rates] == ["Stage 1: 300 bit/s", "Stage 2: 160 bit/s", "Stage 3: 120 bit/s"]
    page.locator(".cm-slider").fill("2")
    shows(page, ".cm-depth-text", "0.46 kbit/s, 278 times smaller")


def test_a_rectangle_over_bands_and_sub_columns(page):
    page.locator("[data-fold=more]").click()
    rest(page)
    page.locator(".cm-finer").uncheck()
    canvas = lane(page, 1).locator("canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    x, y = box["width"] / COLUMNS, box["height"] / 6
    page.mouse.move(box["x"] + 2.5 * x, box["y"] + 1.5 * y)
    page.mouse.down()
    page.mouse.move(box["x"] + 4.5 * x, box["y"] + 3.5 * y)
    page.mouse.up()
    shows(page, ".cm-status", "9 cells selected: 0.20 to 0.50 s, stage 1.")
    page.locator(".cm-finer").check()
    shows(page, ".cm-status", "33 cells selected: 0.20 to 0.50 s, stages 1\u20133.")
    page.screenshot(path=ARTIFACTS / "select-any-spec.png", full_page=True)
