"""Naive Bayes against scikit-learn; a prior's training, its batches and cached codes; how priors are measured."""

import importlib
import json
import math
import shutil
from dataclasses import replace

import pytest
import torch

import vqaudio
from vqaudio import critics, hub, replay
from vqaudio.codes import Codes, CodeSpec, Stage
from vqaudio.data.clips import Clip, Split
from vqaudio.data.datasets import fsdd
from vqaudio.data.encoded import EncodedSplit, encoded
from vqaudio.errors import InputError
from vqaudio.evaluation import prior_evaluation as measure
from vqaudio.evaluation.holes import interpolated, middle_hole
from vqaudio.evaluation.metrics import cents_apart, pitch_hz
from vqaudio.judges import Judge, JudgeConfig
from vqaudio.nn.transformer import Conditions
from vqaudio.prior import Gap
from vqaudio.priors.autoregressive import AutoregressivePrior, AutoregressivePriorConfig
from vqaudio.priors.naive_bayes import NaiveBayesPrior, NaiveBayesPriorConfig, neighbours
from vqaudio.training.loop import LoopConfig, Worker, fit
from vqaudio.training.prior_task import (
    PriorBatches,
    PriorTask,
    PriorTraining,
    codewords,
    config_for,
    spliced,
    transposed,
    variants,
)
from vqaudio.ui.clip import sampling


