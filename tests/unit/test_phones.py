"""Codes against phones: every measure equals an independent computation; the commands say what they find."""

import json
import math
from collections import Counter
from itertools import permutations

import numpy as np
import pytest

from tests.speaking import save_small, write_voices
from vqaudio.analysis import abx, phones, units
from vqaudio.analysis.phones import Utterance
from vqaudio.data import load_split
from vqaudio.data.annotations import read_labels
from vqaudio.errors import InputError
from vqaudio.timed_labels import TimedLabel


@pytest.fixture(scope="module")
def frames():
    """Phones and codes that have something to do with each other."""
    chance = np.random.default_rng(0)
    phone = chance.integers(0, 6, 4000)
    code = np.where(chance.random(4000) < 0.6, phone * 2 + chance.integers(0, 2, 4000), chance.integers(0, 14, 4000))
    return np.array(list("abcdef"))[phone], code


@pytest.fixture(scope="module")
def voices(tmp_path_factory):
    return write_voices(tmp_path_factory.mktemp("phones")) / "festvox-ru"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_small(tmp_path_factory.mktemp("phones") / "small-speech")


def entropy(values) -> float:
    n = len(values)
    return -sum(k / n * math.log(k / n) for k in Counter(values).values())


def test_scores_equal_their_definitions(frames):
    phone, code = (values.tolist() for values in frames)
    found = phones.scores(*frames)
    hp, hc, joint = entropy(phone), entropy(code), entropy(list(zip(phone, code)))
    information = hp + hc - joint
    homogeneity, completeness = information / hp, information / hc
    expected = {
        "nmi": information / ((hp + hc) / 2), "homogeneity": homogeneity, "pnmi": homogeneity, "completeness": completeness,
        "v_measure": 2 * homogeneity * completeness / (homogeneity + completeness),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-9), name
    pairs = Counter(zip(phone, code))
    best = {c: max(n for (_, d), n in pairs.items() if d == c) for c in set(code)}
    assert found["phone_purity"] == pytest.approx(sum(best.values()) / len(code))
    best = {p: max(n for (q, _), n in pairs.items() if q == p) for p in set(phone)}
    assert found["cluster_purity"] == pytest.approx(sum(best.values()) / len(code))


def test_the_adjusted_rand_index_equals_a_count_of_pairs(frames):
    phone, code = (values[:300] for values in frames)
    same_phone, same_code = phone[:, None] == phone[None], code[:, None] == code[None]
    above = np.triu(np.ones((300, 300), dtype=bool), 1)
    both, p, c, all_pairs = ((part & above).sum() for part in (same_phone & same_code, same_phone, same_code, above))
    expected = p * c / all_pairs
    assert phones.scores(phone, code)["ari"] == pytest.approx((both - expected) / ((p + c) / 2 - expected))


def test_adjusted_mutual_information_equals_a_mean_over_permutations():
    phone, code = np.array(list("aabbcab")), np.array([0, 0, 1, 1, 2, 1, 0])
    information = lambda p, c: entropy(p) + entropy(c) - entropy(list(zip(p, c)))  # noqa: E731
    expected = np.mean([information(phone.tolist(), list(order)) for order in permutations(code.tolist())])
    mean = (entropy(phone.tolist()) + entropy(code.tolist())) / 2
    wanted = (information(phone.tolist(), code.tolist()) - expected) / (mean - expected)
    assert phones.scores(phone, code)["ami"] == pytest.approx(wanted)


def test_perfect_codes_and_a_constant_code():
    phone = np.array(list("aabbcc") * 5)
    perfect = phones.scores(phone, np.array([0, 0, 7, 7, 3, 3] * 5))
    assert all(value == pytest.approx(1.0) for value in perfect.values())
    constant = phones.scores(phone, np.zeros(30, dtype=int))
    assert constant["pnmi"] == constant["nmi"] == 0 and constant["phone_purity"] == pytest.approx(1 / 3)


def label(value, start, end):
    return TimedLabel("phone", value, start, end)


