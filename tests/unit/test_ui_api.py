"""What programs send: every endpoint, event and server function answers junk with a sentence, and notes go by name or number."""

import types

import gradio as gr
import pytest
import torch
from fastapi.testclient import TestClient
from test_ui_notes import toy  # noqa: F401

from vqaudio.audio import load as load_audio
from vqaudio.errors import InputError
from vqaudio.ui import build, models
from vqaudio.ui.api import notes, priors, sounds
from vqaudio.ui.clip import handlers, inpainting
from vqaudio.ui.clip.workbench import Workbench

DEEP = [[]]
for _ in range(60):
    DEEP = [DEEP]
JUNK = [
    None, "", "x", 0, -1, 2.5, 1e308, 10**30, float("nan"), True, [], {}, [None], {"a": None}, "9" * 5000, "../../etc/passwd",
    {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}, {"pitch": ["C3"]}, {"pitch": {"a": 1}}, {"pitch": "H9"},
    {"": ""}, {str(i): "x" for i in range(50)}, {"instrument": 7}, "\0", "<script>alert(1)</script>", "1-999999999", DEEP,
]  # fmt: skip
UNFORESEEN = "Something went wrong"


@pytest.fixture
def clip(example_clips):
    return str(example_clips[0])


@pytest.fixture(autouse=True)
def uploads(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))


def sentence(f, *arguments, **named) -> str:
    """What the caller of an endpoint is told; empty where it works."""
    try:
        f(*arguments, **named)
    except gr.Error as error:
        assert UNFORESEEN not in error.message, (named, error.message)
        return error.message
    return ""


@pytest.mark.parametrize(
    "endpoint, field",
    [(notes.sampler, name) for name in ("low", "high", "labels", "prior", "seconds", "take")]
    + [(priors.generate, name) for name in ("prior", "labels", "seconds", "temperature", "top_k", "top_p", "guidance", "seed")]
    + [(priors.inpaint, name) for name in ("start_s", "end_s", "stages", "prior", "labels", "rectangles", "local", "steps")]
    + [(priors.score, name) for name in ("prior", "labels")]
    + [(sounds.encode, "model"), (sounds.reconstruct, "stages"), (sounds.reconstruct, "model"), (sounds.decode, "stages")],
)
def test_an_endpoint_answers_junk_with_a_sentence(toy, clip, endpoint, field):  # noqa: F811
    given = {
        "sampler": {"low": "C4", "high": "C4", "seconds": 0.1}, "generate": {"seconds": 0.2, "seed": 1},
        "inpaint": {"audio": clip, "start_s": 0.1, "end_s": 0.2}, "score": {"audio": clip}, "encode": {"audio": clip},
        "reconstruct": {"audio": clip}, "decode": {"codes": sounds.encode(clip)[0]},
    }[endpoint.__name__]  # fmt: skip
    said = [sentence(endpoint, **given | {field: value}) for value in JUNK]
    assert all(len(text) < 1000 for text in said) and sum(map(bool, said)) >= len(JUNK) // 2


@pytest.mark.parametrize("data", [value for value in JUNK if not isinstance(value, float)])
def test_a_note_that_is_opened_from_junk_is_a_sentence(toy, data):  # noqa: F811
    assert sentence(build.open_note, types.SimpleNamespace(_data=data))


def test_every_server_function_answers_junk_with_a_sentence(toy, clip, caplog):  # noqa: F811
    bench = Workbench.from_audio(models.codec(), load_audio(clip, models.codec().sample_rate)[0], "a clip")
    token = {"token": handlers.store.put(bench)}
    demo = build.build()
    pages = {part.elem_id: part for part in demo.blocks.values()}
    http = TestClient(gr.routes.App.create_app(demo))
    asked = 0
    for page in ("codemap", "keyboard", "compare"):
        for name in [f.__name__ for f in pages[page].server_fns]:
            for data in [value for value in JUNK if not isinstance(value, float)] + [token | {"row": {}}, token | {"cells": 5}]:
                request = {"data": data, "fn_name": name, "component_id": pages[page]._id, "session_hash": "junk"}
                answer = http.post("/gradio_api/component_server", json=request)
                asked += 1
                assert answer.status_code == 200, (name, data, answer.text)
                if not (data in ({}, "x") and answer.json()["ok"]):
                    assert answer.json()["ok"] is False and UNFORESEEN not in answer.json()["error"], (name, data, answer.text)
    assert asked > 700 and "failed" not in caplog.text


# --- notes, priors, models ---------------------------------------------------------------------------------------------------


def test_a_pitch_is_a_name_or_a_number_everywhere(toy):  # noqa: F811
    labels = ({"pitch": pitch, "instrument": "flute"} for pitch in ("C5", "72"))
    by_name, by_number = (priors.generate(prior="notes", labels=told, seconds=0.5, seed=3) for told in labels)
    assert torch.equal(torch.from_numpy(by_name[0][1]), torch.from_numpy(by_number[0][1]))
    for low, high in (("C4", "D4"), ("60", "62")):
        assert notes.sampler(low, high, {"instrument": "flute"}, seconds=0.2).endswith("flute-C4-D4.zip")
    settings = {"labels": {"pitch": "H5"}}
    assert "A note is written as C4" in inpainting.new_clip({"prior": "notes", "settings": settings})["error"]
    assert "There is no note C9 here" in sentence(priors.generate, prior="notes", labels={"pitch": "C9"})


def test_an_unknown_prior_is_answered_with_all_priors_by_codec(toy, tmp_path, monkeypatch):  # noqa: F811
    with pytest.raises(InputError, match=r"There is no prior 'x' here. Known are for tones: notes, voices\."):
        models.prior("x")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text('{"codec_name": "voice-16khz", "codec_fingerprint": "2"}')
    monkeypatch.setattr(models, "_prior_names", lambda: ["notes", str(tmp_path / "other")])
    assert "for tones: notes; for voice-16khz: other." in sentence(priors.generate, prior="x")


def test_the_models_are_listed_with_their_priors_and_labels(toy, monkeypatch):  # noqa: F811
    (told,) = sounds.list_models()
    assert (told["name"], told["stages"]) == (models.codec().name, len(models.codec().spec.stages))
    listed = {prior["name"]: prior for prior in told["priors"]}
    assert list(listed) == ["notes", "voices"] and listed["notes"]["labels"]["instrument"] == ["cello", "flute"]
    assert listed["notes"]["labels"]["pitch"][0] == "C2"
    monkeypatch.setattr(models, "names", lambda: [])
    assert sentence(sounds.list_models) == "There is no codec here."
