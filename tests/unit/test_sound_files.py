"""All the sound that is in a file is read, whatever its header says; what is missing is named, in every format alike."""

import io
import logging
import struct
import tempfile
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from vqaudio import audio, containers, sound_files
from vqaudio.containers import Part, View
from vqaudio.data.sources import sound_of
from vqaudio.errors import InputError

RATE = 16_000
CODECS = {  # name -> FFmpeg's container and encoder, the rate, and how many seconds the encoder may add
    "wav": ("wav", "pcm_s16le", RATE, 0), "rf64": ("wav", "pcm_s16le", RATE, 0), "aiff": ("aiff", "pcm_s16be", RATE, 0),
    "w64": ("w64", "pcm_s16le", RATE, 0), "caf": ("caf", "pcm_s16be", RATE, 0), "au": ("au", "pcm_s16be", RATE, 0),
    "flac": ("flac", "flac", RATE, 0), "mp3": ("mp3", "libmp3lame", RATE, 0.1), "mp2": ("mp2", "mp2", RATE, 0.1),
    "ogg": ("ogg", "vorbis", RATE, 0), "opus": ("ogg", "libopus", 48_000, 0.02), "m4a": ("ipod", "aac", RATE, 0.15),
    "fragmented mp4": ("mp4", "aac", RATE, 0.15), "webm": ("webm", "libopus", 48_000, 0.05), "aac": ("adts", "aac", RATE, 0.15),
}  # fmt: skip
OPTIONS = {
    "rf64": {"rf64": "always"}, "m4a": {"movflags": "+faststart"},
    "fragmented mp4": {"movflags": "frag_keyframe+empty_moov", "frag_duration": "200000"},
}
PCM = ("wav", "rf64", "aiff", "w64", "caf")


def tone(seconds: float, rate: int = RATE, hz: float = 440.0) -> np.ndarray:
    return (0.25 * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


class Pipe:
    """A file that can only be written to, so that no writer goes back to fill in a length."""

    def __init__(self):
        self.written = b""

    def write(self, data) -> int:
        self.written += bytes(data)
        return len(data)


def encoded(kind: str, seconds: float = 2.0, rate: int | None = None, channels: int = 1, pipe: bool = False, **options) -> bytes:
    container, codec, usual, _ = CODECS[kind]
    rate = rate or usual
    samples = np.repeat(tone(seconds, rate)[None], channels, 0)
    if kind == "ogg":  # FFmpeg's own encoder of Vorbis is for stereo only
        file = io.BytesIO()
        soundfile.write(file, samples.T, rate, format="OGG", subtype="VORBIS")
        return file.getvalue()
    with tempfile.TemporaryDirectory() as folder:
        file = Pipe() if pipe else f"{folder}/sound"
        _encode(file, container, codec, samples, rate, OPTIONS.get(kind, {}) | options)
        return file.written if pipe else Path(file).read_bytes()


def _encode(file, container: str, codec: str, samples: np.ndarray, rate: int, options: dict) -> None:
    with av.open(file, "w", format=container, options=options) as out:
        stream = out.add_stream(codec, rate=rate, layout="mono" if len(samples) == 1 else "stereo")
        convert = av.AudioResampler(format=stream.format, layout=stream.layout, rate=rate, frame_size=stream.frame_size or 1024)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=stream.layout.name)
        frame.sample_rate = rate
        for ready in [*convert.resample(frame), *convert.resample(None)]:
            for packet in stream.encode(ready):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)


def seconds_of(data: bytes) -> float:
    return audio.load(data, RATE)[0].shape[1] / RATE


def damage_of(data: bytes) -> str:
    return " ".join(audio.load(data, RATE)[1].damage)


def wav(data: bytes, size: int | None = None, riff: int = 0, before: bytes = b"", after: bytes = b"", rate: int = RATE) -> bytes:
    """A WAV whose sizes are what is asked for."""
    fmt = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16)
    stated = len(data) if size is None else size
    return b"RIFF" + struct.pack("<I", riff) + b"WAVE" + before + fmt + b"data" + struct.pack("<I", stated) + data + after


def pcm(seconds: float, rate: int = RATE) -> bytes:
    return (tone(seconds, rate) * 32767).astype("<i2").tobytes()


@pytest.mark.parametrize("kind", CODECS)
def test_a_whole_file_is_read_without_a_word(kind):
    data = encoded(kind)
    assert seconds_of(data) == pytest.approx(2, abs=CODECS[kind][3] + 1e-6)
    assert damage_of(data) == ""


