"""The verbs of the app on a Space with ZeroGPU: a stand-in for its package pickles what goes to the other process and back."""

import importlib
import os
import pickle
import subprocess
import sys
import time

import gradio as gr
import pytest
import torch

from tests import asking, speaking
from vqaudio import devices, edits, gibbs, hub
from vqaudio.audio import load as load_audio
from vqaudio.errors import InputError
from vqaudio.model import Model
from vqaudio.ui import ask, models, verbs
from vqaudio.ui.api import convert as api_convert
from vqaudio.ui.api import priors as api_priors
from vqaudio.ui.api import sounds as api_sounds
from vqaudio.ui.clip import cell_edits, handlers, inpainting, sampling
from vqaudio.ui.clip.workbench import Workbench
from vqaudio.ui.keyboard import handlers as keyboard
from vqaudio.ui.keyboard import notes
from vqaudio.verbs import VERBS

LABELS = {"pitch": ("C4", "D4", "E4"), "speaker": ("ann", "bob")}
AREA = {"start_s": 0.1, "end_s": 0.2, "stages": "2-4"}
MOST_BYTES = 2**20


@pytest.fixture
def app(model_folder, tmp_path, monkeypatch):
    """The app with two small codecs and a prior of notes for the first, loaded from folders as shipped ones are."""
    codec = hub.load(model_folder)
    torch.manual_seed(0)
    home = importlib.import_module("vqaudio.priors.masked")
    config = home.CONFIG(
        codec_name=codec.name, codec_fingerprint=codec.encoder_fingerprint, hop=codec.hop, frame_rate=codec.spec.frame_rate,
        stages=tuple((s.bands, s.steps, s.vocab) for s in codec.spec.stages), label_kinds=tuple(LABELS),
        label_values=tuple(LABELS.values()), n_examples=4, dim=16, layers=1, heads=2, dropout=0.0,
    )  # fmt: skip
    prior = home.MODEL(config)
    prior.remember(torch.arange(4) * 800 + 1600, torch.tensor([[i % 3, i % 2] for i in range(4)]), torch.full((4,), -20.0))
    hub.save_compact(prior, tmp_path / "notes")
    speech = speaking.save_small(tmp_path / "small-speech")
    monkeypatch.setenv("VQAUDIO_MODEL", os.pathsep.join((str(model_folder), str(speech))))
    monkeypatch.setenv("VQAUDIO_PRIORS", str(tmp_path / "notes"))
    asking.save_networks(tmp_path / "networks")
    monkeypatch.setattr(hub, "WEIGHTS", tmp_path / "networks")
    yield models.prior("notes", models.codec())
    devices._loaded.cache_clear()


class Card:
    """What `spaces.GPU` does: it asks for so many seconds, and works on copies."""

    def __init__(self):
        self.calls, self.bytes, self.inside = [], [], False

    def __call__(self, work):
        def run(*asked):
            self.calls.append((asked[0], verbs.duration(*asked)))
            answer = work(*self.copied(asked))
            return self.copied(answer)

        return run

    def copied(self, thing):
        data = pickle.dumps(thing)
        self.bytes.append(len(data))
        return pickle.loads(data)


@pytest.fixture
def card(app, monkeypatch):
    card = Card()
    monkeypatch.setattr(verbs, "on_card", card(verbs._on_card))
    monkeypatch.setattr(Model, "__reduce_ex__", lambda *_: pytest.fail("a model was sent to the other process"))
    return card


def finished(started: dict) -> dict:
    assert started["ok"], started
    for _ in range(1500):
        answer = inpainting.progress({"job": started["job"], "seen": 0})
        if answer["state"] not in ("waiting", "running"):
            assert answer["state"] == "done", answer
            return answer
        time.sleep(0.02)
    raise AssertionError("the job does not end")


