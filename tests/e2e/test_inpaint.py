"""Selecting cells and having a prior write them, as a person does it: a real page in Chromium, a prior that is a toy."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from browsing import EAR, ask_server, browser, download, lane, listen, settle, shows  # noqa: F401
from toy_prior import ToyPrior

ARTIFACTS = Path(os.environ.get("VQAUDIO_ARTIFACTS", Path(__file__).resolve().parents[2] / "artifacts"))


@pytest.fixture(scope="module")
def app(model_folder, tmp_path_factory):
    """The address of the app, in this process, with three toy priors: quick, slow, and one of another codec."""
    from vqaudio.ui import build, models

    patch = pytest.MonkeyPatch()
    patch.setenv("VQAUDIO_MODEL", str(model_folder))
    patch.setenv("VQAUDIO_PRIORS", os.pathsep.join(("toy", "slow", "foreign")))
    patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))
    codec = models.codec()
    toys = {"toy": ToyPrior(codec), "slow": ToyPrior(codec, "slow", 0.15), "foreign": ToyPrior(codec, "foreign", codec_name="x")}
    toys["slow"].sees_right = False
    patch.setattr(models, "_prior", lambda name: toys[name])
    demo = build.build()
    _, address, _ = demo.launch(prevent_thread_lock=True, quiet=True, **build.LAUNCH)
    yield address.rstrip("/")
    demo.close()
    patch.undo()


@pytest.fixture
def pages(browser, app, example_clips):  # noqa: F811
    """Opens pages with a clip in Select mode; fails the test on any script error."""
    contexts, faults = [], []

    def new(clip: Path | None = example_clips[0], width: int = 1440, query: str = "", **settings):
        context = browser.new_context(viewport={"width": width, "height": 1000}, accept_downloads=True, **settings)
        contexts.append(context)
        context.add_init_script(EAR)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"{app}/?{query}")
        page.wait_for_selector("#codemap .cm[data-priors]", state="attached")
        if clip:
            upload(page, clip)
            page.locator("[data-mode-is=select]").click()
        return page

    yield new
    for context in contexts:
        context.close()
    assert not faults


@pytest.fixture
def page(pages):
    return pages()


def upload(page, clip: Path) -> None:
    clear = page.locator("#sound [aria-label='Clear']")
    if clear.count():
        clear.click()
        page.wait_for_selector("#codemap .cm[data-state=empty]", state="attached")
    page.locator("#sound input[type=file]").first.set_input_files(str(clip))
    page.wait_for_selector("#codemap .cm[data-state=open]")
    settle(page)


def columns(page) -> int:
    return round(float(page.locator(".cm-length").inner_text()) * 50 + 0.49)


def drag(page, start: tuple, end: tuple, held: str | None = None) -> None:
    """From (lane's selector or stage, share of its width) to another."""
    points = []
    for where, share in (start, end):
        track = (lane(page, where) if isinstance(where, int) else page.locator(f"[data-which={where}]")).locator(".cm-track")
        track.scroll_into_view_if_needed()
        points.append((track, share))
    boxes = [(track.bounding_box(), share) for track, share in points]
    (x, y), (x2, y2) = [(box["x"] + share * box["width"], box["y"] + box["height"] / 2) for box, share in boxes]
    if held:
        page.keyboard.down(held)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x2, y2, steps=4)
    page.mouse.up()
    if held:
        page.keyboard.up(held)


def selected(page) -> int:
    return int(page.locator(".cm-count").inner_text().split(" ")[0])


def field(page, name: str) -> str:
    return page.locator(f".cm-{name}").input_value()


def ids(page, folder: Path) -> np.ndarray:
    return np.array(json.loads(download(page, "json", folder).read_text())["ids"])


def done(page) -> None:
    page.wait_for_function("document.querySelectorAll('.cm-card').length === 4")
    shows(page, ".cm-status", "Filled 4 times")


# --- the whole gesture ------------------------------------------------------------------------------------------------------


