"""The tab Ask and /ask: the true answers that they know, and what they say when a question cannot be answered."""

import random

import gradio as gr
import numpy as np
import pytest
import soundfile
from PIL import Image

from tests import asking
from vqaudio import hub
from vqaudio.questions import grammar, one_shape, programs, scenes
from vqaudio.questions.parser import parse
from vqaudio.ui import ask, build
from vqaudio.ui.api import questions as endpoint
from vqaudio.ui.ask import networks


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Untrained networks under the names of the real ones, in a folder that stands for weights/."""
    asking.save_networks(tmp_path)
    monkeypatch.setattr(hub, "WEIGHTS", tmp_path)
    return tmp_path


def drawn_questions(n: int):
    """(question, sounds) of every type about n scenes."""
    for number in range(n):
        sounds = programs.in_order(scenes.draw_plan(scenes.bundled_notes(), np.random.default_rng(number)).sounds())
        rng = random.Random(number)
        yield from ((one, sounds) for kind in grammar.TYPES if (one := grammar.draw(rng, sounds, kind)))


def test_every_question_of_the_grammar_is_read_back_as_its_program():
    seen = set()
    for question, _ in drawn_questions(60):
        assert parse(question["question"]) == question["program"], question["question"]
        seen.add(question["type"])
    assert seen == set(grammar.TYPES)


@pytest.mark.parametrize("text", ["", "How many pianos are there?", "Is there", "how many cello sounds are there really"])
def test_what_is_not_of_the_grammar_has_no_program(text):
    assert parse(text) is None


def test_phrases_are_read_in_combinations_that_the_grammar_never_writes():
    sounds = [
        {"instrument": name, "note": "C", "octave": "4", "loudness": "loud", "brightness": "dark", "start_s": i}
        for i, name in enumerate(("flute", "cello", "cello"))
    ]
    assert programs.answer(parse("How many cello sounds come right after the flute sound?"), sounds) == "1"
    assert programs.answer(parse("HOW MANY cello sounds are there, after the flute sound"), sounds) == "2"


def test_the_recordings_of_the_page_are_those_of_the_test_split():
    notes = scenes.bundled_notes()
    assert len(notes) == 24 and {note.instrument for note in notes} == set(grammar.VALUES["instrument"])
    assert all(abs(np.sqrt(np.mean(note.audio**2)) - 1) < 1e-3 for note in notes)


def test_pictures_follow_from_their_number_and_answer_their_questions():
    for number in range(30):
        picture = one_shape.draw(number)
        assert np.array_equal(picture.pixels, one_shape.draw(number).pixels)
        assert (picture.pixels == one_shape.COLOURS[picture.colour]).all(-1).any()
        answers = {one["question"]: one["answer"] for one in picture.questions()}
        assert answers["What shape is in the image?"] == picture.shape
        assert answers[f"Is there a {picture.shape}?"] == "yes" and answers[f"Is no {picture.shape} present?"] == "no"
        others = set(one_shape.SHAPES) - {picture.shape}
        assert {answers[f"Is there a {name}?"] for name in others} == {"no"}
        assert picture.answer("what SHAPE is present") == picture.shape and picture.answer("what is it") is None


def test_a_scene_comes_back_by_its_number():
    first, again, other = (ask.open_scene({"kind": "sound", "number": n}) for n in (4, 4, 5))
    assert first["ok"] and first["sound"] == again["sound"] != other["sound"]
    assert first["questions"] == again["questions"] and 5 <= len(first["spans"]) <= 10
    assert ask.open_scene({"kind": "sound"})["number"] != ask.open_scene({"kind": "sound"})["number"]


@pytest.mark.parametrize("kind", ["sound", "picture"])
def test_answers_are_a_distribution_beside_the_truth(installed, kind):
    scene = ask.open_scene({"kind": kind, "number": 2})
    for one in scene["questions"][:20]:
        said = ask.answer({"kind": kind, "number": 2, "question": one["question"]})
        chances = [chance for _, chance in said["answers"]]
        assert said["ok"] and abs(sum(chances) - 1) < 1e-4 and chances == sorted(chances, reverse=True)
        assert said["truth"]["answer"] and not said["unknown"]


def test_the_time_coordinate_can_be_switched_off(installed):
    question = ask.open_scene({"kind": "sound", "number": 1})["questions"][0]["question"]
    request = {"kind": "sound", "number": 1, "question": question}
    assert ask.answer(request)["answers"] != ask.answer({**request, "time": False})["answers"]


def test_words_that_the_network_does_not_know_are_named(installed):
    said = ask.answer({"kind": "sound", "number": 0, "question": "How many purple cello sounds are there?"})
    assert said["unknown"] == ["purple"] and said["truth"]["answer"] is None and said["truth"]["why"]


def test_a_question_about_a_sound_that_is_not_there_says_so(installed):
    sounds = {one["instrument"] for one in ask.scenes.scene("sound", 0).sounds}
    missing = next(iter(set(grammar.VALUES["instrument"]) - sounds), None)
    question = f"Which note is the {missing} sound?" if missing else "Which note is the tenth flute sound?"
    assert "no answer here" in ask.answer({"kind": "sound", "number": 0, "question": question})["truth"]["why"]


@pytest.mark.parametrize(("question", "said"), [
    ("", "empty"), ("wombat zebra", "none of the question's words"), ("cello " * 150, "words"), ("x" * 5000, "reload"),
])  # fmt: skip
def test_a_question_that_cannot_be_asked_gets_a_sentence(installed, question, said):
    answer = ask.answer({"kind": "sound", "number": 0, "question": question})
    assert not answer["ok"] and said in answer["error"]


def test_without_a_network_the_tab_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(networks, "_configs", dict)
    assert "weights/" in ask.open_scene({"kind": "sound", "number": 0})["problem"]
    assert "weights/" in ask.answer({"kind": "sound", "number": 0, "question": "How many sounds are there?"})["error"]


@pytest.mark.parametrize("there", [True, False])
def test_the_tab_is_there_when_a_network_is(installed, monkeypatch, there):
    if not there:
        monkeypatch.setattr(networks, "_configs", dict)
    tabs = {block.label for block in build.build().blocks.values() if isinstance(block, gr.Tab)}
    assert ("Ask" in tabs) is there and {"Studio", "Codebooks"} <= tabs


def test_a_damaged_model_beside_them_leaves_the_networks_usable(installed):
    (installed / "broken").mkdir()
    (installed / "broken" / "config.json").write_text("{")
    assert networks.installed() and set(networks.choices("sound")) == {"ask-notes"}


def test_the_endpoint_answers_about_sounds_and_pictures(installed, tmp_path):
    sound, picture = tmp_path / "scene.flac", tmp_path / "picture.png"
    soundfile.write(sound, scenes.scene(scenes.bundled_notes(), "test", 0, 3)[0], scenes.SAMPLE_RATE)
    Image.fromarray(one_shape.draw(1).pixels).save(picture)
    heard = endpoint.ask(str(sound), "How many cello sounds are there?")
    seen = endpoint.ask(str(picture), "What shape is present?")
    assert heard["model"] == "ask-notes" and seen["model"] == "ask-pictures"
    assert heard["text"] == next(iter(heard["distribution"])) and abs(sum(seen["distribution"].values()) - 1) < 1e-4


@pytest.mark.parametrize(("seconds", "level", "said"), [(1, 0.0, "silent"), (0.01, 0.1, "0.01 s"), (60, 0.1, "12 s")])
def test_the_endpoint_refuses_sounds_that_are_no_scenes(installed, tmp_path, seconds, level, said):
    path = tmp_path / "sound.wav"
    soundfile.write(path, level * np.sin(np.arange(round(16_000 * seconds)) / 5), 16_000)
    with pytest.raises(gr.Error, match=said):
        endpoint.ask(str(path), "How many cello sounds are there?")
