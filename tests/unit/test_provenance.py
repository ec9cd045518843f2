"""Records say where a model comes from, and nothing about the machine that made it."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from vqaudio import hub
from vqaudio.codec import Codec
from vqaudio.evaluation import card
from vqaudio.evaluation.card import write_codec_card
from vqaudio.evaluation.prior_card import write_prior_card
from vqaudio.evaluation.question_card import write_question_card
from vqaudio.prior import Prior
from vqaudio.provenance import recorded_command, runs_of, trained_on
from vqaudio.questions.film import QuestionModel

ROOT = Path(__file__).resolve().parents[2]
MACHINE = re.compile(rb"(?<![\w.~-])/(?:work|root|Users|home/\w+)/|(?<![\w.~-])/tmp/[a-z]|[A-Z]:\\\\?Users")
SHIPPED = [name for name in hub.installed() if "judge" not in name]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("train codec --data /a/b/fsdd --out runs/x", "train codec --data DIR --out runs/x"),
        ("train codec --data=/a/b/fsdd", "train codec --data=DIR"),
        ("train codec --data ../sounds --resume", "train codec --data DIR --resume"),
        ("train codec --start-from /a/b/runs/x/last --out /a/b/runs/y", "train codec --start-from runs/x/last --out runs/y"),
        ("train codec --out=/a/b/y --loop.steps 3", "train codec --out=y --loop.steps 3"),
        ("train codec --out HERE/models/y", "train codec --out models/y"),
        ("evaluate codec --peers ../shared/peers", "evaluate codec --peers ../shared/peers"),
        ("generate a.wav --labels digit=7", "generate a.wav --labels digit=7"),
    ],
)
def test_a_command_is_recorded_without_the_machine_s_folders(given, kept, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert recorded_command(["/x/vqaudio", *given.replace("HERE", str(tmp_path)).split()]) == f"vqaudio {kept}"


def test_a_recorded_command_can_be_pasted():
    assert recorded_command(["v", "generate", "--labels", "instrument=french horn"]).endswith("--labels 'instrument=french horn'")


def tracked() -> list[Path]:
    if not shutil.which("git") or subprocess.run(["git", "rev-parse"], cwd=ROOT, capture_output=True).returncode:
        pytest.skip("this is no git checkout")
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.split(b"\0")
    return [ROOT / name.decode() for name in names if name]


def test_no_tracked_file_holds_a_machine_s_paths():
    found = {
        str(path.relative_to(ROOT)): match[0] for path in tracked()
        if path.is_file() and (match := MACHINE.search(path.read_bytes()))
    }
    assert found == {}


PATHS = [b"/work" b"/main", b"/root" b"/.cache", b"/tmp" b"/runs", b"/home" b"/ann/x", b"C:\\\\" b"Users"]  # not as they are here


@pytest.mark.parametrize("path", PATHS)
def test_paths_of_machines_are_recognised(path):
    assert MACHINE.search(b'"--data ' + path + b'"') and not MACHINE.search(b"https://x.org" + path.replace(b"C:\\\\", b"/"))


# Model cards.


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_card_matches_its_records(name, tmp_path):
    folder = tmp_path / name
    shutil.copytree(hub.WEIGHTS / name, folder)
    model = hub.load(folder)
    cards = {Codec: write_codec_card, Prior: write_prior_card, QuestionModel: write_question_card}
    next(write for family, write in cards.items() if isinstance(model, family))(model, folder)
    assert (folder / "README.md").read_text() == (hub.WEIGHTS / name / "README.md").read_text()


@pytest.mark.parametrize("name", hub.installed())
def test_every_shipped_model_records_what_it_was_trained_on(name):
    families = {"fsdd": "fsdd", "notes": "philharmonia", "speech": "speech", "voice": "voice", "ask": "easy-vqa"}
    data = trained_on(runs_of(hub.WEIGHTS / name))
    assert {one["dataset"] for one in data} == {families[name.partition("-")[0]]}
    assert all(one["licence"].startswith("cc-by") or one["licence"] == "mit" for one in data)


def run(**more) -> dict:
    return {
        "command": "vqaudio train", "steps": 1, "seconds": 60.0, "processes": 1, "threads": 1, "device": "cpu", "torch": "2",
        "finished": "2026-01-01", **more,
    }


FSDD = {"dataset": "fsdd", "licence": "cc-by-sa-4.0", "splits": {"train": {"clips": 2400, "seconds": 1050.0}}}
OWN = {"dataset": "folder", "licence": "unknown", "splits": {"train": {"clips": 9, "seconds": 6.0}}}


@pytest.mark.parametrize(
    ("runs", "licence", "said", "unsaid"),
    [
        ([], "unknown", ["Not recorded.", "was not recorded"], ["Digit", "six men"]),
        ([run()], "unknown", ["data not recorded", "licence of the training data was not recorded"], ["Digit"]),
        ([run(data=OWN)], "unknown", ["folder of recordings", "dataset folder: 9 training clips (0.1 minutes)"], ["Digit", "CC"]),
        ([run(data=FSDD)], "cc-by-sa-4.0", ["Free Spoken Digit Dataset", "2,400 training clips (17.5 minutes)", "six men"], []),
        ([run(data=FSDD), run(data=FSDD)], "cc-by-sa-4.0", [], ["then on"]),
        ([run(data=FSDD), run(data=OWN)], "unknown", ["Digit Dataset, then on a folder of recordings"], []),
        ([run(data=FSDD | {"licence": "mit"}), run(data=FSDD)], "other", [], []),
        ([run(data=OWN, start_from={"model": "x", "data": [FSDD]})], "unknown", ["Digit Dataset, then on a folder"], []),
        ([run(data=FSDD, start_from={"model": "x", "data": []})], "unknown", ["not recorded, then on the Free"], []),
        ([run(data={"dataset": "no such dataset"})], "unknown", ["data that was not recorded"], []),
    ],
)
def test_a_card_says_what_was_recorded_and_nothing_else(codec, model_folder, tmp_path, runs, licence, said, unsaid):
    shutil.copytree(model_folder, tmp_path / "mine")
    (tmp_path / "mine" / "training.json").write_text(json.dumps(runs))
    write_codec_card(codec, tmp_path / "mine")
    text = (tmp_path / "mine" / "README.md").read_text()
    assert f"license: {licence}\n" in text
    assert [one for one in said if one not in text] == [] and [one for one in unsaid if one in text] == []


METRICS = {"command": "vqaudio evaluate codec", "rows": []}
COUNTS = {"clips": 12, "utterances": 3}


@pytest.mark.parametrize(
    ("metrics", "heading", "said"),
    [
        ({"dataset": "fsdd", "split": "test", **COUNTS}, " on the test split", "over 3 utterances of ten"),
        ({"dataset": "fsdd", "split": "test", **COUNTS}, " on the test split", "Takes 0 to 4 are"),
        ({"dataset": "fsdd", "split": "validation", **COUNTS}, " on the validation split", "chosen on these clips"),
        ({"dataset": "voice", "split": "test", **COUNTS}, " on the test split", "The clips are from recordings of"),
        ({}, "", "Means over the clips. Which split the clips are from was not recorded."),
    ],
)
def test_figures_are_under_the_split_they_come_from(codec, model_folder, tmp_path, monkeypatch, metrics, heading, said):
    monkeypatch.setattr(card, "table", lambda rows: "| table |")
    shutil.copytree(model_folder, tmp_path / "mine")
    (tmp_path / "mine" / "training.json").write_text(json.dumps([run(data=FSDD)]))
    (tmp_path / "mine" / "metrics.json").write_text(json.dumps(METRICS | metrics))
    write_codec_card(codec, tmp_path / "mine")
    text = (tmp_path / "mine" / "README.md").read_text()
    assert f"## Results{heading}\n" in text and said in text