def test_naive_bayes_is_scikit_learns():
    """On clips of one column, where every cell has the same neighbours: the coarser row, the finer row, and the label."""
    from sklearn.naive_bayes import CategoricalNB

    vocabs, alpha, n = (4, 5, 6), 0.7, 400
    config = NaiveBayesPriorConfig(
        stages=tuple((1, 1, v) for v in vocabs), label_kinds=("digit",), label_values=(("0", "1", "2"),), smoothing=alpha
    )
    prior, generator = NaiveBayesPrior(config), torch.Generator().manual_seed(0)
    rows = [torch.randint(v, (n,), generator=generator) for v in vocabs]
    rows[1] = (rows[0] + rows[1] // 3) % 5
    labels, ids, valid = rows[0] % 3, torch.stack(rows, 1)[..., None], torch.ones(n, 1, dtype=torch.bool)
    prior.count(ids, valid, labels[:, None])
    features = torch.stack([rows[0], rows[2], labels], 1).numpy()
    sklearn = CategoricalNB(alpha=alpha, min_categories=[4, 6, 3]).fit(features, rows[1].numpy())
    # scikit-learn smooths what is given the class, not the classes: the two priors are made equal.
    counts = torch.bincount(rows[1], minlength=5).double()
    smoothed = ((counts + alpha) / (n + 5 * alpha)).log() - (counts / n).log()
    theirs = (torch.from_numpy(sklearn.predict_log_proba(features)) + smoothed).log_softmax(-1)
    mine = prior.cell_logits(ids, valid[:, None].expand(ids.shape), labels[:, None], 1).log_softmax(-1)[:, 0, :5]
    torch.testing.assert_close(mine.double(), theirs, atol=1e-5, rtol=1e-5)


def test_naive_bayes_tables_are_smoothed_counts():
    config = NaiveBayesPriorConfig(stages=((1, 1, 3),), smoothing=0.5, reach=1)
    prior = NaiveBayesPrior(config)
    prior.count(torch.tensor([[[0, 1, 1, 2, 0]]]), torch.tensor([[True] * 4 + [False]]), torch.zeros(1, 0, dtype=torch.long))
    marginal, of_b, of_a, _ = prior.tables()
    torch.testing.assert_close(marginal[0].exp(), torch.tensor([1.5, 2.5, 1.5]) / 5.5)
    torch.testing.assert_close(of_b[0, :, 1].exp(), torch.tensor([0.5, 1.5, 1.5]) / 3.5)  # what follows a 1: a 1 and a 2
    torch.testing.assert_close(of_a[0, :, 1].exp(), torch.tensor([1.5, 1.5, 0.5]) / 3.5)  # what comes before it: a 0 and a 1


def test_neighbours_of_a_spec_with_bands_and_steps():
    pairs = neighbours(CodeSpec((Stage(2, 1, 5), Stage(4, 2, 6)), 25.0), reach=1)
    assert (0, 0, 1) in pairs and (0, 1, 0) in pairs  # the next column, the next band
    assert (2, 3, 0) in pairs and (3, 2, 1) in pairs  # the two sub-columns of a column, and on to the next
    assert (0, 2, 0) in pairs and (0, 5, 0) in pairs and (1, 6, 0) in pairs  # two fine bands below each coarse one
    assert len(pairs) == len(set(pairs)) and all(0 <= a < 10 and 0 <= b < 10 and dt in (0, 1) for a, b, dt in pairs)


def test_codes_are_computed_once_and_belong_to_the_encoder(codec, tiny_dataset, tmp_path, monkeypatch):
    split = fsdd.load_split("train", tiny_dataset)
    first = encoded(codec, split, "train", cache=tmp_path)
    with torch.no_grad():
        next(iter(codec.decoder.parameters())).add_(1.0)
    monkeypatch.setattr(codec, "encode", None)
    again = encoded(codec, split, "train", cache=tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(first.ids, again.ids)) and len(first) == len(split)
    assert torch.equal(first.levels_db, again.levels_db)
    before = codec.encoder_fingerprint
    codec.stem.weight.data.add_(1.0)
    assert codec.encoder_fingerprint != before


def test_other_rooms_are_other_codes_of_as_long_clips_and_always_the_same(codec, tiny_dataset, tmp_path):
    split = fsdd.load_split("train", tiny_dataset)
    settings = PriorTraining(shifts=(0,), speeds=(1.0,), rooms=2)
    plain, *rooms = variants(codec, split, settings, tmp_path / "a")
    again = variants(codec, split, settings, tmp_path / "b")[1:]
    assert len(rooms) == 2 and all(torch.equal(plain.lengths, room.lengths) for room in rooms)
    unlike = [sum(not torch.equal(a, b) for a, b in zip(plain.ids, room.ids)) / len(split) for room in rooms]
    assert all(share > 0.5 for share in unlike)  # some clips may stay as they are
    assert any(not torch.equal(a, b) for a, b in zip(rooms[0].ids, rooms[1].ids))
    assert all(torch.equal(a, b) for x, y in zip(rooms, again) for a, b in zip(x.ids, y.ids))


def test_a_transposed_note_has_another_pitch_and_the_label_of_it():
    sine = torch.sin(2 * torch.pi * 440 * torch.arange(8000) / 8000)
    clips = tuple(Clip(sine, pitch, {"pitch": pitch, "instrument": "flute"}) for pitch in ("69", "70"))
    split = Split(clips, 8000, {"pitch": ("68", "69", "70"), "instrument": ("flute",)})
    up, stays = transposed(split, 1).clips
    assert up.labels == {"pitch": "70", "instrument": "flute"} and stays is clips[1]  # there is no label 71
    assert abs(cents_apart(pitch_hz(up.audio, 8000), 440 * 2 ** (1 / 12))) < 5
    assert transposed(split, 0) is split
    with pytest.raises(InputError, match="label pitch"):
        transposed(Split(clips, 8000, {}), 1)


def test_batches_are_a_function_of_the_step_and_shared_out(codec, tiny_dataset, tmp_path):
    clips = variants(codec, fsdd.load_split("train", tiny_dataset), PriorTraining(shifts=(0, 40), speeds=(1.0,)), tmp_path)
    assert len(clips) == 2 and not torch.equal(clips[0].ids[0], clips[1].ids[0])
    whole, other = (PriorBatches(clips, 4, seed=3) for _ in range(2))
    for step in (0, 5, 2):
        assert all(torch.equal(a, b) for a, b in zip(whole.batch(step), other.batch(step)))
    shares = [PriorBatches(clips, 4, 3, rank, 2).batch(1) for rank in (0, 1)]
    ids = whole.batch(1)[0]
    for rank, share in enumerate(shares):
        mine = ids[rank::2][:, :, : share[0].shape[2]]
        assert torch.equal(share[0], mine)


def test_a_resumed_run_is_the_same_to_the_bit(codec, tiny_dataset, tmp_path):
    train = fsdd.load_split("train", tiny_dataset)
    settings = PriorTraining(batch_size=4, shifts=(0,), speeds=(1.0,), precision="float32")
    clips = variants(codec, train, settings, tmp_path)
    config = config_for(AutoregressivePriorConfig(dim=16, layers=1, heads=2), codec, "small", train)

    def task():
        torch.manual_seed(0)
        prior = AutoregressivePrior(config)
        prior.start_from(codewords(codec))
        return PriorTask(prior, settings, clips, clips[0], 0, Worker(torch.device("cpu")))

    loop = LoopConfig(steps=6, log_every=2, validate_every=3, checkpoint_every=3)
    straight, resumed = task(), task()
    result = fit(straight, loop, tmp_path / "a", Worker(torch.device("cpu")))
    assert 0 < result["bits"] < 20

    def stop_after_four(step, own=resumed.train_step):
        if step == 4:
            raise KeyboardInterrupt
        return own(step)

    resumed.train_step = stop_after_four
    try:
        fit(resumed, loop, tmp_path / "b", Worker(torch.device("cpu")))
    except KeyboardInterrupt:
        resumed = task()
        fit(resumed, loop, tmp_path / "b", Worker(torch.device("cpu")), resume=True)
    for a, b in zip(straight.prior.state_dict().values(), resumed.prior.state_dict().values()):
        assert torch.equal(a, b)


def test_frechet_distance_of_known_gaussians():
    a = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0))
    assert measure.frechet(a, a) < 1e-6
    assert abs(measure.frechet(a, a + 2) - 12) < 1e-4
    assert abs(measure.frechet(a, 3 * a) - 4 * float(torch.cov(a.T).trace()) - float((2 * a.mean(0)).square().sum())) < 1e-4


