"""Selecting cells, the surprise of a clip, new clips, blocks that are copied, and links that restore a selection."""

# ruff: noqa: F811  (fixtures are imported, and named as arguments)
import re

import numpy as np
from browsing import browser, fold, generate, lane, rest, shows, upload, windows  # noqa: F401
from filling import app, columns, done, drag, field, ids, page, pages, selected  # noqa: F401

# --- selecting --------------------------------------------------------------------------------------------------------------


def test_shift_adds_alt_takes_away_and_the_switch_takes_the_finer_stages(page):
    drag(page, (2, 0.1), (2, 0.2))
    one = selected(page)
    assert one % 3 == 0
    page.locator(".cm-finer").uncheck()
    assert selected(page) * 3 == one
    page.locator(".cm-finer").check()
    assert selected(page) == one
    drag(page, (3, 0.6), (4, 0.8), "Shift")
    two = selected(page)
    assert two > one and field(page, "stages") == "2-4"
    drag(page, (3, 0.6), (3, 0.8), "Alt")
    assert selected(page) == one
    page.locator("[data-stroke=add]").click()
    drag(page, (3, 0.6), (4, 0.8))
    assert selected(page) == two


def test_the_spectrogram_selects_that_time_over_all_stages_and_the_fields_keep_step(page):
    drag(page, ("sound", 0.25), ("sound", 0.5))
    width = round(float(field(page, "to")) * 50) - round(float(field(page, "from")) * 50)
    assert selected(page) == 4 * width and field(page, "stages") == "1-4"
    for name, value in (("from", "0.1"), ("to", "0.2"), ("stages", "2-3")):
        page.locator(f".cm-{name}").fill(value)
        page.locator(f".cm-{name}").press("Tab")
    assert selected(page) == 2 * 5
    shows(page, ".cm-status", "10 cells selected: 0.10 to 0.20 s, stages 2\u20133.")
    page.locator(".cm-stages").fill("9")
    page.locator(".cm-stages").press("Tab")
    shows(page, ".cm-status", "there are stages 1 to 4")
    for stages, cells, shown in (("1,3", 10, "1,3"), ("2-", 15, "2-4"), ("4", 5, "4"), ("2-3", 10, "2-3")):
        page.locator(".cm-stages").fill(stages)
        page.locator(".cm-stages").press("Tab")
        assert (selected(page), field(page, "stages")) == (cells, shown)
    page.locator(".cm-stages").fill("2-3")
    page.locator(".cm-to").fill("99")
    page.locator(".cm-to").press("Tab")
    shows(page, ".cm-status", "lies inside the clip")
    assert selected(page) == 10


def test_the_mask_buttons(page):
    n = columns(page)
    for name, expected in (("all", 4 * n), ("stage", 3 * n), ("nth", 4 * (n // 2)), ("end", 4 * (n - n // 2)), ("clear", 0)):
        page.locator(f"[data-mask={name}]").click()
        assert abs(selected(page) - expected) <= 4, name
    page.locator(".cm-share").fill("25")
    page.locator("[data-mask=random]").click()
    assert 0 < selected(page) < 2 * n
    page.locator("[data-mask=onsets]").click()
    assert selected(page) == 0 or selected(page) % 4 == 0


def test_keys_select_extend_fill_and_clear(page):
    page.locator(".cm-lanes").focus()
    page.locator(".cm-finer").uncheck()
    page.locator(".cm-lanes").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    assert selected(page) == 0
    for key in ("Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowDown"):
        page.keyboard.press(key)
    assert selected(page) == 6 and field(page, "stages") == "2-3"
    page.keyboard.press("Escape")
    assert selected(page) == 0
    page.keyboard.press("Enter")
    page.wait_for_selector(".cm-words", state="attached")
    assert page.locator(".cm-cell-title").text_content().startswith("Code "), "with nothing selected, Enter opens the cell"
    page.keyboard.press("Control+a")
    assert selected(page) == 4 * columns(page)


def test_a_finger_that_moves_sideways_selects_and_one_that_moves_up_scrolls(pages):
    page = pages(width=390, height=844, has_touch=True, is_mobile=True)
    track = lane(page, 2).locator(".cm-track")
    assert page.locator(".cm-lanes").evaluate("(node) => getComputedStyle(node).touchAction") == "pan-y"
    page.evaluate("window.scrollTo(0, 0)")
    box = track.bounding_box()
    touch = page.context.new_cdp_session(page)
    y = box["y"] + box["height"] / 2
    for kind, share in (("touchStart", 0.2), ("touchMove", 0.35), ("touchMove", 0.5), ("touchEnd", None)):
        points = [] if share is None else [{"x": box["x"] + share * box["width"], "y": y}]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    shows(page, ".cm-status", "cells selected")
    assert (cells := selected(page)) >= 9
    page.keyboard.press("Escape")
    x = box["x"] + 0.5 * box["width"]
    for kind, dy in (("touchStart", 0), *(("touchMove", 20 * step) for step in range(1, 14)), ("touchEnd", None)):
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [] if dy is None else [{"x": x, "y": y - dy}]})
    page.wait_for_function("window.scrollY > 150")
    assert cells and selected(page) == 0, "a vertical swipe selects nothing"
    rest(page)  # a finger put down while a swipe still scrolls only stops it
    page.evaluate("window.scrollTo(0, 0)")
    rest(page)
    box = track.bounding_box()
    here = {"x": box["x"] + 0.5 * box["width"], "y": box["y"] + box["height"] / 2}
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [here]})
    page.wait_for_function("document.querySelector('.cm-count').textContent.startsWith('3 ')")  # of stages 2 to 4
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    shows(page, ".cm-status", "3 cells selected")