@pytest.mark.parametrize("subtype,rate", [("VORBIS", RATE), ("VORBIS", 44_100), ("OPUS", 48_000)])
def test_an_ogg_file_has_exactly_the_samples_of_its_last_granule(subtype, rate):
    files = []
    for n in (1000, 3437, 12_345, 30_001):
        file = io.BytesIO()
        soundfile.write(file, tone(n / rate, rate), rate, format="OGG", subtype=subtype)
        files.append(file.getvalue())
        assert audio.load(files[-1], rate)[0].shape == (1, n)
    assert audio.load(files[1] + files[2], rate)[0].shape == (1, 3437 + 12_345), "chained streams end with theirs"


@pytest.mark.parametrize("size", [0, 1000, 2**31 - 1, 0x7FFFF000, 2**32 - 1])
@pytest.mark.parametrize("before", [b"", b"JUNK" + struct.pack("<I", 4044) + bytes(4044)])
def test_a_wav_whose_sizes_were_never_written_is_read_to_its_end(size, before):
    assert seconds_of(wav(pcm(3.0), size, before=before)) == 3.0


@pytest.mark.parametrize("kind", PCM)
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_header_that_says_less_than_is_there_is_not_believed(kind, share):
    data = bytearray(encoded(kind))
    layout = next(one for one in containers.LAYOUTS if containers.re.match(one.magic, data[:80], containers.re.DOTALL))
    at = containers._sound_chunk(io.BytesIO(data), 0, len(data), layout)
    name, size = layout.header.unpack_from(data, at)
    if kind == "rf64":
        data[20 + 8 : 20 + 16] = struct.pack("<Q", round(share * 64_000))
    else:
        header = layout.header.size * layout.counts_header
        layout.header.pack_into(data, at, name, header + round(share * (size - header)))
    assert seconds_of(bytes(data)) == pytest.approx(2, abs=0.01)
    assert "Its header says" in damage_of(bytes(data))


@pytest.mark.parametrize("after", [
    b"LIST" + struct.pack("<I", 12) + b"INFOIART" + bytes(4), b"TAG" + b"x" * 125, bytes(3000), b"x", b"ID3\4" + b"x" * 200
])  # fmt: skip
def test_what_follows_the_sound_and_is_none_is_not_read(after):
    data = wav(pcm(1.0), after=after)
    assert seconds_of(data) == 1.0 and damage_of(data) == ""


def test_a_wav_beyond_4_gb_states_its_size_less_2_to_the_32():
    """Without the bytes: only where the sound ends matters."""
    file = io.BytesIO(wav(pcm(1.0), size=len(pcm(1.0)) - 3000))
    part = containers.parts(file, len(file.getvalue()))[0]
    assert part.there == len(pcm(1.0)) and part.claimed == part.there - 3000


@pytest.mark.parametrize("kind", ["flac", "ogg", "webm", "aac", "mp3"])
def test_lengths_that_a_pipe_cannot_state(kind):
    data = encoded(kind, pipe=True)
    assert seconds_of(data) == pytest.approx(2, abs=CODECS[kind][3] + 0.01) and damage_of(data) == ""


@pytest.mark.parametrize("quality", ["0", "9"])
def test_an_mp3_without_a_table_is_read_to_its_end(quality):
    """Its length can only be guessed from its first frames, and where the rate varies the guess is wrong."""
    loud = np.concatenate([tone(1.0), np.random.default_rng(0).uniform(-0.5, 0.5, RATE).astype(np.float32)])
    file = io.BytesIO()
    with av.open(file, "w", format="mp3", options={"write_xing": "0"}) as out:
        stream = out.add_stream("libmp3lame", rate=RATE, layout="mono")
        stream.codec_context.qscale = True
        stream.codec_context.global_quality = int(quality) * 118
        frame = av.AudioFrame.from_ndarray(loud[None], format="fltp", layout="mono")
        frame.sample_rate = RATE
        for ready in av.AudioResampler(format=stream.format, layout="mono", rate=RATE, frame_size=576).resample(frame):
            out.mux(stream.encode(ready))
        out.mux(stream.encode(None))
    assert seconds_of(file.getvalue()) == pytest.approx(2, abs=0.15) and damage_of(file.getvalue()) == ""


@pytest.mark.parametrize("kind", [*PCM[:3], "flac", "ogg", "opus", "mp3", "m4a", "fragmented mp4", "webm", "aac"])
def test_files_joined_end_to_end_are_read_one_after_the_other(kind):
    data = encoded(kind, 1.0)
    padding_s = 0.25 if kind == "mp3" else 0.15
    assert seconds_of(3 * data) == pytest.approx(3 * seconds_of(data), abs=padding_s)


