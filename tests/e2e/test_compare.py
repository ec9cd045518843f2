"""The Compare view: two sides of one clip, the switch between them, the blind test and its score sheet."""

# ruff: noqa: F811  (fixtures are imported, and named as arguments)
import csv
import io
import os
import re
from math import comb
from pathlib import Path

import numpy as np
import pytest
import soundfile
from browsing import EAR, NO_TOUR, browser, opened, shows  # noqa: F401
from test_models import app, prior, voice  # noqa: F401

ARTIFACTS = Path(os.environ.get("VQAUDIO_ARTIFACTS", Path(__file__).resolve().parents[2] / "artifacts"))
# Every change of a gain, in order: which voice is audible, and how quickly it changes.
GAINS = """
window.gains = [];
const ramped = AudioParam.prototype.linearRampToValueAtTime;
AudioParam.prototype.linearRampToValueAtTime = function (value, end) {
  window.gains.push({ value, end });
  return ramped.call(this, value, end);
};
window.starts = [];
const usualStart = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (when, from) {
  window.starts.push({ when, from, seconds: this.buffer.duration, rate: this.buffer.sampleRate });
  return usualStart.call(this, when, from);
};
"""


@pytest.fixture
def pages(browser, app):
    contexts, faults = [], []

    def new(clip: Path, width: int = 1440, theme: str = "light"):
        context = browser.new_context(viewport={"width": width, "height": 1000}, accept_downloads=True)
        contexts.append(context)
        context.add_init_script(EAR + NO_TOUR + GAINS)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"{app}/?__theme={theme}")
        page.wait_for_selector("#codemap .cm[data-started]", state="attached")
        page.locator("#sound input[type=file]").set_input_files(str(clip))
        opened(page, clip.stem)
        page.get_by_role("tab", name="Compare").click()
        ready(page, clip.stem)
        return page

    yield new
    for context in contexts:
        context.close()
    assert not faults


def ready(page, title: str = "") -> None:
    page.wait_for_selector("#compare .cp[data-state=open]")
    page.wait_for_function("(title) => document.querySelector('.cp-title').textContent.startsWith(title)", arg=title)
    page.wait_for_function("document.querySelectorAll('#compare .cp-side dl dd').length >= 7")
    page.wait_for_selector(".cp-play:not([disabled])")


def test_without_a_recording_a_sentence_says_what_to_do():
    from vqaudio.ui.compare import pair

    value, token = pair.open_pair(None, False, None, None)
    assert "Open a recording in Studio" in value["empty"] and token is None


def side(page, name: str):
    return page.locator(f"[data-side={name}]")


def choose(page, name: str, model: str, stages: int) -> None:
    side(page, name).locator("select").select_option(model)
    slider = side(page, name).locator("input[type=range]")
    if slider.input_value() != str(stages):
        slider.fill(str(stages))
    page.wait_for_function(
        f"document.querySelector('[data-side={name}] .cp-rate').textContent.startsWith('{stages} of ')"
    )
    page.wait_for_timeout(400)  # the slider waits for more moves
    ready(page)


def played(page) -> list[dict]:
    """The levels of the three sounds of the last start, by their sample rates."""
    page.locator(".cp-play").click()
    return page.evaluate("window.ear.slice(-3)")


def decibels(rms: float) -> float:
    return 20 * np.log10(rms)


def test_it_opens_with_one_model_at_three_stages_and_at_all(pages, example_clips):
    page = pages(example_clips[0])
    a, b = side(page, "a"), side(page, "b")
    assert a.locator("select").input_value() == b.locator("select").input_value() == "wide"
    assert "3 of 12 stages · 1,500 bit/s" in a.inner_text() and "12 of 12 stages · 6,000 bit/s" in b.inner_text()
    page.get_by_role("tab", name="Studio").click()
    page.locator("#model label", has_text="small").click()
    page.get_by_role("tab", name="Compare").click()
    page.wait_for_function("document.querySelector('[data-side=b] select').value === 'small'")
    ready(page)
    assert "3 of 4 stages" in a.inner_text() and "4 of 4 stages" in b.inner_text()