def test_drag_enter_listen_undo(page, tmp_path):
    before = ids(page, tmp_path)
    drag(page, (2, 0.3), (2, 0.5))
    assert 0 < selected(page) < before.size and field(page, "stages") == "2-4"
    page.keyboard.press("Enter")
    done(page)
    page.wait_for_function("window.ear.length > 0")
    heard = page.evaluate("window.ear.at(-1)")
    assert heard["gain"] == 1 and heard["rms"] > 0, "the first variation is played as it comes, at its true level"
    cells = selected(page)
    for text in page.locator(".cm-kept").all_inner_texts():
        kept, of = map(int, re.findall(r"\d+", text))
        assert kept == of == before.size - cells
    assert np.array_equal(ids(page, tmp_path), before), "nothing is in the clip before it is used"
    page.get_by_label("Use variation 2 as input").click()
    shows(page, ".cm-status", "Variation 2 is the clip now")
    after = ids(page, tmp_path)
    first, last = round(float(field(page, "from")) * 50), round(float(field(page, "to")) * 50)
    hole = np.zeros_like(before, dtype=bool)
    hole[1:, first:last] = True
    assert hole.sum() == cells and np.array_equal(after[~hole], before[~hole]) and not np.array_equal(after, before)
    page.locator(".cm-lanes").focus()
    page.keyboard.press("Control+z")
    shows(page, ".cm-status", "Undone. As it was encoded.")
    assert np.array_equal(ids(page, tmp_path), before)
    page.keyboard.press("Control+y")
    shows(page, ".cm-status", "Done again.")
    assert np.array_equal(ids(page, tmp_path), after)


def test_a_and_b_are_compared_at_true_level(page):
    drag(page, ("decoded", 0.3), (("decoded"), 0.6))
    page.locator(".cm-do-fill").click()
    done(page)
    page.locator(".cm-loop").check()
    page.get_by_label("Hear variation 3").click()
    shows(page, "[data-ab=b]", "B: variation 3")
    shows(page, "[data-which=decoded] .cm-name", "Variation 3")
    b = page.evaluate("window.ear.at(-1)")
    page.locator("[data-ab=a]").click()
    page.wait_for_function("document.querySelector('[data-ab=a]').getAttribute('aria-checked') === 'true'")
    a = page.evaluate("window.ear.at(-1)")
    assert a["gain"] == b["gain"] == 1 and a["rms"] != b["rms"] and a["n"] == b["n"]


def test_the_seed_is_shown_and_kept_on_request(page, tmp_path):
    drag(page, (1, 0.2), (1, 0.4))
    page.locator(".cm-seed").fill("7")
    page.locator(".cm-keep-seed").check()
    results = []
    for _ in range(2):
        page.locator(".cm-do-fill").click()
        done(page)
        assert "seed 7" in page.locator(".cm-card").first.inner_text()
        page.get_by_label("Use variation 1 as input").click()
        shows(page, ".cm-status", "Variation 1 is the clip now")
        results.append(ids(page, tmp_path))
        page.locator("[data-edit=undo]").click()
        shows(page, ".cm-status", "Undone.")
    assert np.array_equal(*results)
    page.locator(".cm-keep-seed").uncheck()
    page.locator(".cm-do-fill").click()
    page.wait_for_function("document.querySelector('.cm-seed').value !== '7'")


def test_the_steps_can_be_seen_and_heard(page):
    drag(page, ("original", 0.3), ("original", 0.8))
    page.locator(".cm-steps").fill("6")
    page.keyboard.press("Tab")
    page.locator(".cm-do-fill").click()
    done(page)
    page.locator(".cm-step").fill("1")
    shows(page, ".cm-step-text", "Step 1 of 6:")
    shows(page, ".cm-step-text", "not decided yet")
    page.wait_for_selector(".cm:not(.cm-playing)")
    page.locator(".cm-play").click()
    shows(page, ".cm-status", "Playing variation 1 after step 1.")
    page.locator(".cm-step").fill("6")
    shows(page, ".cm-step-text", "all cells decided")


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
    drag(page, ("original", 0.25), ("original", 0.5))
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
    assert selected(page) == 1 and field(page, "stages") == "2"
    for key in ("Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowDown"):
        page.keyboard.press(key)
    assert selected(page) == 6 and field(page, "stages") == "2-3"
    page.keyboard.press("Escape")
    assert selected(page) == 0
    page.keyboard.press("Enter")
    shows(page, ".cm-status", "No cell is selected")
    page.keyboard.press("Control+a")
    assert selected(page) == 4 * columns(page)


def test_a_finger_selects_and_the_page_scrolls_only_outside_select_mode(pages):
    page = pages(width=390, has_touch=True, is_mobile=True)
    track = lane(page, 2).locator(".cm-track")
    assert track.evaluate("(node) => getComputedStyle(node).touchAction") == "none"
    track.scroll_into_view_if_needed()
    box = track.bounding_box()
    touch = page.context.new_cdp_session(page)
    y = box["y"] + box["height"] / 2
    for kind, share in (("touchStart", 0.2), ("touchMove", 0.35), ("touchMove", 0.5), ("touchEnd", None)):
        points = [] if share is None else [{"x": box["x"] + share * box["width"], "y": y}]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    shows(page, ".cm-status", "cells selected")
    assert selected(page) >= 9
    page.locator("[data-mode-is=look]").click()
    assert track.evaluate("(node) => getComputedStyle(node).touchAction") == "auto"


