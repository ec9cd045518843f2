"""Seeds are the same in every process and on every interpreter, and those of the shipped recipes stay as they were."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqaudio.data.seeds import mixed, python_random, torch_seed

ROOT = Path(__file__).resolve().parents[2]
BATCHES = """
import sys, torch
from vqaudio.data.batches import Augmentation, TrainingBatches
from vqaudio.data.clips import Clip, Split
clips = tuple(Clip(torch.arange(400.0 + i) / 500, str(i)) for i in range(9))
batches = TrainingBatches(Split(clips, 8000, {}), 4, 160, 7, Augmentation(noise=0.5, reverberation=0.5))
print([(b.names, round(float(b.audio.double().abs().sum()), 3)) for b in map(batches.batch, range(-2, 5))])
"""


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [((), 5740354900026072187), ((0,), -8753497827991233192), ((0, 0, 0), 3010437511937009226),
     ((0, 9999, 3), -5902648382797748058), ((1, 500, -1), 2958686948869071110), ((2**70, -(2**61)), -849023711702838944)],
)
def test_seeds_stay_those_of_the_shipped_recipes(numbers, expected):
    assert mixed(*numbers) == expected


@given(st.lists(st.integers(-(2**63), 2**63), max_size=5))
def test_a_seed_fits_its_generator_and_depends_on_every_number(numbers):
    assert -(2**63) <= mixed(*numbers) < 2**63 and 0 <= torch_seed(*numbers) < 2**63
    assert mixed(*numbers, 5) != mixed(*numbers, 6) != mixed(*numbers)
    assert python_random(*numbers).random() == python_random(*numbers).random()


def test_text_is_no_seed():
    with pytest.raises(TypeError):
        mixed(0, "train")


def test_batches_are_the_same_in_every_process():
    printed = {
        subprocess.run(
            [sys.executable, "-c", BATCHES], env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert len(printed) == 1 and "'8'" in printed.pop()


def test_no_seed_comes_from_hash():
    files = [path for part in ("data", "training") for path in (ROOT / "vqaudio" / part).rglob("*.py")]
    assert files and not [path.name for path in files if re.search(r"(?<![\w.])hash\(", path.read_text())]
