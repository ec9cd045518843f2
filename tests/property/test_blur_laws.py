"""Laws of the smear and of the blur, on codes of several shapes."""

import importlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vqaudio import gibbs, hub
from vqaudio.audio import load as load_audio
from vqaudio.codes import Codes, CodeSpec, Stage
from vqaudio.edits import LARGEST_BLUR, disc, smear
from vqaudio.errors import InputError
from vqaudio.priors.naive_bayes import neighbours

ROOT = Path(__file__).resolve().parents[2]
SPECS = {
    "rows": CodeSpec((Stage(1, 1, 7),) * 3, 50.0),
    "bands": CodeSpec((Stage(2, 1, 5), Stage(4, 2, 400)), 25.0),
}


@pytest.fixture(params=SPECS)
def codes(request) -> Codes:
    spec, columns = SPECS[request.param], 9
    valid = torch.arange(columns)[None] < torch.tensor([9, 7, 1])[:, None]
    ids = torch.stack([torch.randint(v, (3, columns), generator=seeded(1)) for v in spec.vocab_of_row], 1) * valid[:, None]
    return Codes(ids, spec, valid.sum(-1) * 160, valid)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def everywhere(codes: Codes) -> torch.Tensor:
    return torch.ones_like(codes.ids, dtype=torch.bool)


@pytest.mark.parametrize("radius", [1, 2.5, 16])
def test_cells_outside_the_region_and_padding_stay_as_they_are(codes, radius):
    mask, before = torch.rand(codes.ids.shape, generator=seeded(5)) < 0.5, codes.ids.clone()
    smeared = smear(codes, mask, radius, generator=seeded())
    kept = ~mask | ~codes.valid[:, None]
    assert torch.equal(smeared.ids[kept], codes.ids[kept]) and torch.equal(codes.ids, before)
    assert not torch.equal(smeared.ids, codes.ids)


@pytest.mark.parametrize(("radius", "strength"), [(0, 1.0), (0.99, 1.0), (3, 0.0)])
def test_no_radius_and_no_strength_change_nothing(codes, radius, strength):
    assert torch.equal(smear(codes, everywhere(codes), radius, strength, seeded()).ids, codes.ids)
    assert torch.equal(smear(codes, ~everywhere(codes), 3, 1.0, seeded()).ids, codes.ids)


def test_the_same_seed_gives_the_same_ids_and_the_global_state_is_left_alone(codes):
    before = torch.get_rng_state()
    one, same, other = (smear(codes, everywhere(codes), 3, generator=seeded(seed)).ids for seed in (0, 0, 1))
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("radius", [1, 2, 3.7])
def test_every_id_comes_from_a_neighbour_in_its_own_stage(codes, radius):
    """With every cell's id unlike all others, a smeared id tells where it is from."""
    for seed in range(5):
        for j, stage in enumerate(codes.spec.stages):
            n = codes.ids[:, codes.spec.rows_of(j)].numel()
            spec = CodeSpec(tuple(Stage(s.bands, s.steps, max(2, codes.ids.numel())) for s in codes.spec.stages), 25.0)
            own = Codes(torch.arange(codes.ids.numel()).view(codes.ids.shape), spec, codes.lengths, codes.valid)
            smeared, picture = smear(own, everywhere(own), radius, generator=seeded(seed)).stage(j), own.stage(j)
            assert len(picture.unique()) == n
            exists = own.valid.repeat_interleave(stage.steps, 1)
            for clip, band, time in smeared.ge(0).nonzero().tolist():
                clip_from, band_from, time_from = (picture == smeared[clip, band, time]).nonzero()[0].tolist()
                assert clip_from == clip and (band_from - band) ** 2 + (time_from - time) ** 2 <= radius**2
                assert exists[clip, time_from] == exists[clip, time]


def test_the_mean_over_seeds_is_the_gaussian_blur():
    """The share of seeds that put each id into a cell is that of a Gaussian blur of the ids as unit vectors."""
    n, radius, strength = 4000, 3.0, 0.75
    ids = torch.tensor([[0, 1, 2, 3, 4, 5, 6]]).expand(n, 1, 7)
    codes = Codes(ids, CodeSpec((Stage(1, 1, 7),), 50.0), torch.full((n,), 7), torch.ones(n, 7, dtype=torch.bool))
    drawn = smear(codes, everywhere(codes), radius, strength, seeded()).ids[:, 0]
    found = torch.nn.functional.one_hot(drawn, 7).float().mean(0)
    away = (torch.arange(7)[:, None] - torch.arange(7)).abs()
    weights = torch.exp(-(away**2) / (2 * (radius / 2) ** 2)) * (away <= radius)
    wanted = strength * weights / weights.sum(1, keepdim=True) + (1 - strength) * torch.eye(7)
    torch.testing.assert_close(found, wanted, atol=0.03, rtol=0)


def test_a_larger_radius_takes_ids_from_farther_away():
    assert [len(disc(radius)) for radius in (0, 1, 1.5, 2)] == [1, 5, 9, 13]


def test_a_picture_and_its_rows_are_the_same_cells(codes):
    for j in range(len(codes.spec.stages)):
        assert torch.equal(codes.spec.rows_from(codes.stage(j), j), codes.ids[:, codes.spec.rows_of(j)])