# --- surprise, new clips, blocks, links -------------------------------------------------------------------------------------


def test_the_surprise_of_a_clip(page):
    page.locator(".cm-colour").select_option("toy")
    shows(page, ".cm-scale-text", f"{5 * 4 * columns(page)} bits in all")
    shows(page, ".cm-status", "an exact likelihood")
    lane(page, 2).locator("canvas").hover(position={"x": 60, "y": 15})
    shows(page, ".cm-tip", "5.00 bits of surprise")
    page.locator(".cm-colour").select_option("")
    shows(page, ".cm-scale-text", "a colour is a codeword")


def test_a_new_clip_needs_no_clip(pages):
    page = pages(None)
    page.locator("[data-label=digit]").select_option("7")
    page.locator(".cm-seconds").fill("0.4")
    page.locator(".cm-new").click()
    shows(page, ".cm-status", "Made 7, seed")
    shows(page, ".cm-step-text", "Step 4 of 4")
    assert page.locator(".cm-length").inner_text() == "0.40"
    page.locator(".cm-seconds").fill("99")
    page.locator(".cm-new").click()
    shows(page, ".cm-status", "A new clip lasts from 0.1 to 10 s")
    assert page.locator(".cm-length").inner_text() == "0.40"


def test_a_block_is_pasted_into_another_clip(page, example_clips, tmp_path):
    page.locator("[data-edit=paste]").click()
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


def test_a_link_restores_labels_mask_seed_and_settings(page, pages):
    drag(page, (2, 0.3), (3, 0.5))
    page.locator("[data-label=speaker]").select_option("theo")
    page.locator(".cm-temperature").fill("0.7")
    page.locator(".cm-cut").select_option("top_p")
    page.locator(".cm-seed").fill("11")
    page.locator(".cm-link").click()
    page.wait_for_url(re.compile("mask="))
    other = pages(query=page.url.partition("?")[2])
    assert selected(other) == selected(page) and field(other, "stages") == field(page, "stages")
    for name in ("from", "to", "temperature", "seed", "cut", "cut-value", "prior"):
        assert field(other, name) == field(page, name), name
    assert other.locator("[data-label=speaker]").input_value() == "theo" and other.locator(".cm-keep-seed").is_checked()


def test_a_link_with_an_unknown_label_says_which_are_known(pages):
    page = pages(None, query="label=digit:12&prior=nobody")
    shows(page, ".cm-status", "there is no digit 12; known are 0, 1, 2")
    shows(page, ".cm-status", "the prior nobody is not here")


# --- bad input, other people ------------------------------------------------------------------------------------------------


def test_a_fill_is_cancelled_and_a_second_press_refused(page, tmp_path):
    before = ids(page, tmp_path)
    page.locator(".cm-prior").select_option("slow")
    shows(page, ".cm-prior-note", "does not see what stands to the right")
    page.locator("[data-mask=all]").click()
    page.locator(".cm-steps").fill("60")
    page.locator(".cm-do-fill").click()
    page.wait_for_function("document.querySelector('.cm-progress progress').value > 0")
    page.locator(".cm-do-fill").click()
    shows(page, ".cm-status", "A prior is at work already")
    page.locator(".cm-cancel").click()
    shows(page, ".cm-status", "Cancelled. The clip is as it was.")
    assert not page.locator(".cm-progress").is_visible()
    assert np.array_equal(ids(page, tmp_path), before)


@pytest.mark.parametrize("field_name, value, sentence", [
    ("temperature", "9", "The temperature is a number from 0 to 5."), ("steps", "0", "The steps are"),
    ("cut-value", "1.5", "Top-p is a number above 0"), ("guidance", "-1", "The guidance is"),
])  # fmt: skip
def test_settings_out_of_range_get_a_sentence(page, field_name, value, sentence):
    drag(page, (1, 0.2), (1, 0.4))
    page.locator(".cm-cut").select_option("top_p")
    page.locator(f".cm-{field_name}").fill(value)
    page.locator(".cm-do-fill").click()
    shows(page, ".cm-status", sentence)
    assert page.locator(".cm-card").count() == 0


