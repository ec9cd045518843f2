"""Codes that are handed to the app: its limits hold for them as for sound, before anything is unpacked."""

import struct
import zlib
from dataclasses import replace

import pytest
import torch

from vqaudio import vqa
from vqaudio.errors import InputError
from vqaudio.ui import models, reading


@pytest.fixture
def served(model_folder, monkeypatch):
    monkeypatch.setenv("VQAUDIO_MODEL", str(model_folder))
    return models.codec()


def codes_of(codec, columns: int, clips: int = 1):
    codes = codec.encode(torch.randn(clips, 1, codec.hop) * 0.1)
    lengths, valid = codes.lengths * columns, codes.valid.repeat(1, columns)
    return replace(codes, ids=codes.ids.repeat(1, 1, columns), lengths=lengths, valid=valid)


def test_codes_of_a_minute_are_opened(served, tmp_path):
    vqa.write_vqa(tmp_path / "a.vqa", codes_of(served, 3000), served)
    codec, codes = reading.codes(str(tmp_path / "a.vqa"))
    assert codec is served and codes.columns == 3000


@pytest.mark.parametrize("columns,clips,says", [(3001, 1, "up to 60 s"), (30_000, 1, "up to 60 s"), (1, 2, "this file holds 2")])
def test_longer_codes_and_several_clips_are_refused_before_they_are_unpacked(served, tmp_path, monkeypatch, columns, clips, says):
    vqa.write_vqa(tmp_path / "a.vqa", codes_of(served, columns, clips), served)
    monkeypatch.setattr(vqa, "_unpack", lambda *arguments: pytest.fail("unpacked"))
    with pytest.raises(InputError, match=says):
        reading.codes(str(tmp_path / "a.vqa"))


def test_a_file_that_claims_another_rate_to_seem_short_is_refused(served, tmp_path, monkeypatch):
    path = tmp_path / "a.vqa"
    vqa.write_vqa(path, codes_of(served, 600_000), served)
    body = bytearray(path.read_bytes()[8:])
    body[16:28] = struct.pack("<Id", served.sample_rate * 1000, served.spec.frame_rate * 1000)
    path.write_bytes(b"VQA\x01" + struct.pack("<I", zlib.crc32(body)) + body)
    monkeypatch.setattr(vqa, "_unpack", lambda *arguments: pytest.fail("unpacked"))
    assert vqa.read_header(path).duration_s < reading.MAX_SECONDS
    with pytest.raises(InputError, match="works at 8000 Hz"):
        reading.codes(str(path))


def test_a_large_file_is_not_even_read(served, tmp_path, monkeypatch):
    with open(tmp_path / "a.vqa", "wb") as file:
        file.truncate(reading.MAX_MB * 2**20 + 1)
    monkeypatch.setattr(reading, "read_header", lambda path: pytest.fail("read"))
    with pytest.raises(InputError, match="larger than 30 MB"):
        reading.codes(str(tmp_path / "a.vqa"))
