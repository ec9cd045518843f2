"""Erasing and randomising: what is outside the mask stays, and what is inside is what was promised."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vqaudio.edits import erase, randomise
from vqaudio.errors import InputError

sys.path.append(str(Path(__file__).resolve().parents[1] / "e2e"))
from toy_notes import BandTones


@pytest.fixture(params=["waveform", "bands"])
def any_codec(request, codec):
    return codec if request.param == "waveform" else BandTones()


@pytest.fixture
def codes(any_codec):
    sound = 0.3 * torch.randn(2, 1, 9000, generator=torch.Generator().manual_seed(0))
    return any_codec.encode(sound, torch.tensor([9000, 7000]))


@pytest.fixture
def mask(codes):
    return torch.rand(codes.ids.shape, generator=torch.Generator().manual_seed(1)) < 0.4


def test_erased_cells_are_those_of_silence_and_all_others_stay(any_codec, codes, mask):
    erased = erase(any_codec, codes, mask)
    silent = any_codec.encode(torch.zeros(2, 1, 9000), codes.lengths, level_db=codes.level_db)
    written = mask & codes.valid[:, None]
    assert torch.equal(erased.ids[written], silent.ids[written])
    assert torch.equal(erased.ids[~written], codes.ids[~written])
    erased.check_range()


def test_all_erased_is_silence_where_the_codec_knows_silence():
    codec = BandTones()
    codes = codec.encode(0.3 * torch.randn(1, 1, 9000))
    assert codec.decode(codes).abs().max() > 0.01
    assert codec.decode(erase(codec, codes, torch.ones_like(codes.ids, dtype=torch.bool))).abs().max() == 0


def test_codes_of_the_first_stages_are_erased_too(any_codec, codes):
    first = codes.first(1)
    assert erase(any_codec, first, torch.ones_like(first.ids, dtype=torch.bool)).ids.shape == first.ids.shape


def test_random_cells_use_the_whole_codebook_and_the_seed_decides(codes, mask):
    first, same, other = (randomise(codes, mask, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4))
    assert torch.equal(first.ids, same.ids) and not torch.equal(first.ids, other.ids)
    written = mask & codes.valid[:, None]
    assert torch.equal(first.ids[~written], codes.ids[~written])
    first.check_range()
    wide = replace(codes, ids=codes.ids.repeat(1, 1, 200), valid=codes.valid.repeat(1, 200))
    drawn = randomise(wide, torch.ones_like(wide.ids, dtype=torch.bool)).ids
    for row, vocab in enumerate(codes.spec.vocab_of_row):
        counts = drawn[:, row][wide.valid].bincount(minlength=vocab).double()
        assert counts.min() > 0 and counts.max() < 2 * counts.mean()


@pytest.mark.parametrize("wrong", [torch.ones(1, 2, 3, dtype=torch.bool), torch.ones(1), "mask"])
def test_a_mask_of_another_shape_is_a_sentence(any_codec, codes, wrong):
    for change in (lambda: erase(any_codec, codes, wrong), lambda: randomise(codes, wrong)):
        with pytest.raises(InputError, match="The mask is a bool matrix of the codes' shape"):
            change()
