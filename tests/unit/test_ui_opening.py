"""Opening clips for the page: examples, uploads, a clip from before a reload, another model, silence that is cut."""

import numpy as np
import pytest
import soundfile
import torch

from vqaudio.ui import models, pools
from vqaudio.ui.clip import handlers, opening
from vqaudio.ui.panels import examples


@pytest.fixture
def two_models(model_folder, other_folder, monkeypatch, tmp_path):
    monkeypatch.setenv("VQAUDIO_MODEL", f"{model_folder}:{other_folder}")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))


def bench_of(answer: dict):
    assert answer["ok"], answer
    return handlers.store.get(answer["clip"]["token"])


def test_the_first_example_opens_where_none_is_named(two_models):
    clips = examples.of_model("small")
    for request in ({}, {"model": "nobody", "example": "nothing"}, {"model": "small", "example": ""}):
        answer = opening.open_example(request)
        assert answer["model"] == "small" and answer["clip"]["example"] == next(iter(clips))
        assert answer["clip"]["title"] == next(iter(clips.values()))[1]
    assert opening.open_example({"model": "other", "example": "7_jackson_0"})["clip"]["title"] == "Seven (Jackson)"


def test_pages_share_an_example_and_not_its_edits(two_models):
    first, second = (bench_of(opening.open_example({})) for _ in range(2))
    before = second.ids.clone()
    first.swap(0, 0, (int(first.ids[0, 0]) + 1) % 32)
    assert torch.equal(second.ids, before) and first.n_edits == 1 and second.n_edits == 0
    assert first.original is second.original


@pytest.mark.parametrize("path", ["/etc/passwd", "nothing.wav", "../secret.wav"])
def test_only_uploads_are_read(two_models, path, tmp_path):
    (tmp_path.parent / "secret.wav").write_bytes(b"x")
    answer = opening.open_file({"path": path if path.startswith("/") else str(tmp_path / path)})
    assert not answer["ok"] and "a path on the server is not read" in answer["error"]


def test_a_clip_is_opened_again_with_its_edits(two_models):
    opened = opening.open_example({})["clip"]
    bench = handlers.store.get(opened["token"])
    bench.swap(0, 1, (int(bench.ids[0, 1]) + 1) % 32)
    again = opening.reopen({"token": opened["token"]})["clip"]
    assert (again["edits"], again["redos"], again["first_ids"]) == (1, 0, opened["ids"]) and again["ids"] != opened["ids"]
    assert "no longer kept" in opening.reopen({"token": "A" * 32})["error"]


def test_another_model_takes_the_same_recording(two_models):
    first = opening.open_example({"model": "small", "example": "7_jackson_0"})["clip"]
    other = opening.switch_model({"token": first["token"], "model": "other"})["clip"]
    assert (other["model"], other["title"], other["samples"]) == ("other", first["title"], first["samples"])
    assert handlers.store.get(first["token"]).codec.name == "small", "the clip before is kept"
    generated = bench_of(opening.open_example({}))
    generated.original = None
    token = handlers.store.put(generated)
    assert opening.switch_model({"token": token, "model": "other"})["clip"]["example"] == next(iter(examples.of_model("other")))


def test_silence_is_cut_from_an_open_clip(two_models, tmp_path):
    sound = np.zeros(8000)
    sound[2000:6000] = 0.5 * np.sin(np.arange(4000) * 0.3)
    soundfile.write(tmp_path / "in.wav", sound, 8000)
    opened = opening.open_file({"path": str(tmp_path / "in.wav"), "model": "small"})["clip"]
    cut = opening.cut_silence({"token": opened["token"]})
    assert cut["seconds"] == pytest.approx(0.5, abs=0.15) and cut["clip"]["samples"] < opened["samples"]
    assert "Silence cut" in cut["clip"]["report"]
    assert opening.cut_silence({"token": cut["clip"]["token"]})["error"] == opening.NO_SILENCE
    (tmp_path / "in.wav").unlink()
    again = opening.cut_silence({"token": opened["token"]})
    assert again["clip"]["samples"] == cut["clip"]["samples"], "the file was removed: the clip's own sound is used"


def test_a_page_keeps_its_last_clips(two_models):
    pools.session.set("a page")
    tokens = [opening.open_example({})["clip"]["token"] for _ in range(opening.CLIPS_PER_PAGE + 1)]
    assert not opening.reopen({"token": tokens[0]})["ok"]
    assert all(opening.reopen({"token": token})["ok"] for token in tokens[1:])


def test_what_a_stage_contributes_falls_from_the_strongest(two_models):
    clip = opening.open_example({})["clip"]
    contributions = clip["contributions_db"]
    assert len(contributions) == 4 and max(contributions) == 0
    bench = handlers.store.get(clip["token"])
    words = [bench.codec.codewords(j)[bench.codes.stage(j)[0].flatten()].square().sum(1).mean() for j in range(4)]
    assert int(torch.stack(words).argmax()) == contributions.index(0.0)


def test_the_menu_lists_the_examples_of_every_model(two_models):
    groups = opening.list_examples({})["groups"]
    assert [group["model"] for group in groups] == ["small", "other"] == models.names()
    assert {"name": "7_jackson_0", "label": "Seven (Jackson)"} in groups[0]["clips"]
