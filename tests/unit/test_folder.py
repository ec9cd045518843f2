"""Any folder of audio as a dataset: layouts, labels, a split that stays, and what bad folders get."""

import os
import shutil

import pytest

from vqaudio.data.datasets import folder
from vqaudio.data.encoded import encoded
from vqaudio.errors import InputError
from vqaudio.hub import load

NAMES = ("häuser", "дом", "家", "بيت", "a b", "🎵")


@pytest.fixture
def clips(example_clips, tmp_path):
    """Real recordings in sub-folders, with names in many scripts."""
    root = tmp_path / "sounds"
    for i, name in enumerate(NAMES * 5):
        place = root / ("deep/er" if i % 3 else "upper") / ("one" if i % 2 else "two")
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(example_clips[i % len(example_clips)], place / f"{name}{i}.WAV")
    return root


def names(root, part) -> set[str]:
    return {clip.name for clip in folder.load_split(part, root).clips}


def test_every_recording_is_in_one_part_and_its_label_is_its_folder(clips):
    splits = {part: folder.load_split(part, clips, 8000) for part in ("train", "validation", "test")}
    found = [clip for split in splits.values() for clip in split.clips]
    assert len(found) == len({clip.name for clip in found}) == 30
    assert all(split.labels == {"label": ("one", "two")} and len(split) for split in splits.values())
    assert all(clip.labels["label"] == clip.name.split("/")[-2] for clip in found)
    assert len(splits["train"]) > 20


def test_the_split_stays_when_files_come_and_accents_are_written_in_another_way(clips, example_clips):
    before = {part: names(clips, part) for part in ("train", "validation", "test")}
    for i in range(10):
        shutil.copy(example_clips[0], clips / f"new{i}.wav")
    for part, kept in before.items():
        assert kept <= names(clips, part)
    assert folder.part_of("ha\u0308user.wav") == folder.part_of("häuser.wav")
    shares = [folder.part_of(f"{i}.wav") for i in range(5000)]
    assert abs(shares.count("validation") / 5000 - 0.1) < 0.02 and abs(shares.count("test") / 5000 - 0.1) < 0.02


def test_a_name_whose_bytes_are_no_text_is_read(clips, example_clips):
    shutil.copy(example_clips[0], os.fsencode(clips) + b"/latin-\xe9.wav")
    assert any("latin-\\xe9.wav" in names(clips, part) for part in ("train", "validation", "test"))


def test_three_files_are_enough_and_long_ones_are_cut(example_clips, tmp_path, monkeypatch):
    for i in range(3):
        shutil.copy(example_clips[i], tmp_path / f"{i}.wav")
    assert all(len(names(tmp_path, part)) == 1 for part in ("train", "validation", "test"))
    assert folder.load_split("train", tmp_path).labels == {}
    monkeypatch.setattr(folder, "PIECE_S", 0.1)
    pieces = folder.load_split("train", tmp_path, 8000).clips
    assert len(pieces) > 1 and all(len(piece.audio) <= 800 for piece in pieces)
    assert [piece.name.split("#")[1] for piece in pieces] == [str(i) for i in range(len(pieces))]


def test_a_table_gives_labels_and_parts(clips):
    files = sorted(path.relative_to(clips).as_posix() for path in clips.rglob("*.WAV"))
    parts = ["Training"] * 20 + ["dev"] * 5 + ["test"] * 4
    rows = [f'"{file}",{"ab"[i % 2]},{parts[i]},said {i}' for i, file in enumerate(files[:29])]
    (clips / "metadata.csv").write_text("\ufefffile_name,voice,split,text\n" + "\n".join(rows), encoding="utf-8")
    split = folder.load_split("train", clips)
    assert {clip.name for clip in split.clips} == set(files[:20]) and names(clips, "validation") == set(files[20:25])
    assert split.labels == {"voice": ("a", "b")}  # the text is another for every clip: no class
    assert split.clips[0].labels["text"] == "said 0"


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("", "is empty"),
        ("file_name\n../outside.wav\n", "line 2: file_name should name a file in this folder"),
        ("file_name,split\na.wav,mine\n", "the split is train, validation or test; not 'mine'"),
        ("file_name\na.wav\n", "only 1 recording; at least 3"),
    ],
)
def test_a_table_that_makes_no_sense_is_told(tmp_path, table, said):
    (tmp_path / "labels.csv").write_text(table)
    with pytest.raises(InputError, match=said):
        folder.load_split("train", tmp_path)
    (tmp_path / "labels.csv").write_bytes(b"file_name\n\xff\xfe.wav\n")
    with pytest.raises(InputError, match="not text in UTF-8"):
        folder.load_split("train", tmp_path)


def test_bad_files_are_named_and_skipped(clips, capsys):
    bad = {"cut.flac": b"fLaC", "text.mp3": b"no sound", "empty.wav": b""}
    for name, content in bad.items():
        (clips / name).write_bytes(content)
    (clips / "missing.ogg").symlink_to("nowhere.ogg")
    (clips / "notes.txt").write_text("not audio, and not looked at")
    (clips / ".hidden.wav").write_bytes(b"")
    total = sum(len(names(clips, part)) for part in ("train", "validation", "test"))
    told = capsys.readouterr().err
    assert total == 30 and all(name in told for name in (*bad, "missing.ogg")) and "hidden" not in told and "notes" not in told


def test_folders_that_cannot_be_used_get_one_sentence(tmp_path, example_clips, capsys):
    with pytest.raises(InputError, match="There is no folder"):
        folder.load_split("train", tmp_path / "none")
    with pytest.raises(InputError, match="holds no audio"):
        folder.load_split("train", tmp_path)
    with pytest.raises(InputError, match="with --data"):
        folder.load_split("train", None)
    with pytest.raises(InputError, match="has the splits"):
        folder.load_split("dev", tmp_path)
    for i in range(3):
        (tmp_path / f"{i}.wav").write_bytes(b"no sound")
    with pytest.raises(InputError, match="None of the 1 recordings in .* that are for train can be read"):
        folder.load_split("train", tmp_path)
    one = tmp_path / "data" / "only"
    one.mkdir(parents=True)
    for i in range(4):
        shutil.copy(example_clips[i], one / f"{i}.wav")
    capsys.readouterr()
    assert folder.load_split("train", tmp_path / "data").labels == {}
    assert "the one label 'only'" in capsys.readouterr().err


def test_two_folders_never_share_cached_codes(example_clips, model_folder, tmp_path):
    """As many clips of the same lengths, but other sounds."""
    codec = load(model_folder)
    splits = []
    for k in (0, 1):
        root = tmp_path / str(k)
        root.mkdir()
        for i in range(3):
            shutil.copy(example_clips[(i + k) % len(example_clips)], root / f"{i}.wav")
        splits.append(folder.load_split("train", root, codec.sample_rate))
    first, second = (encoded(codec, split, "train", cache=tmp_path / "codes") for split in splits)
    assert len(list((tmp_path / "codes").iterdir())) == 2
    assert first.ids[0].shape != second.ids[0].shape or (first.ids[0] != second.ids[0]).any()
    encoded(codec, splits[0], "train", cache=tmp_path / "codes")
    assert len(list((tmp_path / "codes").iterdir())) == 2
