"""The shipped notes codec and its prior in a browser: a region of a recorded note is painted and written anew."""

# ruff: noqa: F811  (fixtures are imported, and named as arguments)
import json

import numpy as np
import pytest
import soundfile
from browsing import browser, download, opened, served, shows, windows  # noqa: F401
from filling import done
from noting import paint

from vqaudio import hub
from vqaudio.ui.panels import examples

CODEC, PRIOR = "notes-16khz", "notes-16khz-masked"


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    if not {CODEC, PRIOR} <= set(hub.installed()):
        pytest.skip(f"weights/{CODEC} and weights/{PRIOR} are not here")
    patch = pytest.MonkeyPatch()
    yield from served(patch, tmp_path_factory)


@pytest.fixture
def page(windows):
    """The app on the notes, one of its examples open, and More open."""
    page = windows(1440, f"model={CODEC}", 60)
    opened(page, next(iter(examples.all_clips()["notes"].clips.values())))
    page.wait_for_selector(".cm:not(.cm-waiting)")
    page.locator("[data-fold=more]").click()
    return page


def decibels(path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A WAV's spectrogram [bins, frames] in dB, at least 70 dB below its loudest cell, its frequencies and its times."""
    samples, rate = soundfile.read(path)
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(samples, 512), 1024)[::256]
    power = np.abs(np.fft.rfft(frames * np.hanning(1024))).T ** 2
    return 10 * np.log10(power.clip(power.max() * 1e-7)), np.linspace(0, rate / 2, 513), np.arange(power.shape[1]) * 256 / rate


def test_a_painted_region_is_written_anew_and_other_frequencies_stay(page, tmp_path):
    sent = []
    page.on("request", lambda r: sent.append(json.loads(r.post_data)) if "component_server" in r.url else None)
    before, hz, seconds = decibels(download(page, "wav", tmp_path))
    paint(page, "sound", (0.3, 0.3), (0.7, 0.45))
    page.locator(".cm-seed").fill("1")
    page.locator(".cm-do-fill").click()
    done(page)
    page.get_by_label("Use variation 1").click()
    shows(page, "#codemap .cm-status", "Variation 1 is the clip now")
    after, _, _ = decibels(download(page, "wav", tmp_path))
    asked = next(request["data"]["rectangles"] for request in sent if request["fn_name"] == "fill")
    codec = hub.load(CODEC)
    n = len(codec.spec.stages)
    edges = codec.band_edges_hz(n - 1)
    fine = [r for r in asked if r["stages"] == f"{n}-{n}" and r["bands"]]
    bands = [int(band) for r in fine for band in r["bands"].split("-")]
    low, high = edges[min(bands) - 1], edges[max(bands)]
    columns = (seconds > min(r["start_s"] for r in fine)) & (seconds < max(r["end_s"] for r in fine))
    change = np.abs(after - before)[:, columns]
    inside = (hz >= low) & (hz < high)
    assert change[inside].mean() > 1, "the region did change"
    assert change[~inside].mean() < change[inside].mean()


def test_the_keyboard_plays_the_shipped_prior(page):
    page.get_by_role("tab", name="Instrument").click()
    page.wait_for_selector(".kb[data-state=open]")
    page.locator(".kb [data-label=instrument]").select_option("flute")
    page.locator(".kb-keys").focus()
    page.keyboard.press("q")
    page.wait_for_selector(".kb-key[data-state=ready]", timeout=60_000)
    page.wait_for_function("window.ear.at(-1).rate === 16000 && window.ear.at(-1).rms > 0.01")
