"""Laws of every prior in vqaudio/priors, on tiny untrained models and on codes of several shapes."""

import importlib
import itertools
from dataclasses import replace

import pytest
import torch

from vqaudio.codes import Codes, CodeSpec, Stage
from vqaudio.errors import InputError
from vqaudio.hub import load, modules_of, save_compact
from vqaudio.prior import Sampling, draw
from vqaudio.testing import check_prior

SPECS = {
    "rows": CodeSpec((Stage(1, 1, 7),) * 3, 50.0),
    "bands": CodeSpec((Stage(2, 1, 5), Stage(4, 2, 6)), 25.0),
}
LABELS = {"digit": ("0", "1", "2"), "speaker": ("ann", "bob")}
SMALL = {"dim": 16, "layers": 1, "heads": 2, "dropout": 0.0}


def variants() -> list[tuple[str, dict]]:
    """(module, settings) of each prior in the folder, and of each setting that makes another model of it."""
    found = [(name, {}) for name in modules_of("priors")]
    small_tables = {"table_dim": 4, "attention_s": 0.04}
    others = {
        "autoregressive": ({"temporal": "lstm"}, small_tables, {"cell_dim": 8}, {"cell_dim": 8, "temporal": "lstm"}),
        "masked": (small_tables, {"cell_dim": 8}), "naive_bayes": ({"shared": True},),
        "diffusion": ({"solver": "euler", "attention_s": 0.04},),
    }
    return [*found, *((name, settings) for name, several in others.items() for settings in several)]


def build(module: str, settings: dict, spec: CodeSpec):
    torch.manual_seed(0)
    home = importlib.import_module(f"vqaudio.priors.{module}")
    known = home.CONFIG.__dataclass_fields__
    config = home.CONFIG(
        codec_name="small", stages=tuple((s.bands, s.steps, s.vocab) for s in spec.stages), frame_rate=spec.frame_rate,
        label_kinds=tuple(LABELS), label_values=tuple(LABELS.values()), n_examples=6,
        **{key: value for key, value in {**SMALL, **settings}.items() if key in known},
    )
    prior = home.MODEL(config).eval()
    lengths, labels = torch.arange(1, 7) * 400, torch.tensor([[i % 3, i % 2] for i in range(6)])
    prior.remember(lengths, labels, torch.full((6,), -20.0))
    if hasattr(prior, "count"):
        codes = some_codes(spec, n=8)
        prior.count(codes.ids, codes.valid, torch.zeros(8, 2, dtype=torch.long))
    return prior


def some_codes(spec: CodeSpec, n: int = 3, columns: int = 9, seed: int = 1) -> Codes:
    generator = torch.Generator().manual_seed(seed)
    valid = torch.arange(columns)[None] < torch.tensor([columns - i % 3 for i in range(n)])[:, None]
    ids = torch.stack([torch.randint(v, (n, columns), generator=generator) for v in spec.vocab_of_row], 1) * valid[:, None]
    return Codes(ids, spec, valid.sum(-1) * 160, valid, torch.full((n,), -20.0))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_mask(codes: Codes, share: float = 0.5) -> torch.Tensor:
    return torch.rand(codes.ids.shape, generator=seeded(5)) < share


def name_of(kind: tuple[str, dict]) -> str:
    return "-".join([kind[0], *map(str, kind[1].values())])


def scores(kind: tuple[str, dict]) -> bool:
    return importlib.import_module(f"vqaudio.priors.{kind[0]}").MODEL.likelihood != "none"


@pytest.fixture(params=variants(), ids=name_of)
def kind(request):
    return request.param


@pytest.fixture(params=SPECS)
def prior(kind, request):
    return build(*kind, SPECS[request.param])


@pytest.fixture(params=itertools.product(filter(scores, variants()), SPECS), ids=lambda v: f"{v[1]}-{name_of(v[0])}")
def scoring(request):
    """A prior that can score codes."""
    kind, spec = request.param
    return build(*kind, SPECS[spec])


@pytest.mark.parametrize("share", [0.2, 1.0])
@pytest.mark.parametrize("options", [{}, {"steps": 1}, {"guidance": 2.0, "top_k": 3}, {"top_p": 0.5, "temperature": 0.7}])
def test_cells_outside_the_mask_and_padding_stay_as_they_are(prior, share, options):
    codes = some_codes(prior.spec)
    kept, before = ~random_mask(codes, share) | ~codes.valid[:, None], codes.ids.clone()
    filled = prior.fill(codes, random_mask(codes, share), {"digit": "2"}, generator=seeded(), **options)
    assert torch.equal(filled.ids[kept], codes.ids[kept]) and torch.equal(codes.ids, before)
    filled.check_range()
    assert not torch.equal(filled.ids, codes.ids)


