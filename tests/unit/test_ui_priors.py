"""The app with the priors that are in vqaudio/priors: tiny, untrained, saved, and found by the app as shipped ones are."""

import base64
import importlib
import os
import time

import numpy as np
import pytest
import torch

from vqaudio import generate
from vqaudio.audio import load as load_audio
from vqaudio.hub import modules_of, save_compact
from vqaudio.ui import models
from vqaudio.ui.clip import handlers, inpainting
from vqaudio.ui.clip.workbench import Workbench

LABELS = {"digit": ("0", "1", "2"), "speaker": ("ann", "bob")}
SMALL = {"dim": 16, "layers": 1, "heads": 2, "dropout": 0.0}
AREA = {"start_s": 0.1, "end_s": 0.2, "stages": "2-4"}


def build(module: str, codec):
    torch.manual_seed(0)
    home = importlib.import_module(f"vqaudio.priors.{module}")
    known = home.CONFIG.__dataclass_fields__
    config = home.CONFIG(
        codec_name=codec.name, codec_fingerprint=codec.encoder_fingerprint, hop=codec.hop, frame_rate=codec.spec.frame_rate,
        stages=tuple((s.bands, s.steps, s.vocab) for s in codec.spec.stages), label_kinds=tuple(LABELS),
        label_values=tuple(LABELS.values()), n_examples=6, **{key: value for key, value in SMALL.items() if key in known},
    )  # fmt: skip
    prior = home.MODEL(config)
    labels = torch.tensor([[i % 3, i % 2] for i in range(6)])
    prior.remember(torch.arange(6) * 800 + 1600, labels, torch.full((6,), -20.0))
    return prior


@pytest.fixture(scope="module")
def folders(tmp_path_factory, model_folder):
    from vqaudio.hub import load

    folder, codec = tmp_path_factory.mktemp("priors"), load(model_folder)
    for module in modules_of("priors"):
        save_compact(build(module, codec), folder / module)
    return folder


@pytest.fixture(params=modules_of("priors"))
def name(request, folders, model_folder, monkeypatch):
    monkeypatch.setenv("VQAUDIO_MODEL", str(model_folder))
    monkeypatch.setenv("VQAUDIO_PRIORS", os.pathsep.join(str(folders / module) for module in modules_of("priors")))
    return request.param


@pytest.fixture
def bench(example_clips):
    return Workbench.from_audio(models.codec(), load_audio(example_clips[0], 8000)[0], "a clip")


def finished(started: dict) -> dict:
    assert started["ok"], started
    for _ in range(600):
        answer = inpainting.progress({"job": started["job"], "seen": 0})
        assert answer["ok"], answer
        if answer["state"] not in ("waiting", "running"):
            assert answer["state"] == "done", answer
            return answer
        time.sleep(0.02)
    raise AssertionError("the job does not end")


def ids_of(text: str, bench) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<u2").reshape(bench.ids.shape)


def test_a_clip_is_filled_scored_and_its_steps_are_heard(name, bench):
    told = inpainting.priors({})["priors"]
    assert {p["name"] for p in told} == set(modules_of("priors")) and told[0]["sees_right"]
    token = handlers.store.put(bench)
    settings = {"seed": 3, "labels": {"digit": "1"}, "temperature": 0.9, "top_k": 8, "guidance": 1.5}
    request = {"token": token, "prior": name, "rectangles": [AREA], "settings": settings}
    answer, again = (finished(inpainting.fill(request)) for _ in range(2))
    assert [v["ids"] for v in answer["results"]] == [v["ids"] for v in again["results"]]
    hole = np.zeros(bench.ids.shape, dtype=bool)
    hole[1:, 5:10] = True
    for variation in answer["results"]:
        assert np.array_equal(ids_of(variation["ids"], bench)[~hole], bench.ids.numpy()[~hole])
        assert variation["kept"][0] == variation["kept"][1] == (~hole).sum()
    assert all(1 <= v["steps"] <= 32 for v in answer["results"])
    scoring = inpainting.score({"token": token, "prior": name, "labels": {"speaker": "ann"}})
    if name == "diffusion":
        assert "cannot score codes" in scoring["error"]
    else:
        score = finished(scoring)["results"][0]
        assert np.isfinite(score["total"]) and score["total"] > 0 and score["version"] == bench.version
    handlers.store.drop(token)


def test_the_steps_end_at_the_result(name, bench):
    token = handlers.store.put(bench)
    started = inpainting.fill({"token": token, "prior": name, "rectangles": [AREA], "settings": {"seed": 1, "steps": 6}})
    variation = finished(started)["results"][0]
    last = inpainting.step({"token": token, "job": started["job"], "variation": 0, "step": variation["steps"] - 1})
    first = inpainting.step({"token": token, "job": started["job"], "variation": 0, "step": 0})
    assert last["ids"] == variation["ids"] and last["undecided"] == 0 <= first["undecided"]
    handlers.store.drop(token)


def test_new_clips_are_what_the_package_generates(name):
    labels = {"digit": "2", "speaker": "ann"}
    settings = {"seed": 9, "labels": labels}
    answer = finished(inpainting.new_clip({"prior": name, "settings": settings}))
    assert [value["title"] for value in answer["opened"]] == [f"2 ann, seed {seed}" for seed in range(9, 13)]
    for seed, value, told in zip(range(9, 13), answer["opened"], answer["results"]):
        bench = handlers.store.get(value["token"])
        generator = torch.Generator().manual_seed(seed)
        sound, codes = generate(models.codec(), models.prior(name), labels, generator=generator)
        assert torch.equal(bench.codes.ids, codes.ids) and np.array_equal(ids_of(told["ids"], bench), codes.ids[0].numpy())
        assert told["version"] == bench.version and told["kept"] == (0, 0) and told["changed"][1] == bench.ids.numel()
        assert torch.allclose(bench.sound((0, 1, 2, 3)), sound[0, 0], atol=1e-5) and value["samples"] == sound.shape[-1]


def test_a_prior_of_another_codec_is_not_offered(folders, other_folder, monkeypatch):
    monkeypatch.setenv("VQAUDIO_MODEL", str(other_folder))
    monkeypatch.setenv("VQAUDIO_PRIORS", str(folders / "masked"))
    told = inpainting.priors({})
    assert told["priors"] == [] and "No prior for this codec" in told["none"]
    started = inpainting.new_clip({"prior": str(folders / "masked"), "settings": {}})
    assert "was trained on the codes of" in started["error"]
