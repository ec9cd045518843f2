"""What a codec of notes makes in the app of sounds that are no notes: a clip that opens, is heard, and can be painted on."""

import math

import numpy as np
import pytest
import soundfile
import torch

from vqaudio.codecs.spectrogram import SpectrogramCodec, SpectrogramConfig
from vqaudio.hub import save_compact
from vqaudio.ui import models
from vqaudio.ui.clip import cell_edits, handlers, opening
from vqaudio.ui.panels import examples

RATE = 16000
SMALL = SpectrogramConfig(channels=16, top_channels=16, encoder_blocks=1, top_blocks=1, decoder_blocks=1, vocab=32, latent_dim=8)
TIME = np.arange(2 * RATE) / RATE


def tone(hz, seconds=2.0):
    return 0.2 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)


SOUNDS = {
    "noise": np.random.default_rng(0).uniform(-0.3, 0.3, 2 * RATE),
    "silence": np.zeros(2 * RATE),
    "a chord": tone(262) + tone(330) + tone(392),
    "a glissando": 0.2 * np.sin(2 * np.pi * np.cumsum(np.geomspace(200, 2000, 2 * RATE)) / RATE),
    "30 s": np.tile(tone(220, 1.0), 30),
    "one sample": np.array([0.3]),
    "8 kHz": tone(440)[::2],
}


@pytest.fixture(scope="module", autouse=True)
def app_model(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / "notes"
    save_compact(SpectrogramCodec(SMALL), folder)
    patch = pytest.MonkeyPatch()
    patch.setenv("VQAUDIO_MODEL", str(folder))
    models._codec.cache_clear()
    yield
    patch.undo()
    models._codec.cache_clear()


def opened(path) -> dict:
    """What the server answers to an upload."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(path.parent))
        return opening.open_file({"path": str(path)})


def opens(path, seconds: float) -> str:
    value = opened(path)["clip"]
    token = value["token"]
    assert value["samples"] == math.ceil(seconds * RATE - 1e-6)
    answer = handlers.decode({"token": token, "stages": [0, 1]})
    assert answer["ok"] and (answer["level_db"] is None or math.isfinite(answer["level_db"]))
    return token


@pytest.mark.parametrize("what", SOUNDS)
def test_any_sound_is_a_clip_that_can_be_painted_on(what, tmp_path):
    sound, rate = SOUNDS[what], RATE // 2 if what == "8 kHz" else RATE
    soundfile.write(tmp_path / "in.wav", sound, rate)
    seconds = len(sound) / rate
    token = opens(tmp_path / "in.wav", seconds)
    bench = handlers.store.get(token)
    end_s = min(0.5, bench.codes.columns / bench.codes.spec.frame_rate)
    area = [{"start_s": 0.0, "end_s": end_s, "stages": "1-3", "bands": "2-3"}]
    before = bench.ids
    for change, more in ((cell_edits.randomise, {}), (cell_edits.blur, {"radius": 2.0, "strength": 1.0}), (cell_edits.erase, {})):
        answer = change({"token": token, "rectangles": area, **more})
        assert answer["ok"], answer
    changed = set((bench.ids != before).any(1).nonzero()[:, 0].tolist())
    assert changed <= {1, 2, 5, 6, 10, 11, 12, 13}, "bands 2 and 3 of two maps of 4 bands and of one of 8, in two steps a column"
    assert torch.isfinite(bench.sound((0, 1))).all()
    late = cell_edits.erase({"token": token, "rectangles": [area[0] | {"start_s": 100.0, "end_s": 101.0}]})
    assert "but the clip ends at" in late["error"]
    high = cell_edits.erase({"token": token, "rectangles": [area[0] | {"bands": "9"}]})
    assert high["error"].startswith("Bands are a number such as 3") and high["error"].endswith("there are bands 1 to 8 here.")
    handlers.store.drop(token)


def test_speech_is_opened_too():
    for path in examples.all_clips()["voice"].clips:
        info = soundfile.info(path)
        handlers.store.drop(opens(path, info.duration))


def test_more_than_a_minute_is_a_sentence(tmp_path):
    soundfile.write(tmp_path / "in.wav", np.zeros(61 * RATE), RATE)
    answer = opened(tmp_path / "in.wav")
    assert not answer["ok"] and "is longer than 60 s, the most that is accepted here" in answer["error"]
