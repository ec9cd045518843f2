"""Any folder of audio as a dataset: layouts, labels, a split that stays, and what bad folders get."""

import os
import shutil
from pathlib import Path

import pytest
import soundfile

from vqaudio.data.datasets import folder, philharmonia, voice
from vqaudio.data.encoded import encoded
from vqaudio.data.sources import Source
from vqaudio.errors import InputError
from vqaudio.hub import load

NAMES = ("häuser", "дом", "家", "بيت", "a b", "🎵")


@pytest.fixture
def clips(example_clips, tmp_path):
    """Real recordings in sub-folders, with names in many scripts."""
    root = tmp_path / "sounds"
    for i, name in enumerate(NAMES * 5):
        target = root / ("deep/er" if i % 3 else "upper") / ("one" if i % 2 else "two")
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(example_clips[i % len(example_clips)], target / f"{name}{i}.WAV")
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
    err = capsys.readouterr().err
    assert total == 30 and all(name in err for name in (*bad, "missing.ogg")) and "hidden" not in err and "notes" not in err


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
    assert "the same label, 'only'" in capsys.readouterr().err


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


# Links.


def _classes(root, example_clips):
    for k in "ab":
        (root / k).mkdir(parents=True)
        for i in range(3):
            shutil.copy(example_clips[i], root / k / f"{k}{i}.wav")
    return root


def found(root) -> dict[str, str | None]:
    return {source.name: source.labels.get("label") for source in folder.sources(root)}


def test_class_folders_may_be_links(example_clips, tmp_path):
    far, linked = _classes(tmp_path / "far", example_clips), tmp_path / "linked"
    linked.mkdir()
    for k in "ab":
        (linked / k).symlink_to(far / k)
    (tmp_path / "root").symlink_to(linked)
    assert found(far) == found(linked) == found(tmp_path / "root") == {f"{k}/{k}{i}.wav": k for k in "ab" for i in range(3)}


def test_a_loop_of_links_ends_and_no_folder_is_read_twice(example_clips, tmp_path):
    root = _classes(tmp_path / "far", example_clips)
    (root / "a" / "up").symlink_to(root)
    (root / "b" / "itself").symlink_to(root / "b")
    (root / "z").symlink_to(root / "a")
    (root / "broken").symlink_to(tmp_path / "nowhere")
    assert found(root) == {f"{k}/{k}{i}.wav": k for k in "ab" for i in range(3)}


def test_other_datasets_follow_links_too(example_clips, tmp_path):
    real, base = tmp_path / "real", tmp_path / "base"
    (real / "alexa").mkdir(parents=True)
    (real / "notes").mkdir()
    shutil.copy(example_clips[0], real / "alexa" / "1.wav")
    shutil.copy(example_clips[0], real / "notes" / "flute_A4_1_piano_normal.wav")
    (base / "wake-words").mkdir(parents=True)
    (base / "philharmonia").mkdir()
    (base / "wake-words" / "alexa").symlink_to(real / "alexa")
    (base / "philharmonia" / "flute").symlink_to(real / "notes")
    assert [source.name for source in voice.sources(base)] == ["wake-words/alexa/1"]
    assert [source.name for source in philharmonia.sources(base)] == ["flute_A4_1_piano_normal"]


def test_a_folder_that_may_not_be_read_is_named(example_clips, tmp_path, capsys, monkeypatch):
    root = _classes(tmp_path / "far", example_clips)

    def refusing(path, scan=os.scandir):
        if str(path).endswith("b"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert set(found(root).values()) == {"a"} and f"skipped the folder {root / 'b'}" in capsys.readouterr().err


# Tables from other systems.

LINES = (("a/one.wav", "x"), ("a/two.wav", "y"), ("three.wav", "x"))


@pytest.fixture
def listed(example_clips, tmp_path):
    """A folder of three recordings, two of them in a sub-folder."""
    (tmp_path / "data" / "a").mkdir(parents=True)
    for (name, _), clip in zip(LINES, example_clips):
        shutil.copy(clip, tmp_path / "data" / name)
    return tmp_path / "data"


def rows(lines=LINES, delimiter=",", header="file_name,label") -> str:
    return "\n".join([header.replace(",", delimiter), *(delimiter.join(line) for line in lines)]) + "\n"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["metadata.csv", "labels.tsv"])
def test_a_table_may_have_other_delimiters(listed, delimiter, name):
    (listed / name).write_text(rows(delimiter=delimiter))
    assert found(listed) == dict(LINES)


def test_commas_inside_cells_are_no_delimiters(listed):
    (listed / "metadata.csv").write_text(rows([(name, f"so, {label}, then") for name, label in LINES], ";"))
    assert set(found(listed).values()) == {"so, x, then", "so, y, then"}
    (listed / "metadata.csv").write_text('"file_name";"a, b, c"\n' + "".join(f"{name};{label}\n" for name, label in LINES))
    assert [source.labels for source in folder.sources(listed)] == [{"a, b, c": label} for _, label in LINES]


