"""Models trained on a folder: measured at their rate, resumed only as the same run, published with their records."""

import json
import shutil

import pytest
import torch

from vqaudio import hub
from vqaudio.cli import main
from vqaudio.data.datasets import folder as folder_dataset
from vqaudio.evaluation import codec_evaluation
from vqaudio.judges import Judge, JudgeConfig

SMALL = (
    *("--codec.sample-rate", "8000", "--codec.hop", "160", "--codec.n-fft", "320"),
    *("--codec.encoder-channels", "16", "--codec.encoder-blocks", "1", "--codec.latent-dim", "8", "--codec.wave-dims", "4"),
    *("--codec.decoder-channels", "16", "--codec.decoder-blocks", "1", "--codec.frame-channels", "16"),
    *("--codec.n-stages", "2", "--codec.frame-blocks", "1", "--codec.vocab", "16"),
    *("--loop.device", "cpu", "--training.batch-size", "4"),
)
STEPS = ("--loop.steps", "2", "--loop.log-every", "1", "--loop.validate-every", "2", "--loop.checkpoint-every", "1")
SMALL_PRIOR = (
    *("--prior.dim", "16", "--prior.layers", "1", "--prior.heads", "2", "--loop.device", "cpu"),
    *("--training.shifts", "0", "--training.speeds", "1.0", "--training.batch-size", "4"),
)
CLAIMS = ("Spoken Digit", "six men", "digits", "cc-by", "CC BY", "speech", "experiments/")


