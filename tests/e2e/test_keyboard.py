"""The keyboard as a person plays it: pointer, computer's keys, MIDI; its levels, and the sampler instrument."""

# ruff: noqa: F811  (fixtures are imported, and named as arguments)
import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from browsing import ask_server, browser, listen, shows, windows  # noqa: F401
from noting import app, toys  # noqa: F401

ARTIFACTS = Path(os.environ.get("VQAUDIO_ARTIFACTS", Path(__file__).resolve().parents[2] / "artifacts"))
STATUS = ".kb-status"
PHONE = {"width": 390, "has_touch": True, "is_mobile": True}
# Web MIDI with one keyboard, which the test plays and unplugs.
MIDI = """
const input = {id: "1", name: "Test keys", state: "connected"};
window.midi = {inputs: new Map([["1", input]]), input};
navigator.requestMIDIAccess = async () => window.midi;
window.strike = (...data) => input.onmidimessage({data});
window.unplug = () => {
  window.midi.inputs.delete("1");
  window.midi.onstatechange({port: input});
};
"""
# The gain of each note that starts.
GAINS = """
window.gains = [];
const start = AudioBufferSourceNode.prototype.start;
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (target, ...rest) {
  if (this instanceof AudioBufferSourceNode && target instanceof GainNode) this.volume = target;
  return connect.call(this, target, ...rest);
};
AudioBufferSourceNode.prototype.start = function (...when) {
  window.gains.push(this.volume.gain.value);
  return start.apply(this, when);
};
"""


@pytest.fixture
def keyboard(windows, toys):
    """Opens pages on the keyboard; nothing was made before."""
    from vqaudio.ui.keyboard import notes

    def new(width: int = 1440, query: str = "", script: str = "", **settings):
        notes.cache.clear()
        toys[0]["notes"].made.clear()
        page = windows(width, query, 90, **settings)
        if script:
            page.evaluate(f"{script}; null")  # of a script that ends in a function, playwright would call it
        page.get_by_role("tab", name="Instrument").click()
        page.wait_for_selector(".kb[data-state=open]")
        return page

    return new


def key(page, name: str):
    return page.locator(f'.kb-key[aria-label="{name}"]')


def ready(page, name: str) -> None:
    page.wait_for_selector(f'.kb-key[aria-label="{name}"][data-state=ready]')


def made(toys) -> list[str]:
    return [labels["pitch"] for labels in toys[0]["notes"].made]


def test_a_click_plays_a_note_that_is_made_once(keyboard, toys):
    page = keyboard()
    assert key(page, "C3").get_attribute("data-state") == "known"
    key(page, "E3").click(position={"x": 8, "y": 180})
    ready(page, "E3")
    page.wait_for_function("window.ear.length === 1")
    heard = page.evaluate("window.ear[0]")
    assert heard["rate"] == 16000 and heard["rms"] > 0.05
    shows(page, STATUS, "E3, cello.")
    key(page, "E3").click(position={"x": 8, "y": 180})
    page.wait_for_function("document.querySelector('.kb-status').textContent === 'E3, cello.'")
    assert made(toys) == ["E3"], "a note that is there is not made again"


def test_another_person_gets_the_same_note_without_making_it(keyboard, windows, toys):
    page = keyboard()
    page.locator(".kb-keys").focus()
    page.keyboard.press("z")
    ready(page, "C3")
    other = windows()
    other.get_by_role("tab", name="Instrument").click()
    other.wait_for_selector(".kb[data-state=open]")
    other.locator(".kb-keys").focus()
    other.keyboard.press("z")
    ready(other, "C3")
    assert made(toys) == ["C3"]
    other.locator(".kb-take").fill("1")
    other.locator(".kb-take").press("Tab")
    assert key(other, "C3").get_attribute("data-state") == "known", "another take is another note"


def test_the_computers_keys_play_chords_and_the_octaves_move(keyboard, toys):
    page = keyboard()
    page.locator(".kb-keys").focus()
    for letter in "zcb":
        page.keyboard.down(letter)
    for name in ("C3", "E3", "G3"):
        ready(page, name)
        assert key(page, name).get_attribute("data-down") == "true"
    for letter in "zcb":
        page.keyboard.up(letter)
    assert page.locator(".kb-key[data-down=true]").count() == 0
    page.keyboard.press("i")
    ready(page, "C5")
    page.keyboard.press("ArrowRight")
    shows(page, ".kb-range", "C4 to C6")
    page.keyboard.press("z")
    ready(page, "C4")
    assert sorted(made(toys)) == ["C3", "C4", "C5", "E3", "G3"]
    page.locator(".kb-take").focus()
    page.keyboard.press("5")
    assert len(made(toys)) == 5, "typing into a field plays nothing"


def test_a_drag_plays_what_it_passes_over(keyboard):
    page = keyboard()
    boxes = [key(page, name).bounding_box() for name in ("C3", "D3", "E3")]
    places = [(box["x"] + box["width"] / 2, box["y"] + box["height"] - 12) for box in boxes]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=2)
    assert key(page, "E3").get_attribute("data-down") == "true" and key(page, "C3").get_attribute("data-down") == "false"
    page.mouse.up()
    for name in ("C3", "D3", "E3"):
        ready(page, name)


