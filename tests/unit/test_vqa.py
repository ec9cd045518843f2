"""The .vqa file: whose it is, how large, and what it refuses."""

import struct
import subprocess
import sys
import zlib
from dataclasses import replace

import pytest
import torch

from vqaudio import vqa
from vqaudio.codes import Codes, CodeSpec, Stage
from vqaudio.errors import InputError


@pytest.fixture
def written(codec, tmp_path):
    codes = codec.encode(torch.randn(1, 1, 3300) * 0.1)
    vqa.write_vqa(tmp_path / "a.vqa", codes, codec)
    return codes, tmp_path / "a.vqa"


def forge(path, body: bytes) -> None:
    """A file with the right checksum over whatever it says."""
    path.write_bytes(b"VQA\x01" + struct.pack("<I", zlib.crc32(body)) + body)


def test_a_file_decodes_to_the_same_sound(codec, written):
    codes, path = written
    assert torch.equal(codec.decode(vqa.read_vqa(path, codec)), codec.decode(codes))


def test_a_short_clip_costs_little_more_than_its_indices(codec, written):
    codes, path = written
    assert path.stat().st_size == 68 + len(codec.name) + -(-codes.columns * 4 * 5 // 8)


def test_a_lower_rate_is_a_smaller_file(codec, written):
    codes, path = written
    vqa.write_vqa(path, codes.first(2), codec)
    assert torch.equal(vqa.read_vqa(path, codec).ids, codes.ids[:, :2])
    assert torch.equal(codec.decode(vqa.read_vqa(path, codec)), codec.decode(codes, stages=(0, 1)))


def test_a_batch_is_stored_without_its_padding(codec, tmp_path):
    codes = codec.encode(torch.randn(3, 1, 8000) * 0.1, torch.tensor([8000, 160, 161]))
    vqa.write_vqa(tmp_path / "a.vqa", codes, codec)
    header = vqa.read_header(tmp_path / "a.vqa")
    assert header.columns == (50, 1, 2) and header.duration_s == pytest.approx(8321 / 8000)
    assert torch.equal(codec.decode(vqa.read_vqa(tmp_path / "a.vqa", codec)), codec.decode(codes))


def test_another_models_file_is_refused_by_name(written, other_folder):
    from vqaudio import hub

    other = hub.load(other_folder)
    with pytest.raises(InputError, match="made by the model 'small', not by 'other'"):
        vqa.read_vqa(written[1], other)
    other.name = "small"
    with pytest.raises(InputError, match="another version of the model 'small'"):
        vqa.read_vqa(written[1], other)


def test_another_version_is_refused_by_number(written):
    path = written[1]
    path.write_bytes(b"VQA\x02" + path.read_bytes()[4:])
    with pytest.raises(InputError, match="version 2; this program reads version 1"):
        vqa.read_vqa(path)


@pytest.mark.parametrize("content,says", [
    (b"", "empty"), (b"RIFF1234WAVE", "no .vqa file"), (b"VQ", "no .vqa file"),
    (b"VQA", "truncated"), (b"VQA\x01abc", "truncated"), (b"VQA\x01abcd", "truncated"),
])  # fmt: skip
def test_what_is_no_vqa_file(tmp_path, content, says):
    (tmp_path / "a.vqa").write_bytes(content)
    with pytest.raises(InputError, match=says):
        vqa.read_vqa(tmp_path / "a.vqa")


def test_no_file_and_a_folder(tmp_path):
    for path, says in ((tmp_path / "no.vqa", "There is no file"), (tmp_path, "is a folder")):
        with pytest.raises(InputError, match=says):
            vqa.read_header(path)


def fixed(clips=1, groups=1, level=0, name=b"m", rate=8000, frame_rate=50.0) -> bytes:
    return struct.pack("<16sIdIHBB", bytes(16), rate, frame_rate, clips, groups, level, len(name)) + name


GROUP, CLIP = struct.pack("<HHII", 1, 1, 1, 256), struct.pack("<IIf", 160, 1, 0)


@pytest.mark.parametrize("body", [
    fixed(clips=2**32 - 1) + GROUP + CLIP + b"x",  # more clips than bytes
    fixed(groups=2**16 - 1) + GROUP + CLIP + b"x",
    fixed(clips=0) + GROUP + b"x",
    fixed(groups=0) + CLIP,
    fixed() + struct.pack("<HHII", 2**16 - 1, 2**16 - 1, 2**32 - 1, 2) + CLIP + b"x",  # more rows than memory
    fixed() + GROUP + struct.pack("<IIf", 160, 2**32 - 1, 0) + b"x",
    fixed(2001) + GROUP + CLIP * 2000 + struct.pack("<IIf", 160, 2**16, 0) + bytes(2000 + 2**16),  # padding more than memory
    fixed() + struct.pack("<HHII", 1, 1, 1, 1) + CLIP,
    fixed() + struct.pack("<HHII", 1, 0, 1, 256) + CLIP,
    fixed() + struct.pack("<HHII", 0, 1, 1, 256) + CLIP,
    fixed() + GROUP + struct.pack("<IIf", 0, 1, 0) + b"x",
    fixed() + GROUP + struct.pack("<IIf", 160, 0, 0),
    fixed() + GROUP + struct.pack("<IIf", 160, 1, float("nan")) + b"x",
    fixed() + GROUP + CLIP,
    fixed() + GROUP + CLIP + b"xy",
    fixed(name=b"\xff") + GROUP + CLIP + b"x",
    fixed(name=b"\x1b[2J") + GROUP + CLIP + b"x",  # would clear the reader's terminal
    fixed(rate=0) + GROUP + CLIP + b"x",
    fixed(frame_rate=float("nan")) + GROUP + CLIP + b"x",
    fixed(frame_rate=float("inf")) + GROUP + CLIP + b"x",
    fixed(level=2) + GROUP + CLIP + b"x",
    fixed()[:20],
])  # fmt: skip
def test_forged_headers_are_refused_before_anything_is_allocated(tmp_path, body):
    forge(tmp_path / "a.vqa", body)
    for read in (vqa.read_header, vqa.read_vqa):
        with pytest.raises(InputError, match=r"not a valid \.vqa file"):
            read(tmp_path / "a.vqa")


def test_the_forgery_above_is_valid_but_for_its_one_flaw(tmp_path):
    forge(tmp_path / "a.vqa", fixed() + GROUP + CLIP + b"\x07")
    assert vqa.read_vqa(tmp_path / "a.vqa").ids.tolist() == [[[7]]]


def test_an_index_beyond_its_codebook_is_refused_in_a_file_too(tmp_path):
    forge(tmp_path / "a.vqa", fixed() + struct.pack("<HHII", 1, 1, 1, 200) + CLIP + b"\xff")
    with pytest.raises(InputError, match="Index 255 in stage 1, column 0"):
        vqa.read_vqa(tmp_path / "a.vqa")


def test_codes_that_cannot_be_written(codec, tmp_path):
    spec, one = CodeSpec((Stage(1, 1, 4),), 50.0), torch.ones(1, dtype=torch.long)
    hole = Codes(torch.zeros(1, 1, 3, dtype=torch.long), spec, one, torch.tensor([[True, False, True]]))
    wrong = Codes(torch.full((1, 1, 1), 4), spec, one, torch.tensor([[True]]))
    empty = Codes(torch.zeros(1, 1, 0, dtype=torch.long), spec, one, torch.zeros(1, 0, dtype=torch.bool))
    wide = Codes(torch.zeros(1, 2**16, 1, dtype=torch.long), CodeSpec((Stage(2**16, 1, 4),), 50.0), one, torch.tensor([[True]]))
    for codes in (hole, wrong, empty, wide):
        with pytest.raises(InputError):
            vqa.write_vqa(tmp_path / "a.vqa", codes, codec)
    with pytest.raises(InputError, match="no folder"):
        vqa.write_vqa(tmp_path / "no" / "a.vqa", codec.encode(torch.zeros(1, 1, 9)), codec)
    assert not list(tmp_path.iterdir())


ONE_BIT = struct.pack("<HHII", 1, 1, 1, 2)


@pytest.mark.parametrize("body,says", [
    (fixed(level=1) + GROUP + struct.pack("<IIf", 160, 1, 1000) + b"x", "level is not from -120 to 40 dB"),
    (fixed(level=1) + GROUP + struct.pack("<IIf", 160, 1, -121) + b"x", "level is not from"),
    (fixed(level=1) + GROUP + struct.pack("<IIf", 160, 1, float("inf")) + b"x", "level is not from"),
    (fixed() + GROUP + struct.pack("<IIf", 1, 300_000, 0) + bytes(300_000), "another number of columns than its samples fill"),
    (fixed() + GROUP + struct.pack("<IIf", 161, 1, 0) + b"x", "another number of columns"),
    (fixed() + GROUP + struct.pack("<IIf", 160, 2, 0) + b"xx", "another number of columns"),
    (fixed(frame_rate=50.001) + GROUP + CLIP + b"x", "no multiple of their frame rate"),
    (fixed(frame_rate=1e-300) + GROUP + CLIP + b"x", "makes no sense"),
    (fixed(frame_rate=16000.0) + GROUP + struct.pack("<IIf", 160, 320, 0) + bytes(320), "makes no sense"),
    (fixed(2**16 + 1) + GROUP + CLIP * (2**16 + 1) + bytes(2**16 + 1), "65537 clips"),
    (fixed() + struct.pack("<HHII", 2**16 - 1, 1, 1, 2) + CLIP + bytes(2**13), "65535 rows"),
    (fixed(groups=2) + struct.pack("<HHII", 2**16 - 1, 0, 1, 2) + GROUP + CLIP + b"x", "1 rows in 65536 stages"),
    (fixed(frame_rate=8000.0) + ONE_BIT + struct.pack("<IIf", 2**26, 2**26, 0) + bytes(2**23), "more indices than it holds"),
])  # fmt: skip
def test_numbers_that_contradict_each_other_are_refused(tmp_path, body, says):
    forge(tmp_path / "a.vqa", body)
    for read in (vqa.read_header, vqa.read_vqa):
        with pytest.raises(InputError, match=says):
            read(tmp_path / "a.vqa")


def test_a_file_of_the_right_model_with_another_rate_or_other_stages_is_refused_unread(codec, written, monkeypatch):
    path = written[1]
    body = bytearray(path.read_bytes()[8:])
    monkeypatch.setattr(vqa, "_unpack", lambda *arguments: pytest.fail("unpacked"))
    for at, value, says in ((16, struct.pack("<Id", 16_000, 100.0), "works at 8000 Hz"), (20, struct.pack("<d", 25.0), None)):
        changed = body.copy()
        changed[at : at + len(value)] = value
        if says is None:
            clip = len(fixed(name=codec.name.encode())) + len(GROUP)
            changed[clip : clip + 8] = struct.pack("<II", 320 * written[0].columns, written[0].columns)
        forge(path, bytes(changed))
        with pytest.raises(InputError, match=says or "their stages or frame rate differ"):
            vqa.read_vqa(path, codec)


def test_one_bit_cells_take_no_more_memory_than_the_matrix_that_they_become(tmp_path, environment):
    columns = 2**22
    forge(tmp_path / "a.vqa", fixed() + ONE_BIT + struct.pack("<IIf", 160 * columns, columns, 0) + b"\xa5" * (columns // 8))
    script = (
        "import resource, sys; from vqaudio import vqa; from vqaudio.codes import Codes; "
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; codes = vqa.read_vqa(sys.argv[1]); "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, codes.ids[0, 0, -8:].tolist())"
    )
    done = subprocess.run([sys.executable, "-c", script, tmp_path / "a.vqa"], env=environment, capture_output=True, text=True)
    grown_kb, ids = done.stdout.split(maxsplit=1)
    assert ids.strip() == "[1, 0, 1, 0, 0, 1, 0, 1]" and int(grown_kb) * 2**10 < 2.5 * 8 * columns


def test_codes_that_no_file_may_hold_are_not_written(codec, written, tmp_path):
    codes = written[0]
    for changes in ({"level_db": torch.tensor([41.0])}, {"lengths": codes.lengths + 160}, {"lengths": codes.lengths * 0}):
        with pytest.raises(InputError, match="cannot be written"):
            vqa.write_vqa(tmp_path / "b.vqa", replace(codes, **changes), codec)


@pytest.mark.parametrize("level", [1000.0, float("inf"), float("nan"), -200.0])
def test_a_level_beyond_all_sound_is_not_decoded(codec, written, level):
    with pytest.raises(InputError, match="level"):
        codec.decode(replace(written[0], level_db=torch.tensor([level])))