def test_frames_are_told_by_their_centres():
    labels = (label("a", 0.0, 0.024), label("b", 0.024, 0.06), TimedLabel("word", "ab", 0.0, 0.1))
    found, codes = phones.frame_pairs(labels, np.array([5, 6, 7, 8, 9]), 50.0)
    assert found.tolist() == list("aabbbb") and codes.tolist() == [5, 5, 6, 6, 7, 7]


def test_sequences():
    one = Utterance("one", (label("a", 0, 0.04), label("b", 0.04, 0.1)), np.array([3, 3, 3, 1, 1]), 50.0)
    assert one.phones() == ["a", "b"]
    assert [(s.value, s.start_s, s.end_s) for s in one.code_segments()] == [("3", 0.0, 0.06), ("1", 0.06, 0.1)]
    assert phones.mean_lengths([one, one]) == {"phones": 2, "code_segments": 2, "codes": 5, "seconds": 0.1}
    whole = phones.bigrams(["aab", "abb"], "ab", diagonal=True)
    assert np.allclose(whole, [[1 / 3, 2 / 3], [0, 1]])
    assert np.allclose(phones.bigrams(["aab", "abb"], "ab", diagonal=False), [[0, 1], [0, 0]])
    assert phones.frequencies(*phones.all_frames([one])) == ({"b": 0.6, "a": 0.4}, {3: 0.6, 1: 0.4})


def test_mapping_is_the_most_frequent_phone_and_unknown_codes_are_wrong():
    phone, code = np.array(list("aabbb")), np.array([0, 0, 0, 1, 1])
    mapped = phones.mapping(phone, code)
    assert mapped == {0: ("a", 2 / 3), 1: ("b", 1.0)}
    assert phones.accuracy(mapped, phone, code) == 0.8
    assert phones.accuracy(mapped, np.array(list("ab")), np.array([0, 9])) == 0.5


def test_abx_equals_a_count_of_triples():
    chance = np.random.default_rng(3)
    labels = tuple(label("ab"[i % 2] if i < 8 else "c", 0.1 * i, 0.1 * (i + 1)) for i in range(11))
    vectors = chance.normal(size=(55, 4)) + np.repeat([[i % 2, 0, 0, 1] for i in range(11)], 5, axis=0)
    one = Utterance("one", labels, np.zeros(55, dtype=int), 50.0, vectors)
    tokens = {}
    for i, each in enumerate(labels):
        tokens.setdefault(each.value, []).append(vectors[5 * i : 5 * i + 5].mean(0))
    cosine = lambda a, b: round(float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)), 4)  # noqa: E731
    errors = []
    for p, q in permutations(tokens, 2):
        wrong = [
            (cosine(x, a) < cosine(x, b)) + 0.5 * (cosine(x, a) == cosine(x, b))
            for i, x in enumerate(tokens[p]) for j, a in enumerate(tokens[p]) if i != j for b in tokens[q]
        ]  # fmt: skip
        errors.append(np.mean(wrong))
    assert abx.error([one]) == pytest.approx(np.mean(errors), abs=1e-3)


def test_abx_of_perfect_equal_and_too_few_vectors():
    labels = tuple(label("ab"[i % 2], 0.1 * i, 0.1 * (i + 1)) for i in range(8))
    perfect = np.repeat(np.eye(2)[[i % 2 for i in range(8)]], 5, axis=0)
    assert abx.error([Utterance("p", labels, np.zeros(40, int), 50.0, perfect)]) == 0
    assert abx.error([Utterance("e", labels, np.zeros(40, int), 50.0, np.ones((40, 3)))]) == 0.5
    with pytest.raises(InputError, match="two phones"):
        abx.error([Utterance("f", labels[:2], np.zeros(40, int), 50.0, perfect)])


