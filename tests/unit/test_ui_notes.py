"""The parts of notes in the app that need no browser: who plays, what is kept, frequencies, which examples are shown."""

import json
import sys
import threading
from pathlib import Path

import pytest
import soundfile
import torch

from vqaudio import sfz
from vqaudio.errors import InputError
from vqaudio.ui import models, playing, wire
from vqaudio.ui.clip import cell_edits, handlers, sampling
from vqaudio.ui.clip.selection import Mask, mask_of
from vqaudio.ui.clip.workbench import Workbench
from vqaudio.ui.panels import examples

sys.path.append(str(Path(__file__).resolve().parents[1] / "e2e"))
from toy_notes import EDGES, RATE, BandTones, NotePrior
from toy_prior import ToyPrior


@pytest.fixture
def toy(monkeypatch):
    codec = BandTones()
    toys = {"notes": NotePrior(codec), "voices": ToyPrior(codec, "voices")}
    monkeypatch.setattr(models, "_codec", lambda source: codec)
    monkeypatch.setattr(models, "_prior_names", lambda: list(toys))
    monkeypatch.setattr(models, "_prior", lambda name: toys[name])
    monkeypatch.setenv("VQAUDIO_MODEL", "tones")
    monkeypatch.setattr(playing, "notes", playing.Notes())
    return toys["notes"]


@pytest.fixture
def bench():
    time_s = torch.arange(RATE) / RATE
    sound = sum(0.1 * torch.sin(2 * torch.pi * (a * b) ** 0.5 * time_s) for a, b in zip(EDGES, EDGES[1:]))
    return Workbench.from_audio(BandTones(), sound[None], "a chord")


def test_whoever_knows_pitch_plays_and_nobody_else(toy):
    told = playing.players({})["players"]
    assert [p["name"] for p in told] == ["notes"]
    assert told[0]["labels"] == {"instrument": ["cello", "flute"]} and told[0]["keys"] == list(range(36, 85))
    assert told[0]["heard"] is None


def test_without_a_player_there_is_a_sentence(toy, monkeypatch):
    monkeypatch.setattr(models, "_prior_names", lambda: ["voices"])
    answer = playing.players({})
    assert answer["players"] == [] and "No prior here knows notes" in answer["none"]
    assert playing.note({"prior": "voices", "key": 60})["error"] == playing.NOBODY_PLAYS