@pytest.mark.parametrize("kind", ["wav", "aiff", "flac", "ogg", "m4a", "aac", "mp3"])
def test_a_rate_and_a_number_of_channels_that_change_on_the_way(kind):
    sound, report = audio.load(encoded(kind, 1.0, 44_100) + encoded(kind, 1.0, 22_050, channels=2), RATE)
    assert sound.shape[1] / RATE == pytest.approx(2, abs=0.3)
    for middle in (0.5, 1.6):  # the pitch stays
        part = sound[0, round((middle - 0.25) * RATE) : round((middle + 0.25) * RATE)].numpy()
        assert np.argmax(np.abs(np.fft.rfft(part * np.hanning(len(part))))) * RATE / len(part) == pytest.approx(440, abs=4)
    assert any("sample rate changes from" in sentence for sentence in report.sentences)


@pytest.mark.parametrize("kind", CODECS)
def test_a_file_that_was_cut_short_is_read_and_says_so(kind):
    data = encoded(kind, 12.0)
    cut = data[: round(0.6 * len(data)) + 1]
    assert 3 < seconds_of(cut) < 9
    said = damage_of(cut)
    if kind in ("mp2", "aac"):  # no length is stated, and the cut may be between two frames
        assert said in ("", "Its end is missing: the file breaks off in the middle of the sound.")
    else:
        assert "It is incomplete" in said or "Its end is missing" in said


