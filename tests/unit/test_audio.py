"""Any audio in, mono float32 out, and 16-bit files at their true level."""

import io

import av
import numpy as np
import pytest
import soundfile
import torch

from vqaudio import audio, sound_files
from vqaudio.errors import InputError


def tone(rate: int, seconds: float = 1.0, channels: int = 1, level: float = 0.25, hz: float = 440.0) -> np.ndarray:
    wave = level * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate)
    return np.repeat(wave[:, None], channels, 1).astype(np.float32)


def write_with_pyav(path, container: str, codec: str, samples: np.ndarray, rate: int) -> None:
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate, layout="stereo")
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), format="fltp", layout="stereo")
        frame.sample_rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            file.mux(packet)


def assert_is_the_tone(sound: torch.Tensor, rate: int, seconds: float = 1.0, level: float = 0.25, hz: float = 440.0) -> None:
    assert sound.shape[0] == 1 and sound.dtype == torch.float32
    assert abs(sound.shape[1] / rate - seconds) < 0.1
    middle = sound[0, sound.shape[1] // 4 : 3 * sound.shape[1] // 4].numpy()
    assert 20 * np.log10(np.sqrt(np.mean(middle**2)) * np.sqrt(2) / level) == pytest.approx(0, abs=0.5)
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert np.argmax(spectrum) * rate / len(middle) == pytest.approx(hz, abs=5)


@pytest.mark.parametrize("kind,subtype", [
    ("WAV", "PCM_U8"), ("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "PCM_32"), ("WAV", "FLOAT"), ("WAV", "DOUBLE"),
    ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III"), ("AIFF", "PCM_16"),
])  # fmt: skip
@pytest.mark.parametrize("channels", [1, 2])
def test_reads_what_libsndfile_reads(tmp_path, kind, subtype, channels):
    path = tmp_path / "tone.xyz"  # a name that says nothing
    soundfile.write(path, tone(44100, channels=channels), 44100, format=kind, subtype=subtype)
    for source in (path, str(path), path.read_bytes()):
        sound, report = audio.load(source, 8000)
        assert_is_the_tone(sound, 8000)
        assert (report.sample_rate_hz, report.channels) == (44100, channels)


@pytest.mark.parametrize("container,codec,rate", [("ipod", "aac", 44100), ("webm", "libopus", 48000), ("adts", "aac", 48000)])
@pytest.mark.parametrize("name", ["tone.wav", "tone.m4a"])
def test_reads_what_only_ffmpeg_reads_whatever_its_name(tmp_path, container, codec, rate, name):
    path = tmp_path / name
    write_with_pyav(path, container, codec, tone(rate, channels=2), rate)
    for source in (path, path.read_bytes()):
        sound, report = audio.load(source, 8000)
        assert_is_the_tone(sound, 8000)
        assert (report.sample_rate_hz, report.channels) == (rate, 2)


@pytest.mark.parametrize("rate", [4000, 8000, 11025, 22050, 96000, 192000])
@pytest.mark.parametrize("channels", [1, 6])
def test_any_rate_and_surround_sound(tmp_path, rate, channels):
    path = tmp_path / "tone.wav"
    soundfile.write(path, tone(rate, channels=channels), rate, subtype="PCM_24")
    sound, report = audio.load(path, 8000)
    assert_is_the_tone(sound, 8000)
    assert sound.shape[1] == pytest.approx(8000, abs=1)
    assert any("8,000 Hz" in sentence for sentence in report.sentences) == (rate != 8000)
    assert any("6 channels" in sentence for sentence in report.sentences) == (channels == 6)


@pytest.mark.parametrize("dtype,scale", [
    ("uint8", 128), ("int8", 128), ("int16", 2**15), ("int32", 2**31), ("float32", 1), ("float64", 1), ("float16", 1)
])
@pytest.mark.parametrize("channels", [1, 2])
def test_arrays_of_every_type_have_one_level(dtype, scale, channels):
    samples = tone(16000, channels=channels) * scale + (128 if dtype == "uint8" else 0)
    samples = samples.round().astype(dtype) if scale > 1 else samples.astype(dtype)
    assert_is_the_tone(audio.load((16000, samples if channels == 2 else samples[:, 0]), 8000)[0], 8000)


def test_blocks_join_without_a_seam(monkeypatch):
    samples = tone(48000, channels=2)
    whole = audio.load((48000, samples), 8000)[0]
    monkeypatch.setattr(sound_files, "BLOCK", 1000)
    torch.testing.assert_close(audio.load((48000, samples), 8000)[0], whole, atol=1e-5, rtol=0)


def test_what_lies_above_the_new_rate_is_filtered_and_not_folded_back():
    sound, _ = audio.load((48000, tone(48000, hz=7000.0)), 8000)
    assert sound[0, 400:-400].abs().max() < 1e-3


def test_sixteen_bits_survive_a_round_trip_exactly(tmp_path):
    samples = np.arange(-32768, 32768, 7, dtype=np.int16)
    for name in ("a.wav", "a.flac", "A.WAV"):
        audio.save(tmp_path / name, torch.from_numpy(samples / np.float32(32768))[None], 8000)
        assert np.array_equal(soundfile.read(tmp_path / name, dtype="int16")[0], samples)
        assert np.array_equal(audio.to_int16(audio.load(tmp_path / name, 8000)[0]), samples)


def test_to_int16_clips_and_never_wraps():
    assert audio.to_int16(torch.tensor([[-2.0, -1.0, 0.0, 0.5, 1.0, 2.0]])).tolist() == [-32768, -32768, 0, 16384, 32767, 32767]
    assert audio.to_int16(np.zeros((1, 1, 3))).shape == (3,)


@pytest.mark.parametrize("wrong", [torch.zeros(2, 5), torch.tensor(1.0), torch.tensor([[float("nan")]])])
def test_to_int16_refuses_what_is_no_mono_clip(wrong):
    with pytest.raises(InputError):
        audio.to_int16(wrong)


def test_floats_beyond_full_scale_are_turned_down_and_it_says_so():
    sound, report = audio.load((8000, 4 * tone(8000, level=1.0)), 8000)
    assert report.peak == pytest.approx(4, abs=0.01)
    assert 0.99 < sound.abs().max() <= 1
    assert any("turned down by 12.0 dB" in sentence for sentence in report.sentences)


def test_clipping_is_told_from_a_loud_tone():
    loud = tone(8000, level=0.999)
    assert audio.load((8000, loud), 8000)[1].clipped_share == 0
    report = audio.load((8000, np.clip(2 * loud, -0.999, 0.999)), 8000)[1]
    assert 0.4 < report.clipped_share < 0.7
    assert any("clipped" in sentence for sentence in report.sentences)


def test_silence_and_quiet_are_told():
    sound, report = audio.load((8000, np.zeros(8000, np.int16)), 8000)
    assert sound.shape == (1, 8000) and report.peak == 0
    assert report.sentences[-1].startswith("It is silent")
    assert "very quiet" in audio.load((8000, tone(8000, level=0.001)), 8000)[1].sentences[-1]


def test_trimming_keeps_the_sound_and_a_margin():
    rng = np.random.default_rng(0)
    noise = 1e-4 * rng.standard_normal(24000).astype(np.float32)
    noise[8000:12000] += tone(8000, 0.5)[:, 0]
    sound, report = audio.load((8000, noise), 8000, trim=True)
    assert sound.shape[1] == pytest.approx(4000 + 2 * audio.TRIM_MARGIN_S * 8000, abs=320)
    assert report.duration_s == 3 and report.trimmed_s == pytest.approx(3 - sound.shape[1] / 8000)
    assert torch.equal(audio.load((8000, np.zeros(800)), 8000, trim=True)[0], torch.zeros(1, 800))
    assert audio.load((8000, noise), 8000)[1].trimmed_s == 0


def test_one_sample_is_audio():
    assert audio.load((8000, np.array([1000], np.int16)), 8000)[0].shape == (1, 1)


def test_too_long_is_refused_and_just_long_enough_is_not():
    assert audio.load((8000, tone(8000)), 8000, max_seconds=1.0)[0].shape == (1, 8000)
    with pytest.raises(InputError, match=r"longer than 0\.5 s"):
        audio.load((8000, tone(8000)), 8000, max_seconds=0.5)


@pytest.mark.parametrize("source,says", [
    (None, "no recording"), (b"", "empty"), (b"hello world" * 100, "not an audio file"),
    ((8000, np.zeros(0)), "length is 0 samples"), ((8000, np.zeros((0, 2))), "length is 0 samples"),
    ((8000, np.zeros((2, 2, 2))), "Samples are numbers"), ((8000, np.zeros((9, 65))), "65 channels"),
    ((8000, np.array(["a"])), "Samples are numbers"), ((8000, np.array(1.0)), "Samples are numbers"),
    ((0, np.zeros(9)), "sample rate of 0"), ((-8000, np.zeros(9)), "sample rate"), ((10**9, np.zeros(9)), "sample rate"),
    ((8000.5, np.zeros(9)), "needs its rate"), ((8000, np.zeros(9), 1), "needs its rate"),
    ((8000, np.array([0, np.nan, 0])), "NaN"), ((8000, np.array([0, -np.inf, 0])), "NaN"), ((8000, np.array([1e300, 0])), "NaN"),
    ((8000, np.array([[np.inf, -np.inf]])), "NaN"), ((192000, np.zeros(1)), "length is 1 samples"),
])  # fmt: skip
def test_bad_sources_get_one_sentence(source, says):
    with pytest.raises(InputError, match=says) as caught:
        audio.load(source, 8000)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_files_with_samples_that_are_no_numbers(tmp_path, subtype, value):
    samples = tone(8000)
    samples[4000] = value
    soundfile.write(tmp_path / "bad.wav", samples, 8000, subtype=subtype)
    with pytest.raises(InputError, match="NaN or infinite"):
        audio.load(tmp_path / "bad.wav", 44100)


def test_a_playlist_cannot_make_it_open_other_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_with_pyav("secret.aac", "adts", "aac", tone(44100, channels=2), 44100)
    playlist = tmp_path / "list.wav"
    playlist.write_text("ffconcat version 1.0\nfile secret.aac\n")
    with av.open(io.BytesIO(playlist.read_bytes())) as followed:  # what ffmpeg does if it may
        assert next(followed.decode(audio=0)).samples > 0
    for source in (playlist, playlist.read_bytes()):
        with pytest.raises(InputError, match="not an audio file"):
            audio.load(source, 8000)


def test_a_film_without_sound_is_refused(tmp_path):
    with av.open(str(tmp_path / "film.mp4"), "w") as file:
        stream = file.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        for packet in [*stream.encode(av.VideoFrame(64, 64, "yuv420p")), *stream.encode(None)]:
            file.mux(packet)
    with pytest.raises(InputError, match="not an audio file"):
        audio.load(tmp_path / "film.mp4", 8000)


@pytest.mark.parametrize("kind,subtype", [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")])
def test_damaged_files_work_or_get_one_sentence(kind, subtype):
    file = io.BytesIO()
    soundfile.write(file, tone(8000, 2.0), 8000, format=kind, subtype=subtype)
    data, rng = file.getvalue(), np.random.default_rng(0)
    outcomes = set()
    for _ in range(40):
        damaged = bytearray(data[: rng.integers(1, len(data))])
        for at in rng.integers(0, len(damaged), 5):
            damaged[at] = rng.integers(256)
        try:
            sound, _ = audio.load(bytes(damaged), 8000, max_seconds=60)
            assert torch.isfinite(sound).all() and sound.abs().max() <= 1
            outcomes.add("works")
        except InputError as error:
            assert "\n" not in str(error)
            outcomes.add("refused")
    assert outcomes


def test_saving_is_whole_or_not_at_all(tmp_path, monkeypatch):
    target = tmp_path / "a.wav"
    target.write_bytes(b"before")
    monkeypatch.setattr(audio.os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match=r"No space left.*a\.wav"):
        audio.save(target, torch.zeros(1, 100), 8000)
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"] and target.read_bytes() == b"before"


@pytest.mark.parametrize("name,says", [("a.mp3", "should end in"), ("a", "should end in"), ("no/a.wav", "no folder")])
def test_names_that_cannot_be_written(tmp_path, name, says):
    with pytest.raises(InputError, match=says):
        audio.save(tmp_path / name, torch.zeros(1, 100), 8000)


def test_active_level_ignores_pauses_and_follows_the_gain():
    loud = torch.zeros(2, 1, 16000)
    loud[:, 0, 4000:8000] = torch.from_numpy(tone(8000, 0.5)[:, 0])
    loud[1] *= 0.1
    lengths = torch.tensor([16000, 16000])
    level = audio.active_level_db(loud, lengths, 8000)
    assert level[0] == pytest.approx(20 * np.log10(0.25 / np.sqrt(2)), abs=0.26)
    assert level[0] - level[1] == pytest.approx(20, abs=0.01)
    loud[0, 0, 9000:] = 1.0  # after the clip's length: ignored
    assert audio.active_level_db(loud, torch.tensor([9000, 16000]), 8000)[0] == level[0]
    assert audio.active_level_db(torch.zeros(1, 1, 9), torch.tensor([9]), 8000)[0] == audio.SILENCE_DB


@pytest.mark.parametrize("right,channel,lost_db", [
    (-1.0, 1, 0), (-0.9, 1, 0), (-1.25, 2, 0), (-0.5, 1, 0), (0.0, None, -6), (1.0, None, 0), (-0.3, None, -9.2)
])
def test_channels_that_cancel_out_are_not_mixed(right, channel, lost_db):
    """One of them is kept, the louder one, and it says so. Less than that is a matter of taste."""
    left = tone(8000)[:, 0]
    sound, report = audio.load((8000, np.stack([left, right * left], 1)), 8000)
    louder = max(1.0, abs(right)) if channel else 1.0
    assert 20 * np.log10(sound.abs().max() / (louder * 0.25)) == pytest.approx(lost_db, abs=0.1)
    said = [sentence for sentence in report.sentences if "cancel out" in sentence]
    assert said == [] if channel is None else f"only channel {channel} was kept" in said[0]
    assert any("mixed to one" in sentence for sentence in report.sentences) == (channel is None)


def test_channels_that_cancel_out_are_found_beside_an_offset_and_over_many_blocks(monkeypatch):
    monkeypatch.setattr(sound_files, "BLOCK", 3000)
    left = tone(16000, 2.0)[:, 0]
    both = np.stack([left + 0.3, 0.3 - left], 1)
    sound, report = audio.load((16000, both), 8000)
    assert_is_the_tone(sound, 8000, 2.0)
    assert "cancel out" in report.remedies[0] and "DC offset of 30 %" in report.remedies[1]


def test_two_voices_do_not_cancel_out():
    voices = 0.1 * np.random.default_rng(0).standard_normal((8000, 2)).astype(np.float32)
    assert audio.load((8000, voices), 8000)[1].remedies == ()


@pytest.mark.parametrize("offset", [0.5, -0.2])
def test_an_offset_is_removed_and_it_says_so(offset):
    quiet = tone(8000, level=0.05)
    sound, report = audio.load((8000, quiet + np.float32(offset)), 8000)
    np.testing.assert_allclose(sound[0].numpy(), quiet[:, 0], atol=1e-5)
    assert any(f"DC offset of {100 * abs(offset):.0f} % of full scale" in sentence for sentence in report.sentences)
    assert_is_the_tone(audio.load((44100, tone(44100, level=0.05) + np.float32(offset)), 8000)[0], 8000, level=0.05)


def test_an_offset_beyond_full_scale_does_not_clip():
    swinging = np.where(np.arange(8000) % 100 < 5, 1.0, -1.0).astype(np.float32)  # mean -0.9
    sound, report = audio.load((8000, swinging), 8000)
    assert report.remedies and sound.max() == 1 and sound.min() == pytest.approx(-0.1 / 1.9, abs=1e-4)


def test_a_little_offset_and_a_short_clip_stay_as_they_are():
    for samples in (tone(8000) + np.float32(0.05), np.full(100, 0.5, np.float32), tone(8000, level=0.5, hz=10.0)[:300]):
        sound, report = audio.load((8000, samples), 8000)
        assert np.array_equal(sound[0].numpy(), samples.reshape(-1)) and report.remedies == ()


@pytest.mark.parametrize("wrong", [
    torch.ones(1, 1, 9, dtype=torch.int16), np.ones((1, 1, 9), np.int32), torch.ones(1, 1, 9, dtype=torch.bool),
    torch.full((1, 1, 9), -32768.0), torch.tensor([[[0.0, float("nan")]]]), torch.tensor([[[0.0, 1e300]]], dtype=torch.float64),
])  # fmt: skip
def test_samples_that_are_no_floats_within_full_scale_are_refused(wrong):
    with pytest.raises(InputError, match=r"floats in \[-1, 1\]|NaN or infinite"):
        audio.float_samples(wrong)


def test_floats_of_every_width_and_a_little_beyond_full_scale_pass():
    for kind in (torch.float16, torch.bfloat16, torch.float64, torch.float32):
        samples = audio.float_samples(torch.tensor([[[-1.5, 0.5, 2.0]]], dtype=kind))
        assert samples.dtype == torch.float32 and samples.tolist() == [[[-1.5, 0.5, 2.0]]]
