"""The voices' folders and splits, and what augmentation does to a crop."""

import random

import numpy as np
import pytest
import soundfile
import torch

from vqaudio.data import shards
from vqaudio.data.batches import Augmentation, PrefetchedBatches, TrainingBatches, augmented
from vqaudio.data.datasets import voice
from vqaudio.errors import InputError

STILL = dict(gain_db=0.0, polarity=False)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A few recordings in each folder, one of them long."""
    base = tmp_path_factory.mktemp("voices")
    chance = np.random.default_rng(0)
    for name, seconds in (
        *((f"wake-words/{word}/{i}", 0.3) for word in voice.WORDS for i in range(30)), ("spoken-commands/long", 8.0),
        ("vctk-p239/a", 0.5), ("asterisk/fr/digits-1", 0.4),
        *((f"speech-commands-300/{word}/x_nohash_{i}", 0.2) for word in ("bed", "zero") for i in range(10)),
    ):
        path = base / f"{name}.flac"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * chance.standard_normal(round(seconds * 16_000)), 16_000)
    return base


def recordings(split) -> set[str]:
    return {clip.name.split("#")[0] for clip in split.clips}


def test_the_splits_are_disjoint_and_only_the_test_part_holds_speech_commands(root):
    parts = {name: recordings(voice.load_split(name, root)) for name in voice.SPLITS}
    assert not parts["train"] & parts["validation"] and len(parts["train"] | parts["validation"]) == 183
    assert 2 <= len(parts["validation"]) <= 25
    assert len(parts["test"]) == 20 and all(name.startswith(voice.TEST_FOLDER) for name in parts["test"])
    assert not any(name.startswith(voice.TEST_FOLDER) for name in parts["train"] | parts["validation"])


def test_long_recordings_are_cut_and_nothing_of_them_is_lost(root):
    clips = [clip for part in ("train", "validation") for clip in voice.load_split(part, root).clips if "long" in clip.name]
    assert [clip.name for clip in clips] == [f"spoken-commands/long#{i}" for i in range(3)]
    assert sum(len(clip.audio) for clip in clips) == 8 * 16_000


def test_only_wake_words_have_a_label(root):
    split = voice.load_split("train", root)
    indices = {clip.name.split("/")[0]: split.label_index(clip, "word") for clip in split.clips}
    assert indices["spoken-commands"] == indices["vctk-p239"] == len(voice.WORDS)
    assert indices["wake-words"] < len(voice.WORDS)


def test_the_voices_can_be_packed_into_shards(root, tmp_path):
    pytest.importorskip("pyarrow")
    shards.prepare("voice", tmp_path / "packed", root, 8000, per_shard=100, processes=1)
    for part in voice.SPLITS:
        packed, plain = shards.load_split(part, tmp_path / "packed"), voice.load_split(part, root)
        lengths = {clip.name: len(clip.audio) for clip in packed.clips}
        assert lengths == pytest.approx({clip.name: len(clip.audio) / 2 for clip in plain.clips}, abs=1)


def test_the_test_clips_are_heard_in_tens(root):
    assert [len(row) for row in voice.load_split("test", root).utterances] == [10, 10]


@pytest.mark.parametrize("split, sentence", [("train", "holds none of the folders"), ("none", "have the splits")])
def test_what_is_not_there_is_named(tmp_path, split, sentence):
    with pytest.raises(InputError, match=sentence):
        voice.load_split(split, tmp_path)


def test_without_a_folder_it_says_how_to_name_one(monkeypatch):
    monkeypatch.delenv("VQAUDIO_DATA", raising=False)
    with pytest.raises(InputError, match="VQAUDIO_DATA"):
        voice.load_split("train")


def tone(hz: float) -> torch.Tensor:
    return 0.1 * torch.sin(2 * torch.pi * hz * torch.arange(16_000) / 16_000)


def changed(audio: torch.Tensor, seed: int = 0, **settings) -> torch.Tensor:
    return augmented(audio, Augmentation(**(STILL | settings)), 16_000, random.Random(seed))


def test_nothing_is_changed_unless_it_is_asked_for():
    assert torch.equal(changed(tone(440)), tone(440))


@pytest.mark.parametrize("seed", range(5))
def test_noise_stays_ten_to_forty_db_below(seed):
    noise = changed(tone(440), seed, noise=1.0) - tone(440)
    assert -40.1 < 20 * torch.log10(noise.norm() / tone(440).norm()) < -9.9


@pytest.mark.parametrize("seed", range(5))
def test_a_band_keeps_speech_and_takes_rumble(seed):
    kept, lost = changed(tone(1000), seed, band_limits=1.0), changed(tone(5), seed, band_limits=1.0)
    assert kept.norm() / tone(1000).norm() > 0.95
    assert lost.norm() / tone(5).norm() < 0.7


def test_a_room_rings_on_after_the_sound():
    click = torch.zeros(16_000)
    click[100] = 1.0
    reverberant = changed(click, reverberation=1.0)
    assert reverberant[100] == pytest.approx(1.0) and reverberant[:99].abs().max() < 1e-6
    assert reverberant[101:1000].abs().max() > 1e-3


def test_the_same_chance_gives_the_same_crop():
    settings = dict(noise=1.0, reverberation=1.0, band_limits=1.0)
    assert torch.equal(changed(tone(440), 7, **settings), changed(tone(440), 7, **settings))
    assert not torch.equal(changed(tone(440), 7, **settings), changed(tone(440), 8, **settings))


def test_batches_that_others_make_ahead_are_the_same(root):
    split = voice.load_split("train", root)
    batches = TrainingBatches(split, 4, 3200, 0, Augmentation(noise=0.5), -20.0)
    ahead = PrefetchedBatches(batches, 2)
    for step in (3, 4, 5, 0):  # also after a jump
        chance = torch.get_rng_state()
        mine, made = batches.batch(step), ahead.batch(step)
        assert torch.equal(mine.audio, made.audio) and mine.names == made.names
        assert torch.equal(torch.get_rng_state(), chance), "a resumed run draws what it would have drawn"


def test_what_goes_wrong_while_a_batch_is_made_ahead_is_told_in_a_sentence():
    class Damaged:
        def batch(self, step):
            raise InputError("A shard is damaged.")

    with pytest.raises(InputError, match="^A shard is damaged.$"):
        PrefetchedBatches(Damaged(), 1).batch(0)