def test_kmeans_finds_tones_and_a_random_code_does_not(voices):
    train, test = (units.labelled(load_split("festvox_ru", part, voices, 16_000)) for part in ("train", "test"))
    found = units.KMeansUnits(train, 16, 16_000, seed=1).of(test)
    score = phones.scores(*phones.all_frames(found))
    by_chance = phones.scores(*phones.all_frames(units.at_random(found, 16)))
    assert score["pnmi"] > 0.8 and abs(by_chance["ami"]) < 0.05
    assert abx.error(found) < 0.1 and abs(abx.error(units.at_random(found, 16)) - 0.5) < 0.15
    again = units.KMeansUnits(train, 16, 16_000, seed=1).of(test)
    assert all(np.array_equal(a.ids, b.ids) for a, b in zip(found, again))


def test_clips_without_phones_are_counted_and_named(voices, tmp_path, capsys):
    split = load_split("festvox_ru", "train", voices, 16_000)
    bare = split.clips[0].__class__(split.clips[0].audio, "bare")
    mixed = split.__class__((bare, *split.clips[1:3]), split.sample_rate, {})
    assert len(units.labelled(mixed)) == 2
    assert "skipped 1 of 3 clips, which have no phones: bare" in capsys.readouterr().err
    with pytest.raises(InputError, match="None of the 1 clips has phones"):
        units.labelled(split.__class__((bare,), split.sample_rate, {}))


def test_align_writes_text_grids_that_can_be_read(command, voices, model, tmp_path):
    code, _, error = command("phones", "align", tmp_path / "out", "--model", model, "--data", voices)
    assert code == 0, error
    record = json.loads((tmp_path / "out" / "alignments.json").read_text())
    name, tiers = next(iter(record.items()))
    labels = read_labels(tmp_path / "out" / f"{name}.TextGrid", tiers["phones"][-1][3])
    assert [[one.value, one.start_s, one.end_s] for one in labels if one.kind == "phone"] == [row[1:] for row in tiers["phones"]]
    assert [one.value for one in labels if one.kind == "codes"] == [row[1] for row in tiers["codes"]]