def test_priors_that_say_they_know_no_pitch_are_not_loaded(toy, tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text(json.dumps({"label_kinds": ["digit"]}))
    monkeypatch.setattr(models, "_prior_names", lambda: [str(tmp_path)])
    monkeypatch.setattr(models, "_prior", lambda name: pytest.fail("loaded"))
    assert models.with_label("pitch") == []


def test_keys_that_were_heard_with_a_label(toy):
    toy.example_labels = torch.tensor([[0, 24], [0, 26], [1, 24], [2, 30], [1, 49]])
    heard = playing.heard_of(toy)
    wanted = {"instrument": {"cello": [60, 62], "flute": [60]}}
    assert heard == wanted, "an example without an instrument or a pitch tells nothing"


def test_a_note_is_made_once_however_many_ask_at_the_same_time(toy):
    toy.pause_s = 0.02
    asked = {"prior": "notes", "labels": {"instrument": "flute"}, "key": 60}
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(playing.note(asked))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(toy.made) == 1 and all(answer["ok"] for answer in answers)
    assert len({answer["sound"]["data"] for answer in answers}) == 1
    playing.note(asked | {"take": 1})
    playing.note(asked | {"seconds": 0.5})
    assert len(toy.made) == 3


def test_what_cannot_be_made_is_not_kept_and_keeps_nobody_waiting():
    kept, calls = playing.Notes(), []

    def fail():
        calls.append(1)
        raise InputError("no")

    for _ in range(2):
        with pytest.raises(InputError):
            kept.get(("a",), fail)
    note = sfz.Note(60, torch.zeros(100), 0)
    assert len(calls) == 2 and kept.get(("a",), lambda: note) is note


def test_the_notes_that_were_unused_for_longest_go():
    kept, made = playing.Notes(max_bytes=1000), []

    def ask(key):
        return kept.get((key,), lambda: made.append(key) or sfz.Note(key, torch.zeros(100), 0))

    for key in (1, 2, 1, 3):
        ask(key)
    assert made == [1, 2, 3]
    ask(1)
    assert made == [1, 2, 3], "1 was used after 2"
    ask(2)
    assert made == [1, 2, 3, 2]


def test_a_note_becomes_a_clip_of_the_map(toy):
    class Event:
        _data = {"prior": "notes", "labels": {"instrument": "flute"}, "key": 64, "seconds": 1.0, "take": 0}  # noqa: RUF012

    value, told, token, model = playing.open_note(Event())
    assert value["title"] == "flute E4" and value["model"] == model == "tones" and value["original"] is None
    assert "made by notes" in told[0] and handlers.store.get(token).n_samples == RATE
    handlers.store.drop(token)


def test_a_range_is_checked_before_anything_is_made(toy):
    asked = {"prior": "notes", "labels": {}, "low": 60, "high": 62}
    for changes, sentence in (
        ({"low": 20}, "There is no note G#0 here: notes knows C2 to C6"), ({"low": 64}, "lies above the highest"),
        ({"labels": {"instrument": "kazoo"}}, "notes knows cello, flute"), ({"prior": "voices"}, "Known: notes"),
    ):  # fmt: skip
        assert sentence in playing.sampler(asked | changes)["error"]
    assert toy.made == []


# --- frequencies --------------------------------------------------------------------------------------------------------


def test_a_codec_without_a_word_on_it_has_equal_bands(codec):
    assert codec.band_edges_hz(0) == (0.0, 4000.0)
    assert Workbench.from_audio(codec, torch.randn(1, 8000), "x") and len(codec.spec.stages) == 4


def test_the_page_is_told_where_bands_lie(bench):
    stages = handlers.describe("t", bench)["spec"]["stages"]
    assert stages[1]["edges_hz"] == EDGES and stages[0]["edges_hz"] == EDGES[::2]


def test_pixels_of_a_mask_are_its_time_and_frequencies(bench):
    mask = mask_of(bench.codes, wire.validated(Mask, {"rectangles": [
        {"start_s": 0.2, "end_s": 0.4, "stages": "2", "bands": "5"}, {"start_s": 0.6, "end_s": 0.8, "stages": "1", "bands": "1"}
    ]}).rectangles)  # fmt: skip
    bins, frames = 801, 1001
    inside = cell_edits.pixels_of(bench, mask, (bins, frames))
    hz, seconds = torch.arange(bins) * 10.0, torch.arange(frames) / 1000
    first = ((hz >= 1200) & (hz < 2000))[:, None] & ((seconds >= 0.2) & (seconds < 0.4))
    second = (hz < 400)[:, None] & ((seconds >= 0.6) & (seconds < 0.8))
    assert torch.equal(inside, first | second), "the lowest band reaches down to 0 Hz"


def test_a_level_is_that_of_the_region(bench):
    token = handlers.store.put(bench)
    area = [{"start_s": 0.2, "end_s": 0.6, "stages": "2", "bands": "5"}]
    mask = mask_of(bench.codes, wire.validated(Mask, {"rectangles": area}).rectangles)
    before = cell_edits.level_in(bench, mask)
    whole = bench.sound((0, 1)).square().mean()
    answer = cell_edits.erase({"token": token, "rectangles": area})
    assert answer["ok"] and "Erased 20 cells: there the sound is" in answer["told"] and "dB softer" in answer["told"]
    assert before - cell_edits.level_in(bench, mask) > 20
    assert bench.sound((0, 1)).square().mean() > 0.8 * whole
    handlers.store.drop(token)


# --- labels -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("local", [False, True])
def test_labels_say_what_the_clip_is_or_what_the_region_becomes(bench, local):
    class Listening(ToyPrior):
        def fill(self, codes, mask, labels=None, local_labels=(), **settings):
            self.heard = mask, labels, local_labels
            return super().fill(codes, mask, labels, **settings)

    prior = Listening(bench.codec)
    mask = bench.codes.region(0.2, 0.4)
    settings = sampling.Settings(labels={"digit": "7"}, local=local)
    (made,) = sampling.fill(prior, bench.codes, mask, settings, 3)
    hole, labels, there = prior.heard
    assert made.kept[0] == made.kept[1] and hole.sum() == mask.sum()
    if local:
        assert labels is None and len(there) == 1 and torch.equal(there[0][0], hole) and there[0][1] == {"digit": "7"}
    else:
        assert labels == {"digit": "7"} and there == ()


# --- examples -----------------------------------------------------------------------------------------------------------


def test_every_example_is_there_and_can_be_read():
    found = examples.all_clips()
    assert set(found) == {examples.USUAL, "voice", "notes"}
    for clips in found.values():
        assert clips.credit and clips.clips
        for path, label in clips.clips.items():
            assert label and 0.2 < soundfile.info(path).duration < 10
    assert not [path for path in examples.FOLDER.rglob("*") if "philharmonia" in path.name.lower()]


def test_the_examples_follow_the_codec(tmp_path, monkeypatch):
    monkeypatch.setenv("VQAUDIO_MODEL", f"{tmp_path / 'a'}:{tmp_path / 'b'}:{tmp_path / 'c'}")
    for name, told in (("a", {"examples": "voice"}), ("b", {}), ("c", {"examples": "nowhere"})):
        (tmp_path / name).mkdir()
        (tmp_path / name / "about.json").write_text(json.dumps(told))
    assert [examples.folder_of(name) for name in "abc"] == ["voice", examples.USUAL, examples.USUAL]
    assert examples.folder_of(None) == "voice" and examples.folder_of("nobody") == examples.USUAL


@pytest.mark.parametrize(
    "content", ["", "[1]", '{"credit": "x", "clips": 3}', '{"clips": {}}', '{"credit": 1, "clips": {"no.wav": "x"}}']
)
def test_a_damaged_list_of_examples_is_left_out(tmp_path, content):
    (tmp_path / "examples.json").write_text(content)
    assert examples.clips_in(tmp_path) is None and examples.clips_in(tmp_path / "no") is None