def test_levels_are_matched_and_a_switch_turns_that_off(pages, example_clips):
    page = pages(example_clips[0])
    page.locator(".cp-loop").check()  # the clip may end before the switch is pressed
    choose(page, "b", "small", 4)
    original, _ = soundfile.read(example_clips[0])
    levels = [decibels(one["rms"]) for one in played(page)]
    assert max(levels) - min(levels) < 0.5, levels
    page.locator(".cp-match").uncheck()
    true_levels = [decibels(one["rms"]) for one in page.evaluate("window.ear.slice(-3)")]
    shown = [float(t.replace("\u2212", "-").split()[0]) for t in page.locator(".cp-side dl div:first-child dd").all_inner_texts()]
    assert np.allclose(sorted(true_levels), sorted(shown), atol=0.1) and max(shown) - min(shown) > 0.5
    assert min(abs(level - decibels(np.sqrt(np.mean(original**2)))) for level in true_levels) < 0.2
    page.locator(".cp-match").check()
    page.locator(".cp-play").click()
    levels = [decibels(one["rms"]) for one in played(page)]
    assert max(levels) - min(levels) < 0.5, levels


def test_all_sounds_start_at_the_same_instant_at_their_own_rates(pages, example_clips):
    page = pages(example_clips[0])
    choose(page, "b", "small", 4)
    page.locator(".cp-play").click()
    starts = page.evaluate("window.starts.slice(-3)")
    assert sorted(one["rate"] for one in starts) == [8000, 16000, 16000]
    assert len({(one["when"], one["from"]) for one in starts}) == 1