def test_the_same_seed_gives_the_same_ids_and_another_does_not(prior):
    codes = some_codes(prior.spec)
    mask = random_mask(codes, 1.0)
    one, same, other = (prior.fill(codes, mask, generator=seeded(seed)).ids for seed in (0, 0, 1))
    assert torch.equal(one, same) and not torch.equal(one, other)


@pytest.mark.parametrize("options", [{}, {"guidance": 2.0, "top_k": 3}, {"temperature": 0.7, "steps": 2}])
def test_each_of_several_variations_is_what_it_would_be_alone(prior, options):
    codes = some_codes(prior.spec, n=1)
    mask = random_mask(codes)
    four = prior.fill(codes, mask, {"digit": "1"}, generator=[seeded(seed) for seed in range(7, 11)], **options)
    assert len(four) == 4 and torch.equal(four.lengths, codes.lengths.repeat(4))
    for i, ids in enumerate(four.ids):
        assert torch.equal(ids[~mask[0]], codes.ids[0][~mask[0]])
        assert torch.equal(ids, prior.fill(codes, mask, {"digit": "1"}, generator=seeded(7 + i), **options).ids[0])
    assert len(four.ids.unique(dim=0)) > 1


def test_variations_are_drawn_as_one_batch(prior, monkeypatch):
    codes, seen, sample = some_codes(prior.spec, n=1), [], prior._sample
    monkeypatch.setattr(prior, "_sample", lambda gap, *rest: seen.append(len(gap.ids)) or sample(gap, *rest))
    prior.fill(codes, random_mask(codes), generator=[seeded(seed) for seed in range(4)])
    assert seen == [4]


def test_each_of_several_new_clips_is_what_it_would_be_alone(prior):
    """Whatever the lengths of the others."""
    labels = {"speaker": "bob"}
    generators = [seeded(seed) for seed in range(4)]
    blank = prior.blank(labels, generator=generators)
    made = prior.fill(blank, blank.valid[:, None].expand(blank.ids.shape), labels, generator=generators)
    assert len(blank.lengths.unique()) > 1
    for seed in range(4):
        generator = seeded(seed)
        alone = prior.blank(labels, generator=generator)
        assert torch.equal(alone.lengths[0], made.lengths[seed])
        filled = prior.fill(alone, torch.ones_like(alone.ids, dtype=torch.bool), labels, generator=generator)
        assert torch.equal(filled.ids, made.clip(seed).ids)


def test_as_many_generators_as_clips(prior):
    codes = some_codes(prior.spec)
    mask = random_mask(codes)
    for wrong in ([seeded(), seeded()], []):
        with pytest.raises(InputError, match="one a clip: 3"):
            prior.fill(codes, mask, generator=wrong)
    assert len(prior.fill(codes, mask, generator=[seeded(n) for n in range(3)])) == 3


def test_the_cost_of_a_gap_follows_the_gap_and_not_the_clip(prior, monkeypatch):
    """Of a minute, a prior works on ten seconds at most, and what is farther away has no say."""
    columns = round(60 * prior.spec.frame_rate)
    codes = some_codes(prior.spec, n=1, columns=columns)
    mask = torch.zeros_like(codes.ids, dtype=torch.bool)
    middle = columns // 2
    mask[:, 1:, middle : middle + 4] = True
    far = (torch.arange(columns) - middle).abs() > 6 * prior.spec.frame_rate
    other = replace(codes, ids=torch.where(far, (codes.ids + 1) % torch.tensor(prior.spec.vocab_of_row)[:, None], codes.ids))
    seen, sample = [], prior._sample
    monkeypatch.setattr(prior, "_sample", lambda gap, *rest: seen.append(gap.ids.shape[2]) or sample(gap, *rest))
    one, two = (prior.fill(each, mask, steps=2, generator=seeded(3)).ids for each in (codes, other))
    assert torch.equal(one[mask], two[mask]) and not torch.equal(one[mask], codes.ids[mask])
    assert torch.equal(one[~mask], codes.ids[~mask]) and max(seen) <= 10 * prior.spec.frame_rate


def test_sampling_neither_reads_nor_moves_the_global_random_state(prior):
    codes = some_codes(prior.spec)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    prior.fill(codes, random_mask(codes), generator=seeded())
    assert torch.equal(torch.get_rng_state(), before)