def test_two_fingers_play_two_keys(keyboard):
    page = keyboard(**PHONE)
    page.locator(".kb-keys").scroll_into_view_if_needed()
    points = []
    for name in ("C3", "G3"):
        box = key(page, name).bounding_box()
        points.append({"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] - 12, "id": len(points)})
    page.context.new_cdp_session(page).send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": points})
    for name in ("C3", "G3"):
        ready(page, name)
        assert key(page, name).get_attribute("data-down") == "true"


def test_a_midi_keyboard_plays_and_the_page_says_when_it_is_unplugged(keyboard):
    page = keyboard(script=MIDI)
    page.locator(".kb-connect").click()
    shows(page, STATUS, "Connected: Test keys.")
    page.evaluate("strike(0x90, 60, 100)")
    ready(page, "C4")
    assert key(page, "C4").get_attribute("data-down") == "true"
    page.evaluate("strike(0x80, 60, 0)")
    assert key(page, "C4").get_attribute("data-down") == "false"
    page.evaluate("strike(0x90, 64, 100)")
    ready(page, "E4")
    page.evaluate("unplug()")
    shows(page, STATUS, "Test keys is no longer connected: its notes were let go.")
    assert page.locator(".kb-key[data-down=true]").count() == 0
    shows(page, ".kb-connect", "Connect MIDI")
    page.evaluate("strike(0x90, 20, 100)")
    shows(page, STATUS, "There is no note G♯0 here: notes knows C2 to C6.")


@pytest.mark.parametrize("script, sentence", [
    ("navigator.requestMIDIAccess = undefined", "This browser cannot use MIDI keyboards"),
    ("navigator.requestMIDIAccess = () => Promise.reject(new Error())", "does not allow this page to use MIDI"),
    ("navigator.requestMIDIAccess = async () => ({inputs: new Map()})", "No MIDI keyboard is plugged in"),
])  # fmt: skip
def test_without_midi_there_is_a_sentence(keyboard, script, sentence):
    page = keyboard(script=script)
    page.locator(".kb-connect").click()
    shows(page, STATUS, sentence)


def test_keys_that_the_model_does_not_know_are_marked(keyboard, toys):
    page = keyboard()
    for _ in range(2):
        page.locator(".kb-up").click()
    shows(page, ".kb-range", "C5 to C7")
    assert key(page, "C7").get_attribute("data-state") == "unknown"
    key(page, "C7").click(position={"x": 8, "y": 180})
    shows(page, STATUS, "There is no note C7 here: notes knows C2 to C6.")
    assert made(toys) == []


def test_all_keys_are_generated_and_the_status_says_when_that_is_done(keyboard, toys):
    page = keyboard()
    page.locator(".kb-ahead").click()
    shows(page, STATUS, "Generating 25 notes; play those that are ready meanwhile.")
    shows(page, STATUS, "Generated 25 notes.")
    assert page.locator(".kb-key[data-state=ready]").count() == 25 and len(made(toys)) == 25
    assert page.locator(".kb-made").inner_text() == ""


def test_notes_are_played_at_a_stated_level_and_their_true_level_is_one_press_away(keyboard):
    page = keyboard(script=GAINS)
    page.locator(".kb-keys").focus()
    page.keyboard.press("z")
    ready(page, "C3")
    shows(page, ".kb-level", "Played at \u221220 dBFS: gain ")
    gain_db = float(page.locator(".kb-level").inner_text().split("gain ")[1].split()[0].replace("\u2212", "-"))
    page.wait_for_function("window.gains.length === 1")
    page.locator(".kb-true").check()
    shows(page, ".kb-level", "Played as generated")
    page.locator(".kb-keys").focus()
    page.keyboard.press("z")
    page.wait_for_function("window.gains.length === 2")
    levelled, true = page.evaluate("window.gains")
    assert 20 * np.log10(levelled / true) == pytest.approx(gain_db, abs=0.06) and abs(gain_db) > 1


@pytest.mark.parametrize("size", [PHONE, {"width": 1440}], ids=["phone", "desktop"])
def test_every_target_is_large_enough_for_a_finger(keyboard, size):
    page = keyboard(**size)
    whites, keys = (8, 13) if size is PHONE else (15, 25)
    boxes = page.eval_on_selector_all(
        ".kb-key", "all => all.map(n => [n.classList.contains('kb-white'), n.getBoundingClientRect().width])"
    )
    assert len(boxes) == keys and sum(white for white, _ in boxes) == whites and all(width >= 39.9 for _, width in boxes)
    small = page.eval_on_selector_all(
        ".kb button:not(.kb-key), .kb select, .kb input[type=number]",
        "all => all.filter(n => n.offsetWidth).map(n => [n.className, n.getBoundingClientRect().height])"
        ".filter(([, height]) => height < 39.9)",
    )
    assert not small
    names = page.eval_on_selector_all(".kb button", "all => all.map(n => n.getAttribute('aria-label') || n.textContent.trim())")
    assert all(names) and len(set(names)) == len(names)
    assert page.locator(".kb-keys").get_attribute("aria-label").startswith("One octave" if size is PHONE else "Two octaves")


def test_the_instrument_is_a_zip_of_wavs_and_an_sfz(keyboard, toys, tmp_path):
    page = keyboard()
    page.locator(".kb [data-label=instrument]").select_option("flute")
    page.locator(".kb-low").select_option(label="C4")
    page.locator(".kb-high").select_option(label="E4")
    with page.expect_download() as waiting:
        page.locator(".kb-save").click()
    assert waiting.value.suggested_filename == "flute-C4-E4.zip"
    waiting.value.save_as(tmp_path / "a.zip")
    archive = zipfile.ZipFile(tmp_path / "a.zip")
    wavs = [name for name in archive.namelist() if name.endswith(".wav")]
    assert len(wavs) == 5 and archive.read("flute/flute.sfz").count(b"<region>") == 5
    assert soundfile.info(io.BytesIO(archive.read(wavs[0]))).samplerate == 16000
    assert made(toys) == ["C4", "Cs4", "D4", "Ds4", "E4"]
    shows(page, STATUS, "Saved flute-C4-E4.zip: 5 notes.")
    key(page, "C4").click(position={"x": 8, "y": 180})
    ready(page, "C4")
    assert len(made(toys)) == 5, "what the instrument made, the keys play"
    page.locator(".kb-low").select_option(label="C5")
    page.locator(".kb-save").click()
    shows(page, STATUS, "The lowest note, C5, is above the highest, E4.")


def test_an_instrument_that_takes_long_can_be_cancelled(keyboard):
    page = keyboard()
    page.locator(".kb-prior").select_option("slow")
    page.locator(".kb-save").click()
    page.wait_for_function("document.querySelector('.kb .cm-progress progress').value > 0")
    page.locator(".kb-cancel").click()
    shows(page, STATUS, "Cancelled. The notes that are finished are kept.")


def test_a_note_opens_in_the_code_map(keyboard):
    page = keyboard()
    key(page, "E3").click(position={"x": 8, "y": 180})
    ready(page, "E3")
    page.locator(".kb-open").click()
    page.wait_for_selector("#codemap .cm[data-state=open]")
    shows(page, "#codemap .cm-status", "Opened cello E3: 1.52 s")
    assert page.locator("#codemap .cm-lanes").is_visible()
    page.locator("[data-fold=recording]").click()
    shows(page, ".cm-report", "generated by notes")


def test_what_no_page_would_send_gets_a_sentence(app, keyboard):
    page, seen = keyboard(), []
    listen(page, seen)
    key(page, "E3").click(position={"x": 8, "y": 180})
    ready(page, "E3")
    good = next(request for request in seen if request["fn_name"] == "note")

    def told(name="note", **changes) -> str:
        answer = ask_server(app, good | {"fn_name": name, "data": good["data"] | changes})
        assert answer["ok"] is False
        return answer["error"]

    assert "There is no note C7 here: notes knows C2 to C6" in told(key=96)
    assert "There is no instrument 'kazoo'; notes knows cello, flute" in told(labels={"instrument": "kazoo"})
    assert "notes knows no label 'mood'" in told(labels={"mood": "good"})
    assert "No prior 'nobody' plays notes here. Known: notes, slow" in told(prior="nobody")
    for junk in ({"key": 128}, {"key": "C4"}, {"more": 1}):
        assert "reload the page" in told(**junk)
    assert "The take is a whole number" in told(take=-1)
    span = {"prior": "notes", "labels": {}, "low": 20, "high": 60, "seconds": 1.5, "take": 0}
    answer = ask_server(app, good | {"fn_name": "sampler", "data": span})
    assert "There is no note G#0 here" in answer["error"]


def test_the_endpoint_makes_an_instrument(app):
    from gradio_client import Client

    client = Client(app, verbose=False)
    path = client.predict(low="C4", high="D4", labels={"instrument": "flute"}, api_name="/sampler")
    assert Path(path).name == "flute-C4-D4.zip" and len(zipfile.ZipFile(path).namelist()) == 4
    for changes, sentence in (
        ({"low": "H4"}, "A note is written as C4"), ({"low": "C1"}, "There is no note C1 here: notes knows C2 to C6"),
        ({"labels": {"instrument": "kazoo"}}, "notes knows cello, flute"), ({"prior": "nobody"}, "Known: notes, slow"),
        ({"low": "E4"}, "is above the highest"), ({"seconds": 11}, "from 0.1 to 10"),
    ):  # fmt: skip
        with pytest.raises(Exception, match=sentence):
            client.predict(**({"low": "C4", "high": "D4"} | changes), api_name="/sampler")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_it_fits_the_window(keyboard, width, theme):
    page = keyboard(width=width, query=f"__theme={theme}")
    page.locator(".kb-keys").focus()
    for letter in "zcb":
        page.keyboard.down(letter)
    for name in ("C3", "E3", "G3"):
        ready(page, name)
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "nothing sticks out to the right"
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"keyboard-{width}-{theme}.png", full_page=True)
