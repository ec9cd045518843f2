"""The parts of filling in the app that need no browser: masks, changes and their undoing, jobs, what is refused."""

import base64
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vqaudio.audio import load as load_audio
from vqaudio.codes import Codes, CodeSpec, Stage
from vqaudio.errors import InputError
from vqaudio.ui import models, pools, wire
from vqaudio.ui.clip import handlers, inpainting, jobs, sampling, workbench
from vqaudio.ui.clip.sampling import Settings
from vqaudio.ui.clip.selection import Mask, Rectangle, mask_of
from vqaudio.ui.clip.workbench import Workbench

sys.path.append(str(Path(__file__).resolve().parents[1] / "e2e"))
from toy_prior import ToyPrior

SPEC = CodeSpec((Stage(4, 1, 16), Stage(1, 3, 8)), 10.0)

HELD = 200


@pytest.fixture
def codes():
    ids = torch.randint(0, 8, (1, SPEC.rows, 12), generator=torch.Generator().manual_seed(0))
    return Codes(ids, SPEC, torch.tensor([9000]), torch.ones(1, 12, dtype=torch.bool))


@pytest.fixture
def bench(codec, example_clips):
    return Workbench.from_audio(codec, load_audio(example_clips[0], 8000)[0], "a clip")


@pytest.fixture
def toy(codec, monkeypatch):
    toy = ToyPrior(codec)
    monkeypatch.setattr(models, "codec", lambda *_: codec)
    monkeypatch.setattr(models, "names", lambda: [codec.name])
    monkeypatch.setattr(models, "_prior_names", lambda: ["toy"])
    monkeypatch.setattr(models, "_prior", lambda name: toy)
    return toy


@pytest.fixture
def token(bench):
    token = handlers.store.put(bench)
    yield token
    handlers.store.drop(token)


def rectangles(*values) -> list[Rectangle]:
    names = ("start_s", "end_s", "stages", "bands")
    return wire.validated(Mask, {"rectangles": [dict(zip(names, v)) for v in values]}).rectangles


# --- masks --------------------------------------------------------------------------------------------------------------


def test_a_mask_is_the_union_of_its_rectangles(codes):
    mask = mask_of(codes, rectangles((0.1, 0.3, "1", "2-3"), (0.5, 0.6, "2-"), (1.1, 1.2, "1,2")))
    wanted = torch.zeros_like(mask)
    wanted[0, 1:3, 1:3] = wanted[0, 4:7, 5] = wanted[0, :, 11] = True
    assert torch.equal(mask, wanted)


@pytest.mark.parametrize(
    "values, sentence",
    [
        ([], "No cell is selected"),
        ([(0.5, 1.3)], r"reaches to 1.30 s, but the clip ends at 1.20 s"),
        ([(0.0, 0.1, "3-3")], "There are stages 1 to 2"),
        ([(0.0, 0.1, "x")], "Stages are a stage such as 3"),
        ([(0.2, 0.1)], "start < end"),
        ([(0.0, 0.1, "2-2", "2-2")], "No cell is selected"),
    ],
)
def test_masks_that_are_refused(codes, values, sentence):
    with pytest.raises(InputError, match=sentence):
        mask_of(codes, rectangles(*values))


@pytest.mark.parametrize("field, value", [
    ("temperature", -1), ("temperature", float("nan")), ("top_k", 0), ("top_p", 1.01), ("steps", 10**6), ("guidance", "a"),
    ("seed", -1), ("labels", {"digit": 7}),
])  # fmt: skip
def test_a_setting_out_of_range_is_told_by_name(field, value):
    with pytest.raises(InputError) as caught:
        wire.validated(Settings, {field: value})
    assert str(caught.value) == wire.FIELD_ERRORS[field]


# --- changes ------------------------------------------------------------------------------------------------------------


def test_many_cells_are_one_change(bench):
    before = bench.ids.clone()
    bench.put([(0, 1, (int(before[0, 1]) + 1) % 32), (2, 3, (int(before[2, 3]) + 1) % 32)])
    after = bench.ids.clone()
    assert int((after != before).sum()) == 2 and bench.n_edits == 1
    bench.undo()
    assert torch.equal(bench.ids, before) and bench.n_redo == 1
    bench.redo()
    assert torch.equal(bench.ids, after) and bench.redo() is None
    bench.undo()
    bench.swap(0, 0, (int(before[0, 0]) + 1) % 32)
    assert bench.n_redo == 0, "a new change ends what could be done again"


