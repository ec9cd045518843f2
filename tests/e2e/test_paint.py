"""Painting in time and frequency, as a person does it: rectangle and brush, erase, randomise, blur, refine, inpaint."""

# ruff: noqa: F811  (fixtures are imported, and named as arguments)
import os
import re
from pathlib import Path

import numpy as np
import pytest
from browsing import ask_server, browser, download, listen, shows, windows  # noqa: F401
from filling import done, field, ids, selected
from noting import app, chord, paint, painted, power_of, spot, toys  # noqa: F401

ARTIFACTS = Path(os.environ.get("VQAUDIO_ARTIFACTS", Path(__file__).resolve().parents[2] / "artifacts"))
COARSE, FINE = slice(0, 4), slice(4, 20)


@pytest.fixture
def page(painted):
    return painted()


def changed(before: np.ndarray, after: np.ndarray) -> set[int]:
    """The bands of the fine stage in which anything differs."""
    return {int(row) // 2 for row in np.nonzero((before[FINE] != after[FINE]).any(1))[0]}


def test_a_rectangle_on_the_spectrogram_has_a_frequency(page):
    paint(page, "sound", (0.22, 0.55), (0.38, 0.7))
    shows(page, "#codemap .cm-status", "0.20 to 0.40 s")
    shows(page, "#codemap .cm-status", "1.2 to 3.2 kHz")
    columns = round((float(field(page, "to")) - float(field(page, "from"))) * 25)
    assert selected(page) == columns * (1 + 2 * 2), "of the coarse map one band, of the fine one two, in half columns"
    paint(page, "sound", (0.6, 0.05), (0.7, 0.06), held="Shift")
    shows(page, "#codemap .cm-status", "0.1 to 3.2 kHz")
    paint(page, "sound", (0.9, 0.02), (0.5, 0.98), held="Alt")
    assert selected(page) == columns * 5


def test_a_rectangle_on_a_stage_takes_the_same_frequencies_of_the_finer_one(page):
    paint(page, 1, (0.22, 0.6), (0.38, 0.65))
    columns = round((float(field(page, "to")) - float(field(page, "from"))) * 25)
    assert selected(page) == columns * (1 + 2 * 2)
    page.locator(".cm-finer").uncheck()
    assert selected(page) == columns


def test_the_brush_is_round_and_adds_up(page):
    page.locator("[data-shape-is=brush]").click()
    page.locator(".cm-finer").uncheck()
    page.locator(".cm-size").fill("24")
    assert page.locator("[data-stroke=add]").get_attribute("aria-checked") == "true"
    paint(page, 2, (0.3, 0.5))
    one = selected(page)
    text = page.evaluate("[...document.querySelectorAll('.cm-status')][0].textContent")
    shows(page, "#codemap .cm-status", "cells selected")
    assert one > 0, text
    paint(page, 2, (0.6, 0.5), (0.8, 0.9))
    two = selected(page)
    assert two > 2 * one
    page.locator("[data-stroke=remove]").click()
    paint(page, 2, (0.6, 0.5), (0.8, 0.9))
    assert selected(page) == one
    page.mouse.move(*spot(page, 2, 0.5, 0.5))
    box = page.locator(".cm-ring").bounding_box()
    assert page.locator(".cm-ring").is_visible() and abs(box["width"] - 48) < 2


def test_a_finger_paints(painted):
    page = painted(width=390, has_touch=True, is_mobile=True)
    page.locator("[data-shape-is=brush]").click()
    points = [spot(page, "sound", share, 0.5) for share in (0.3, 0.5, 0.7)]
    touch = page.context.new_cdp_session(page)
    for kind, at in (("touchStart", 0), ("touchMove", 1), ("touchMove", 2), ("touchEnd", None)):
        places = [] if at is None else [{"x": points[at][0], "y": points[at][1]}]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})
    shows(page, "#codemap .cm-status", "cells selected")
    assert 0.15 < float(field(page, "from")) < 0.35 and 0.65 < float(field(page, "to")) < 0.85


def test_erasing_silences_the_region_and_nothing_else(page, tmp_path):
    before, wav = ids(page, tmp_path), download(page, "wav", tmp_path)
    was = power_of(wav, 0.24, 0.56)
    paint(page, "sound", (0.22, 0.55), (0.58, 0.7))
    page.locator("[data-touch=erase]").click()
    shows(page, "#codemap .cm-status", "Erased")
    told = re.search(r"the sound is ([0-9.]+) dB softer", page.locator("#codemap .cm-status").inner_text())
    now = power_of(download(page, "wav", tmp_path), 0.24, 0.56)
    assert (was - now)[4:6].min() > 25 and np.abs(was - now)[[0, 1, 2, 7]].max() < 1
    assert float(told[1]) > 15
    assert changed(before, ids(page, tmp_path)) <= {4, 5}
    page.locator("[data-edit=undo]").click()
    shows(page, "#codemap .cm-status", "Undone. As it was encoded.")
    assert np.array_equal(ids(page, tmp_path), before)