def test_an_m4a_without_its_index_says_what_is_lost():
    data = encoded("m4a", movflags="use_metadata_tags")
    with pytest.raises(InputError, match="cut short, and the index that MP4 files keep at their end is lost"):
        audio.load(data[: len(data) // 2], RATE)


def test_damage_in_the_middle_costs_no_more_than_what_is_damaged():
    data = bytearray(encoded("flac", 4.0))
    data[len(data) // 2 : len(data) // 2 + 4000] = bytes(4000)
    assert 3 < seconds_of(bytes(data)) < 3.8
    assert "incomplete" in damage_of(bytes(data))


@pytest.mark.parametrize("bits", [0, 7, 65_535])
@pytest.mark.parametrize("kind", [0, 1, 3, 0xFFFE])
def test_streams_that_nothing_decodes_are_refused(bits, kind):
    fmt = struct.pack("<HHIIHH", kind, 1, RATE, 2 * RATE, 2, bits)
    for body in (fmt, b"", fmt[:7]):
        data = b"WAVEfmt " + struct.pack("<I", len(body)) + body + b"data" + struct.pack("<I", 400) + bytes(400)
        try:
            assert audio.load(b"RIFF" + bytes(4) + data, RATE)[0].shape[0] == 1
        except InputError as error:
            assert "\n" not in str(error)


def test_integers_of_64_bits(tmp_path):
    fmt = struct.pack("<HHIIHH", 1, 1, RATE, 8 * RATE, 8, 64)
    samples = (tone(1.0).astype(np.float64) * 2**63).astype("<i8")
    data = b"WAVEfmt " + struct.pack("<I", 16) + fmt + b"data" + struct.pack("<I", samples.nbytes) + samples.tobytes()
    sound = audio.load(b"RIFF" + struct.pack("<I", len(data)) + data, RATE)[0]
    np.testing.assert_allclose(sound[0].numpy(), tone(1.0), atol=1e-6)


@pytest.mark.parametrize("form", ["NIST", "VOC", "PAF", "AVR", "AU", "W64", "CAF", "RF64", "AIFF"])
def test_containers_of_every_age_are_known_by_their_content(tmp_path, form):
    path = tmp_path / "sound.txt"
    soundfile.write(path, tone(1.0), RATE, format=form, subtype="PCM_16")
    assert seconds_of(path.read_bytes()) == 1.0


def test_a_tag_in_front_of_a_container_is_skipped():
    tag = b"ID3\4\0\0" + bytes([0, 0, 1, 0]) + bytes(128)
    assert seconds_of(tag + 2 * encoded("flac", 1.0)) == pytest.approx(2, abs=0.01)


def test_tables_that_promise_more_packets_than_bytes_are_refused():
    data = bytearray(encoded("m4a"))
    at = data.find(b"stsz")
    data[at + 8 : at + 16] = struct.pack(">II", 1, 60_000_000)
    assert containers.promises_too_much(io.BytesIO(data), Part(0, len(data)))
    with pytest.raises(InputError, match="not an audio file"):
        audio.load(bytes(data), RATE)


def test_a_file_of_too_many_files_is_refused():
    with pytest.raises(InputError, match="split it"):
        audio.load(wav(b"", riff=36) * (containers.MAX_PARTS + 2), RATE)


@pytest.mark.parametrize("data", [
    b"RIFF\0\0\0\0WAVE" + 200 * b"JUNK\0\0\0\0", wav(b"", after=200 * b"JUNK\0\0\0\0"),
    b"\0\0\0\x08ftyp" + 200 * b"\0\0\0\x08moof", b"\0\0\0\x08ftyp" + struct.pack(">I", 1608) + b"moov" + 200 * b"\0\0\0\x08free",
], ids=["WAV", "after the sound", "MP4", "boxes in a box"])  # fmt: skip
def test_a_file_of_nothing_but_chunks_is_left_before_its_end(data, monkeypatch):
    monkeypatch.setattr(containers, "MAX_CHUNKS", 100)
    with pytest.raises(InputError, match="not an audio file"):
        audio.load(data, RATE)


def test_what_is_longer_than_can_be_held_is_refused_at_once_but_can_be_described(monkeypatch):
    data = encoded("flac", 4.0)
    monkeypatch.setattr(audio, "MAX_SAMPLES", 3 * RATE)
    monkeypatch.setattr(sound_files, "BLOCK", 1000)
    blocks = []
    monkeypatch.setattr(audio.Meter, "measure", lambda self, rate, block: blocks.append(block))
    with pytest.raises(InputError, match="longer than 3 s"):
        audio.load(data, RATE)
    assert not blocks
    monkeypatch.undo()
    monkeypatch.setattr(audio, "MAX_SAMPLES", 3 * RATE)
    assert audio.inspect(data).duration_s == pytest.approx(4)
    with pytest.raises(InputError, match="longer than 3 s"):
        audio.load(encoded("flac", 4.0, pipe=True), RATE)


def test_several_tracks_are_named():
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as out:
        streams = [out.add_stream("libopus", rate=48_000, layout="mono") for _ in range(2)]
        for stream in streams:
            frame = av.AudioFrame.from_ndarray(tone(0.02, 48_000)[None], format="flt", layout="mono")
            frame.sample_rate = 48_000
            for packet in [*stream.encode(frame), *stream.encode(None)]:
                out.mux(packet)
    assert "It has 2 audio tracks; the first was read." in damage_of(file.getvalue())


def test_datasets_say_what_is_missing_from_a_file(tmp_path, caplog):
    path = tmp_path / "cut.wav"
    path.write_bytes(wav(pcm(2.0))[: 44 + RATE])
    with caplog.at_level(logging.WARNING):
        assert len(sound_of(path, RATE)) == RATE // 2
        assert audio.read(path, RATE).shape == (1, RATE // 2)
    assert caplog.messages == 2 * [f"{path}: It is incomplete: 0.50 of 2.00 s can be read."]


def test_a_view_is_the_file_with_its_patches():
    data, rng = bytes(range(100)), np.random.default_rng(0)
    whole = data[10:30] + b"abc" + data[33:40] + b"x" + data[41:90]
    view = View(io.BytesIO(data), Part(10, 90, {20: b"abc", 30: b"x"}))
    assert view.read() == whole and view.read() == b"" and view.seek(0, 2) == 80
    for _ in range(200):
        at, n = (int(number) for number in rng.integers(0, 90, 2))
        assert view.seek(at) == at and view.read(n) == whole[at : at + n] and view.tell() == at + len(whole[at : at + n])


def test_lying_and_damaged_files_work_or_get_one_sentence():
    rng = np.random.default_rng(1)
    files = [encoded(kind, 0.3) for kind in ("wav", "aiff", "caf", "w64", "flac", "ogg", "m4a", "fragmented mp4", "mp3", "webm")]
    for data in files:
        for _ in range(12):
            damaged = bytearray(data)
            at = int(rng.integers(0, min(400, len(data) - 8)))
            damaged[at : at + 4] = int(rng.choice([0, 1, 2**31, 2**32 - 1, 65_535])).to_bytes(4, "little")
            damaged[int(rng.integers(0, len(data)))] = int(rng.integers(256))
            try:
                sound, _ = audio.load(bytes(damaged[: int(rng.integers(1, 2 * len(data)))]), RATE, max_seconds=60)
                assert np.isfinite(sound.numpy()).all() and sound.abs().max() <= 1
            except InputError as error:
                assert "\n" not in str(error)


def test_a_named_file_is_named_in_its_errors(tmp_path):
    path = Path(tmp_path / "notes.spx")
    path.write_bytes(b"no sound at all" * 10)
    with pytest.raises(InputError, match=r"notes\.spx is not an audio file that can be read"):
        sound_of(path, RATE)