def test_commands_print_and_keep_numbers(command, voices, model, tmp_path):
    common = ("--model", model, "--data", voices)
    for name in ("frequency", "length", "map", "metrics", "abx"):
        out = tmp_path / f"{name}.json"
        code, printed, error = command("phones", name, *common, "--out", out)
        assert code == 0, error
        assert printed and json.loads(out.read_text())
    table = json.loads((tmp_path / "metrics.json").read_text())
    assert len(table) == 3 and "k-means on MFCC-39, 16" in table and table["random"]["ami"] < 0.05
    for ending in ("png", "json"):
        code, _, error = command("phones", "bigrams", tmp_path / f"b.{ending}", *common)
        assert code == 0, error
    tables = json.loads((tmp_path / "b.json").read_text())
    assert len(tables) == 4 and all(row[i] == 0 for i, row in enumerate(tables["phones, without the diagonal"]["probabilities"]))
    assert (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")


def test_bad_input_is_one_line_and_nothing_is_written(command, voices, model, tmp_path, tiny_dataset):
    (tmp_path / "file").write_text("")
    for arguments, message in (
        (("phones", "align", tmp_path / "file", "--model", model, "--data", voices), "is a file"),
        (("phones", "bigrams", tmp_path / "b.txt", "--model", model, "--data", voices), "should end in .png"),
        (("phones", "metrics", "--out", tmp_path / "m.csv", "--model", model, "--data", voices), "should end in .json"),
        (("phones", "abx", "--model", model, "--data", tmp_path), "no folders wav and lab"),
        (("phones", "length", "--dataset", "nothing", "--model", model, "--data", voices), "no dataset 'nothing'"),
    ):
        code, _, error = command(*arguments)
        assert code == 2 and message in error and error.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_an_experiment_measures_phones_where_there_are_some(voices, model):
    import vqaudio
    from vqaudio.experiments.measures import phone_measures

    codec, split = vqaudio.load(model), load_split("festvox_ru", "validation", voices, 16_000)
    found = phone_measures(codec, split)
    assert found == phones.scores(*phones.all_frames(units.of_codec(codec, split.clips)))
    assert phone_measures(codec, split.__class__(tuple(c.__class__(c.audio, c.name) for c in split.clips), 16_000, {})) == {}


@pytest.fixture(scope="module")
def record(tmp_path_factory, voices):
    """An experiment of two sizes and three seeds, whose scores stand for runs."""
    from vqaudio.experiments import records

    names = ("nmi", "ami", "ari", "homogeneity", "completeness", "v_measure", "pnmi", "phone_purity", "cluster_purity")
    runs = [
        {"key": f"{vocab}-{seed}", "setting": {"codec.vocab": vocab}, "seed": seed, "seconds": 1.0, "curves": {},
         "measures": {"mel_l1": 0.3} | dict.fromkeys(names, vocab / 100 + seed / 50)}
        for vocab in (44, 8) for seed in (0, 1, 2)
    ]  # fmt: skip
    path = tmp_path_factory.mktemp("over") / "sizes.json"
    command = "vqaudio experiment run sizes.toml"
    records.write(path, records.Record("sizes", "How many?", "codec", "speech-16khz", command, ["codec.vocab"], 6, runs))
    return path


@pytest.mark.parametrize("over,vocabs", [("sizes", ["8", "44"]), ("seeds", ["44"])])
def test_an_experiment_is_compared_with_kmeans_of_its_sizes_and_seeds(command, voices, record, tmp_path, over, vocabs):
    out, figure = tmp_path / "a.json", tmp_path / "a.svg"
    code, printed, error = command(
        "phones", "metrics", "--over", over, "--experiment", record, "--data", voices, "--out", out, "--figure", figure
    )
    assert code == 0, error
    found = json.loads(out.read_text())
    assert list(found) == vocabs and all(one["seeds"] == [0, 1, 2] for one in found.values())
    train, clips = (units.labelled(load_split("festvox_ru", part, voices, 16_000)) for part in ("train", "validation"))
    for seed in (0, 2):
        kmeans = phones.scores(*phones.all_frames(units.KMeansUnits(train, 44, 16_000, seed).of(clips)))
        assert found["44"]["scores"]["k-means on MFCC-39"]["nmi"][seed] == pytest.approx(kmeans["nmi"])
    assert found["44"]["scores"]["speech-16khz"]["pnmi"] == pytest.approx([0.44, 0.46, 0.48])
    assert "44 codewords, 3 seeds" in printed and "0.460 ± 0.020" in printed
    assert "NMI of codes and phones" in figure.read_text()


def test_what_an_experiment_lacks_is_said(command, voices, record, tmp_path):
    without = json.loads(record.read_text())
    for run in without["runs"]:
        del run["measures"]["nmi"]
    (tmp_path / "without.json").write_text(json.dumps(without))
    (tmp_path / "damaged.json").write_text("{}")
    others = json.loads(record.read_text())
    (tmp_path / "others.json").write_text(json.dumps(others | {"runs": others["runs"][3:]}))
    out = ("--data", voices, "--out", tmp_path / "o.json", "--figure", tmp_path / "o.png")
    for arguments, message in (
        (("--over", "sizes", "--experiment", tmp_path / "none.toml", *out), "There is no result"),
        (("--over", "sizes", "--experiment", tmp_path / "damaged.toml", *out), "is damaged"),
        (("--over", "sizes", "--experiment", tmp_path / "without.toml", *out), "has no scores of phones"),
        (("--over", "seeds", "--experiment", tmp_path / "others.toml", *out), "no run with the recipe's 44 codewords"),
        (("--over", "sizes", "--experiment", record, "--part", "test", *out), "measured on validation clips"),
        (("--over", "sizes", "--experiment", record, "--data", voices, "--figure", tmp_path / "o.txt"), "should end in .png"),
        (("--figure", tmp_path / "o.png", "--data", voices), "--over sizes"),
    ):
        code, _, error = command("phones", "metrics", *arguments)
        assert code == 2 and message in error and error.count("\n") == 1, error
    assert not list(tmp_path.glob("o.*"))


def test_info_lists_layers(command, model):
    code, printed, error = command("info", model, "--layers")
    assert code == 0, error
    assert "stem" in printed and "Conv1d" in printed and "1 x 16 x 100" in printed