@pytest.fixture(scope="module")
def home(tmp_path_factory, example_clips):
    """A folder with recordings of two classes in sounds/, and a codec and a prior trained on them in runs/."""
    root = tmp_path_factory.mktemp("home")
    for i in range(12):
        place = root / "sounds" / "ab"[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(example_clips[i % len(example_clips)], place / f"{i}.wav")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        codec = ("train", "codec", "--recipe", "folder", "--data", "sounds", *SMALL, *STEPS)
        prior = ("train", "prior", "--recipe", "folder-masked", "--data", "sounds", *SMALL_PRIOR, *STEPS)
        for command in (codec, prior):
            patch.setattr("sys.argv", ["vqaudio", *command])
            assert main(list(command)) == 0
    return root


@pytest.fixture
def at_home(home, monkeypatch):
    monkeypatch.chdir(home)
    return home


# Rates.


def test_a_codec_is_measured_at_its_own_rate(command, at_home):
    split = folder_dataset.load_split("test", "sounds", 8000)
    codec = hub.load("runs/folder/best")
    decoded = codec_evaluation.decode_split(codec, split, [2])[2]
    row = codec_evaluation.score("", 0, split, decoded, [])
    code, out, err = command("evaluate", "codec", "--model", "runs/folder/best", "--dataset", "folder", "--data", "sounds")
    line = next(line for line in out.splitlines() if "2 stages" in line)
    assert code == 0, err
    assert f"| {row.mel_l1:.3f} | {row.mr_stft:.3f} | {row.si_sdr:.1f} |" in line and "| original | 128000 |" in out


@pytest.mark.parametrize(
    "arguments",
    [
        ("evaluate", "codec", "--model", "runs/folder/best"), ("codebooks", "--model", "runs/folder/best"),
        ("evaluate", "prior", "--model", "runs/folder-masked/best", "--codec", "runs/folder/best", "--clips", "2"),
        ("train", "codec", "--recipe", "folder", *SMALL, *STEPS, "--out", "again"),
        ("train", "prior", "--recipe", "folder-masked", *SMALL_PRIOR, *STEPS, "--out", "again"),
        ("train", "judge", "--dataset", "folder", "--judge.target", "label", "--judge.sample-rate", "8000",
         "--training.batch-size", "4", "--out", "again", "--loop.device", "cpu", *STEPS),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)  # fmt: skip
def test_every_command_opens_a_dataset_at_its_model_s_rate(command, at_home, monkeypatch, arguments):
    asked = []

    def load_split(part, root=None, sample_rate=folder_dataset.SAMPLE_RATE, load=folder_dataset.load_split):
        asked.append(sample_rate)
        return load(part, root, sample_rate)

    monkeypatch.setattr(folder_dataset, "load_split", load_split)
    dataset = () if "--recipe" in arguments or "judge" in arguments else ("--dataset", "folder")
    code, _, err = command(*arguments, *dataset, "--data", "sounds")
    shutil.rmtree("again", ignore_errors=True)
    assert code == 0, err
    assert asked and set(asked) == {8000}


def test_models_at_different_rates_do_not_share_a_table(command, at_home, model_folder, tmp_path):
    judge = Judge(JudgeConfig(target="label", classes=("a", "b"), sample_rate=16_000))
    hub.save_compact(judge, tmp_path / "judge")
    measured = ("evaluate", "codec", "--model", "runs/folder/best", "--dataset", "folder", "--data", "sounds")
    code, _, err = command(*measured, "--judges", tmp_path / "judge")
    assert code == 2 and "judge works at 16,000 Hz, and the clips are at 8,000 Hz: leave it out" in err
    assert command(*measured, "--beside", model_folder)[0] == 0


def test_shards_at_another_rate_are_refused(command, at_home, tmp_path):
    pytest.importorskip("pyarrow")
    assert command("prepare", "folder", tmp_path / "16k", "--data", "sounds")[0] == 0
    assert command("prepare", "folder", tmp_path / "8k", "--data", "sounds", "--sample-rate", 8000)[0] == 0
    measure = ("evaluate", "codec", "--model", "runs/folder/best", "--dataset", "shards", "--data")
    code, _, err = command(*measure, tmp_path / "16k")
    assert code == 2 and "is a dataset at 16,000 Hz, and this model works at 8,000 Hz" in err
    assert command(*measure, tmp_path / "8k")[0] == 0


# Resuming.


def files(folder) -> dict:
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (("--codec.sample-rate", "16000"), "--codec.sample-rate is 16000 and was 8000"),
        (("--training.learning-rate", "0.1"), "--training.learning-rate is 0.1 and was 0.001"),
        (("--codec.n-stages", "3", "--training.mel", "1"), "--codec.n-stages is 3 and was 2; --training.mel is 1.0 and was"),
        (("--dataset", "fsdd"), "--dataset is 'fsdd' and was 'folder'"),
        (("--data", "fewer"), "the data's splits.train.clips is"),
        (("--loop.seed", "1"), "--loop.seed is 1 and was 0"),
        (("--loop.validate-every", "1", "--training.workers", "2"), ""),
        ((), ""),
    ],
)
def test_a_finished_codec_is_resumed_only_as_the_same_run(command, at_home, changed, said):
    if not (at_home / "fewer").exists():
        shutil.copytree("sounds", "fewer")
        next((at_home / "fewer" / "a").iterdir()).unlink()
    before = files(at_home / "runs")
    code, out, err = command("train", "codec", "--recipe", "folder", "--data", "sounds", *SMALL, *STEPS, "--resume", *changed)
    assert files(at_home / "runs") == before
    if said:
        assert code == 2 and said in err and "choose another --out" in err
    else:
        assert code == 0 and "nothing left to do" in out


def test_a_prior_is_not_continued_on_another_codec_s_codes(command, at_home, tmp_path):
    codec = hub.load("runs/folder/best")
    torch.manual_seed(1)
    other = type(codec)(codec.config)
    hub.save_compact(other, tmp_path / "best")
    before = files(at_home / "runs" / "folder-masked")
    shutil.move("runs/folder/best", "kept")
    shutil.copytree(tmp_path / "best", "runs/folder/best")  # trained again under the same name
    try:
        code, _, err = command(
            "train", "prior", "--recipe", "folder-masked", "--data", "sounds", *SMALL_PRIOR, *STEPS, "--resume"
        )
    finally:
        shutil.rmtree("runs/folder/best")
        shutil.move("kept", "runs/folder/best")
    assert code == 2 and "the data's codec.fingerprint is" in err and files(at_home / "runs" / "folder-masked") == before


