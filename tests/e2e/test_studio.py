"""The Studio as a stranger meets it: the first view, one player, the phone, selecting, what survives a reload, the tour."""

# ruff: noqa: F811  (fixtures are imported, and named as arguments)
import re

import numpy as np
import pytest
import soundfile
from browsing import (  # noqa: F401
    browser,
    fold,
    generate,
    lane,
    listen,
    opened,
    ready,
    settle,
    shows,
    solo,
    switch,
    upload,
    windows,
)
from filling import app, done, drag, ids, pages, selected  # noqa: F401

PHONE = {"width": 390, "height": 844, "has_touch": True, "is_mobile": True}
DESKTOP = {"width": 1440, "height": 900}
CONTROLS = "button, input, select, textarea, summary, [role=slider], [role=radio], a[href]"
# When each source starts and stops, on the clock of its context.
SOURCES = """
window.sources = [];
const [begin, end] = [AudioBufferSourceNode.prototype.start, AudioBufferSourceNode.prototype.stop];
AudioBufferSourceNode.prototype.start = function (when = 0, ...rest) {
  this.entry = { from: Math.max(when, this.context.currentTime), until: Infinity };
  window.sources.push(this.entry);
  return begin.call(this, when, ...rest);
};
AudioBufferSourceNode.prototype.stop = function (when = 0) {
  this.entry.until = Math.max(when, this.context.currentTime);
  return end.call(this, when);
};
"""


@pytest.fixture
def studio(windows):
    """Opens the page, and waits until the example can be played."""

    def new(query: str = "", script: str = "", **settings):
        page = windows(query=query, timeout_s=30, **{**DESKTOP, **settings})
        if script:
            page.evaluate(f"{script}; null")  # of a script that ends in a function, playwright would call it
        ready(page)
        return page

    return new


def box(page, selector: str) -> dict:
    return page.locator(selector).first.evaluate("(node) => node.getBoundingClientRect().toJSON()")


def visible_controls(page) -> list[str]:
    """The controls that can be seen, without the switches of the stages."""
    shown = page.locator("#codemap .cm").locator(CONTROLS).filter(visible=True)
    names = shown.evaluate_all("(all) => all.map((node) => node.getAttribute('aria-label') || node.textContent.trim())")
    return [name for name in names if not re.fullmatch(r"Stage \d+|Hear .*stage \d+.*", name)]


# --- the first view -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_clip_is_open_and_silent_until_play_is_pressed(studio, view):
    page = studio(**view)
    assert page.locator(".cm-title").inner_text() == "Zero (Theo)"
    assert page.evaluate("window.ear.length") == 0, "nothing plays before Play"
    for name in ("Play", "Record", "Upload", "Examples", "New", "More"):
        assert page.get_by_role("button", name=name, exact=True).first.is_visible(), name
    for name in ("Studio", "Instrument", "Compare", "Codebooks"):
        assert page.get_by_role("tab", name=name, exact=True).is_visible(), name
    assert page.get_by_role("slider", name="Stages", exact=True).is_visible() and switch(page, 1).is_visible()
    assert page.get_by_role("application", name="Code map", exact=True).is_visible()
    assert len(visible_controls(page)) <= 12, visible_controls(page)
    assert page.locator("audio").filter(visible=True).count() == 0, "there is one player, and it is ours"
    page.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_function("window.ear.length === 1")
    shows(page, "[role=status].cm-status", re.compile("Playing all stages|Stopped at the end"))