def everything(clip: str, monkeypatch) -> dict:
    """All that the page and programs can ask to be computed, with the same seeds."""
    notes.cache.clear()
    for module in (edits, gibbs):
        monkeypatch.setattr(module, "fresh_generator", lambda: torch.Generator().manual_seed(1))
    codec = models.codec()
    bench = Workbench.from_audio(codec, load_audio(clip, 8000)[0], "a clip")
    token, name = handlers.store.put(bench), "notes"
    found = {"codes": bench.ids.clone(), "sound": bench.sound((0, 1))}
    settings = {"seed": 3, "labels": {"speaker": "ann"}, "steps": 4}
    asked = {"token": token, "prior": name, "rectangles": [AREA], "settings": settings}
    found["fill"] = finished(inpainting.fill(asked))["results"]
    found["new"] = finished(inpainting.new_clip({"prior": name, "settings": settings}))["results"]
    found["score"] = finished(inpainting.score({"token": token, "prior": name}))["results"][0]["bits"]
    found["note"] = keyboard.note({"prior": name, "key": 60, "seconds": 0.3})["sound"]
    found["sampler"] = finished(keyboard.sampler({"prior": name, "low": 60, "high": 64, "seconds": 0.3}))["results"]
    blur = {"token": token, "rectangles": [AREA], "radius": 2.0, "strength": 1.0}
    assert "copied from cells nearby" in cell_edits.blur(blur)["summary"]
    assert f"redrawn by {name}" in cell_edits.blur(blur | {"prior": name})["summary"]
    found["erased"] = cell_edits.erase({"token": token, "rectangles": [AREA]})["ids"]
    found["api"] = api_sounds.reconstruct(clip, "1-2")[1].tolist()
    sound, vqa, told = api_priors.inpaint(clip, 0.1, 0.2, prior=name, seed=4, steps=3, variations=3)
    found["inpaint"] = sound[1].tolist(), told
    found["decode"] = api_sounds.decode(vqa, clip=3)[1].tolist()
    found["convert"] = api_convert.convert(clip, "vctk-p239")[1].tolist()
    for kind in ("sound", "picture"):
        question = {"kind": kind, "number": 1, "question": "How many shapes are there in the image?", "time": False}
        found[f"ask about a {kind}"] = ask.answer(question)["answers"]
    handlers.store.drop(token)
    return found


def test_every_verb_goes_through_one_entry_and_comes_back_the_same(app, example_clips, monkeypatch, request):
    clip = str(example_clips[0])
    at_home = everything(clip, monkeypatch)
    card = request.getfixturevalue("card")
    on_card = everything(clip, monkeypatch)
    assert {name for name, _ in card.calls} == set(VERBS) == {
        "encode", "decode", "erase", "blur", "smear", "fill", "generate", "score", "notes", "ask", "convert",
    }  # fmt: skip
    assert all(1 <= seconds <= verbs.MOST_S for _, seconds in card.calls) and max(card.bytes) < MOST_BYTES
    for name, wanted in at_home.items():
        found = on_card[name]
        assert torch.equal(found, wanted) if isinstance(wanted, torch.Tensor) else found == wanted, name


def test_a_longer_request_asks_for_more_seconds(card):
    codec, prior = models.codec(), models.prior("notes", models.codec())
    settings = sampling.Settings(steps=1).sampling()
    for seconds in (0.2, 6.0):
        codes, _ = verbs.encode(codec, torch.zeros(1, round(8000 * seconds)))
        verbs.fill(prior, codes, codes.region(0, 0.1), (0, 1), {}, False, settings)
    asked = [seconds for name, seconds in card.calls if name == "fill"]
    assert asked[0] < asked[1] <= verbs.MOST_S


def test_an_error_in_the_other_process_is_the_same_sentence(card):
    codec = models.codec()
    codes, _ = verbs.encode(codec, torch.zeros(1, 1600))
    with pytest.raises(InputError, match="Choose at least one of the stages 1 to 4"):
        verbs.decode(codec, codes, (9,))


def test_what_zerogpu_refuses_is_a_sentence(app, monkeypatch):
    def refused(*asked):
        raise gr.Error("Your quota is used up: try again in an hour.")

    monkeypatch.setattr(verbs, "on_card", refused)
    with pytest.raises(InputError, match="Your quota is used up"):
        verbs.encode(models.codec(), torch.zeros(1, 800))


def test_models_are_loaded_once_and_before_the_app_starts_on_zerogpu(card, monkeypatch):
    loads, load = [], hub.load
    monkeypatch.setattr(hub, "load", lambda folder: loads.append(folder) or load(folder))
    codec, prior = models.codec(), models.prior("notes", models.codec())
    verbs.prepare([codec, prior])
    assert loads == [codec.folder, prior.folder]
    codes, _ = verbs.encode(codec, torch.zeros(1, 1600))
    verbs.score(prior, codes, {})
    assert len(loads) == 2


def test_the_decorator_is_asked_for_one_function_and_only_where_its_package_is(tmp_path, environment, model_folder):
    (tmp_path / "spaces.py").write_text(
        "names = []\n\n\ndef GPU(duration):\n    def wrap(f):\n        names.append((f.__name__, callable(duration)))\n"
        "        return lambda *asked: f(*asked)\n\n    return wrap\n"
    )
    script = (
        "import torch\nfrom vqaudio.ui import models, verbs\n"
        "codes = verbs.encode(models.codec(), torch.zeros(1, 800))[0]\n"
        "print(verbs.spaces and verbs.spaces.names, verbs.borrows_gpu(), codes.ids.shape[2])"
    )
    for path, said in ((str(tmp_path), "[('_on_card', True)] True 5"), ("", "None False 5")):
        settings = {"PYTHONPATH": os.pathsep.join([path, environment["PYTHONPATH"]]), "VQAUDIO_MODEL": str(model_folder)}
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, env=environment | settings, capture_output=True, text=True, timeout=200)
        assert done.stdout.strip() == said, done.stderr
