"""Laws of the blur, on codes of several shapes."""

import pytest
import torch

from vqaudio.codes import Codes, CodeSpec, Stage
from vqaudio.edits import LARGEST_BLUR, blur, disc
from vqaudio.errors import InputError

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
    blurred = blur(codes, mask, radius, generator=seeded())
    kept = ~mask | ~codes.valid[:, None]
    assert torch.equal(blurred.ids[kept], codes.ids[kept]) and torch.equal(codes.ids, before)
    assert not torch.equal(blurred.ids, codes.ids)


@pytest.mark.parametrize(("radius", "strength"), [(0, 1.0), (0.99, 1.0), (3, 0.0)])
def test_no_radius_and_no_strength_change_nothing(codes, radius, strength):
    assert torch.equal(blur(codes, everywhere(codes), radius, strength, seeded()).ids, codes.ids)
    assert torch.equal(blur(codes, ~everywhere(codes), 3, 1.0, seeded()).ids, codes.ids)


def test_the_same_seed_gives_the_same_ids_and_the_global_state_is_left_alone(codes):
    before = torch.get_rng_state()
    one, same, other = (blur(codes, everywhere(codes), 3, generator=seeded(seed)).ids for seed in (0, 0, 1))
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("radius", [1, 2, 3.7])
def test_every_id_comes_from_a_neighbour_in_its_own_stage(codes, radius):
    """With every cell's id unlike all others, a blurred id tells where it is from."""
    for seed in range(5):
        for j, stage in enumerate(codes.spec.stages):
            n = codes.ids[:, codes.spec.rows_of(j)].numel()
            spec = CodeSpec(tuple(Stage(s.bands, s.steps, max(2, codes.ids.numel())) for s in codes.spec.stages), 25.0)
            own = Codes(torch.arange(codes.ids.numel()).view(codes.ids.shape), spec, codes.lengths, codes.valid)
            blurred, picture = blur(own, everywhere(own), radius, generator=seeded(seed)).stage(j), own.stage(j)
            assert len(picture.unique()) == n
            exists = own.valid.repeat_interleave(stage.steps, 1)
            for clip, band, time in blurred.ge(0).nonzero().tolist():
                clip_from, band_from, time_from = (picture == blurred[clip, band, time]).nonzero()[0].tolist()
                assert clip_from == clip and (band_from - band) ** 2 + (time_from - time) ** 2 <= radius**2
                assert exists[clip, time_from] == exists[clip, time]


def test_the_mean_over_seeds_is_the_gaussian_blur():
    """The share of seeds that put each id into a cell is that of a Gaussian blur of the ids as unit vectors."""
    n, radius, strength = 4000, 3.0, 0.75
    ids = torch.tensor([[0, 1, 2, 3, 4, 5, 6]]).expand(n, 1, 7)
    codes = Codes(ids, CodeSpec((Stage(1, 1, 7),), 50.0), torch.full((n,), 7), torch.ones(n, 7, dtype=torch.bool))
    drawn = blur(codes, everywhere(codes), radius, strength, seeded()).ids[:, 0]
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
        blur(codes, **{"mask": everywhere(codes), **wrong})
