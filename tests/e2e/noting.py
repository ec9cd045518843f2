"""Pages of the app with a codec whose stages have bands, and a prior of notes behind it."""

import numpy as np
import pytest
import soundfile
from browsing import browser, fold, lane, ready, served, shows, upload, windows  # noqa: F401
from toy_notes import EDGES, RATE, BandTones, NotePrior


@pytest.fixture(scope="module")
def toys():
    codec = BandTones()
    return {"notes": NotePrior(codec), "slow": NotePrior(codec, "slow", 0.1)}, codec


@pytest.fixture(scope="module")
def app(toys, tmp_path_factory):
    """The address of the app, in this process, with the toy codec and priors."""
    from vqaudio.ui import models

    priors, codec = toys
    patch = pytest.MonkeyPatch()
    patch.setenv("VQAUDIO_MODEL", "tones")
    patch.setenv("VQAUDIO_PRIORS", "notes:slow")
    patch.setattr(models, "_codec", lambda source: codec)
    patch.setattr(models, "_prior", lambda name: priors[name])
    yield from served(patch, tmp_path_factory)


@pytest.fixture(scope="session")
def chord(tmp_path_factory):
    """A second with a tone in every band, each softer than the one below."""
    time = np.arange(RATE) / RATE
    middles = [(a * b) ** 0.5 for a, b in zip(EDGES, EDGES[1:])]
    sound = sum(0.12 * 0.8**i * np.sin(2 * np.pi * hz * time) for i, hz in enumerate(middles))
    path = tmp_path_factory.mktemp("sounds") / "chord.wav"
    soundfile.write(path, sound, RATE, subtype="PCM_16")
    return path


@pytest.fixture
def painted(windows, chord):  # noqa: F811
    """Opens pages with the chord, and More open."""

    def new(width: int = 1440, query: str = "", path=chord, **settings):
        page = windows(width, query, 90, **settings)
        page.wait_for_selector("#codemap .cm[data-priors]", state="attached")
        ready(page)
        upload(page, path)
        fold(page, "more")
        return page

    return new


def spot(page, which, x: float, y: float) -> tuple[float, float]:
    """A place on a lane: shares of its width from the left and of its height from the bottom."""
    track = (lane(page, which) if isinstance(which, int) else page.locator(f"#codemap [data-which={which}]")).locator(".cm-track")
    track.scroll_into_view_if_needed()
    box = track.bounding_box()
    return box["x"] + x * box["width"], box["y"] + (1 - y) * box["height"]


def paint(page, which, *places, held: str | None = None) -> None:
    """Drag over places on a lane."""
    points = [spot(page, which, *place) for place in places]
    if held:
        page.keyboard.down(held)
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=5)
    page.mouse.up()
    if held:
        page.keyboard.up(held)


def power_of(path, start_s: float, end_s: float) -> np.ndarray:
    """The power of a WAV in each of the eight bands, dB."""
    samples, rate = soundfile.read(path)
    part = samples[round(start_s * rate) : round(end_s * rate)]
    power = np.abs(np.fft.rfft(part * np.hanning(len(part)))) ** 2
    hz = np.linspace(0, rate / 2, len(power))
    return np.array([10 * np.log10(power[(hz >= a) & (hz < b)].sum() + 1e-9) for a, b in zip(EDGES, EDGES[1:])])