@pytest.mark.parametrize("width", [1440, 390])
def test_the_spectrograms_share_one_time_axis(pages, example_clips, width):
    page = pages(example_clips[0], width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    boxes = page.eval_on_selector_all(".cp-track", "all => all.map(n => n.getBoundingClientRect()).map(b => [b.left, b.right])")
    axis = page.eval_on_selector(".cp-axis", "n => { const b = n.getBoundingClientRect(); return [b.left, b.right]; }")
    assert len(boxes) == 5 and all(abs(box[i] - axis[i]) <= 1 for box in boxes for i in (0, 1)), (boxes, axis)
    assert page.locator(".cp-axis span").first.inner_text() == "0 s"


def test_compare_and_the_code_map_never_play_at_once(pages, tmp_path):
    tone = 0.2 * np.sin(np.arange(9 * 16000) / 10)  # long enough to go on playing while the test looks at it
    soundfile.write(tmp_path / "tone.wav", tone, 16000)
    page = pages(tmp_path / "tone.wav")
    page.locator(".cp-loop").check()
    page.locator(".cp-play").click()
    page.wait_for_selector("#compare .cm-playing")
    page.get_by_role("tab", name="Studio").click()
    page.locator("#codemap .cm-play").first.click()
    page.wait_for_selector("#codemap .cm-playing")
    page.wait_for_selector("#compare .cp:not(.cm-playing)", state="attached")
    page.get_by_role("tab", name="Compare").click()
    page.locator(".cp-play").click()
    page.wait_for_selector("#compare .cm-playing")
    page.wait_for_selector("#codemap .cm:not(.cm-playing)", state="attached")


def test_a_switch_in_mid_play_restarts_nothing(pages, example_clips):
    page = pages(example_clips[0])
    page.locator(".cp-loop").check()
    page.locator(".cp-play").click()
    began = page.evaluate("window.starts.length")
    page.evaluate("window.gains.length = 0")
    page.locator("[data-hear=b]").click()
    page.keyboard.press("o")
    page.keyboard.press("a")
    assert page.evaluate("window.starts.length") == began, "the sounds go on; only their gains change"
    gains = page.evaluate("window.gains")
    assert len(gains) == 9 and {gain["value"] for gain in gains} == {0, 1}
    for i in range(0, 9, 3):
        assert sum(gain["value"] for gain in gains[i : i + 3]) == 1, "one is audible at a time, at gain 1"
        assert len({gain["end"] for gain in gains[i : i + 3]}) == 1
    page.locator("[data-side=a] .cp-track").first.click(position={"x": 30, "y": 20})
    assert page.evaluate("window.starts.at(-1).from") > 0


def test_the_blind_test_and_its_score_sheet(pages, example_clips, tmp_path):
    page = pages(example_clips[0])
    choose(page, "a", "wide", 12)
    choose(page, "b", "small", 4)
    page.locator(".cp-loop").check()
    page.locator(".cp-planned").fill("6")
    page.locator(".cp-start").click()
    shows(page, ".cp-count", "Trial 1 of 6")
    assert page.locator("[data-side=a] select").is_disabled() and page.locator("[data-hear=x]").is_visible()
    assert not page.locator(".cp-result").is_visible()
    for trial in range(6):
        page.locator("[data-hear=a]").click()
        page.locator("[data-hear=x]").click()
        page.locator(f"[data-answer={'ab'[trial % 2]}]").click()
        assert page.locator(".cp-result").is_visible() == (trial == 5), "the score is hidden until the end"
    with page.expect_download() as waiting:
        page.locator(".cp-csv").click()
    waiting.value.save_as(tmp_path / "sheet.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "sheet.csv").read_text())))
    assert [row["answer"] for row in rows] == ["A", "B"] * 3 and all(int(row["switches"]) == 2 for row in rows)
    assert rows[0]["a_model"] == "wide" and rows[0]["b_bits_per_second"] == "1000" and rows[0]["level_matched"] == "1"
    right = sum(row["x_was"] == row["answer"] for row in rows)
    assert [int(row["right"]) for row in rows] == [int(row["x_was"] == row["answer"]) for row in rows]
    p = sum(comb(6, k) for k in range(right, 7)) / 2**6
    assert float(rows[-1]["p_so_far"]) == pytest.approx(p, rel=1e-3) and int(rows[-1]["right_so_far"]) == right
    told = page.locator(".cp-verdict").inner_text()
    assert told.startswith(f"{right} of 6 right.") and float(re.search(r"p = ([\d.]+)\)", told)[1]) == pytest.approx(p, abs=6e-4)
    assert page.locator(".cp-sheet tbody tr").count() == 6
    page.get_by_role("tab", name="Studio").click()
    page.get_by_role("tab", name="Compare").click()
    ready(page)


def test_a_test_that_is_stopped_says_so_and_equal_sides_are_refused(pages, example_clips):
    page = pages(example_clips[1])
    page.locator(".cp-start").click()
    page.locator("[data-answer=a]").click()
    page.locator(".cp-stop").click()
    shows(page, ".cp-verdict", "stopped after 1 of 16 trials")
    choose(page, "a", "wide", 12)
    page.locator(".cp-start").click()
    shows(page, ".cp-status", "A and B are the same")
    page.locator("[data-side=b] input").fill("2")
    page.locator(".cp-planned").fill("3")
    page.wait_for_timeout(600)
    page.wait_for_selector(".cp-side.cp-busy", state="detached")
    page.locator(".cp-start").click()
    shows(page, ".cp-status", "A test has 5 to 100 trials")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_it_fits_the_window(pages, example_clips, width, theme):
    page = pages(example_clips[2], width, theme)
    page.locator(".cp-planned").fill("5")
    page.locator(".cp-start").click()
    for _ in range(5):
        page.locator("[data-answer=a]").click()
    page.mouse.move(1, 1)
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "nothing sticks out to the right"
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"compare-{width}-{theme}.png", full_page=True)