def test_the_nearest_training_map():
    book = [torch.tensor([[1, 2, 3, 4]]), torch.tensor([[5, 6]])]
    own = [torch.tensor([[1, 2, 3, 4]]), torch.tensor([[5, 6, 7, 8]]), torch.tensor([[9, 9]])]
    assert measure.nearest(own, book).tolist() == [0.0, 0.5, 1.0]


def test_a_pseudo_likelihood_is_measured_on_a_sample_that_is_always_the_same():
    """Of a prior that finds a clip's cells as likely as its first id says: the sample's mean, and its error, by hand."""
    from types import SimpleNamespace

    spec = CodeSpec((Stage(1, 1, 8),) * 2, 50.0)
    maps = [torch.full((2, 3 + i % 4), i % 8) for i in range(20)]
    clips = EncodedSplit(maps, torch.zeros(20, 0, dtype=torch.long), torch.tensor([160 * m.shape[1] for m in maps]), None)
    prior = SimpleNamespace(
        spec=spec, likelihood="pseudo", log_prob=lambda codes, labels: -math.log(2) * codes.ids * codes.valid[:, None]
    )
    chosen = measure.sample(clips, 60)
    assert chosen == measure.sample(clips, 60) and len(set(chosen)) == len(chosen)
    assert 60 - 12 < sum(maps[i].numel() for i in chosen) <= 60
    bits = measure.bits_per_code(prior, clips, {}, cells=60)
    total, cells = sum(float(maps[i].sum()) for i in chosen), sum(maps[i].numel() for i in chosen)
    assert math.isclose(bits.mean, total / cells, rel_tol=1e-5) and bits.clips == len(chosen)
    apart = [float(maps[i].sum()) - bits.mean * maps[i].numel() for i in chosen]
    n = len(chosen)
    assert math.isclose(bits.standard_error, math.sqrt(n / (n - 1) * sum(x * x for x in apart)) / cells, rel_tol=1e-4)
    assert sorted(measure.sample(clips, 10_000)) == list(range(20)) and len(measure.sample(clips, 1)) == 1
    prior.likelihood = "exact"
    assert measure.bits_per_code(prior, clips, {}, cells=60).clips == 20