# --- surprise, new clips, blocks, links -------------------------------------------------------------------------------------


def test_the_surprise_of_a_clip(page):
    page.locator(".cm-colour").select_option("toy")
    shows(page, ".cm-scale-text", f"{5 * 4 * columns(page)} bits in all")
    shows(page, ".cm-status", "an exact likelihood")
    lane(page, 2).locator("canvas").hover(position={"x": 60, "y": 15})
    shows(page, ".cm-tip", "5.00 bits of surprise")
    page.locator(".cm-colour").select_option("")
    shows(page, ".cm-scale-text", "similar codes have similar colours")


def test_new_clips_need_no_clip(pages, tmp_path):
    page = pages(None)
    generate(page, 0.4, digit="7")
    done(page, "Generated 4 clips with toy")
    shows(page, ".cm-step-text", "Variation 1, step 4 of 4")
    assert page.locator(".cm-length").inner_text() == "0.40"
    assert page.locator(".cm-kept").all_inner_texts() == ["0.40 s long"] * 4
    assert page.locator(".cm-changed").first.inner_text() == f"{4 * 20} cells"
    first = ids(page, tmp_path)
    page.get_by_label("Play variation 2").click()
    shows(page, ".cm-gutter-sound .cm-name", "Variation 2")
    page.wait_for_selector(".cm:not(.cm-waiting)")
    assert not np.array_equal(ids(page, tmp_path), first)
    page.get_by_label("Use variation 2").click()
    shows(page, ".cm-status", "Variation 2 is the clip now")
    generate(page)
    done(page, "Generated 4 clips with toy")
    page.locator(".cm-seconds").evaluate("(node) => { node.max = ''; }")
    generate(page, 99)
    shows(page, ".cm-status", "A new clip lasts from 0.1 to 10 s")
    assert page.locator(".cm-length").inner_text() == "0.40"


def test_a_new_clip_takes_the_place_of_the_clip_and_undo_gives_it_back(page, tmp_path):
    before, length = ids(page, tmp_path), page.locator(".cm-length").inner_text()
    generate(page, 0.4)
    done(page, "Generated 4 clips with toy")
    page.locator("[data-ab=a]").click()
    assert page.locator(".cm-length").inner_text() == length and np.array_equal(ids(page, tmp_path), before)
    page.get_by_label("Use variation 3").click()
    shows(page, ".cm-status", "Variation 3 is the clip now; Undo goes back to")
    made = ids(page, tmp_path)
    drag(page, (2, 0.2), (2, 0.6))
    page.keyboard.press("Enter")
    done(page)
    page.get_by_label("Use variation 1").click()
    shows(page, ".cm-status", "Variation 1 is the clip now")
    assert np.array_equal(ids(page, tmp_path)[0], made[0]) and not np.array_equal(ids(page, tmp_path), made)
    page.locator(".cm-lanes").focus()
    page.keyboard.press("Control+z")
    shows(page, ".cm-status", "Undone. As it was.")
    assert np.array_equal(ids(page, tmp_path), made)
    page.keyboard.press("Control+z")
    shows(page, ".cm-status", "Undone: the clip is")
    assert np.array_equal(ids(page, tmp_path), before) and page.locator(".cm-length").inner_text() == length
    assert page.locator(".cm-card").count() == 0, "the variations were of another clip"
    page.keyboard.press("Control+y")
    shows(page, ".cm-status", "Redone: the clip is")
    assert np.array_equal(ids(page, tmp_path), made)


def test_a_block_is_pasted_into_another_clip(page, example_clips, tmp_path):
    page.locator("[data-edit=paste-here]").click()
    shows(page, ".cm-status", "Nothing was copied yet")
    donor = ids(page, tmp_path)
    page.locator(".cm-finer").uncheck()
    for name, value in (("from", "0.1"), ("to", "0.2"), ("stages", "1-2")):
        page.locator(f".cm-{name}").fill(value)
        page.locator(f".cm-{name}").press("Tab")
    page.locator("[data-edit=copy]").click()
    shows(page, ".cm-status", "Copied 10 cells")
    upload(page, example_clips[1])
    before = ids(page, tmp_path)
    page.locator(".cm-from").fill("0.04")
    page.locator(".cm-to").fill("0.06")
    page.locator(".cm-to").press("Tab")
    page.locator("[data-edit=paste]").click()
    shows(page, ".cm-status", "Pasted 10 cells at 0.04 s")
    after = ids(page, tmp_path)
    assert np.array_equal(after[:2, 2:7], donor[:2, 5:10])
    before[:2, 2:7] = after[:2, 2:7]
    assert np.array_equal(after, before)


