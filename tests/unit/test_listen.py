"""`vqaudio listen` on recorded speech, with a simulated sound card that calls the pipe like PortAudio."""

import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from vqaudio import audio, vqa
from vqaudio.cli import live
from vqaudio.errors import InputError

BLOCK, RATE = 160, 8000
CARD_S = 0.03  # the stand-in's own delay
FINE = SimpleNamespace(input_overflow=False, output_underflow=False)


@pytest.fixture(autouse=True)
def threads():
    """`listen` switches to one thread; restore the number for other tests."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def speech(example_clips) -> np.ndarray:
    """Three spoken digits, [N] in whole blocks."""
    sound = np.concatenate([audio.load(path, RATE)[0][0].numpy() for path in example_clips[:3]])
    return sound[: len(sound) // BLOCK * BLOCK]


class Card:
    """Simulates the package sounddevice and a sound card whose microphone hears `sound` once.

    Args:
        rate: the only sample rate, Hz, that it takes.
        unplugged: it says that it has stopped when the sound is over; otherwise it only falls silent.
    """

    PortAudioError = type("PortAudioError", (Exception,), {})

    def __init__(self, sound=(), rate=RATE, unplugged=False, channels=(1, 2), busy=False):
        self.sound, self.rate, self.unplugged, self.channels, self.busy = sound, rate, unplugged, channels, busy

    def query_devices(self):
        inputs, outputs = self.channels
        return [{"name": "Card", "max_input_channels": inputs, "max_output_channels": outputs}] if inputs or outputs else []

    def check_input_settings(self, device, channels, dtype, samplerate):
        if device not in (None, 0, "Card"):
            raise ValueError(f"No input device matching {device!r}")
        if samplerate != self.rate:
            raise self.PortAudioError("Invalid sample rate")

    check_output_settings = check_input_settings

    def Stream(self, samplerate, blocksize, callback, finished_callback, **_):
        if self.busy:
            raise self.PortAudioError("Device unavailable [PaErrorCode -9985]")
        self.pipe, self.rate, self.size = callback.__self__, samplerate, blocksize
        return self

    def __enter__(self):
        self.thread = threading.Thread(target=self._play, daemon=True)
        self.thread.start()

    def __exit__(self, *_):
        self.sound = ()
        self.thread.join()

    def _play(self):
        for i in range(len(self.sound) // self.size):
            while self.pipe.recorded.qsize() > 5 and len(self.sound):
                time.sleep(0.001)
            if len(self.sound):
                call(self.pipe, self.sound, i)
        if self.unplugged:
            self.pipe.finished()


def call(pipe, sound: np.ndarray, i: int, status=FINE) -> np.ndarray:
    """The sound card's i-th callback: passes the i-th block and returns the output."""
    n, out = pipe.block, np.full((pipe.block, 1), np.nan, np.float32)
    times = SimpleNamespace(inputBufferAdcTime=5 + i * n / pipe.rate, outputBufferDacTime=5 + i * n / pipe.rate + CARD_S)
    pipe.callback(sound[i * n : (i + 1) * n, None], out, n, times, status)
    return out[:, 0]


@pytest.fixture
def session(codec):
    from vqaudio.streaming import StreamingEncoder

    made = live.Session(codec, None, RATE)
    made.encoder = StreamingEncoder(codec, -25)
    return made


