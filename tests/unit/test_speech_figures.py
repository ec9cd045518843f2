"""Figures of a clip beside its reconstruction, of phones on the map, of gradients, and the film of a training run."""

import csv
import shutil
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import vqaudio
from tests.speaking import save_small, write_voices
from vqaudio.analysis import exploration, film, phones
from vqaudio.data import load_split

RATE = 16_000


@pytest.fixture(scope="module")
def voices(tmp_path_factory):
    return write_voices(tmp_path_factory.mktemp("figures"), 20)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_small(tmp_path_factory.mktemp("figures") / "small-speech")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run's folder with three snapshots."""
    folder = tmp_path_factory.mktemp("figures") / "run"
    for seed, step in enumerate((5, 10, 20)):
        save_small(folder / "snapshots" / f"{step:07d}", seed)
    return folder


def test_a_comparison_shows_phones_if_a_label_file_is_beside_the_clip(command, voices, model, tmp_path):
    clip = voices / "festvox-ru" / "wav" / "ru_0001.wav"
    common = ("--what", "comparison", "--model", model)
    code, _, error = command("plot", tmp_path / "a.svg", clip, *common, "--speaker", "vctk-p239")
    assert code == 0, error
    drawn = (tmp_path / "a.svg").read_text()
    assert all(f">{name}<" in drawn for name in ("Waveform", "MFCC-39", "Codes", "Phones", "Decoded", "seconds", "pau", "aa"))
    shutil.copy(clip, tmp_path / "alone.wav")
    code, _, error = command("plot", tmp_path / "b.svg", tmp_path / "alone.wav", *common)
    assert code == 0 and "Phones" not in (tmp_path / "b.svg").read_text(), error


def test_a_comparison_with_any_codec(command, voices, model_folder, tmp_path):
    clip = voices / "vctk-p239" / "p239_001.flac"
    code, _, error = command("plot", tmp_path / "a.png", clip, "--what", "comparison", "--model", model_folder)
    assert code == 0 and (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG"), error


def test_a_comparison_that_cannot_be_drawn_is_one_line(command, voices, model, tmp_path):
    source, labels = (voices / "festvox-ru" / folder / f"ru_0001.{ending}" for folder, ending in (("wav", "wav"), ("lab", "lab")))
    clip = tmp_path / "clip.wav"
    shutil.copy(source, clip)
    lines = labels.read_text().splitlines()
    files = {
        "another length": ("\n".join(lines[:-2]), "is not of this clip"),
        "another order": ("\n".join([lines[0], *lines[:0:-1]]), "is out of order"),
        "no labels": ("nothing", "is no festvox label file"),
    }
    for name, (text, message) in files.items():
        (tmp_path / "clip.lab").write_text(text)
        code, _, error = command("plot", tmp_path / "a.png", clip, "--what", "comparison", "--model", model)
        assert code == 2 and message in error and error.count("\n") == 1, (name, error)
    (tmp_path / "clip.TextGrid").write_text('"ooTextFile"\n"TextGrid"\n0\n1\n<absent>\n')
    for arguments, message in (
        ((clip, "--what", "comparison"), "is an empty TextGrid"),
        ((source, "--what", "comparison", "--speaker", "nobody"), "no speaker 'nobody'; known are festvox-ru, vctk-p239"),
        ((tmp_path / "none.wav", "--what", "comparison"), "none.wav"),
        (("--what", "comparison"), "Name an audio file after the target"),
        ((source, "--what", "map"), "Name an audio file after the target"),
    ):
        code, _, error = command("plot", tmp_path / "a.png", *arguments, "--model", model)
        assert code == 2 and message in error and error.count("\n") == 1, error
    assert not (tmp_path / "a.png").exists()


def test_columns_have_the_phones_at_their_centres(voices, model):
    codec = vqaudio.load(model)
    split = load_split("festvox_ru", "validation", voices / "festvox-ru", RATE)
    seen = exploration.look(codec, split)
    found = exploration.phones_of_columns(split, seen, codec.spec.frame_rate)
    for i, clip in enumerate(split.clips):
        wanted = phones.frame_values(clip.timed_labels, int((seen.clips == i).sum()), codec.spec.frame_rate)
        assert [found[j] for j in np.flatnonzero(seen.clips == i)] == wanted and len(set(wanted)) > 1


def test_the_map_and_the_distances_of_a_speech_codec(command, voices, model, tmp_path, monkeypatch):
    """Colours are phones; UMAP is replaced by two of the latents' dimensions, because it takes long to load."""
    def first_two(**_):
        return SimpleNamespace(fit_transform=lambda vectors: vectors[:, :2])

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=first_two))
    folder = tmp_path / "speech"
    shutil.copytree(model, folder)
    code, _, error = command("explore", "--model", folder, "--dataset", "festvox-ru", "--data", voices / "festvox-ru")
    assert code == 0, error
    known = exploration.load(folder)
    names = known.values["phone"]
    assert {"pau", "aa"} <= set(names) <= {"pau", "aa", "s", "ii"} and len(known.map.labels["phone"]) == len(known.map.x)
    assert set(known.map.labels["phone"]) <= set(range(len(names) + 1))
    for what in ("map", "distances"):
        assert command("plot", tmp_path / f"{what}.svg", "--what", what, "--model", folder) == (0, "", "")
    drawn = (tmp_path / "map.svg").read_text()
    assert "coloured by phone" in drawn and ">pau<" in drawn and ">aa<" in drawn
    assert "median" in (tmp_path / "distances.svg").read_text()


