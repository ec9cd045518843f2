"""Which models the app offers, which is the usual one, and what is said where they cannot be had."""

import json
import shutil

import pytest

from vqaudio import hub
from vqaudio.errors import InputError
from vqaudio.ui import models
from vqaudio.ui.clip import opening


@pytest.fixture
def weights(tmp_path, model_folder, other_folder, monkeypatch):
    """A weights/ with the two codecs of the picker's order, and one more."""
    for name, folder in (("fsdd-8khz", model_folder), ("a-codec", other_folder)):
        shutil.copytree(folder, tmp_path / name)
    monkeypatch.setattr(hub, "WEIGHTS", tmp_path)
    monkeypatch.delenv("VQAUDIO_MODEL", raising=False)
    models._codec.cache_clear()
    yield tmp_path
    models._codec.cache_clear()


def test_voice_is_the_usual_model_once_it_is_here(weights, model_folder):
    assert models.names() == ["fsdd-8khz", "a-codec"]
    shutil.copytree(model_folder, weights / "voice-16khz")
    (weights / "voice-16khz" / "about.json").write_text(json.dumps({"title": "Voice", "knows": "everybody", "more": 3}))
    assert models.names() == ["voice-16khz", "fsdd-8khz", "a-codec"]
    assert models.titles()[0] == ("Voice", "voice-16khz") and models.codec().name == "voice-16khz"
    assert "This model knows everybody, at 8 kHz" in models.limits(models.codec())
    assert models.limits(models.codec("a-codec")).startswith("This model works at 8 kHz")


@pytest.mark.parametrize("content", ["", "[1]", "{", '{"title": 3}'])
def test_a_damaged_description_is_left_out(weights, content):
    (weights / "fsdd-8khz" / "about.json").write_text(content)
    assert models.titles()[0] == ("fsdd-8khz", "fsdd-8khz")


def test_titles_and_names_load_no_weights(weights):
    (weights / "fsdd-8khz" / "model.safetensors").write_bytes(b"")
    assert models.titles() and models.names()
    with pytest.raises(InputError, match="is damaged"):
        models.codec()


def test_a_model_is_loaded_once_and_shared(weights):
    assert models.codec() is models.codec("fsdd-8khz")
    with pytest.raises(InputError, match="There is no model 'nobody' here. Known are fsdd-8khz, a-codec"):
        models.codec("nobody")


def test_a_prior_of_another_codec_is_refused_in_a_sentence(weights, monkeypatch, codec):
    class Foreign:
        codec_name, name, sees_right = "another-codec", "foreign", True

        def check_codec(self, made_for):
            raise InputError("another codec")

    monkeypatch.setenv("VQAUDIO_PRIORS", "foreign")
    monkeypatch.setattr(models, "_prior", lambda name: Foreign())
    for ask in (lambda: models.prior("foreign"), lambda: models.prior_and_codec("foreign")):
        with pytest.raises(InputError, match="was trained on the codes of another-codec; these are codes of fsdd-8khz"):
            ask()


def test_a_hub_that_cannot_be_reached_is_a_sentence_on_the_page(monkeypatch, example_clips):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("VQAUDIO_MODEL", "someone/voice")
    assert models.titles() == [("someone/voice", "someone/voice")], "the page opens all the same"
    answer = opening.open_example({})
    assert not answer["ok"]
    assert "the Hugging Face Hub cannot be reached: check the connection" in answer["error"]
    assert "Traceback" not in answer["error"]
