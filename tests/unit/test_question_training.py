"""Training a network that answers questions: it learns, a batch follows from its step, and a killed run goes on to the bit."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from vqaudio import hub
from vqaudio.errors import InputError
from vqaudio.evaluation import question_evaluation
from vqaudio.questions import layouts, shapes
from vqaudio.questions.examples import NO_SOUND, answer_all, answers_of, examples
from vqaudio.questions.film import QuestionConfig, QuestionModel
from vqaudio.questions.inputs import inputs_of
from vqaudio.questions.tokeniser import vocabulary
from vqaudio.training.loop import LoopConfig, Worker, fit
from vqaudio.training.question_task import QuestionTask, QuestionTraining

CPU = Worker(torch.device("cpu"))
SMALL = QuestionConfig(
    height=32, width=32, extractor_channels=(8, 8), channels=8, embedding=8, gru=8, gru_layers=1, classifier_channels=16,
    classifier_hidden=16,
)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    root = tmp_path_factory.mktemp("shapes")
    shapes.write_picture_scenes(root / "train", "train", 40, 12, 0)
    shapes.write_picture_scenes(root / "validation", "validation", 10, 12, 0)
    return root


@pytest.fixture
def task(pictures, tmp_path_factory):
    return make_task(pictures, tmp_path_factory.getbasetemp() / "cache")


def make_task(root, cache, seed=0, **settings):
    folders = [layouts.read("scenes", root, split) for split in ("train", "validation")]
    torch.manual_seed(seed)
    words = vocabulary(question.text for question in folders[0].questions)
    model = QuestionModel(replace(SMALL, vocabulary=words, answers=answers_of(folders[0])))
    train, validation = (examples(folder, inputs_of(folder, model.config, cache), model) for folder in folders)
    return QuestionTask(model, QuestionTraining(**{"batch_size": 8, **settings}), train, validation, seed, CPU)


def test_every_picture_occurs_once_an_epoch_with_a_question_drawn_again_in_each(task):
    assert task.steps_per_epoch == 5
    epochs = []
    for epoch in range(2):
        batches = [task.batch(5 * epoch + step) for step in range(5)]
        epochs.append(torch.cat([batch.pictures for batch in batches]))
        assert all(len(batch.tokens) == 8 for batch in batches)
    kept = torch.from_numpy(task.train.pictures.astype("float32"))
    for seen in epochs:
        assert len(seen) == 40 and len(torch.unique(seen.flatten(1), dim=0)) == len(torch.unique(kept.flatten(1), dim=0))
    assert not torch.equal(epochs[0], epochs[1])
    one, again = task.batch(7), task.batch(7)
    assert torch.equal(one.tokens, again.tokens) and torch.equal(one.pictures, again.pictures)


def test_questions_that_share_a_picture_are_its_own(pictures, tmp_path):
    task = make_task(pictures, tmp_path, questions_per_picture=4)
    batch = task.batch(0)
    assert len(batch.pictures) == 2 and len(batch.tokens) == 8
    kept = torch.from_numpy(task.train.pictures.astype("float32"))
    for picture, tokens, answers in zip(batch.pictures, batch.tokens.view(2, 4, -1), batch.answers.view(2, 4)):
        number = int((kept == picture).flatten(1).all(1).nonzero()[0])
        own = task.train.of_picture[number]
        for question, answer in zip(tokens, answers):
            assert any(
                torch.equal(task.train.tokens[i, : len(question)], question) and task.train.answers[i] == answer for i in own
            )


def test_a_small_network_learns_a_few_questions_by_heart(task):
    task.learning_rates["model"] = 3e-3
    batch = task.batch(0)
    task.batch = lambda step: batch
    for group in task.optimisers["model"].param_groups:
        group["lr"] = 1e-2
    first, *_, last = [float(task.train_step(step)["loss"].detach()) for step in range(60)]
    assert last < 0.3 * first


def test_a_killed_run_goes_on_to_the_bit(pictures, tmp_path):
    loop = LoopConfig(steps=10, log_every=5, validate_every=5, checkpoint_every=5, device="cpu")
    whole = make_task(pictures, tmp_path / "cache")
    fit(whole, loop, tmp_path / "whole", CPU)

    cut = make_task(pictures, tmp_path / "cache")
    step = cut.train_step

    def killed(number):
        if number == 7:
            raise SystemExit
        return step(number)

    cut.train_step = killed
    with pytest.raises(SystemExit):
        fit(cut, loop, tmp_path / "cut", CPU)
    fit(make_task(pictures, tmp_path / "cache"), loop, tmp_path / "cut", CPU, resume=True)
    for name in ("last/model.safetensors", "best/model.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "cut" / name).read_bytes()
    rows = [list(csv.DictReader((tmp_path / name / "metrics.csv").open())) for name in ("whole", "cut")]
    for one, other in zip(*rows, strict=True):
        assert {k: v for k, v in one.items() if k != "seconds"} == {k: v for k, v in other.items() if k != "seconds"}
    assert [row["step"] for row in rows[0]] == ["5", "10"]


def test_an_exported_model_answers_alike_and_belongs_to_the_family(task, tmp_path):
    task.export(tmp_path / "model")
    loaded = hub.load(tmp_path / "model")
    assert isinstance(loaded, QuestionModel) and loaded.config == task.model.config
    batch = task.batch(0)
    task.model.half().float().eval()  # what is saved is half precision
    wanted = task.model(batch.pictures, batch.tokens, batch.lengths)
    torch.testing.assert_close(loaded(batch.pictures, batch.tokens, batch.lengths), wanted)
    assert "questions.film" in hub.known_modules()


def test_accuracy_is_the_share_of_right_answers_by_type(task):
    score = answer_all(task.model, task.validation)
    types = task.validation.types
    assert len(score.right) == 120
    counts = {kind: types.count(kind) for kind in score.by_type}
    assert sum(counts[kind] * value for kind, value in score.by_type.items()) / 120 == pytest.approx(score.accuracy)
    task.validation.answers[:] = -1  # an answer that the model does not know is never right
    assert answer_all(task.model, task.validation).accuracy == 0


def test_evaluation_writes_accuracy_by_type_and_keeps_the_last_of_each_kind(pictures, task, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = question_evaluation.evaluate(task.model, "scenes", pictures, "validation")
    assert set(result["by_type"]) == set(result["most_frequent_by_type"]) and 0 <= result["accuracy"] <= 1
    off = question_evaluation.evaluate(task.model, "scenes", pictures, "validation", {"rows": True, "columns": False})
    assert off["coordinates"] == {"rows": True, "columns": False} and task.model.coordinates.columns
    for one in (result, off, {**result, "accuracy": 0.5}):
        question_evaluation.keep(one, tmp_path)
    kept = question_evaluation.load(tmp_path)
    assert [one["accuracy"] for one in kept] == [off["accuracy"], 0.5]
    assert json.loads((tmp_path / "metrics.json").read_text()) == kept
    blind = QuestionModel(replace(task.model.config, sees="nothing", height=1, width=1))
    result = question_evaluation.evaluate(task.model, "scenes", pictures, "validation", question_only=blind)
    assert set(result["question_only_by_type"]) == set(result["by_type"])
    assert "| **all** | 120 |" in question_evaluation.table(result)


def test_film_needs_fewer_multiplications_than_concatenation():
    rows = question_evaluation.compare_conditioning(repeats=1, batch=1)["conditioning"]
    assert [(row["conditioning"], row["blocks"]) for row in rows] == [
        ("film", 1), ("concatenation", 1), ("film", 4), ("concatenation", 4)
    ]
    assert [row["layer_parameters"] for row in rows] == [33_024, 32_896, 132_096, 131_584]
    cells = 56 * 56
    assert [row["layer_multiplications"] for row in rows[:2]] == [2 * 128 * 128 + cells * 128, cells * 256 * 128]
    assert all(row["milliseconds"] > 0 for row in rows)


def test_a_shifted_picture_takes_its_sounds_along(task):
    picture = torch.zeros(4, 10, 1)
    picture[:, 3:6] = 1.0
    sounds = torch.full((2, 6), NO_SOUND)
    sounds[0] = 3
    task.settings = replace(task.settings, shift=4)
    places = set()
    for seed in range(40):
        moved, table = picture.clone(), sounds.clone()
        task._augment(moved, table, np.random.default_rng(seed))
        start = int(moved.amax((0, 2)).nonzero().min())
        places.add(start)
        assert int(table[0, 0]) == start and (table[1] == NO_SOUND).all() and moved.sum() == picture.sum()
    assert min(places) == 0 and max(places) == 7


def test_a_model_of_other_words_cannot_be_started_from(pictures, tmp_path, task, monkeypatch):
    from vqaudio.cli.questions import _start_from

    task.export(tmp_path / "model")
    other = QuestionModel(replace(task.model.config, answers=("a", "b")))
    with pytest.raises(InputError, match="other words or answers"):
        _start_from(other, tmp_path / "model")


def test_the_card_has_the_accuracy_by_type_and_what_a_coordinate_is_worth(pictures, task, tmp_path, monkeypatch):
    from vqaudio.evaluation.question_card import write_question_card

    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "ask-pictures"
    task.export(folder)
    for columns in (True, False):
        switches = {"rows": True, "columns": columns}
        question_evaluation.keep(question_evaluation.evaluate(task.model, "scenes", pictures, "validation", switches), folder)
    write_question_card(task.model, folder)
    card = (folder / "README.md").read_text()
    assert all(kind.replace("_", " ") in card for kind in set(task.validation.types))
    assert "most frequent answer" in card and "column coordinate switched off" in card and "extractor channels 8x8" in card