def test_temperature_zero_is_deterministic(prior):
    codes = some_codes(prior.spec)
    mask = random_mask(codes)
    a, b = (prior.fill(codes, mask, temperature=0.0, generator=seeded(seed)).ids for seed in (0, 1))
    assert torch.equal(a, b)


def test_a_known_map_comes_back_as_it_is(prior):
    codes = some_codes(prior.spec)
    none = torch.zeros_like(codes.ids, dtype=torch.bool)
    assert torch.equal(prior.fill(codes, none).ids, codes.ids)
    only_padding = (~codes.valid[:, None]).expand(codes.ids.shape)
    assert torch.equal(prior.fill(codes, only_padding).ids, codes.ids)


@pytest.mark.parametrize("labels", [None, {"digit": "1", "speaker": "bob"}])
def test_the_probabilities_of_a_cell_sum_to_one(scoring, labels):
    prior = scoring
    codes = some_codes(prior.spec, n=1)
    for row, column in ((0, 0), (prior.spec.rows - 1, 4), (1, 8)):
        total = 0.0
        for value in range(prior.spec.vocab_of_row[row]):
            ids = codes.ids.clone()
            ids[0, row, column] = value
            total += float(prior.log_prob(replace(codes, ids=ids), labels)[0, row, column].exp())
        assert total == pytest.approx(1.0, abs=1e-4)


def test_log_probabilities_do_not_depend_on_padding_or_on_the_batch(scoring):
    prior = scoring
    codes = some_codes(prior.spec)
    together = prior.log_prob(codes, {"digit": "0"})
    assert torch.all(together[(~codes.valid)[:, None].expand(together.shape)] == 0) and torch.all(together <= 0)
    for b in range(len(codes)):
        alone = prior.log_prob(codes.clip(b), {"digit": "0"})
        torch.testing.assert_close(together[b : b + 1, :, : alone.shape[2]], alone, rtol=1e-4, atol=1e-4)


def test_each_step_is_reported_and_what_it_raises_ends_the_sampling(prior):
    codes, seen = some_codes(prior.spec), []
    mask = random_mask(codes)
    filled = prior.fill(codes, mask, generator=seeded(), on_step=lambda done, total, ids: seen.append((done, total, ids)))
    assert [done for done, _, _ in seen] == list(range(1, seen[-1][1] + 1))
    assert torch.equal(seen[-1][2], filled.ids)
    assert all(torch.equal(ids[~mask], codes.ids[~mask]) for _, _, ids in seen)

    def stop(done, total, ids):
        raise KeyboardInterrupt

    before = codes.ids.clone()
    with pytest.raises(KeyboardInterrupt):
        prior.fill(codes, mask, on_step=stop)
    assert torch.equal(codes.ids, before)


def test_codes_of_another_codec_are_refused_by_name(prior):
    other = some_codes(CodeSpec((Stage(1, 1, 9),), 50.0))
    with pytest.raises(InputError, match="codec 'small'"):
        prior.fill(other, random_mask(other))
    with pytest.raises(InputError, match="cannot score" if prior.likelihood == "none" else "codec 'small'"):
        prior.log_prob(other)


@pytest.mark.parametrize("wrong", [
    {"mask": torch.ones(1, 1, 1, dtype=torch.bool)}, {"mask": "float"}, {"labels": {"colour": "red"}},
    {"labels": {"digit": "11"}},
    {"temperature": -0.1}, {"temperature": float("nan")}, {"top_p": 0.0}, {"top_p": 1.5}, {"top_k": 0}, {"steps": 0},
    {"guidance": -1.0}, {"labels": {"digit": ["0", "1"]}},
])  # fmt: skip
def test_what_cannot_be_done_is_a_sentence(prior, wrong):
    codes = some_codes(prior.spec)
    options = {"mask": random_mask(codes), **wrong}
    if isinstance(options["mask"], str):
        options["mask"] = torch.ones(codes.ids.shape)
    with pytest.raises(InputError) as error:
        prior.fill(codes, **options)
    if wrong.get("labels") == {"digit": "11"}:
        assert "0, 1, 2" in str(error.value)