def test_keys_play_copy_paste_and_take_back(page, example_clips, tmp_path):
    before = ids(page, tmp_path)
    page.locator(".cm-loop").check()
    page.locator(".cm-finer").uncheck()
    drag(page, (2, 0.2), (2, 0.3))
    n = selected(page)
    page.keyboard.press("Space")
    shows(page, ".cm-status", "Playing all stages")
    page.wait_for_selector(".cm.cm-playing")
    page.keyboard.press("Space")
    shows(page, ".cm-status", "Stopped.")
    page.keyboard.press("Control+c")
    shows(page, ".cm-status", f"Copied {n} cells")
    first = round(float(field(page, "from")) * 50)
    page.locator(".cm-lanes").focus()
    to = first + n + 2
    for key in ["Escape", "Home", *to * ["ArrowRight"]]:
        page.keyboard.press(key)
    page.keyboard.press("Control+v")
    shows(page, ".cm-status", f"Pasted {n} cells at")
    after = ids(page, tmp_path)
    assert np.array_equal(after[1, to : to + n], before[1, first : first + n])
    page.locator(".cm-lanes").focus()
    page.keyboard.press("Control+z")
    shows(page, ".cm-status", "Undone.")
    assert np.array_equal(ids(page, tmp_path), before)
    page.locator(".cm-lanes").focus()
    page.keyboard.press("Control+Shift+z")
    shows(page, ".cm-status", "Redone.")
    assert np.array_equal(ids(page, tmp_path), after)
    upload(page, example_clips[1])
    other = ids(page, tmp_path)
    block = before[1, first : first + n]
    to = next(column for column in range(other.shape[1] - n) if not np.array_equal(other[1, column : column + n], block))
    page.locator(".cm-lanes").focus()
    for key in ["Home", *to * ["ArrowRight"]]:
        page.keyboard.press(key)
    page.keyboard.press("Control+v")
    shows(page, ".cm-status", f"Pasted {n} cells at")
    other[1, to : to + n] = block
    assert np.array_equal(ids(page, tmp_path), other), "a block of the other clip"
    page.locator(".cm-lanes").focus()
    page.keyboard.press("Control+z")
    shows(page, ".cm-status", "Undone. As it was encoded.")
    page.keyboard.press("Control+z")
    shows(page, ".cm-status", "There is nothing to undo.")


def test_escape_ends_a_drag_with_what_was_selected_before(page):
    drag(page, (2, 0.1), (2, 0.2))
    before, count = selected(page), page.locator(".cm-count").text_content()
    box = lane(page, 4).locator(".cm-track").bounding_box()  # not under the bar of the selection
    page.mouse.move(box["x"] + 300, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 500, box["y"] + 10)
    page.wait_for_function("was => document.querySelector('.cm-count').textContent !== was", arg=count)
    page.keyboard.press("Escape")
    page.wait_for_function("was => document.querySelector('.cm-count').textContent === was", arg=count)
    page.mouse.move(box["x"] + 700, box["y"] + 10)
    page.mouse.up()
    assert selected(page) == before


def test_a_link_restores_labels_mask_seed_and_settings(page, pages):
    drag(page, (2, 0.3), (3, 0.5))
    page.locator(".cm-labels [data-label=speaker]").select_option("theo")
    page.locator(".cm-temperature").fill("0.7")
    page.locator(".cm-cut").select_option("top_p")
    page.locator(".cm-seed").fill("11")
    page.get_by_role("button", name="AI fill").click()
    done(page)
    page.locator(".cm-link").click()
    page.wait_for_url(re.compile("mask="))
    assert "example=" not in page.url and "make=" not in page.url, "the clip was uploaded: a link cannot hold it"
    other = pages(query=page.url.partition("?")[2])
    assert selected(other) == selected(page) and field(other, "stages") == field(page, "stages")
    for name in ("from", "to", "temperature", "seed", "cut", "cut-value", "prior"):
        assert field(other, name) == field(page, name), name
    assert other.locator(".cm-labels [data-label=speaker]").input_value() == "theo"


def test_a_link_with_an_unknown_label_says_which_are_known(pages):
    page = pages(None, query="label=digit:12&prior=nobody")
    shows(page, ".cm-status", "there is no digit 12; known are 0, 1, 2")
    shows(page, ".cm-status", "the prior nobody is not here")