def test_the_output_is_the_decoded_speech_and_the_delay_is_measured(codec, session, speech):
    heard = []
    for i in range(len(speech) // BLOCK):
        heard.append(call(session.pipe, speech, i))
        session.step(session.pipe.listen())
    heard = np.concatenate(heard)
    delay = round(codec.delay_s * RATE) + live.HEADROOM * BLOCK
    whole = codec.decode(codec.encode(torch.from_numpy(speech)[None, None], level_db=-25))[0, 0].numpy()
    assert np.abs(heard[:delay]).max() == 0
    np.testing.assert_allclose(heard[delay:], np.clip(whole, -1, 1)[: len(heard) - delay], atol=1e-4)
    assert np.abs(heard).max() > 1e-2
    assert set(np.round(session.pipe.delays_s, 6)) == {round(delay / RATE + CARD_S, 6)}
    assert (session.pipe.gaps, session.pipe.lost) == (0, 0)
    assert f"{1000 * (delay / RATE + CARD_S):.0f} ms" in session.summary()


def test_a_codec_that_stutters_gives_a_gap_and_catches_up(codec, session, speech):
    """The codec computes nothing for thirty blocks, then everything at once."""
    whole = codec.decode(codec.encode(torch.from_numpy(speech)[None, None], level_db=-25))[0, 0].clamp(-1, 1).numpy()
    count, pipe, delays = len(speech) // BLOCK, session.pipe, []
    for i in range(count):
        block = call(pipe, speech, i)
        if not 30 <= i < 60 or i == 59:
            while not pipe.recorded.empty():
                session.step(pipe.listen())
        if np.abs(block).max() > 0:
            delays.append(pipe.delays_s[-1])
            start = round(i * BLOCK - (delays[-1] - CARD_S) * RATE)  # the sample that should be playing, by the measured delay
            np.testing.assert_allclose(block, whole[start : start + BLOCK], atol=1e-4)
    assert (pipe.gaps, pipe.lost) == (1, 1)
    assert delays[-1] == pytest.approx(delays[0])


def test_a_codec_too_slow_loses_blocks_and_says_so(session, speech):
    sound = np.tile(speech, 5)
    for i in range(live.WAITING + 3):
        call(session.pipe, sound, i)
    assert session.pipe.lost == 3 and "dropouts: 3" in session.summary()


def test_errors_reported_by_the_sound_card_are_counted(session, speech):
    call(session.pipe, speech, 0, SimpleNamespace(input_overflow=True, output_underflow=True))
    assert (session.pipe.gaps, session.pipe.lost) == (1, 1)


def test_a_sound_card_with_another_rate_is_resampled(codec, speech):
    import soxr

    from vqaudio.streaming import StreamingEncoder, joined

    speech = np.tile(speech, 2)
    fast = soxr.resample(speech, RATE, 48_000).astype(np.float32)
    session = live.Session(codec, None, 48_000)
    session.encoder, session.record = StreamingEncoder(codec, -25), "kept"
    assert session.pipe.block == 960
    heard = []
    for i in range(len(fast) // 960):
        heard.append(call(session.pipe, fast, i))
        session.step(session.pipe.listen())
    codes = joined([*session.codes, session.encoder.finish()])
    assert session.pipe.gaps == 0
    assert len(speech) - 0.1 * RATE < int(codes.lengths[0]) <= len(speech)
    back = soxr.resample(codec.decode(codes)[0, 0].clamp(-1, 1).numpy(), RATE, 48_000)
    start = round((session.pipe.delays_s[-1] - CARD_S) * 48_000)
    one, other = np.concatenate(heard)[start + 2000 :], back[2000:]
    n = min(len(one), len(other)) - 2000
    assert np.corrcoef(one[:n], other[:n])[0, 1] > 0.99


def listening(monkeypatch, card, command, model_folder, *more):
    monkeypatch.setattr(live, "sounddevice", lambda: card)
    monkeypatch.setattr(live, "LOST_S", 0.5)
    return command("listen", "--model", model_folder, *more)


def test_listen_keeps_the_ids(monkeypatch, command, codec, model_folder, speech, tmp_path):
    card = Card(np.tile(speech, 2))
    arguments = ("--level-db", -25, "--seconds", 0.5, "--stages", 2, "--record", tmp_path / "a.vqa", "--input-device", "0")
    code, out, err = listening(monkeypatch, card, command, model_folder, *arguments)
    assert (code, err) == (0, "") and "0.5 s processed" in out and "codec delay" in out and "headphones" in out
    codes, expected = vqa.read_vqa(tmp_path / "a.vqa", codec), torch.from_numpy(speech[: RATE // 2])[None, None]
    assert torch.equal(codes.ids, codec.encode(expected, level_db=-25).ids)


def test_the_level_is_that_of_the_first_two_seconds_of_sound(monkeypatch, command, codec, model_folder, speech, tmp_path):
    sound = np.concatenate([np.zeros(RATE, np.float32), np.tile(speech, 4)])
    code, out, err = listening(
        monkeypatch, Card(sound), command, model_folder, "--seconds", 0.3, "--record", tmp_path / "a.vqa"
    )
    first = next(i for i in range(0, len(sound), BLOCK) if live.decibels(sound[i : i + BLOCK]) > live.SOUND_DB)
    calibration = torch.from_numpy(sound[first : first + 2 * RATE])[None, None]
    level = audio.active_level_db(calibration, torch.tensor([2 * RATE]), RATE)
    assert (code, err) == (0, "") and f"Level: {float(level):g} dBFS" in out
    assert vqa.read_vqa(tmp_path / "a.vqa", codec).level_db.tolist() == level.tolist()


@pytest.mark.parametrize("unplugged", [True, False])
def test_an_unplugged_sound_card_keeps_the_recording(monkeypatch, command, codec, model_folder, speech, tmp_path, unplugged):
    card = Card(speech, unplugged=unplugged)
    code, out, err = listening(
        monkeypatch, card, command, model_folder, "--level-db", -25, "--record", tmp_path / "a.vqa"
    )
    assert (code, err) == (2, "vqaudio: The microphone or the headphones were unplugged. Plug them in and start again.\n")
    assert f"Saved the codes to {tmp_path / 'a.vqa'}" in out
    assert int(vqa.read_vqa(tmp_path / "a.vqa", codec).lengths[0]) == len(speech)


def test_a_muted_microphone(monkeypatch, command, model_folder):
    code, _, err = listening(monkeypatch, Card(np.zeros(11 * RATE, np.float32)), command, model_folder)
    assert code == 2 and "No sound for 10 s. Unmute the microphone" in err and err.count("\n") == 1


@pytest.mark.parametrize("card, more, sentence", [
    (Card(channels=(0, 0)), (), "PortAudio finds no microphone"),
    (Card(channels=(0, 2)), (), "PortAudio finds no microphone"),
    (Card(channels=(1, 0)), (), "PortAudio finds no loudspeaker"),
    (Card(rate=12_345), (), "The sound card does not work here: Invalid sample rate"),
    (Card(), ("--input-device", "Studio"), "No input device matching 'Studio'"),
    (Card(busy=True), ("--level-db", "-20"), "Close other programs that use it"),
    (Card(), ("--seconds", "0"), "--seconds is 0.0; it takes a number above 0"),
    (Card(), ("--record", "a.wav"), "should end in .vqa"),
    (Card(), ("--record", "no/a.vqa"), "there is no folder"),
    (Card(), ("--stages", "9"), "stages 1 to 4"),
    (Card(), ("--level-db", "-900"), "-120 to 40"),
])  # fmt: skip
def test_impossible_requests_get_one_sentence(monkeypatch, command, model_folder, card, more, sentence):
    code, _, err = listening(monkeypatch, card, command, model_folder, *more)
    assert code == 2 and sentence in err and err.count("\n") == 1


def test_without_the_package_or_its_library_it_says_what_to_install(monkeypatch, command, tmp_path):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert "pip install 'sounddevice" in command("listen")[2]
    monkeypatch.delitem(sys.modules, "sounddevice")
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")  # as the package itself does
    monkeypatch.syspath_prepend(tmp_path)
    code, out, err = command("listen")
    assert (code, out) == (2, "") and "PortAudio" in err and "apt install libportaudio2" in err and err.count("\n") == 1


def test_the_list_of_devices(monkeypatch, command):
    monkeypatch.setattr(live, "sounddevice", lambda: Card())
    assert "Card" in command("listen", "--list-devices")[1]


def test_a_lost_card_is_an_input_error(session, monkeypatch):
    monkeypatch.setattr(live, "LOST_S", 0.01)
    with pytest.raises(InputError, match="were unplugged"):
        session.pipe.listen()