def test_randomise_and_blur_change_the_region_only(page, tmp_path):
    before = ids(page, tmp_path)
    paint(page, "sound", (0.22, 0.55), (0.58, 0.7))
    cells = selected(page)
    page.locator("[data-touch=randomise]").click()
    shows(page, "#codemap .cm-status", f"Put random codes into {cells} cells.")
    after = ids(page, tmp_path)
    assert changed(before, after) <= {4, 5} and (before != after).sum() > cells / 2
    page.locator(".cm-radius").fill("3")
    page.locator("[data-touch=blur]").click()
    shows(page, "#codemap .cm-status", f"Blurred {cells} cells;")
    blurred = ids(page, tmp_path)
    assert changed(before, blurred) <= {4, 5} and not np.array_equal(blurred, after)
    for name, value, sentence in (("radius", "99", "The radius of a blur"), ("strength", "2", "The strength of a blur")):
        page.locator(f".cm-{name}").fill(value)
        page.locator("[data-touch=blur]").click()
        shows(page, "#codemap .cm-status", sentence)
        page.locator(f".cm-{name}").fill("1")
    page.locator("[data-mask=clear]").click()
    page.locator("[data-touch=erase]").wait_for(state="hidden")


def test_refine_keeps_the_coarse_map(page, tmp_path):
    before = ids(page, tmp_path)
    page.locator(".cm-refine").click()
    done(page)
    page.get_by_label("Use variation 1").click()
    shows(page, "#codemap .cm-status", "Variation 1 is the clip now")
    after = ids(page, tmp_path)
    assert np.array_equal(after[COARSE], before[COARSE]) and (after[FINE] != before[FINE]).mean() > 0.5
    page.locator("[data-edit=undo]").click()
    paint(page, 1, (0.22, 0.6), (0.38, 0.65))
    page.locator(".cm-refine").click()
    shows(page, ".cm-stages", "")
    done(page)
    page.get_by_label("Use variation 2").click()
    shows(page, "#codemap .cm-status", "Variation 2 is the clip now")
    after = ids(page, tmp_path)
    assert np.array_equal(after[COARSE], before[COARSE]) and changed(before, after) <= {4, 5}


def test_inpainting_a_region_changes_its_frequencies_more_than_the_others(page, tmp_path):
    was = power_of(download(page, "wav", tmp_path), 0.24, 0.56)
    paint(page, "sound", (0.22, 0.55), (0.58, 0.7))
    page.locator(".cm-do-fill").click()
    done(page)
    page.get_by_label("Use variation 1").click()
    shows(page, "#codemap .cm-status", "Variation 1 is the clip now")
    difference = np.abs(power_of(download(page, "wav", tmp_path), 0.24, 0.56) - was)
    assert difference[[0, 1, 2, 3, 6, 7]].max() < difference[4:6].max()


def test_what_no_page_would_send_gets_a_sentence(app, page):
    seen = []
    listen(page, seen)
    paint(page, "sound", (0.22, 0.55), (0.58, 0.7))
    page.locator("[data-touch=erase]").click()
    shows(page, "#codemap .cm-status", "Erased")
    good = next(request for request in seen if request["fn_name"] == "erase")
    rectangle = good["data"]["rectangles"][0]

    def told(name="erase", **changes) -> str:
        answer = ask_server(app, good | {"fn_name": name, "data": good["data"] | changes})
        assert answer["ok"] is False
        return answer["error"]

    assert "the clip ends at 1.00 s" in told(rectangles=[rectangle | {"end_s": 30.0}])
    assert "there are bands 1 to 8 here" in told(rectangles=[rectangle | {"bands": "9-9"}])
    assert "There are stages 1 to 2" in told(rectangles=[rectangle | {"stages": "3"}])
    assert "No cell is selected" in told(rectangles=[rectangle | {"stages": "1-1", "bands": "7-8"}])
    assert "No cell is selected" in told("randomise", rectangles=[])
    assert "The radius of a blur" in told("blur", radius="wide", strength=1.0)
    assert "no longer kept" in told(token="A" * 32)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_it_fits_the_window(painted, width, theme):
    page = painted(width=width, query=f"__theme={theme}")
    page.locator("[data-shape-is=brush]").click()
    paint(page, "sound", (0.22, 0.5), (0.38, 0.75), (0.6, 0.5))
    page.locator(".cm-do-fill").click()
    done(page)
    page.locator("[data-ab=a]").click()
    page.mouse.move(*spot(page, "sound", 0.8, 0.3))
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "nothing sticks out to the right"
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"paint-{width}-{theme}.png", full_page=True)