def test_a_hole_is_filled_with_and_without_labels(codec, tiny_dataset, tmp_path):
    """Both rows are there, plainly named; one fill gets the labels of the clip, the other none."""
    split = fsdd.load_split("train", tiny_dataset)
    data = encoded(codec, split, "train", cache=tmp_path)
    prior = NaiveBayesPrior(config_for(NaiveBayesPriorConfig(), codec, "small", split)).eval()
    prior.name, calls, fill = "bayes", [], prior.fill
    prior.fill = lambda codes, mask, labels, **rest: calls.append(labels) or fill(codes, mask, labels, **rest)
    rows = measure.inpainting(codec, [prior], data, [], torch.Generator().manual_seed(0))
    assert [row["name"] for row in rows] == [
        "original", "silence", "last column", "interpolation from the edges", "bayes", "bayes, with labels",
    ]
    assert calls[0] is None and sorted(calls[1]["digit"]) == sorted(clip.labels["digit"] for clip in split.clips)
    assert rows[0]["mel_l1"] == 0 < min(row["mel_l1"] for row in rows[1:])


def test_the_hole_is_the_middle_and_the_last_column_is_repeated():
    valid = torch.arange(10)[None] < torch.tensor([10, 6])[:, None]
    ids = torch.arange(10).expand(2, 1, 10) * valid[:, None]
    codes = Codes(ids, CodeSpec((Stage(1, 1, 10),), 50.0), torch.tensor([1600, 960]), valid)
    hole = measure.middle_hole(codes)
    assert hole[:, 0].sum(-1).tolist() == [3, 2] and hole[0, 0, 3:6].all() and hole[1, 0, 2:4].all()
    repeated = measure.repeat_last(codes, hole).ids
    assert repeated[0, 0].tolist() == [0, 1, 2, 2, 2, 2, 6, 7, 8, 9] and repeated[1, 0, :6].tolist() == [0, 1, 1, 1, 4, 5]


def test_the_benchmark_of_priors(tmp_path, capsys):
    from benchmarks import prior

    threads = torch.get_num_threads()
    with torch.random.fork_rng():
        prior.main(None, None, lengths_s=(0.1,), clips_s=(1.0,), repeats=1, json=tmp_path / "prior.json")
    torch.set_num_threads(threads)
    written = json.loads((tmp_path / "prior.json").read_text())
    assert {"masked", "autoregressive", "autoregressive, no cache"} <= set(written["seconds_per_second"]["0.1"])
    assert "| clip" in capsys.readouterr().out


def test_a_clip_without_a_label_is_one_that_is_not_told(codec, tiny_dataset, tmp_path):
    """Some clips carry a digit, some do not: every prior learns from both, and lengths come from those that carry it."""
    labelled = fsdd.load_split("train", tiny_dataset)
    only_speaker = [replace(clip, labels={"speaker": clip.labels["speaker"]}) for clip in labelled.clips]
    clips = tuple(clip if i % 2 else other for i, (clip, other) in enumerate(zip(labelled.clips, only_speaker)))
    split = replace(labelled, clips=clips)
    data = encoded(codec, split, "train", cache=tmp_path)
    assert data.labels[::2, 0].tolist() == [10] * len(data.labels[::2]) and data.labels[1::2, 0].max() < 10
    for name in ("masked", "autoregressive", "diffusion", "naive_bayes"):
        home = importlib.import_module(f"vqaudio.priors.{name}")
        small = {"dim": 16} if "dim" in home.CONFIG.__dataclass_fields__ else {}
        prior = home.MODEL(config_for(home.CONFIG(**small), codec, "small", split))
        task = PriorTask(prior, PriorTraining(batch_size=4), [data], data, 0, Worker(torch.device("cpu")))
        scalars = [float(value.detach()) for value in task.train_step(0).values()] + list(task.validate().values())
        assert all(math.isfinite(value) for value in scalars)
        i = len(clips) - 1 - len(clips) % 2  # one that carries a digit
        digit = clips[i].labels["digit"]
        like = [int(n) for clip, n in zip(clips, data.lengths) if clip.labels.get("digit") == digit]
        assert int(prior.blank({"digit": digit}, generator=torch.Generator()).lengths) in like
        if prior.likelihood == "none":
            continue
        bits = measure.bits_per_code(prior.eval(), data, split.labels)
        assert len(bits.per_row) == 4 and bits.clips == len(data) and 0 < bits.standard_error < bits.mean
    counted = prior.label_counts[:, :10].sum()
    assert 0 < counted < prior.label_counts[:, 10:].sum()