def test_the_changes_that_are_kept_are_bounded(bench, monkeypatch):
    bench.write((bench.ids + 1) % 32)
    monkeypatch.setattr(workbench, "MAX_UNDO_BYTES", 3 * bench._undo[0].n_bytes)
    for _ in range(20):
        before = bench.ids.clone()
        bench.write((bench.ids + 1) % 32)
    assert bench.n_edits == 3 and bench.n_bytes < 4 * 24 * bench.ids.numel() + 100 * bench.n_samples
    bench.undo()
    assert torch.equal(bench.ids, before)


def test_a_block_with_one_bad_cell_is_not_written(bench):
    before = bench.ids.clone()
    with pytest.raises(InputError, match="there is no 32"):
        bench.put([(0, 0, 1), (0, 1, 32)])
    assert torch.equal(bench.ids, before) and bench.n_edits == 0


def test_a_variation_writes_only_its_hole(bench, toy, token):
    hole = {"start_s": 0.1, "end_s": 0.2, "stages": "2-4"}
    request = {"token": token, "prior": "toy", "rectangles": [hole], "settings": {"seed": 5}}
    started = inpainting.fill(request)
    answer = finished(started["job"])
    assert [v["seed"] for v in answer["results"]] == [5, 6, 7, 8]
    for variation in answer["results"]:
        assert variation["kept"][0] == variation["kept"][1] == bench.ids.numel() - 15
    bench.swap(0, 0, (int(bench.ids[0, 0]) + 1) % 32)
    swapped = bench.ids.clone()
    assert inpainting.use({"token": token, "job": started["job"], "variation": 1})["edits"] == 2
    mask = mask_of(bench.codes, [Rectangle(**hole)])[0]
    assert torch.equal(bench.ids[~mask], swapped[~mask]), "what was changed since stays"
    assert np.array_equal(bench.ids[mask], decoded(answer["results"][1]["ids"], bench)[mask])


def decoded(text: str, bench) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<u2").reshape(bench.ids.shape)


def finished(job: str) -> dict:
    for _ in range(400):
        answer = inpainting.progress({"job": job, "seen": 0})
        assert answer["ok"], answer
        if answer["state"] not in ("waiting", "running"):
            return answer
        time.sleep(0.02)
    raise AssertionError("the job does not end")


def test_the_kept_cells_are_measured_not_promised(codes):
    ids = codes.ids.clone()
    ids[0, 0, 0] += 1
    mask = torch.zeros_like(ids[0], dtype=torch.bool)
    assert sampling.Variation(0, replace(codes, ids=ids), mask, codes.ids[0]).kept == (SPEC.rows * 12 - 1, SPEC.rows * 12)


# --- jobs ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def held(toy, monkeypatch):
    """Fills with HELD steps wait for this event before their first."""
    event, fill = threading.Event(), toy.fill

    def waits(*codes_and_mask, sampling, **settings):
        assert sampling.steps != HELD or event.wait(60)
        return fill(*codes_and_mask, sampling=replace(sampling, steps=2), **settings)

    monkeypatch.setattr(toy, "fill", waits)
    yield event
    event.set()


@pytest.fixture
def fill_request(token):
    return {"token": token, "prior": "toy", "rectangles": [{"start_s": 0.0, "end_s": 0.1}], "settings": {"steps": HELD}}


def test_after_a_cancel_one_can_fill_again(bench, held, fill_request):
    before = bench.ids.clone()
    started = inpainting.fill(fill_request)
    inpainting.cancel({"job": started["job"]})
    again = inpainting.fill(fill_request | {"settings": {"steps": 1}})
    assert again["ok"], "at once, though the cancelled job is still at its step"
    held.set()
    assert finished(started["job"])["state"] == "cancelled" and torch.equal(bench.ids, before)
    assert finished(again["job"])["state"] == "done"


def test_a_session_has_one_job_running_and_one_waiting(held, fill_request):
    first, second, third = (inpainting.fill(fill_request) for _ in range(3))
    assert "one job running and one waiting" in third["error"]
    assert inpainting.progress({"job": second["job"], "seen": 0})["state"] == "waiting"
    for job in (second, first):
        inpainting.cancel({"job": job["job"]})
    held.set()
    assert [finished(job["job"])["state"] for job in (first, second)] == ["cancelled"] * 2


