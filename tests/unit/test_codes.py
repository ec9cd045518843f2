"""Stages, specs, codes, regions."""

import pytest
import torch

from vqaudio.codes import Codes, CodeSpec, Stage
from vqaudio.errors import InputError

# A 2-D codemap of 3 bands, a two-level map of 4 sub-columns, and a plain stage.
SPEC = CodeSpec((Stage(3, 1, 16), Stage(1, 4, 8), Stage(1, 1, 1024)), 10.0)


def codes(batch: int = 2, columns: int = 5) -> Codes:
    ids = torch.arange(batch * SPEC.rows * columns).reshape(batch, SPEC.rows, columns) % 8
    valid = torch.ones(batch, columns, dtype=torch.bool)
    valid[-1, 3:] = False
    return Codes(ids, SPEC, torch.tensor([columns * 800] * (batch - 1) + [2000]), valid, torch.tensor([-20.0] * batch))


def test_the_spec_counts_rows_and_bits():
    assert SPEC.rows == 8 and SPEC.offsets == (0, 3, 7, 8)
    assert SPEC.bits_per_second == 10 * (3 * 4 + 4 * 3 + 10)
    assert SPEC.vocab_of_row == (16, 16, 16, 8, 8, 8, 8, 1024)


@pytest.mark.parametrize("vocab,bits", [(2, 1), (3, 2), (4, 2), (255, 8), (256, 8), (257, 9), (2**31, 31), (2**31 + 1, 32)])
def test_bits_of_an_index(vocab, bits):
    assert Stage(1, 1, vocab).bits == bits


@pytest.mark.parametrize("shape", [(0, 1, 2), (1, 0, 2), (1, 1, 1), (-1, 1, 2)])
def test_stages_that_cannot_be(shape):
    with pytest.raises(InputError):
        Stage(*shape)


@pytest.mark.parametrize("stages,rate", [((), 50.0), ((Stage(1, 1, 2),), 0.0), ((Stage(1, 1, 2),), float("nan"))])
def test_specs_that_cannot_be(stages, rate):
    with pytest.raises(InputError):
        CodeSpec(stages, rate)


def test_the_picture_of_a_stage_puts_sub_columns_side_by_side():
    c = codes()
    assert c.stage(0).shape == (2, 3, 5) and torch.equal(c.stage(0), c.ids[:, :3])
    assert c.stage(1).shape == (2, 1, 20)
    for column in range(5):
        assert torch.equal(c.stage(1)[:, 0, 4 * column : 4 * column + 4], c.ids[:, 3:7, column])


def test_first_keeps_the_clips_and_drops_the_stages():
    first = codes().first(2)
    assert first.spec.stages == SPEC.stages[:2] and torch.equal(first.ids, codes().ids[:, :7])
    for n in (0, 4):
        with pytest.raises(InputError, match="stages 1 to 3"):
            codes().first(n)


def test_a_clip_loses_its_padding():
    one = codes().clip(1)
    assert one.ids.shape == (1, 8, 3) and one.valid.all() and one.lengths.tolist() == [2000] and len(one.level_db) == 1


def test_codes_of_the_wrong_shape_are_refused():
    good = codes()
    for wrong in (
        {"ids": good.ids[:, :7]}, {"ids": good.ids[0]}, {"ids": good.ids.float()}, {"valid": good.valid[:, :4]},
        {"lengths": good.lengths[:1]},
    ):  # fmt: skip
        parts = {"ids": good.ids, "spec": SPEC, "lengths": good.lengths, "valid": good.valid} | wrong
        with pytest.raises(InputError):
            Codes(**parts)


@pytest.mark.parametrize("row,value,stage", [(0, 16, 1), (2, -1, 1), (3, 8, 2), (6, 9, 2), (7, 1024, 3)])
def test_an_index_out_of_range_is_named(row, value, stage):
    c = codes()
    c.check_range()
    c.ids[1, row, 4] = value
    with pytest.raises(InputError, match=f"Index {value} in stage {stage}, column 4"):
        c.check_range()


def test_a_region_is_the_rectangle_and_never_padding():
    c = codes()
    mask = c.region(0.15, 0.31, stages=[0, 1], bands=[0, 2])  # columns 1, 2 and 3
    assert mask[0].nonzero().tolist() == [[row, column] for row in (0, 2, 3, 4, 5, 6) for column in (1, 2, 3)]
    assert mask[1, :, 3:].sum() == 0 and mask[1, :, 1:3].sum() == 12
    assert c.region(0, 99).sum() == 8 * (5 + 3)


@pytest.mark.parametrize("span,stages", [((0.2, 0.2), None), ((-1, 1), None), ((0.5, 1), None), ((0, 1), [3]), ((0, 1), [-1])])
def test_regions_that_are_not_there(span, stages):
    with pytest.raises(InputError):
        codes().region(*span, stages=stages)