def test_a_codec_may_be_named_differently(command, at_home):
    before = files(at_home / "runs" / "folder-masked")
    codec = ("--codec", at_home / "runs" / "folder" / "best")
    run = ("train", "prior", "--recipe", "folder-masked", "--data", at_home / "sounds", *SMALL_PRIOR, *STEPS, *codec, "--resume")
    code, out, _ = command(*run)
    assert code == 0 and "nothing left to do" in out and files(at_home / "runs" / "folder-masked") == before


# Divergence.


@pytest.mark.parametrize(
    ("kind", "arguments", "name"),
    [
        ("codec", ("--recipe", "folder", "--data", "sounds", *SMALL), "loss"),
        ("prior", ("--recipe", "folder-masked", "--data", "sounds", *SMALL_PRIOR), "bits"),
        ("judge", ("--dataset", "folder", "--data", "sounds", "--judge.target", "label", "--training.batch-size", "4",
                   "--loop.device", "cpu"), "loss"),
    ],
)  # fmt: skip
def test_training_that_diverges_ends_with_one_sentence(command, at_home, tmp_path, kind, arguments, name):
    steps = ("--loop.steps", "40", "--loop.validate-every", "40", "--loop.checkpoint-every", "1", "--loop.log-every", "40")
    rate = ("--training.learning-rate", "1e9")
    code, _, err = command("train", kind, *arguments, *steps, *rate, "--out", tmp_path / "run")
    last = err.splitlines()[-1]
    assert code == 2 and last.startswith("vqaudio: Training diverged at step ") and "learning rate " in last and name in last
    assert "Traceback" not in err and not (tmp_path / "run" / "best").exists()
    if (tmp_path / "run" / "checkpoint.pt").exists():
        state = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
        weights = [value for module in state["modules"].values() for value in module.values()]
        assert all(value.isfinite().all() for value in weights)


# Cards.


def test_a_run_records_what_it_was_trained_on(at_home):
    codec, prior = (json.loads((at_home / "runs" / name / "training.json").read_text()) for name in ("folder", "folder-masked"))
    counts = {part: len(folder_dataset.load_split(part, "sounds").clips) for part in ("train", "validation")}
    for run in (codec, prior):
        assert run["data"]["dataset"] == "folder" and run["data"]["licence"] == "unknown"
        assert {part: size["clips"] for part, size in run["data"]["splits"].items()} == counts
        assert run["data"]["labels"] == {"label": 2} and "--data DIR" in run["command"]
    assert prior["data"]["codec"] == {"name": "folder", "fingerprint": hub.load(at_home / "runs/folder/best").encoder_fingerprint}


@pytest.mark.parametrize("kind", ["codec", "prior"])
def test_a_published_model_claims_nothing_that_was_not_recorded(command, at_home, tmp_path, kind):
    run, measure = {
        "codec": ("runs/folder", ("evaluate", "codec", "--dataset", "folder", "--split", "validation")),
        "prior": ("runs/folder-masked", ("evaluate", "prior", "--codec", "runs/folder/best", "--dataset", "folder", "--split",
                                         "validation", "--clips", "2")),
    }[kind]  # fmt: skip
    target = tmp_path / "mine"
    assert command("publish", run, "--name", target)[0] == 0
    assert command("card", "--model", target)[0] == 0
    card = (target / "README.md").read_text()
    assert not [claim for claim in CLAIMS if claim in card] and "license: unknown" in card and "test split\n" not in card
    assert "a folder of recordings" in card and "dataset folder: " in card and "Not measured." in card

    code, _, err = command(*measure, "--model", target, "--data", "sounds", "--save")
    assert code == 0, err
    assert command("card", "--model", target)[0] == 0
    card = (target / "README.md").read_text()
    assert not [claim for claim in CLAIMS if claim in card]
    assert "## Results on the validation split" in card and "chosen on these clips" in card
    text = (target / "metrics.json").read_text()
    record = json.loads(text)
    assert record["dataset"] == "folder" and record["split"] == "validation" and str(tmp_path) not in text