def test_on_a_phone_map_and_play_are_in_the_first_screen(studio):
    page = studio(**PHONE)
    for example in ("", "7_jackson_0"):
        if example:
            page.get_by_role("button", name="Examples", exact=True).tap()
            page.locator(f"[data-example='{example}']").tap()
            opened(page, "Seven (Jackson)")
            ready(page)
        assert page.evaluate("window.scrollY") == 0
        map_box, deck = box(page, ".cm-lanes"), box(page, ".cm-deck")
        assert map_box["top"] >= 0 and map_box["bottom"] <= deck["top"], "the whole map is above the bar"
        assert deck["bottom"] == 844 and box(page, ".cm-play")["bottom"] <= 844
    page.evaluate("window.scrollTo(0, 400)")
    assert box(page, ".cm-deck")["bottom"] == 844, "Play and Stages stay"
    fold(page, "more")
    targets = "button, input:not([type=checkbox]), select, summary"
    sizes = page.locator("#codemap .cm, #header").locator(targets).filter(visible=True)
    sizes = sizes.evaluate_all("(all) => all.map((n) => [n.textContent.trim() || n.className, n.offsetWidth, n.offsetHeight])")
    assert not [size for size in sizes if min(size[1:]) < 40]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_stages_are_heard_while_they_are_dragged_without_a_gap(studio):
    page = studio(script=SOURCES)
    settle(page)
    page.locator(".cm-slider").fill("2")
    assert page.evaluate("window.sources.length") == 0, "nothing plays before Play"
    fold(page, "more")
    page.locator(".cm-loop").check()
    page.get_by_role("button", name="Play", exact=True).click()
    for n in (1, 3, 4):
        page.locator(".cm-slider").fill(str(n))
        page.wait_for_timeout(60)
    sources = page.evaluate("window.sources")
    assert len(sources) == 4
    for before, after in zip(sources, sources[1:]):
        assert before["until"] >= after["from"], "the next sound starts before the one before it has faded out"
    shows(page, ".cm-depth-text", "1.0 kbit/s, 128 times smaller")
    page.locator(".cm-slider").fill("1")
    shows(page, ".cm-depth-text", "0.25 kbit/s, 512 times smaller")


def test_rows_fall_with_what_their_stage_contributes_and_can_be_even(studio):
    page = studio()
    heights = "[...document.querySelectorAll('.cm-lane-stage')].map((node) => node.offsetHeight)"
    assert len(set(page.evaluate(heights))) > 1
    fold(page, "more")
    page.get_by_label("Even rows").check()
    assert len(set(page.evaluate(heights))) == 1


# --- faults that were found by trying it --------------------------------------------------------------------------------------


def test_no_button_moves_when_what_is_heard_changes(studio):
    page = studio()
    settle(page)
    places = "() => [...document.querySelectorAll('.cm-lane, .cm-toggle, .cm-way, [data-source], [data-fold]')]"
    places += ".filter((n) => n.offsetWidth).map((n) => { const b = n.getBoundingClientRect(); return [b.left, b.top]; })"
    before = np.array(page.evaluate(places))
    switch(page, 3).hover()
    page.get_by_role("button", name="Hear what stage 3 adds").click()
    steps = [lambda: page.locator("[data-source=original]").click(), lambda: switch(page, 2).click(), lambda: solo(page, 4)]
    for step in steps:
        assert np.abs(np.array(page.evaluate(places)) - before).max() <= 1
        step()
    assert np.abs(np.array(page.evaluate(places)) - before).max() <= 1


def test_caption_sound_and_ring_agree_on_the_stages(studio):
    page, asked = studio(), []
    settle(page)
    listen(page, asked)
    for stage in (2, 4):
        switch(page, stage).click()
    fold(page, "quality")
    page.wait_for_selector(".cm:not(.cm-waiting)")
    shows(page, ".cm-depth-text", "stages 1, 3 · 0.50 kbit/s")
    assert [request["data"]["stages"] for request in asked if request["fn_name"] == "decode"][-1] == [0, 2]
    ring, dots = page.locator("[data-curve=mel_l1] .cm-here-dot"), page.locator("[data-curve=mel_l1] .cm-dot")
    assert ring.get_attribute("cx") == dots.nth(1).get_attribute("cx"), "two stages' worth of bits"
    switch(page, 3).hover()
    page.get_by_role("button", name="Hear what stage 3 adds").click()
    shows(page, ".cm-depth-text", "stage 3 alone · 0.25 kbit/s")
    assert ring.count() == 0, "a difference has no quality of its own"
    assert [switch(page, n).get_attribute("aria-checked") for n in (1, 2, 3, 4)] == ["false", "false", "true", "false"]
    page.locator("[data-source=decoded]").click()
    shows(page, ".cm-depth-text", "stages 1, 3 · 0.50 kbit/s")