def test_crops_are_parts_of_their_clips_and_say_from_where(codec, tiny_dataset, tmp_path):
    train = fsdd.load_split("train", tiny_dataset)
    data = variants(codec, train, PriorTraining(shifts=(0,), speeds=(1.0,)), tmp_path)
    batches, seen = PriorBatches(data, 3, seed=1, crop=7), set()
    for step in range(6):
        ids, valid, _, cut = batches.batch(step)
        assert ids.shape == (3, 4, 7) and valid.all()
        for b, (before, after) in enumerate(cut.tolist()):
            whole = [clip for clip in data[0].ids if clip.shape[1] == before + 7 + after]
            assert any(torch.equal(clip[:, before : before + 7].long(), ids[b]) for clip in whole)
            seen.add(before)
    assert len(seen) > 3
    both, one, other = (PriorBatches(data, 6, 1, *share, crop=7).batch(0) for share in ((0, 1), (0, 2), (1, 2)))
    assert torch.equal(both[0][::2], one[0]) and torch.equal(both[3][1::2], other[3])
    assert not PriorBatches(data, 3, seed=1).batch(0)[3].any()


def test_a_crop_is_told_where_it_lies():
    """With no attention beyond a column, a column of a crop is what it is in the whole clip."""
    conditions = Conditions((3,), 8)
    labels, valid = torch.tensor([[1]]), torch.ones(1, 20, dtype=torch.bool)
    part = conditions(labels, valid[:, 5:12], torch.tensor([[5, 8]]))
    torch.testing.assert_close(part, conditions(labels, valid)[:, 5:12])


def test_a_splice_takes_cells_and_labels_of_the_next_clip_together():
    spec = CodeSpec((Stage(2, 1, 9), Stage(4, 2, 9)), 25.0)
    ids, labels = torch.arange(6)[:, None, None].expand(6, 10, 12), torch.arange(6)[:, None]
    valid = torch.arange(12)[None] < torch.tensor([12, 12, 10, 12, 5, 12])[:, None]
    torch.manual_seed(0)
    mixed, each = spliced(ids, valid, labels, 1.0, spec)
    assert torch.equal(mixed, each[:, 0]) and not torch.equal(mixed, ids)
    foreign = mixed != ids
    assert torch.equal(mixed[foreign], ids.roll(1, 0)[foreign]) and not foreign.transpose(1, 2)[~(valid & valid.roll(1, 0))].any()
    assert torch.equal(spliced(ids, valid, labels, 0.0, spec)[0], ids)


def test_interpolation_goes_from_one_edge_of_the_hole_to_the_other():
    class Line:
        def codewords(self, stage):
            return torch.arange(11.0)[:, None]

    ids = torch.tensor([[[0, 9, 9, 9, 9, 10], [5, 9, 9, 9, 9, 5]]])
    codes = Codes(ids, CodeSpec((Stage(2, 1, 11),), 10.0), torch.tensor([60]), torch.ones(1, 6, dtype=torch.bool))
    hole = torch.zeros_like(ids, dtype=torch.bool)
    hole[..., 1:5] = True
    assert interpolated(Line(), codes, hole).ids[0].tolist() == [[0, 2, 4, 6, 8, 10], [5] * 6]
    hole[..., 5] = True
    assert interpolated(Line(), codes, hole).ids[0].tolist() == [[0] * 6, [5] * 6]
    some = middle_hole(codes, bands=(0.5, 1.0))
    assert some[0, 1].any() and not some[0, 0].any()