def test_a_job_that_waits_tells_its_place_and_the_seconds_left(held, fill_request, monkeypatch):
    monkeypatch.setattr(pools, "sampling", pools.Pool("test", 1, running=1, waiting=2, most_waiting=10, queue_full="full"))
    answer = finished(inpainting.fill(fill_request | {"settings": {"steps": 1}})["job"])
    assert (answer["waiting"], answer["left_s"]) == (0, None), "it is done"
    jobs_ = [inpainting.fill(fill_request)["job"] for _ in range(3)]
    running, second, third = (inpainting.progress({"job": job, "seen": 0}) for job in jobs_)
    assert [told["waiting"] for told in (running, second, third)] == [0, 0, 1]
    assert 0 <= running["left_s"] < second["left_s"] < third["left_s"]
    held.set()
    assert finished(jobs_[2])["state"] == "done"


def test_a_job_of_a_page_that_was_closed_ends():
    job = jobs.Job(lambda job: job.check(), 1)
    job.asked_at -= jobs.FORGOTTEN_S + 1
    jobs.start(job)
    while job.busy:
        time.sleep(0.01)
    assert job.state == "cancelled"


def test_a_fault_in_a_prior_is_a_sentence(bench, toy, token, monkeypatch, caplog):
    monkeypatch.setattr(toy, "fill", lambda *_, **__: 1 / 0)
    started = inpainting.fill({"token": token, "prior": "toy", "rectangles": [{"start_s": 0.0, "end_s": 0.1}], "settings": {}})
    answer = finished(started["job"])
    assert answer["state"] == "failed" and answer["error_text"].startswith("Something went wrong while sampling")
    assert "failed" in caplog.text


# --- priors -------------------------------------------------------------------------------------------------------------


def test_only_priors_of_this_codec_are_offered(toy, monkeypatch):
    assert [p["name"] for p in inpainting.priors({})["priors"]] == ["toy"]
    monkeypatch.setattr(toy, "codec_name", "another")
    told = inpainting.priors({})
    assert told["priors"] == [] and told["none"] == models.NO_PRIOR
    with pytest.raises(InputError, match="trained on the codes of another"):
        models.prior("toy")


def test_long_clips_are_refused(codec, toy):
    bench = Workbench.from_audio(codec, torch.randn(1, 8000 * 11) * 0.1, "long")
    token = handlers.store.put(bench)
    answer = inpainting.score({"token": token, "prior": "toy"})
    assert "clips of up to 10 s" in answer["error"]
    answer = inpainting.fill({"token": token, "prior": "toy", "rectangles": [{"start_s": 0, "end_s": 10.5}], "settings": {}})
    assert "fills up to 10 s at a time; this selection reaches over 10.5 s" in answer["error"]
    handlers.store.drop(token)


def test_variations_of_a_long_clip_are_whole_clips(codec, toy):
    bench = Workbench.from_audio(codec, torch.randn(1, 8000 * 30) * 0.1, "long")
    mask = mask_of(bench.codes, rectangles((12.0, 13.0, "2-")))
    made = sampling.fill(toy, bench.codes, mask, Settings(), seed=1, n=2)
    for variation in made:
        assert variation.kept == (1500 * 4 - 150, 1500 * 4 - 150) and variation.changed[0] > 100
        assert torch.equal(variation.after(len(variation.steps) - 1), variation.ids)
        assert int((variation.after(0) == -1).sum()) > 0
    assert [variation.seed for variation in made] == [1, 2] and not torch.equal(made[0].ids, made[1].ids)


def test_the_prior_is_seen_at_work(bench, toy, token):
    toy.pause_s = 0.05
    request = {"token": token, "prior": "toy", "rectangles": [{"start_s": 0.1, "end_s": 0.3}], "settings": {"steps": 8}}
    job, seen, step = inpainting.fill(request)["job"], [], 0
    while (answer := inpainting.progress({"job": job, "seen": 0, "step": step}))["state"] in ("waiting", "running"):
        if answer["now"]:
            step = answer["step"]
            assert len(answer["now"]) == 4
            seen += [decoded(now, bench) for now in answer["now"]]
        time.sleep(0.01)
    undecided = [int((ids == inpainting.UNDECIDED).sum()) for ids in seen]
    assert len(seen) > 8 and max(undecided) > 0, "the cells are told while they are being drawn"
    kept = np.ones(bench.ids.shape, dtype=bool)
    kept[:, 5:15] = False
    assert all(np.array_equal(ids[kept], bench.ids.numpy()[kept]) for ids in seen)


def test_an_undecided_cell_is_heard_as_the_quietest_codeword(codec, bench):
    ids = bench.ids.clone()
    ids[1, 2] = -1
    heard, undecided = sampling.audible(codec, bench.codes, ids)
    assert undecided.nonzero().tolist() == [[1, 2]]
    norms = codec.rvq.vectors_of(torch.arange(32), 1).norm(dim=1)
    assert int(heard.ids[0, 1, 2]) == int(norms.argmin())
