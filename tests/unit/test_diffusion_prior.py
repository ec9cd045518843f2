"""The diffusion prior's latents, its training with averaged weights, and its integration."""

import pytest
import torch

from vqaudio import hub
from vqaudio.codes import CodeSpec, Stage
from vqaudio.data.encoded import EncodedSplit
from vqaudio.priors.diffusion import DiffusionPrior, DiffusionPriorConfig, Latents, axes_needed
from vqaudio.training.loop import Worker
from vqaudio.training.prior_task import PriorTask, PriorTraining

SPEC = CodeSpec((Stage(1, 1, 16), Stage(1, 1, 8), Stage(2, 2, 8)), 50.0)


def codewords() -> list[torch.Tensor]:
    """Of each row: vectors of 12 dimensions that leave all but 5 unused, smaller from stage to stage."""
    generator = torch.Generator().manual_seed(0)
    plane = torch.randn(5, 12, generator=generator)
    words = [3 + 0.5**j * torch.randn(stage.vocab, 5, generator=generator) @ plane for j, stage in enumerate(SPEC.stages)]
    return [words[j] for j in SPEC.stage_of_row]


def latents() -> Latents:
    words = codewords()
    made = Latents(SPEC, axes_needed(SPEC, words))
    made.start_from(words)
    return made


def ids(n: int = 4, columns: int = 7) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.stack([torch.randint(v, (n, columns), generator=generator) for v in SPEC.vocab_of_row], 1)


def small(**settings) -> DiffusionPrior:
    torch.manual_seed(0)
    config = DiffusionPriorConfig(
        stages=((1, 1, 16), (1, 1, 8), (2, 2, 8)), latent_dim=5, dim=16, layers=1, heads=2, n_examples=4, **settings
    )
    return DiffusionPrior(config)


def test_only_axes_that_the_codewords_use_are_kept():
    assert axes_needed(SPEC, codewords()) == 5 and latents().width == 5 * (1 + 4)


def test_the_last_hidden_stage_comes_back_from_its_latents():
    """What is known is subtracted, so the residual is the hidden codeword itself."""
    made, codes = latents(), ids()
    hidden = torch.zeros_like(codes, dtype=torch.bool)
    hidden[:, 1:] = True
    wrong = torch.where(hidden, 0, codes)
    assert torch.equal(made.quantised(made.of(codes), wrong, hidden), codes)


def test_the_nearest_codeword_is_that_of_the_codec():
    made, words = latents(), codewords()
    generator = torch.Generator().manual_seed(2)
    at = words[0][torch.randint(16, (50,), generator=generator)] + words[1][torch.randint(8, (50,), generator=generator)]
    first = torch.cdist(at, words[0]).argmin(-1)
    wanted = first, torch.cdist(at - words[0][first], words[1]).argmin(-1)
    tables = made.codewords[0, :16], made.codewords[1, :8]
    basis = torch.linalg.lstsq(words[1] - words[1][0], tables[1] - tables[1][0]).solution
    inside = (at - words[0][0] - words[1][0]) @ basis + tables[0][0] + tables[1][0]
    found = torch.cdist(inside, tables[0]).argmin(-1)
    assert torch.equal(found, wanted[0]) and torch.equal(torch.cdist(inside - tables[0][found], tables[1]).argmin(-1), wanted[1])


def test_the_average_of_the_weights_is_validated_and_kept(tmp_path):
    maps = list(ids().unbind(0))
    data = EncodedSplit(maps, torch.zeros(4, 0, dtype=torch.long), torch.full((4,), 1120, dtype=torch.int32), torch.zeros(4))
    task = PriorTask(small(), PriorTraining(batch_size=4, average=0.9), [data], data, 0, Worker(torch.device("cpu")))
    before = task.kept.out.weight.clone()
    for step in range(3):
        assert "loss" in task.train_step(step)
    assert not torch.equal(task.kept.out.weight, before) and not torch.equal(task.kept.out.weight, task.prior.out.weight)
    assert set(task.modules) == {"prior", "average"} and set(task.validate()) == {"loss"}
    task.export(tmp_path)
    assert torch.equal(hub.load(tmp_path).out.weight, task.kept.out.weight.half().float())


@pytest.mark.parametrize("solver", ["euler", "heun"])
def test_an_untrained_flow_of_gaussians_keeps_their_spread(solver):
    """With a network that adds nothing, the paths end as Gaussians with the codebooks' variances."""
    prior = small(solver=solver).eval()
    prior.latents.start_from(codewords())
    torch.nn.init.zeros_(prior.out.weight)
    x, t, steps = torch.randn(4000, 1, prior.latents.width, generator=torch.Generator().manual_seed(0)), 0.0, 64
    one = torch.ones(len(x), 1, dtype=torch.bool)
    known = prior.latents.known(torch.zeros(len(x), 6, 1, dtype=torch.long), torch.ones(len(x), 6, 1, dtype=torch.bool), one)
    conditions = prior.conditions(torch.zeros(len(x), 0, dtype=torch.long), one)
    with torch.no_grad():
        for _ in range(steps):
            v = prior.velocity(x, torch.full((len(x),), t), known, conditions, None)
            if solver == "heun" and t + 1 / steps < 1:
                v = 0.5 * (v + prior.velocity(x + v / steps, torch.full((len(x),), t + 1 / steps), known, conditions, None))
            x, t = x + v / steps, t + 1 / steps
    torch.testing.assert_close(x[:, 0].std(0), prior.latents.deviations, rtol=0.1, atol=0.02)