def test_of_several_fillings_the_one_is_kept_after_which_the_known_cells_are_likeliest():
    torch.manual_seed(0)
    shape = AutoregressivePriorConfig(stages=((1, 1, 8), (1, 1, 8)), dim=16, layers=1, heads=2, dropout=0.0)
    one, four = (AutoregressivePrior(replace(shape, hole_candidates=n)).eval() for n in (1, 4))
    for table in one.parameters():
        table.data += 0.3 * torch.randn(table.shape)
    four.load_state_dict(one.state_dict())
    valid = torch.ones(3, 12, dtype=torch.bool)
    codes = Codes(torch.randint(8, (3, 2, 12)), one.spec, torch.full((3,), 12 * shape.hop), valid)
    hole = torch.zeros(3, 2, 12, dtype=torch.bool)
    hole[:, :, 4:7] = True
    seen = []
    kept = four.fill(codes, hole, generator=torch.Generator().manual_seed(1), on_step=lambda i, n, ids: seen.append(ids))
    again = Codes(codes.ids.repeat_interleave(4, 0), one.spec, codes.lengths.repeat(4), valid.repeat(4, 1))
    every = one.fill(again, hole.repeat_interleave(4, 0), generator=torch.Generator().manual_seed(1))
    fit = (one.log_prob(every) * ~hole.repeat_interleave(4, 0)).sum((1, 2)).view(3, 4)
    best = every.ids.view(3, 4, 2, 12)[torch.arange(3), fit.argmax(1)]
    assert torch.equal(kept.ids, best) and (fit.max(1).values > fit.min(1).values + 0.01).all()
    assert all(ids.shape == codes.ids.shape for ids in seen)
    everything = torch.ones_like(hole)  # nothing is known: there is nothing to choose by
    drawn = [prior.fill(codes, everything, generator=torch.Generator().manual_seed(2)).ids for prior in (one, four)]
    assert torch.equal(*drawn)


def test_a_hole_in_a_long_clip_is_filled_in_view_of_what_is_near():
    torch.manual_seed(0)
    config = AutoregressivePriorConfig(
        stages=((1, 1, 8), (1, 1, 8)), dim=16, layers=1, heads=2, hole_candidates=3, attention_s=0.1, frame_rate=50.0
    )
    prior = AutoregressivePrior(config).eval()
    valid = torch.arange(200)[None] < torch.tensor([[200], [110]])
    codes = Codes(torch.randint(8, (2, 2, 200)) * valid[:, None], prior.spec, valid.sum(1) * config.hop, valid)
    hole = torch.zeros(2, 2, 200, dtype=torch.bool)
    hole[:, 1, 100:104] = True
    window = prior.window(hole, valid, slice(0, 200))
    gap = Gap.of(codes, hole, torch.zeros(2, 0, dtype=torch.long), window, "cpu")
    assert (window, gap.cut.tolist()) == (slice(90, 106), [[90, 94], [90, 4]])
    reported = []
    filled = prior.fill(codes, hole, generator=torch.Generator().manual_seed(0), on_step=lambda i, n, ids: reported.append(ids))
    assert (filled.ids != codes.ids)[hole].any() and torch.equal(filled.ids[~hole], codes.ids[~hole])
    assert torch.equal(reported[-1].cpu()[~hole], codes.ids[~hole]) and reported[0].shape == codes.ids.shape


@pytest.fixture
def with_critic(codec, tmp_path):
    """A prior that draws four new clips for each, with a critic of digits beside it; and the same prior without."""
    torch.manual_seed(0)
    stages = tuple((stage.bands, stage.steps, stage.vocab) for stage in codec.spec.stages)
    shape = AutoregressivePriorConfig(
        stages=stages, codec_fingerprint=codec.encoder_fingerprint, dim=16, layers=1, heads=2, candidates=4, n_examples=1,
        label_kinds=("digit", "speaker"), label_values=(("1", "2", "3"), ("a", "b")),
    )
    prior = AutoregressivePrior(shape)
    prior.remember(torch.tensor([2400]), torch.tensor([[0, 0]]), torch.tensor([-20.0]))
    for table in prior.parameters():
        table.data += 0.3 * torch.randn(table.shape)
    hub.save_compact(prior, tmp_path / "prior")
    judge = Judge(JudgeConfig(classes=("3", "2", "1"), n_mels=16, channels=4))
    judge.head.weight.data.mul_(30)
    hub.save_compact(judge, tmp_path / "prior" / critics.FOLDER)
    alone = AutoregressivePrior(replace(shape, candidates=1))
    prior = hub.load(tmp_path / "prior")
    alone.load_state_dict(prior.state_dict())
    return prior, alone.eval()