def test_a_blank_is_as_long_as_a_training_clip_with_these_labels(prior):
    for seed in range(5):
        blank = prior.blank({"digit": "1", "speaker": "bob"}, generator=seeded(seed))
        assert int(blank.lengths) == 800 and blank.columns == 5
        assert int(prior.blank({"digit": "1"}, generator=seeded(seed)).lengths) in (800, 2000)
    three = prior.blank({"digit": ["0", "1", "2"]}, generator=seeded())
    assert len(three) == 3 and [int(n) % 1200 for n in three.lengths] == [400, 800, 0]
    assert int(prior.blank(None, seconds=0.5).lengths) == round(0.5 * prior.config.hop * prior.spec.frame_rate)
    with pytest.raises(InputError):
        prior.blank(None, seconds=0.0)


def test_saving_and_loading_gives_the_same_prior(prior, tmp_path):
    save_compact(prior, tmp_path / "prior")
    back = load(tmp_path / "prior")
    codes = some_codes(prior.spec)
    assert back.spec == prior.spec and back.labels == prior.labels and back.fingerprint == prior.fingerprint
    torch.testing.assert_close(*(_scores(one, codes) for one in (back, prior)), rtol=5e-2, atol=5e-2)


def _scores(prior, codes: Codes) -> torch.Tensor:
    """Each cell's log-probability; the loss, with the same random numbers, of a prior that has none."""
    if prior.likelihood != "none":
        return prior.log_prob(codes)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        return prior.loss(codes.ids, codes.valid, prior.label_ids(None, len(codes)))


def test_training_lowers_the_loss(kind):
    prior = build(*kind, SPECS["rows"])
    codes, labels = some_codes(prior.spec, n=8), torch.zeros(8, 2, dtype=torch.long)
    arguments = codes.ids, codes.valid, labels
    with torch.no_grad():
        torch.manual_seed(0)
        before = float(prior.loss(*arguments))
    if hasattr(prior, "count"):
        for _ in range(3):
            prior.count(*arguments)
    else:
        optimiser = torch.optim.Adam(prior.parameters(), 1e-2)
        for _ in range(30):
            optimiser.zero_grad()
            prior.loss(*arguments).backward()
            optimiser.step()
    with torch.no_grad():
        torch.manual_seed(0)
        assert float(prior.loss(*arguments)) < before


TINY = CodeSpec((Stage(1, 1, 3), Stage(1, 1, 2)), 50.0)
EXACT = [settings for name, settings in variants() if name == "autoregressive"]


@pytest.mark.parametrize("settings", EXACT)
def test_an_exact_likelihood_sums_to_one_over_all_maps(settings):
    prior = build("autoregressive", settings, TINY)
    maps = torch.tensor(list(itertools.product(range(3), range(3), range(2), range(2)))).view(-1, 2, 2)
    codes = Codes(maps, TINY, torch.full((len(maps),), 320), torch.ones(len(maps), 2, dtype=torch.bool))
    assert float(prior.log_prob(codes).sum((1, 2)).exp().sum()) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("settings", EXACT)
def test_a_causal_prior_does_not_see_what_follows(settings):
    prior = build("autoregressive", settings, SPECS["rows"])
    codes = some_codes(prior.spec, n=1)
    later = codes.ids.clone()
    later[:, :, 5:] = (later[:, :, 5:] + 1) % 7
    later[:, 2, 4] = (later[:, 2, 4] + 1) % 7
    a, b = (prior.log_prob(replace(codes, ids=ids)) for ids in (codes.ids, later))
    assert torch.equal(a[:, :, :4], b[:, :, :4]) and torch.equal(a[:, :2, 4], b[:, :2, 4])
    assert not torch.allclose(a[:, :, 5:], b[:, :, 5:])


@pytest.mark.parametrize("settings", EXACT)
@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_the_cache_changes_nothing(settings, guidance):
    prior = build("autoregressive", settings, SPECS["bands"])
    codes = some_codes(prior.spec)
    mask = random_mask(codes)
    cached = prior.fill(codes, mask, {"digit": "1"}, guidance=guidance, generator=seeded()).ids
    prior.use_cache = False
    assert torch.equal(prior.fill(codes, mask, {"digit": "1"}, guidance=guidance, generator=seeded()).ids, cached)


@pytest.mark.parametrize("settings", EXACT)
def test_sampling_agrees_with_the_likelihood(settings):
    """A map drawn at temperature 0 holds, in every cell, the likeliest id given what lies before it."""
    prior = build("autoregressive", settings, SPECS["rows"])
    codes = some_codes(prior.spec)
    full = codes.valid[:, None].expand(codes.ids.shape)
    drawn = prior.fill(codes, full, temperature=0.0)
    chosen = prior.log_prob(drawn)
    for row, t, value in itertools.product(range(3), range(codes.columns), range(7)):
        ids = drawn.ids.clone()
        ids[:, row, t] = value
        assert torch.all(prior.log_prob(replace(codes, ids=ids))[:, row, t] <= chosen[:, row, t] + 1e-5)