def test_a_film_projects_all_snapshots_at_once(run, voices):
    found = film.film(run, lambda rate: load_split("festvox_ru", "validation", voices / "festvox-ru", rate))
    assert found.steps == [5, 10, 20] and found.names == ["aa", "ii", "pau", "s"] and found.colours == "by phone"
    assert found.latents.shape == (3, len(found.groups), 2) and found.words.shape == (3, 16, 2)
    codecs = [vqaudio.load(folder) for _, folder in film.snapshots(run)]
    words = torch.stack([codec.codewords(0) for codec in codecs]).detach().numpy()
    # one affine map for all snapshots: differences of codewords are the same linear function of those in the codec
    differences, flat = words[0] - words[1], found.words[0] - found.words[1]
    axes = np.linalg.lstsq((words[0] - words[2]).astype(float), found.words[0] - found.words[2], rcond=None)[0]
    assert np.allclose(differences @ axes, flat, atol=1e-3)
    (left, right), (low, high) = found.limits
    assert left < right and low < high


@pytest.mark.parametrize("ending", ["webp", "gif"])
def test_a_film_is_an_animation(command, run, voices, tmp_path, ending):
    target = tmp_path / f"film.{ending}"
    common = ("--what", "map", "--film", "--run", run, "--data", voices / "festvox-ru")
    code, printed, error = command("plot", target, *common)
    assert code == 0 and str(target) in printed, error
    with Image.open(target) as film_file:
        assert film_file.is_animated and film_file.n_frames == 3
        first = np.asarray(film_file.convert("RGB"), dtype=int)
        film_file.seek(2)
        assert np.abs(np.asarray(film_file.convert("RGB"), dtype=int) - first).max() > 50


def test_a_film_that_cannot_be_made_is_one_line(command, run, voices, tmp_path):
    (tmp_path / "empty").mkdir()
    data, empty = ("--data", voices / "festvox-ru"), tmp_path / "empty"
    for arguments, message in (
        (("f.webp", "--what", "map", "--run", empty), "has no snapshots for a film. Train it with --loop.snapshots 12"),
        (("f.webp", "--what", "map"), "Give --what map and --run RUN"),
        (("f.webp", "--what", "distances", "--run", run), "Give --what map and --run RUN"),
        (("f.png", "--what", "map", "--run", run), "should end in .webp or .gif"),
    ):
        code, _, error = command("plot", tmp_path / arguments[0], *arguments[1:], "--film", *data)
        assert code == 2 and message in error and error.count("\n") == 1, error
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_gradients_are_drawn_by_part(command, tmp_path):
    rows = [{"step": i, "train_loss": 1.0, "train_gradient_norm": 3, "train_gradient_encoder": 2, "train_gradient_head": 1}
            for i in (1, 2, 3)]  # fmt: skip
    for name, columns in (("with", list(rows[0])), ("without", ["step", "train_loss"])):
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)
    assert command("plot", tmp_path / "a.svg", "--what", "gradients", "--run", tmp_path / "with.csv") == (0, "", "")
    drawn = (tmp_path / "a.svg").read_text()
    assert ">encoder<" in drawn and ">head<" in drawn and "norm of the gradient" in drawn
    code, _, error = command("plot", tmp_path / "b.svg", "--what", "gradients", "--run", tmp_path / "without.csv")
    assert code == 2 and "recorded no gradients" in error and not (tmp_path / "b.svg").exists()
