"""A corpus to codes: the same codes as one by one, whole in every way of working, and readable by others."""

import json
import shutil
from pathlib import Path

import pytest
import torch

pyarrow = pytest.importorskip("pyarrow")
from pyarrow import parquet  # noqa: E402

from vqaudio import audio  # noqa: E402
from vqaudio.data import tokens  # noqa: E402
from vqaudio.errors import InputError  # noqa: E402


@pytest.fixture(scope="module")
def corpus(example_clips, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("corpus")
    for i in range(14):
        target = root / ("ж" if i % 2 else "b")
        target.mkdir(exist_ok=True)
        shutil.copy(example_clips[i % len(example_clips)], target / f"{i}.wav")
    (root / "broken.mp3").write_bytes(b"no sound")
    return root


def rows(out: Path) -> dict[str, dict]:
    return {row["name"]: row for path in sorted(out.glob("*.parquet")) for row in parquet.read_table(path).to_pylist()}


def test_the_codes_are_those_of_encode(command, corpus, model_folder, codec, tmp_path):
    model = ("--model", model_folder, "--per-shard", 4, "--processes", 1)
    code, out, err = command("tokenize", corpus, tmp_path / "all", *model)
    assert (code, err) == (0, "")
    assert "encoded 14 recordings" in out and "times real time per core" in out and "1 could not" in out
    assert command("tokenize", corpus, tmp_path / "two", *model, "--stages", 2, "--batch-s", 0.7)[0] == 0
    found = {name: (codes, labels) for name, codes, labels in tokens.read(tmp_path / "all", codec=codec)}
    assert len(found) == 14
    for name, codes, _ in tokens.read(tmp_path / "two"):
        sound = audio.load(corpus / name, codec.sample_rate)[0][None]
        expected = codec.encode(sound)
        assert torch.equal(found[name][0].ids, expected.ids) and torch.equal(codes.ids, expected.first(2).ids)
        assert found[name][1] == {"label": name.split("/")[0]}
        assert codec.decode(found[name][0]).shape == sound.shape
    row = rows(tmp_path / "all")[name]  # what a reader that knows nothing of this package finds
    assert row["ids"] == expected.ids[0].T.flatten().tolist() and row["label"] == name.split("/")[0]


def test_it_goes_on_and_other_processes_make_the_same(command, corpus, model_folder, tmp_path, monkeypatch):
    arguments = ("--model", model_folder, "--per-shard", 3)
    assert command("tokenize", corpus, tmp_path / "one", *arguments, "--processes", 1)[0] == 0
    shutil.copytree(tmp_path / "one", tmp_path / "ranks")
    gone = sorted((tmp_path / "ranks").glob("train*.parquet"))[:2]
    for path in (*gone, tmp_path / "ranks" / "dataset.json"):
        path.unlink()
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in ("1", "0"):
        monkeypatch.setenv("RANK", rank)
        assert command("tokenize", corpus, tmp_path / "ranks", *arguments)[0] == 0
    monkeypatch.delenv("RANK")
    assert command("tokenize", corpus, tmp_path / "side", *arguments, "--processes", 2)[0] == 0
    assert rows(tmp_path / "ranks") == rows(tmp_path / "one") == rows(tmp_path / "side")


def test_a_ray_pipeline_makes_the_same(corpus, model_folder, codec, tmp_path, monkeypatch):
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    tokens.tokenize(codec, str(model_folder), tmp_path / "plain", corpus, per_shard=4)
    try:
        done = tokens.tokenize(codec, str(model_folder), tmp_path / "ray", corpus, per_shard=4, processes=2, ray=True)
    finally:
        ray.shutdown()
    assert done.recordings == 15 and done.skipped == 1 and done.audio_s > 1
    assert rows(tmp_path / "ray") == rows(tmp_path / "plain")
    assert len(list(tokens.read(tmp_path / "ray", codec=codec))) == 14


def test_what_does_not_fit_is_told_in_one_line(command, corpus, model_folder, other_folder, codec, tmp_path):
    assert command("tokenize", corpus, tmp_path / "out", "--model", model_folder, "--processes", 1)[0] == 0
    for arguments, said in (
        ((corpus, tmp_path / "out", "--model", other_folder), "started with another model"),
        ((corpus, tmp_path / "out", "--model", model_folder, "--stages", 2), "started with another number of stages (4, not 2)"),
        ((corpus, tmp_path / "new", "--model", model_folder, "--stages", 9), "the first 9 cannot be taken"),
        ((tmp_path / "none", tmp_path / "new", "--model", model_folder), "There is no folder"),
        ((corpus, tmp_path / "new", "--model", "nobody"), "There is no model 'nobody'"),
        ((corpus, tmp_path / "new", "--model", model_folder, "--processes", 0), "--processes is 0; it takes"),
    ):
        code, out, err = command("tokenize", *arguments)
        assert (code, out, err.count("\n")) == (2, "", 1) and said in err
    with pytest.raises(InputError, match="are from the model 'small'"):
        next(tokens.read(tmp_path / "out", codec=type("Other", (), {"fingerprint": "0", "name": "other"})))
    code, _, err = command("train", "codec", "--dataset", "shards", "--data", tmp_path / "out")
    assert code == 2 and "holds shards of codes, and not of audio" in err
    shard = next((tmp_path / "out").glob("train*.parquet"))
    shard.write_bytes(shard.read_bytes()[:-9])
    with pytest.raises(InputError, match="is cut short"):
        next(tokens.read(tmp_path / "out"))


def test_the_benchmark_runs(example_clips, model_folder, tmp_path, capsys):
    """At a size that measures nothing."""
    from benchmarks import tokenize

    threads = torch.get_num_threads()
    try:
        tokenize.main(example_clips[0].parent, str(model_folder), repeats=1, encodec=False, json=tmp_path / "tokenize.json")
    finally:
        torch.set_num_threads(threads)
    written = json.loads((tmp_path / "tokenize.json").read_text())
    assert written["hours_per_core_hour"]["vqaudio tokenize, small"] > 0 and written["audio_s"] > 1
    assert "| vqaudio tokenize, small" in capsys.readouterr().out
