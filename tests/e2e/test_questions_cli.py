"""The question commands end to end, and their errors."""

import json
import shutil
from dataclasses import replace

import pytest
import soundfile
import torch

from tests.asking import small_model
from vqaudio import hub
from vqaudio.questions import layouts
from vqaudio.questions.codes import config_for


@pytest.fixture(scope="module")
def answering(scene_folders, tmp_path_factory):
    """A small untrained model."""
    folder = tmp_path_factory.mktemp("models") / "asker"
    hub.save_compact(small_model(layouts.read("scenes", scene_folders, "train")), folder)
    return folder


@pytest.fixture
def scene(scene_folders):
    return sorted((scene_folders / "train" / "audio").iterdir())[0]


def test_scenes_prints_the_share_of_the_most_frequent_answer(command, clear_folder, tmp_path):
    arguments = ("--data", clear_folder, "--split", "test", "--scenes", 2, "--questions", 16, "--seed", 1)
    code, out, err = command("scenes", tmp_path / "out", *arguments)
    assert code == 0 and "count_related" in out and "%" in out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"audio", "scenes.json", "questions.json"}
    before = (tmp_path / "out" / "questions.json").read_bytes()
    code, out, err = command("scenes", tmp_path / "out", *arguments)
    assert code == 2 and "exists already" in err and (tmp_path / "out" / "questions.json").read_bytes() == before


def test_pictures_are_written_without_data(command, tmp_path):
    code, out, _ = command("scenes", tmp_path / "out", "--pictures", "--scenes", 2, "--questions", 6)
    assert code == 0 and "relational" in out and len(list((tmp_path / "out" / "pictures").iterdir())) == 2


def test_ask_prints_the_likeliest_answers_and_the_correct_one(command, answering, scene_folders, scene):
    listed = json.loads((scene_folders / "train" / "questions.json").read_text())["questions"][0]
    arguments = ("--model", answering, "--answers", 3, "--program", scene_folders / "train" / "scenes.json")
    code, out, err = command("ask", scene, listed["question"], *arguments)
    lines = out.splitlines()
    assert (code, err) == (0, "") and len(lines) == 4 and lines[-1].split() == ["true", "answer", listed["answer"]]
    assert all(line.endswith("%") for line in lines[:3])
    assert "unknown words: zebras" in command("ask", scene, "How many zebras are there?", "--model", answering)[1]


@pytest.mark.parametrize(
    ("question", "message"), [("", "empty"), ("qwerty asdf", "none of"), ("is " * 10_000, "10,000 words")]
)
def test_a_bad_question_gets_one_line(command, answering, scene, question, message):
    code, out, err = command("ask", scene, question, "--model", answering)
    assert code == 2 and out == "" and message in err and len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("seconds", "level", "message"), [(0.01, 0.1, "0.01 s"), (2, 0.0, "silent"), (3600, 0.1, "longer than 12 s")]
)
def test_a_bad_sound_gets_one_line(command, answering, tmp_path, seconds, level, message):
    soundfile.write(tmp_path / "a.wav", torch.full((round(8000 * seconds),), level).numpy(), 8000)
    code, out, err = command("ask", tmp_path / "a.wav", "How many sounds are there?", "--model", answering)
    assert code == 2 and out == "" and message in err and len(err.splitlines()) == 1


def test_other_models_and_missing_files_are_refused(command, answering, model_folder, tmp_path, scene):
    code, _, err = command("ask", scene, "How many sounds are there?", "--model", model_folder)
    assert code == 2 and "does not answer questions" in err
    code, _, err = command("ask", tmp_path / "no.wav", "How many sounds are there?", "--model", answering)
    assert code == 2 and "no.wav is missing" in err