def test_two_quick_presses_on_examples_open_the_second(studio):
    page = studio()
    for _ in range(3):
        for name in ("5_nicolas_3", "8_yweweler_4"):
            page.evaluate("(name) => document.querySelector(`[data-example='${name}']`).click()", name)
        opened(page, "Eight (Yweweler)")
        settle(page)
        assert "no longer kept" not in page.locator(".cm-status").inner_text()
        page.evaluate("document.querySelector(`[data-example='0_theo_1']`).click()")
        opened(page, "Zero (Theo)")


def test_cut_silence_shortens_the_open_clip_and_says_so(studio, tmp_path):
    sound = np.zeros(8000)
    sound[3000:5000] = 0.3 * np.sin(np.arange(2000) * 0.4)
    soundfile.write(tmp_path / "silence.wav", sound, 8000)
    page = studio()
    upload(page, tmp_path / "silence.wav")
    fold(page, "recording")
    page.get_by_role("button", name="Cut silence from both ends").click()
    shows(page, ".cm-status", "s of silence")
    assert float(page.locator(".cm-length").inner_text()) < 0.7
    page.get_by_role("button", name="Cut silence from both ends").click()
    shows(page, ".cm-status", "There is no silence to cut")
    page.go_back()
    page.wait_for_function("document.querySelector('.cm-length').textContent === '1.00'")


def test_each_stage_has_buttons_of_its_own_name(studio):
    page = studio()
    names = page.locator(".cm-solo").evaluate_all("(all) => all.map((node) => node.getAttribute('aria-label'))")
    assert names == [f"Hear only stage {n}" for n in (1, 2, 3, 4)]


def test_the_tooltip_goes_when_a_stroke_starts(studio):
    page = studio()
    place = box(page, "[data-stage='1'] .cm-track")
    page.mouse.move(place["left"] + 200, place["top"] + 8)
    page.mouse.move(place["left"] + 205, place["top"] + 8)
    assert page.locator(".cm-tip").is_visible()
    page.mouse.down()
    page.mouse.move(place["left"] + 300, place["top"] + 8, steps=3)
    assert not page.locator(".cm-tip").is_visible()
    page.mouse.up()


def test_generated_sound_plays_at_a_stated_loudness(studio):
    page = studio()
    page.wait_for_selector(".cm[data-priors=some]")
    generate(page, 0.4)
    done(page, "The map shows variation 1")
    shows(page, ".cm-gutter-sound", "Variation 1")
    played = page.evaluate("window.ear.at(-1)")
    gain_db, level_db = 20 * np.log10([played["gain"], played["rms"]])
    text = page.locator(".cm-level-switch").inner_text().replace("\u2212", "-")
    assert float(re.search(r"([+-][\d.]+) dB$", text)[1]) == pytest.approx(gain_db, abs=0.06)
    assert text.startswith("-23 dBFS") and gain_db + level_db <= -23 + 0.1
    page.locator(".cm-level-switch").click()
    shows(page, ".cm-status", "at its true level")


# --- selecting ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_bar_of_a_selection_stays_in_the_window(studio, view):
    page = studio(**view)
    for ends in ((0.0, 0.1), (0.4, 0.6), (0.9, 1.0)):
        drag(page, (1, ends[0]), (4, ends[1]))
        for scroll in (0, 120, 10_000):
            page.evaluate("(y) => window.scrollTo(0, y)", scroll)
            page.wait_for_timeout(50)
            bar = box(page, ".cm-floating")
            assert bar["left"] >= 0 and bar["right"] <= view["width"] and bar["top"] >= 0 and bar["bottom"] <= view["height"]
        page.evaluate("window.scrollTo(0, 0)")
    bar = page.get_by_role("toolbar", name="Selection")
    for name in ("AI fill", "Erase", "Blur", "Randomise", "Copy", "Clear the selection"):
        assert bar.get_by_role("button", name=name, exact=True).is_visible()
    bar.get_by_role("button", name="Clear the selection").click()
    bar.wait_for(state="hidden")  # drawn with the next frame


