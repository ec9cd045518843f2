"""Naive Bayes against scikit-learn; a prior's training, its batches and cached codes; how priors are measured."""

import json

import torch

from vqaudio.codes import Codes, CodeSpec, Stage
from vqaudio.data import fsdd
from vqaudio.data.encoded import encoded
from vqaudio.evaluation import prior_evaluation as measure
from vqaudio.priors.autoregressive import AutoregressivePrior, AutoregressivePriorConfig
from vqaudio.priors.naive_bayes import NaiveBayesPrior, NaiveBayesPriorConfig, neighbours
from vqaudio.training.loop import LoopConfig, Place, fit
from vqaudio.training.prior_task import PriorBatches, PriorTask, PriorTraining, codewords, config_for, variants


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
        return PriorTask(prior, settings, clips, clips[0], 0, Place(torch.device("cpu")))

    loop = LoopConfig(steps=6, log_every=2, validate_every=3, checkpoint_every=3)
    straight, resumed = task(), task()
    result = fit(straight, loop, tmp_path / "a", Place(torch.device("cpu")))
    assert 0 < result["bits"] < 20

    def stop_after_four(step, own=resumed.train_step):
        if step == 4:
            raise KeyboardInterrupt
        return own(step)

    resumed.train_step = stop_after_four
    try:
        fit(resumed, loop, tmp_path / "b", Place(torch.device("cpu")))
    except KeyboardInterrupt:
        resumed = task()
        fit(resumed, loop, tmp_path / "b", Place(torch.device("cpu")), resume=True)
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
        prior.main(None, None, lengths_s=(0.1,), repeats=1, json=tmp_path / "prior.json")
    torch.set_num_threads(threads)
    written = json.loads((tmp_path / "prior.json").read_text())
    assert {"masked", "autoregressive", "autoregressive, no cache"} <= set(written["seconds_per_second"]["0.1"])
    assert "| clip" in capsys.readouterr().out