def test_of_several_new_clips_the_one_is_kept_in_which_the_critic_hears_the_label(codec, with_critic):
    prior, alone = with_critic
    labels, seen = {"digit": ["1", "3"]}, []
    chance = lambda: torch.Generator().manual_seed(5)  # noqa: E731
    sound, codes = vqaudio.generate(codec, prior, labels, 0.3, chance(), on_step=lambda i, n, ids: seen.append(ids))
    every = prior.blank({"digit": ["1"] * 4 + ["3"] * 4}, 0.3)
    mask = every.valid[:, None].expand_as(every.ids)
    every = alone.fill(every, mask, {"digit": ["1"] * 4 + ["3"] * 4}, generator=_after_the_blank(prior, labels, chance()))
    judge = hub.load(prior.folder / critics.FOLDER)
    said = judge(codec.decode(every), every.lengths).log_softmax(-1)
    sure = torch.stack([said[:4, 2], said[4:, 0]])
    assert (sure.max(1).values > sure.min(1).values + 0.01).all()
    assert torch.equal(codes.ids, every.ids.view(2, 4, *every.ids.shape[1:])[torch.arange(2), sure.argmax(1)])
    assert sound.shape[0] == 2 and all(ids.shape == codes.ids.shape for ids in seen)
    assert torch.equal(seen[-1], codes.ids.long())


def _after_the_blank(prior, labels, generator):
    """The generator as `vqaudio.generate` has it when it begins to fill."""
    prior.blank(labels, 0.3, generator)
    return generator


def test_a_critic_is_asked_of_what_it_listens_for_only(codec, with_critic):
    prior, alone = with_critic
    assert critics.critic_for(codec, prior, {"digit": "1"})
    assert critics.critic_for(codec, prior, {"speaker": "a"}) is None and critics.critic_for(codec, prior, None) is None
    assert critics.critic_for(codec, alone, {"digit": "1"}) is None
    assert critics.critic_for(codec, prior, {"digit": ["9", None]}) is None  # nothing that it could tell apart
    one, same = (vqaudio.generate(codec, p, {"speaker": "a"}, 0.3, torch.Generator().manual_seed(1))[1].ids for p in with_critic)
    assert torch.equal(one, same)


def test_the_app_and_the_evaluation_listen_too_and_a_recipe_names_the_critic(codec, with_critic, tmp_path):
    prior, _ = with_critic
    (variation,) = sampling.generate(prior, codec, sampling.Settings(labels={"digit": "3"}), 0.3, 7)
    _, codes = vqaudio.generate(codec, prior, {"digit": "3"}, 0.3, torch.Generator().manual_seed(7))
    assert torch.equal(variation.codes.ids, codes.ids)
    clips, maps = measure.generate_evenly(codec, prior, 3, torch.Generator().manual_seed(0))
    assert len(maps) == 3 and clips.wanted["digit"].tolist() == [0, 0, 0]
    two = vqaudio.generate(codec, prior, {"digit": ["1", None], "speaker": "a"}, 0.3)[1]
    assert len(two) == 2
    replay.write(tmp_path / "recipe.json", {"verb": "generate"}, codec, prior, codes, None, tmp_path / "x.wav")
    recipe = json.loads((tmp_path / "recipe.json").read_text())
    assert recipe["critic_fingerprint"] == critics.critic_of(prior).fingerprint


def test_a_critic_that_cannot_be_is_refused(codec, with_critic, model_folder):
    prior, alone = with_critic
    folder = prior.folder / critics.FOLDER
    shutil.rmtree(folder)
    assert critics.critic_for(codec, prior, {"digit": "1"}) is None
    shutil.copytree(model_folder, folder)
    with pytest.raises(InputError, match="no judge"):
        critics.critic_for(codec, prior, {"digit": "1"})
    other = prior.folder.parent / "other"
    shutil.copytree(prior.folder, other)
    shutil.rmtree(other / critics.FOLDER)
    hub.save_compact(Judge(JudgeConfig(classes=("1", "2"), sample_rate=16_000)), other / critics.FOLDER)
    with pytest.raises(InputError, match="works at 16,000 Hz"):
        critics.critic_for(codec, hub.load(other), {"digit": "1"})
    with pytest.raises(ValueError, match="candidates is 0; it takes a whole number from 1 to 64"):
        AutoregressivePrior(replace(alone.config, candidates=0))