def test_a_handle_moves_an_edge_of_the_selection(studio):
    page = studio()
    fold(page, "more")
    drag(page, (2, 0.3), (2, 0.5))
    before = [float(page.locator(f".cm-{name}").input_value()) for name in ("from", "to")]
    handle, track = box(page, ".cm-handle[data-edge=right]"), box(page, "[data-stage='1'] .cm-track")
    page.mouse.move(handle["left"] + handle["width"] / 2, handle["top"] + handle["height"] / 2)
    page.mouse.down()
    page.mouse.move(track["left"] + 0.7 * track["width"], handle["top"], steps=4)
    page.mouse.up()
    after = [float(page.locator(f".cm-{name}").input_value()) for name in ("from", "to")]
    assert after[0] == before[0] and after[1] > before[1] + 0.05
    assert page.locator(".cm-stages").input_value() == "2-4"


# --- nothing is lost ----------------------------------------------------------------------------------------------------------


def test_a_reload_keeps_the_clip_and_its_edits(studio, tmp_path):
    page = studio()
    drag(page, (2, 0.2), (2, 0.5))
    page.locator("[data-touch=randomise]").click()
    shows(page, ".cm-status", "1 change in all")
    after = ids(page, tmp_path)
    page.reload()
    ready(page)
    assert np.array_equal(ids(page, tmp_path), after)
    page.get_by_role("button", name="Undo", exact=True).click()
    shows(page, ".cm-status", "As it was encoded.")
    assert not np.array_equal(ids(page, tmp_path), after)


def test_a_clip_that_is_no_longer_kept_is_said_and_an_example_opens(studio):
    from vqaudio.ui.clip import handlers

    page = studio()
    token = page.evaluate("history.state.vqaudio")
    handlers.store.drop(token)
    page.reload()
    ready(page)
    shows(page, ".cm-status", "Your last clip is no longer on the server")
    assert page.locator(".cm-title").inner_text() == "Zero (Theo)"


def test_a_link_opens_its_example_and_shows_the_result(studio, tmp_path):
    page = studio("example=7_jackson_0")
    assert page.locator(".cm-title").inner_text() == "Seven (Jackson)"
    page.wait_for_selector(".cm[data-priors=some]")
    drag(page, (2, 0.3), (2, 0.5))
    page.get_by_role("button", name="AI fill").click()
    done(page)
    seeds = page.locator(".cm-card-seed").all_inner_texts()
    page.get_by_role("button", name="Copy a link").click()
    page.wait_for_url(re.compile("make=fill"))
    other = studio(page.url.partition("?")[2])
    done(other)
    assert other.locator(".cm-title").inner_text() == "Seven (Jackson)"
    assert other.locator(".cm-card-seed").all_inner_texts() == seeds
    assert other.evaluate("window.ear.length") == 0, "nobody has pressed Play"


# --- the first visit ----------------------------------------------------------------------------------------------------------


def test_three_coach_marks_follow_what_a_person_does(studio):
    page = studio(tour=True)
    mark = page.get_by_role("complementary", name="Tour")
    assert "Press Play" in mark.inner_text()
    page.get_by_role("button", name="Play", exact=True).click()
    shows(page, ".vq-mark", "Drag Stages to 1")
    page.locator(".cm-slider").fill("1")
    shows(page, ".vq-mark", "AI fill")
    mark.get_by_role("button", name="Skip").click()
    assert mark.count() == 0
    page.reload()
    ready(page)
    assert mark.count() == 0, "they are remembered in this browser"
    page.goto(page.url.split("?")[0] + "?tour=1")
    ready(page)
    assert "Press Play" in mark.inner_text()