def test_train_then_evaluate(command, scene_folders, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny = (
        "--model.extractor-channels", 4, 4, "--model.extractor-strides", 8, 8, 8, 4, "--model.channels", 4, "--model.n-blocks", 1,
        "--model.gru", 8, "--training.questions-per-picture", 4, "--training.batch-size", 8, "--training.epochs", 2,
        "--loop.device", "cpu",
    )
    code, out, _ = command("train", "questions", "--recipe", "ask-notes", "--data", scene_folders, "--out", "run", *tiny)
    assert code == 0 and "accuracy_count" in out
    files = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"best", "last", "metrics.csv", "checkpoint.pt", "training.json"} <= files
    run = ("train", "questions", "--recipe", "ask-notes", "--data", scene_folders, "--out", "run", *tiny, "--resume")
    before = (tmp_path / "run" / "checkpoint.pt").stat().st_mtime_ns
    assert "nothing left to do" in command(*run)[1]
    code, _, err = command(*run, "--training.learning-rate", 1)
    assert code == 2 and "--training.learning-rate is 1.0 and was 0.0015" in err
    assert (tmp_path / "run" / "checkpoint.pt").stat().st_mtime_ns == before
    assert command("card", "--model", "run/best")[0] == 0
    card = (tmp_path / "run" / "best" / "README.md").read_text()
    assert "license: unknown" in card and "dataset scenes: 192 training questions, 64 validation questions" in card
    arguments = ("--data", scene_folders, "--split", "validation", "--json", "scores.json")
    code, out, _ = command("evaluate", "questions", "--model", "run/best", *arguments)
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert code == 0 and 0 <= scores["accuracy"] <= 1 and set(scores["by_type"]) == set(scores["questions"])
    assert "most frequent answer" in out
    arguments = (*arguments, "--without-column-coordinate", "--save")
    assert command("evaluate", "questions", "--model", "run/best", *arguments)[0] == 0
    assert json.loads((tmp_path / "run" / "best" / "metrics.json").read_text())[0]["coordinates"]["columns"] is False


def test_a_missing_sound_is_named_before_anything_is_written(command, scene_folders, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(scene_folders, tmp_path / "data")
    gone = sorted((tmp_path / "data" / "train" / "audio").iterdir())[3]
    gone.unlink()
    code, _, err = command("train", "questions", "--data", tmp_path / "data", "--out", "run")
    assert code == 2 and f"{gone.name} is missing" in err and not (tmp_path / "run").exists()


def test_damaged_lists_and_records_get_one_line(command, scene_folders, answering, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(scene_folders / "validation", tmp_path / "data")
    (tmp_path / "data" / "questions.json").write_text('{"questions": [{"question": "How many?"}]}')
    code, _, err = command("evaluate", "questions", "--model", answering, "--data", tmp_path / "data", "--json", "s.json")
    assert code == 2 and "damaged" in err and len(err.splitlines()) == 1 and not (tmp_path / "s.json").exists()
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "train.tfrecord").write_bytes(b"not a record at all")
    code, _, err = command("train", "questions", "--recipe", "coursework", "--data", tmp_path / "records", "--out", "run")
    assert code == 2 and "damaged at record 1" in err and not (tmp_path / "run").exists()


def test_conditioning_is_compared(command, tmp_path):
    code, out, _ = command("evaluate", "questions", "--compare-conditioning", "--json", tmp_path / "c.json")
    assert code == 0 and "concatenation" in out and len(json.loads((tmp_path / "c.json").read_text())["conditioning"]) == 4


def test_the_code_map_is_an_input(picture_folder, scene_folders, scene):
    from vqaudio.questions.inputs import read_source

    model = small_model(layouts.read("scenes", scene_folders, "train"))
    sizes = []
    for stages in (1, 2):
        config = config_for(replace(model.config, sees="codes", codec=str(picture_folder), code_stages=stages))
        other = small_model(layouts.read("scenes", scene_folders, "train"), **{
            name: getattr(config, name) for name in
            ("sees", "codec", "code_stages", "height", "width", "inputs", "sample_rate", "column_s")
        })
        audio = read_source(scene, other.config)
        sizes.append(other.picture_of(audio).shape)
        assert other.ask(audio, "How many sounds are there?").text in other.config.answers
    assert sizes[0][:3] == sizes[1][:3] and sizes[1][3] == 2 * sizes[0][3]