def test_an_unpublished_run_gets_the_same_card(command, at_home):
    assert command("card", "--model", "runs/folder/best")[0] == 0
    card = (at_home / "runs/folder/best/README.md").read_text()
    assert "dataset folder: " in card and "license: unknown" in card and not [claim for claim in CLAIMS if claim in card]


def test_a_fine_tuned_model_names_the_data_of_both_runs(command, at_home, tmp_path):
    shutil.copytree("runs/folder/best", tmp_path / "base")
    run = json.loads((at_home / "runs/folder/training.json").read_text())
    run["data"] = {"dataset": "fsdd", "licence": "cc-by-sa-4.0", "splits": {}}
    (tmp_path / "base" / "training.json").write_text(json.dumps([run]))
    base = ("--start-from", tmp_path / "base", "--out", tmp_path / "run")
    assert command("train", "codec", "--recipe", "folder", "--data", "sounds", *SMALL, *STEPS, *base)[0] == 0
    assert command("card", "--model", tmp_path / "run" / "best")[0] == 0
    card = (tmp_path / "run" / "best" / "README.md").read_text()
    assert "trained on the Free Spoken Digit Dataset, then on a folder of recordings" in card and "license: unknown" in card


def test_publishing_new_weights_drops_the_measurements_of_the_old_ones(command, at_home, tmp_path):
    target = tmp_path / "mine"
    assert command("publish", "runs/folder", "--name", target, "--title", "Mine", "--knows", "a and b")[0] == 0
    (target / "metrics.json").write_text("{}")
    (target / "critic").mkdir()
    (target / "critic" / "config.json").write_text("kept")
    code, out, _ = command("publish", "runs/folder", "--name", target, "--title", "Ours")
    assert code == 0 and "Removed" not in out and (target / "metrics.json").exists()
    assert hub.about(target) == {"title": "Ours", "knows": "a and b"}
    model = hub.load(target)
    torch.nn.init.ones_(next(model.parameters()))
    shutil.copytree("runs/folder", tmp_path / "other")
    hub.save_compact(model, tmp_path / "other" / "best")
    code, out, _ = command("publish", tmp_path / "other", "--name", target)
    assert code == 0 and "Removed metrics.json" in out and not (target / "metrics.json").exists()
    assert (target / "critic" / "config.json").read_text() == "kept" and hub.about(target)["title"] == "Ours"
    assert hub.load(target).fingerprint == hub.load(tmp_path / "other" / "best").fingerprint
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_licence_may_be_stated(command, at_home, tmp_path):
    target = tmp_path / "mine"
    assert command("publish", "runs/folder", "--name", target, "--licence", "cc0-1.0")[0] == 0
    assert command("card", "--model", target)[0] == 0
    card = (target / "README.md").read_text()
    assert "license: cc0-1.0\n" in card and "states the licence cc0-1.0" in card and "was not recorded" not in card
    code, _, err = command("publish", "runs/folder", "--name", target, "--licence", "mit\ntags: [x]")
    assert code == 2 and "is not a licence name" in err


def test_publish_and_card_refuse_bad_arguments(command, at_home, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("mine")
    code, _, err = command("publish", "runs/folder", "--name", tmp_path / "thesis")
    assert code == 2 and "holds other files and no model" in err
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["chapter.txt"]
    code, _, err = command("card", "--model", "fsdd-judge-digit")
    assert code == 2 and "is a judge" in err and err.count("\n") == 1
    (tmp_path / "odd").mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(at_home / "runs/folder/best" / name, tmp_path / "odd")
    for content in ("{", "{}", "[1]", '[{"command": "x"}]'):
        (tmp_path / "odd" / "training.json").write_text(content)
        code, _, err = command("card", "--model", tmp_path / "odd")
        assert code == 2 and "training.json is " in err and err.count("\n") == 1