def test_two_people_fill_at_once(pages, example_clips, tmp_path):
    first, second = pages(example_clips[0]), pages(example_clips[1])
    before = [ids(page, tmp_path) for page in (first, second)]
    for page in (first, second):
        page.locator(".cm-prior").select_option("slow")
        drag(page, (2, 0.3), (2, 0.5))
        page.locator(".cm-do-fill").click()
    for page, was in zip((first, second), before):
        done(page)
        page.get_by_label("Use variation 1 as input").click()
        shows(page, ".cm-status", "Variation 1 is the clip now")
        now = ids(page, tmp_path)
        assert now.shape == was.shape and np.array_equal(now[0], was[0]) and not np.array_equal(now, was)


def test_what_no_page_would_send_gets_a_sentence(app, page):
    seen = []
    listen(page, seen)
    drag(page, (2, 0.3), (2, 0.5))
    page.locator(".cm-do-fill").click()
    done(page)
    good = next(request for request in seen if request["fn_name"] == "fill")
    settings, rectangle = good["data"]["settings"], good["data"]["rectangles"][0]

    def told(**changes) -> str:
        answer = ask_server(app, good | {"data": good["data"] | changes})
        assert answer["ok"] is False
        return answer["error"]

    assert "knows 0, 1, 2" in told(settings=settings | {"labels": {"digit": "12"}})
    assert "it knows digit, speaker" in told(settings=settings | {"labels": {"mood": "good"}})
    assert "No cell is selected" in told(rectangles=[])
    assert "the clip ends at" in told(rectangles=[rectangle | {"end_s": 50.0}])
    assert "There are stages 1 to 4" in told(rectangles=[rectangle | {"stages": "5-5"}])
    for junk in ([[1, 2]], [rectangle] * 5000, {"start_s": 0}, [rectangle | {"end_s": float("nan")}]):
        assert "A mask is a list of rectangles" in told(rectangles=junk)
    assert "trained on the codes of x" in told(prior="foreign")
    assert "Known here: toy, slow" in told(prior="nobody")
    assert "no longer kept" in told(token="A" * 32)
    for name in ("progress", "step", "use", "cancel", "open_clip", "put"):
        assert "does not know" in ask_server(app, good | {"fn_name": name, "data": {"token": 5}})["error"]


def test_without_a_prior_the_fields_are_a_sentence(pages, monkeypatch):
    monkeypatch.setenv("VQAUDIO_PRIORS", "")
    page = pages()
    shows(page, ".cm-noprior", "No prior for this codec is here")
    assert not page.locator(".cm-do-fill").is_visible() and page.locator("[data-edit=copy]").is_visible()


# --- programs, and how it looks ---------------------------------------------------------------------------------------------


def test_the_endpoints_of_the_priors(app, example_clips, codec):
    from gradio_client import Client, handle_file

    from vqaudio.vqa import read_vqa

    client, clip = Client(app, verbose=False), handle_file(str(example_clips[0]))
    sound, vqa, told = client.predict(labels={"digit": "7"}, seconds=0.5, seed=3, api_name="/generate")
    assert soundfile.info(sound).frames == 4000 and told["seed"] == 3
    whole, _ = client.predict(clip, api_name="/encode")
    area = [{"start_s": 0.1, "end_s": 0.2, "stages": "2-4"}]
    _, vqa, told = client.predict(clip, area, seed=5, api_name="/inpaint")
    before, after = read_vqa(whole, codec), read_vqa(vqa, codec)
    mask = before.region(0.1, 0.2, (1, 2, 3))
    assert torch.equal(before.ids[~mask], after.ids[~mask]) and not torch.equal(before.ids, after.ids)
    assert told["cells_kept"] == told["cells_outside_mask"] == int((~mask).sum())
    score = client.predict(clip, api_name="/score")
    assert score["total_bits"] == pytest.approx(5 * before.ids.numel()) and score["likelihood"] == "exact"
    for changes, sentence in (({"labels": {"digit": "12"}}, "knows 0, 1, 2"), ({"temperature": 9}, "from 0 to 5"),
                              ({"prior": "foreign"}, "trained on the codes of x"), ({"rectangles": []}, "No cell is selected")):
        with pytest.raises(Exception, match=sentence):
            client.predict(clip, **({"rectangles": area} | changes), api_name="/inpaint")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_it_fits_the_window(pages, width, theme):
    page = pages(width=width, query=f"__theme={theme}")
    drag(page, (2, 0.3), (2, 0.5))
    page.locator(".cm-do-fill").click()
    done(page)
    page.mouse.move(1, 1)
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "nothing sticks out to the right"
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"inpaint-{width}-{theme}.png", full_page=True)
