"""Laws of codes and of the .vqa file, for any spec."""

import math
import struct
import zlib
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vqaudio.codes import Codes, CodeSpec, Stage
from vqaudio.errors import InputError
from vqaudio.vqa import read_header, read_vqa, write_vqa

MODEL = SimpleNamespace(
    name="a model, né 8 kHz", fingerprint="00112233445566778899aabbccddeeff", sample_rate=8000, check_spec=lambda spec: None
)

vocabularies = st.one_of(st.integers(2, 300), st.integers(2, 2**32 - 1), st.sampled_from([2, 256]))
stages = st.builds(Stage, st.integers(1, 4), st.integers(1, 4), vocabularies)
hops = st.integers(1, 2**16)  # a frame rate is MODEL's sample rate by a whole number
specs = st.builds(CodeSpec, st.lists(stages, min_size=1, max_size=6).map(tuple), hops.map(lambda hop: MODEL.sample_rate / hop))


@st.composite
def any_codes(draw, specs=specs) -> Codes:
    spec = draw(specs)
    columns = torch.tensor(draw(st.lists(st.integers(1, 30), min_size=1, max_size=4)))
    valid = torch.arange(int(columns.max()))[None] < columns[:, None]
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    uniform = torch.rand(len(columns), spec.rows, valid.shape[1], generator=generator, dtype=torch.float64)
    ids = (uniform * torch.tensor(spec.vocab_of_row)[None, :, None]).long() * valid[:, None]
    levels = draw(st.one_of(st.none(), st.lists(st.floats(-100, 0, width=32), min_size=len(columns), max_size=len(columns))))
    hop = round(MODEL.sample_rate / spec.frame_rate)
    lengths = [n * hop - draw(st.integers(0, hop - 1)) for n in columns.tolist()]  # the last column may be filled in part
    return Codes(ids, spec, torch.tensor(lengths), valid, None if levels is None else torch.tensor(levels))


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("vqa") / "codes.vqa"


@given(codes=any_codes())
@settings(max_examples=100)
def test_a_file_gives_back_what_was_written(path, codes):
    write_vqa(path, codes, MODEL)
    again, header = read_vqa(path, MODEL), read_header(path)
    assert again.spec == codes.spec == header.spec
    for one, other in ((again.ids, codes.ids), (again.lengths, codes.lengths), (again.valid, codes.valid)):
        assert torch.equal(one, other)
    assert (again.level_db is None) == (codes.level_db is None) == (header.level_db is None)
    assert codes.level_db is None or torch.equal(again.level_db, codes.level_db)
    assert (header.model, header.fingerprint, header.sample_rate_hz) == (MODEL.name, MODEL.fingerprint, 8000)
    assert header.lengths == tuple(codes.lengths.tolist()) and header.columns == tuple(codes.valid.sum(1).tolist())


@given(codes=any_codes())
@settings(max_examples=50)
def test_a_file_is_no_larger_than_its_layout_says(path, codes):
    write_vqa(path, codes, MODEL)
    bits = sum(stage.rows * math.ceil(math.log2(stage.vocab)) for stage in codes.spec.stages) * int(codes.valid.sum())
    overhead = 44 + len(MODEL.name.encode()) + 12 * len(codes)
    assert overhead + 12 <= path.stat().st_size - math.ceil(bits / 8) <= overhead + 12 * len(codes.spec.stages)


@given(codes=any_codes(), data=st.data())
@settings(max_examples=30)
def test_flipping_any_byte_and_cutting_anywhere_is_detected(path, codes, data):
    write_vqa(path, codes, MODEL)
    whole = path.read_bytes()
    at, change = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(1, 255))
    for damaged in (whole[:at] + bytes([whole[at] ^ change]) + whole[at + 1 :], whole[:at], whole + whole[at : at + 1]):
        path.write_bytes(damaged)
        for read in (read_vqa, read_header):
            with pytest.raises(InputError):
                read(path)


def test_flipping_every_byte_of_one_file_is_detected(path):
    spec = CodeSpec((Stage(1, 1, 256),) * 8, 50.0)
    valid = torch.ones(1, 21, dtype=torch.bool)
    write_vqa(path, Codes(torch.randint(256, (1, 8, 21)), spec, torch.tensor([3300]), valid, torch.tensor([-23.5])), MODEL)
    whole = path.read_bytes()
    for at in range(len(whole)):
        for bit in range(8):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
            with pytest.raises(InputError):
                read_vqa(path)


@given(codes=any_codes(), data=st.data())
@settings(max_examples=150)
def test_a_forged_header_with_a_right_checksum_is_read_or_refused_and_no_more(path, codes, data):
    write_vqa(path, codes, MODEL)
    body = bytearray(path.read_bytes()[8:])
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, min(len(body) - 1, 120)))] = data.draw(st.integers(0, 255))
    path.write_bytes(b"VQA\x01" + struct.pack("<I", zlib.crc32(body)) + body)
    try:
        again = read_vqa(path)
        assert again.ids.shape[1] == again.spec.rows
    except InputError as error:
        assert "\n" not in str(error)


@given(codes=any_codes(), data=st.data())
@settings(max_examples=50)
def test_the_first_stages_are_the_same_pictures(codes, data):
    n = data.draw(st.integers(1, len(codes.spec.stages)))
    first = codes.first(n)
    assert first.spec.bits_per_second <= codes.spec.bits_per_second
    for j in range(n):
        assert torch.equal(first.stage(j), codes.stage(j))


@given(codes=any_codes())
@settings(max_examples=50)
def test_the_stages_partition_the_rows_and_so_do_their_regions(codes):
    seconds = codes.columns / codes.spec.frame_rate
    masks = [codes.region(0, 2 * seconds, stages=[j]) for j in range(len(codes.spec.stages))]
    assert torch.equal(sum(mask.int() for mask in masks), codes.valid[:, None].expand_as(codes.ids).int())
    for j, mask in enumerate(masks):
        assert mask.sum() == codes.spec.stages[j].rows * codes.valid.sum()
