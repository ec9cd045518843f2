"""WaveNet sees the past only, and samples the same with cached states as without."""

import json

import pytest
import torch

from benchmarks import wavenet as benchmark
from vqaudio.nn.wavenet import SILENCE, WaveNet, decode, encode

HOP = 8


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    model = WaveNet(12, 16, (1, 2, 4, 8, 1, 2, 4, 8), 5, HOP)
    model.out.weight.data.mul_(4)
    return model.eval()


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_a_logit_depends_on_earlier_samples_in_the_receptive_field_only(model):
    classes, condition = torch.randint(0, 256, (1, 80), generator=seeded()), torch.randn(1, 10, 5, generator=seeded())
    changed = classes.clone()
    changed[0, 20] = (changed[0, 20] + 77) % 256
    with torch.no_grad():
        differs = (model(classes, condition) - model(changed, condition)).abs().amax(-1)[0] > 1e-7
    assert model.receptive_field == 31
    assert not differs[:21].any() and differs[21] and differs[20 + model.receptive_field]
    assert not differs[21 + model.receptive_field :].any()


def test_the_condition_of_a_column_reaches_no_earlier_sample(model):
    classes, condition = torch.randint(0, 256, (1, 80), generator=seeded()), torch.randn(1, 10, 5, generator=seeded())
    changed = condition.clone()
    changed[0, 4] += 1
    with torch.no_grad():
        differs = (model(classes, condition) - model(classes, changed)).abs().amax(-1)[0] > 1e-7
    assert not differs[: 4 * HOP].any() and differs[4 * HOP]


@pytest.mark.parametrize("temperature", [1.0, 0.7, 0.0])
def test_cached_and_uncached_samples_are_equal(model, temperature):
    condition = torch.randn(20, 5, generator=seeded(1))
    cached = model.sample(condition, seeded(2), temperature)
    assert cached.shape == (160,) and cached.unique().numel() > (10 if temperature else 1)
    assert torch.equal(cached, model.sample(condition, seeded(2), temperature, cached=False))


def test_samples_follow_the_generator_and_the_forward_pass(model):
    condition = torch.randn(20, 5, generator=seeded(1))
    first = model.sample(condition, seeded(3))
    assert torch.equal(first, model.sample(condition, seeded(3))) and not torch.equal(first, model.sample(condition, seeded(4)))
    with torch.no_grad():
        logits = model(model.sample(condition, seeded(3), 0.0)[None], condition[None])
    assert torch.equal(logits[0].argmax(-1), model.sample(condition, seeded(3), 0.0))


def test_samples_have_the_probabilities_of_the_model(model):
    condition = torch.zeros(1, 5)
    with torch.no_grad():
        wanted = model(torch.tensor([[SILENCE]]), condition[None])[0, 0].softmax(-1)
    drawn = torch.tensor([int(model.sample(condition, seeded(seed), n=1)) for seed in range(2000)])
    shares = torch.bincount(drawn, minlength=256) / 2000
    assert (shares - wanted).abs().sum() < 0.35  # what 2,000 draws of so many classes differ by


def test_mu_law_returns():
    audio = torch.linspace(-1, 1, 101)
    assert (decode(encode(audio)) - audio).abs().max() < 0.03 and encode(torch.zeros(1)) == SILENCE


def test_the_benchmark(tmp_path, capsys):
    benchmark.main(channels=4, skip_channels=4, layers=3, stacks=1, seconds=0.05, uncached_samples=2, json=tmp_path / "w.json")
    written = json.loads((tmp_path / "w.json").read_text())
    assert written["speed_up"] > 0 and written["receptive_field"] == 8 and "times as fast" in capsys.readouterr().out