def test_draw_follows_the_probabilities_and_its_limits():
    logits = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05])).expand(20_000, 4)
    share = lambda **options: torch.bincount(draw(logits, Sampling(**options), seeded()), minlength=4) / 20_000  # noqa: E731
    torch.testing.assert_close(share(), torch.tensor([0.5, 0.3, 0.15, 0.05]), atol=0.02, rtol=0)
    torch.testing.assert_close(share(top_k=2), torch.tensor([0.625, 0.375, 0, 0]), atol=0.02, rtol=0)
    torch.testing.assert_close(share(top_p=0.6), torch.tensor([0.625, 0.375, 0, 0]), atol=0.02, rtol=0)
    torch.testing.assert_close(share(top_p=0.4), torch.tensor([1.0, 0, 0, 0]))
    torch.testing.assert_close(share(temperature=0.0), torch.tensor([1.0, 0, 0, 0]))


def test_what_is_not_asked_for_is_the_prior_s_own(kind):
    """The settings in the configuration are those of a call without any, from nothing and in a hole."""
    prior = build(*kind, SPECS["rows"])
    codes = some_codes(prior.spec)
    prior.config = replace(prior.config, temperature=0.6, hole_temperature=0.3, top_p=0.9, guidance=2.0)
    own = {"top_p": 0.9, "guidance": 2.0}
    for mask, temperature in ((random_mask(codes, 1.0), 0.6), (random_mask(codes), 0.3)):
        explicit = prior.fill(codes, mask, {"digit": "1"}, temperature=temperature, **own, generator=seeded()).ids
        assert torch.equal(prior.fill(codes, mask, {"digit": "1"}, generator=seeded()).ids, explicit)
        other = prior.fill(codes, mask, {"digit": "1"}, temperature=5.0, top_p=1.0, generator=seeded()).ids
        assert not torch.equal(other, explicit)
    assert prior.sampling(True, Sampling(steps=3)) == replace(prior.default_sampling(True), steps=3)


def test_labels_of_a_region_are_those_of_its_cells(prior):
    """Said of every cell, they are the clip's labels; of the hole, they change what it becomes; a kind not named stays."""
    codes = some_codes(prior.spec)
    everywhere, hole = torch.ones_like(codes.ids, dtype=torch.bool), random_mask(codes)
    if has_scores := prior.likelihood != "none":
        by_clip = prior.log_prob(codes, {"digit": "1", "speaker": "bob"})
        by_cell = prior.log_prob(codes, {"speaker": "bob", "digit": "0"}, [(everywhere, {"digit": "1"})])
        torch.testing.assert_close(by_cell, by_clip, rtol=1e-4, atol=1e-4)
    local = [(hole, {"digit": "2"})]
    filled = prior.fill(codes, hole, {"digit": "0"}, local_labels=local, guidance=2.0, generator=seeded())
    assert torch.equal(filled.ids[~hole], codes.ids[~hole])
    if has_scores:
        assert not torch.equal(prior.log_prob(codes, {"digit": "0"}, local), prior.log_prob(codes, {"digit": "0"}))
    for wrong in ([(hole[:1], {"digit": "2"})], [(hole, {"digit": "9"})], [(hole, {"colour": "red"})]):
        with pytest.raises(InputError):
            prior.fill(codes, hole, local_labels=wrong)


def test_a_finer_level_is_written_after_the_coarser_one():
    """A coarse cell depends neither on later columns of its level nor on any cell of a finer one."""
    prior = build("autoregressive", {"cell_dim": 8}, SPECS["bands"])
    codes = some_codes(prior.spec, n=1)
    finer, later = codes.ids.clone(), codes.ids.clone()
    finer[:, 2:] = (finer[:, 2:] + 1) % 6
    later[:, :2, 5:] = (later[:, :2, 5:] + 1) % 5
    a, b, c = (prior.log_prob(replace(codes, ids=ids)) for ids in (codes.ids, finer, later))
    torch.testing.assert_close(a[:, :2], b[:, :2])
    torch.testing.assert_close(a[:, :2, :5], c[:, :2, :5])
    assert not torch.allclose(a[:, 2:, :5], c[:, 2:, :5]), "the fine level sees the coarse one ahead"


def test_the_published_laws(prior):
    check_prior(prior)