@pytest.mark.parametrize("wrong", [
    {"mask": torch.ones(1, 1, 1, dtype=torch.bool)}, {"radius": -1}, {"radius": float("nan")}, {"radius": LARGEST_BLUR + 1},
    {"strength": -0.1}, {"strength": 1.1}, {"strength": float("nan")},
])  # fmt: skip
def test_what_cannot_be_done_is_a_sentence(codes, wrong):
    with pytest.raises(InputError):
        smear(codes, **{"mask": everywhere(codes), **wrong})


# --- the blur, by a prior ---------------------------------------------------------------------------------------------------

BLURRERS = {"naive_bayes": {}, "masked": {"dim": 16, "layers": 1, "heads": 2, "dropout": 0.0}}


@pytest.fixture(params=BLURRERS)
def prior(request, codes):
    torch.manual_seed(0)
    home = importlib.import_module(f"vqaudio.priors.{request.param}")
    stages = tuple((s.bands, s.steps, s.vocab) for s in codes.spec.stages)
    made = home.MODEL(home.CONFIG(stages=stages, frame_rate=codes.spec.frame_rate, **BLURRERS[request.param])).eval()
    if hasattr(made, "count"):
        made.count(codes.ids, codes.valid, torch.zeros(len(codes), 0, dtype=torch.long))
    return made


@pytest.mark.parametrize("radius", [1, 3.5, 16])
def test_a_blur_stays_in_its_region(prior, codes, radius):
    mask, before = torch.rand(codes.ids.shape, generator=seeded(5)) < 0.5, codes.ids.clone()
    blurred = gibbs.blur(prior, codes, mask, radius, generator=seeded())
    kept = ~mask | ~codes.valid[:, None]
    assert torch.equal(blurred.ids[kept], codes.ids[kept]) and torch.equal(codes.ids, before)
    assert not torch.equal(blurred.ids, codes.ids)
    blurred.check_range()


@pytest.mark.parametrize(("radius", "strength"), [(0, 1.0), (0.99, 1.0), (3, 0.0)])
def test_a_blur_without_radius_or_strength_changes_nothing(prior, codes, radius, strength):
    assert torch.equal(gibbs.blur(prior, codes, everywhere(codes), radius, strength, generator=seeded()).ids, codes.ids)
    assert torch.equal(gibbs.blur(prior, codes, ~everywhere(codes), generator=seeded()).ids, codes.ids)


def test_a_blur_depends_on_its_seed_and_not_on_the_global_state(prior, codes):
    before = torch.get_rng_state()
    one, same, other = (gibbs.blur(prior, codes, everywhere(codes), 2, 0.5, generator=seeded(s)).ids for s in (0, 0, 1))
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_cell_beyond_the_radius_has_no_say(prior, codes):
    """One sweep of one column sees the columns within the radius only."""
    middle, mask = 4, torch.zeros_like(codes.ids, dtype=torch.bool)
    mask[:1, :, middle] = True
    far = (torch.arange(codes.columns) - middle).abs() > 2
    vocab = torch.tensor(codes.spec.vocab_of_row)[:, None]
    other = replace(codes, ids=torch.where(far & codes.valid[:, None], (codes.ids + 1) % vocab, codes.ids))
    one, two = (gibbs.blur(prior, each, mask, 2, 1.0, generator=seeded(3)).ids[mask] for each in (codes, other))
    assert torch.equal(one, two)


def test_neighbours_have_another_colour():
    for spec in SPECS.values():
        colours = gibbs.checkerboard(spec, 6)
        for a, b, dt in neighbours(spec, 1):
            same_grid = spec.stages[spec.stage_of_row[a]].rows == spec.stages[spec.stage_of_row[b]].rows
            assert not same_grid or bool((colours[a, : 6 - dt] != colours[b, dt:]).all())


def test_a_stronger_blur_is_more_probable():
    """The mean log-probability of each cell given its neighbours, under the shipped naive Bayes prior."""
    codec, prior = hub.load("fsdd-8khz"), hub.load("fsdd-8khz-naive-bayes")
    codes = codec.encode(load_audio(ROOT / "assets/examples/7_jackson_0.wav", 8000)[0][None])
    scores = [
        float(prior.log_prob(gibbs.blur(prior, codes, everywhere(codes), 2, strength, generator=seeded())).mean())
        for strength in (0.0, 0.25, 0.5, 1.0)
    ]
    assert scores == sorted(scores) and scores[-1] > scores[0] + 0.5


def test_a_prior_that_cannot_blur_is_refused(prior, codes):
    for likelihood in ("exact", "none"):
        prior.likelihood = likelihood
        with pytest.raises(InputError, match="cannot blur"):
            gibbs.blur(prior, codes, everywhere(codes))


@pytest.mark.parametrize("wrong", [
    {"mask": torch.ones(1, 1, 1, dtype=torch.bool)}, {"radius": -1}, {"radius": LARGEST_BLUR + 1}, {"strength": 1.1},
    {"labels": {"digit": "1"}},
])  # fmt: skip
def test_a_blur_that_cannot_be_done_is_a_sentence(prior, codes, wrong):
    with pytest.raises(InputError):
        gibbs.blur(prior, codes, **{"mask": everywhere(codes), **wrong})
