"""Features have one frame for each 10 ms, whatever the batch; their statistics do not depend on order or grouping."""

import math
import random

import librosa
import numpy as np
import pytest
import torch

from vqaudio.errors import InputError
from vqaudio.features import FLOOR, KINDS, Features, Statistics, load_statistics, save_statistics, statistics_of

RATE = 16_000


def noise(seconds: float, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(round(seconds * RATE), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind,dim", [("mfcc39", 39), ("logmel", 80), ("waveform", 160)])
def test_a_frame_every_ten_milliseconds(kind, dim):
    assert Features(kind, RATE)(noise(1.0)[None]).shape == (1, dim, 100)
    assert Features(kind, RATE).of_clip(noise(0.501)).shape == (dim, 51)


@pytest.mark.parametrize("kind", KINDS)
def test_silence_after_a_clip_changes_none_of_its_frames(kind):
    extractor, clip = Features(kind, RATE), noise(0.5)
    alone = extractor(clip[None])
    padded = extractor(torch.nn.functional.pad(clip, (0, 3200))[None])
    assert torch.allclose(alone, padded[..., :50], atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_depends_on_no_more_than_its_reach(kind):
    extractor, clip = Features(kind, RATE), noise(0.6)
    changed = clip.clone()
    changed[30 * extractor.hop : 31 * extractor.hop] += 0.3
    differs = (extractor(clip[None]) - extractor(changed[None])).abs().amax(1)[0] > 1e-4
    assert differs[30] and not differs[: 30 - extractor.reach].any() and not differs[31 + extractor.reach :].any()


def test_log_mel_equals_librosas():
    clip = noise(0.4)
    ours = Features("logmel", RATE)
    size = ours.n_fft
    before = (size - ours.hop) // 2
    padded = np.pad(clip.numpy(), (before, size - ours.hop - before))
    spectrum = librosa.stft(padded, n_fft=size, hop_length=ours.hop, win_length=400, window="hann", center=False)
    bank = librosa.filters.mel(sr=RATE, n_fft=size, n_mels=80, htk=True, norm=None)
    assert np.allclose(ours(clip[None])[0].numpy(), np.log(bank @ np.abs(spectrum) ** 2 + FLOOR), atol=2e-3)


def test_mfcc_are_the_cosine_transform_of_log_mel_and_its_slopes():
    extractor, clip = Features("mfcc39", RATE), noise(0.5)
    frames = extractor(clip[None])[0]
    log_mel = extractor._log_mel(clip[None])[0]
    n = torch.arange(40) + 0.5
    third = math.sqrt(2 / 40) * (torch.cos(math.pi / 40 * 2 * n) @ log_mel)
    assert torch.allclose(frames[2], third, atol=1e-4)
    slope = sum(k * (frames[0, 20 + k] - frames[0, 20 - k]) for k in (1, 2)) / 10
    assert frames[13, 20] == pytest.approx(float(slope), abs=1e-4)


def test_statistics_are_equal_whatever_the_order_and_the_shards():
    extractor = Features("logmel", RATE)
    clips = [noise(0.1 + 0.07 * i, i) * 10 ** (i - 4) for i in range(9)]
    whole = statistics_of(clips, extractor)
    for seed in range(4):
        shuffled = random.Random(seed).sample(clips, len(clips))
        parts = [statistics_of(shuffled[i::3], extractor) for i in range(3)]
        assert sum(parts, Statistics()) == whole


def test_statistics_have_the_accuracy_of_float64():
    frames = torch.randn(39, 500, generator=torch.Generator().manual_seed(0)) * 1e-3 + 1e3
    total = sum((Statistics.of(part) for part in frames.split(7, 1)), Statistics())
    exact = frames.double()
    assert torch.allclose(total.mean, exact.mean(1), rtol=1e-14)
    assert torch.allclose(total.deviation, exact.std(1, correction=0), rtol=1e-5)  # squares of 1e3, rounded, leave 1e-10 of 1e-6


def test_statistics_survive_a_file_and_refuse_other_features(tmp_path):
    mfcc, path = Features("mfcc39", RATE), tmp_path / "stats.json"
    found = statistics_of([noise(0.3)], mfcc)
    save_statistics(path, found, mfcc)
    mean, deviation = load_statistics(path, mfcc)
    assert torch.equal(mean, found.mean) and torch.equal(deviation, found.deviation)
    with pytest.raises(InputError, match="made with features 'mfcc39'; 'logmel' is needed"):
        load_statistics(path, Features("logmel", RATE))
    with pytest.raises(InputError, match="sample_rate 16000; 8000 is needed"):
        load_statistics(path, Features("mfcc39", 8000))


def test_bad_input_is_one_sentence(tmp_path):
    (tmp_path / "bad.json").write_text("[1, 2")
    for wrong, message in (
        (lambda: Features("mfcc40", RATE), "Features are mfcc39"),
        (lambda: Features("logmel", 11_025), "multiple of 100 Hz"),
        (lambda: Features("logmel", RATE)(torch.zeros(1, 100)), r"n \* 160"),
        (lambda: Statistics().mean, "no frames"),
        (lambda: Statistics.of(torch.full((2, 2), math.nan)), "NaN"),
        (lambda: Statistics.of(torch.ones(2, 2)) + Statistics.of(torch.ones(3, 2)), "cannot be added"),
        (lambda: load_statistics(tmp_path / "bad.json", Features("logmel", RATE)), "holds no statistics"),
        (lambda: load_statistics(tmp_path / "none.json", Features("logmel", RATE)), "cannot be read"),
    ):
        with pytest.raises(InputError, match=message):
            wrong()


def test_stats_command(command, tiny_dataset, tmp_path):
    out = tmp_path / "stats.json"
    code, printed, error = command("features", "stats", "fsdd", out, "--data", tiny_dataset, "--sample-rate", 8000)
    assert code == 0, error
    assert "mfcc39" in printed
    assert load_statistics(out, Features("mfcc39", 8000))[0].shape == (39,)