@pytest.mark.parametrize(
    "rename",
    [
        lambda name, base: name.replace("/", "\\"), lambda name, base: f".\\{name}".replace("/", "\\"),
        lambda name, base: f"./{name}", lambda name, base: f"a/../{name}",
        lambda name, base: str(base / name), lambda name, base: str(base.parent / "elsewhere" / ".." / "data" / name),
    ],
)
@pytest.mark.parametrize("root", ["data", "./data", "elsewhere/../data", "absolute", "link"])
def test_names_in_a_table_may_be_written_in_many_ways(listed, monkeypatch, rename, root):
    monkeypatch.chdir(listed.parent)
    (listed.parent / "elsewhere").mkdir()
    (listed.parent / "link").symlink_to("data")
    (listed / "metadata.csv").write_text(rows([(rename(name, listed), label) for name, label in LINES]))
    base = listed if root == "absolute" else Path(root)
    assert found(base) == dict(LINES) and all(source.path.exists() for source in folder.sources(base))


def test_a_backslash_that_is_part_of_a_name_stays(listed, example_clips):
    shutil.copy(example_clips[3], listed / "a\\b.wav")
    (listed / "metadata.csv").write_text(rows([*LINES, ("a\\b.wav", "z")]))
    assert found(listed) == {**dict(LINES), "a\\b.wav": "z"}


@pytest.mark.parametrize("column", ["wav", "Path", "audio_filepath", " file_name "])
def test_the_column_of_files_is_known_by_its_name(listed, column):
    lines = [(label, name) for name, label in LINES]
    (listed / "metadata.csv").write_text(rows(lines, header=f"label,{column}"))
    assert found(listed) == dict(LINES)


@pytest.mark.parametrize("name", ["../three.wav", "..\\three.wav", "/elsewhere/a.wav", "C:\\sounds\\..\\..\\..\\x.wav", "", "."])
def test_a_name_outside_the_folder_is_refused_with_its_line(listed, name):
    (listed / "metadata.csv").write_text(rows([*LINES[:2], (name, "x")]))
    with pytest.raises(InputError, match="metadata.csv, line 4: file_name should name a file in this folder"):
        found(listed)


def test_a_recording_has_one_row(listed):
    (listed / "metadata.csv").write_text(rows([*LINES, ("a/../three.wav", "y")]))
    with pytest.raises(InputError, match="line 5: file_name names 'three.wav' a second time"):
        found(listed)


# Few files, and files of other kinds.


@pytest.mark.parametrize("n", [0, 1, 2])
def test_fewer_than_three_recordings_get_one_sentence(example_clips, tmp_path, n):
    for i in range(n):
        shutil.copy(example_clips[i], tmp_path / f"{i}.wav")
    (tmp_path / "notes.txt").write_text("no audio")
    (tmp_path / "README").write_text("no audio")
    said = ("no audio", "only 1 recording", "only 2 recordings")[n]
    with pytest.raises(InputError, match=f"{said} beside 1 without ending, 1 .txt; at least 3 are needed"):
        found(tmp_path)


def test_two_recordings_with_one_name_still_make_three_parts():
    """Names whose bytes are no text can come out alike."""
    sources = [Source(Path(str(i)), "same", "train") for i in range(3)]
    assert sorted(source.part for source in folder._every_part(sources)) == ["test", "train", "validation"]


def test_what_cannot_be_read_is_named_where_nothing_can(tmp_path):
    for i in range(3):
        (tmp_path / f"{i}.wav").write_bytes(b"no sound")
    with pytest.raises(InputError, match=r"None of the 1 recordings .* can be read\. The first: .*\d\.wav"):
        folder.load_split("train", tmp_path)


def test_recordings_are_known_by_their_ending_or_by_their_content(example_clips, tmp_path):
    sound, rate = soundfile.read(example_clips[0])
    soundfile.write(tmp_path / "a.sph", sound, rate, format="NIST")
    soundfile.write(tmp_path / "b.voc", sound, rate, format="VOC", subtype="PCM_16")
    soundfile.write(tmp_path / "c.wave", sound, rate, format="WAV")
    soundfile.write(tmp_path / "d", sound, rate, format="FLAC")
    soundfile.write(tmp_path / "e.recording", sound, rate, format="AIFF")
    soundfile.write(tmp_path / "f.WAV", sound, rate, format="OGG")
    (tmp_path / "g.jpeg").write_bytes(b"\xff\xd8\xff\xe0 a picture")
    (tmp_path / "h.webp").write_bytes(b"RIFF\x10\x00\x00\x00WEBPVP8 ")
    assert set(found(tmp_path)) == {"a.sph", "b.voc", "c.wave", "d", "e.recording", "f.WAV"}
    clips = [clip for part in ("train", "validation", "test") for clip in folder.load_split(part, tmp_path, rate).clips]
    assert len(clips) == 6 and all(len(clip.audio) == len(sound) for clip in clips)
