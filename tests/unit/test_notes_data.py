"""Datasets of notes in their real layouts: names, parts, labels, and lists that are damaged."""

import hashlib
import json
import tarfile
from pathlib import Path

import pytest
import soundfile
import torch

from vqaudio.data import notes
from vqaudio.data.datasets import clear_notes, nsynth, philharmonia
from vqaudio.errors import InputError

REAL = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not (REAL / philharmonia.FOLDER).is_dir(), reason=f"the real notes are not here: {REAL}")


def write_note(path: Path, seconds: float = 0.2, midi: int = 69) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    time = torch.arange(round(seconds * 16_000)) / 16_000
    soundfile.write(path, (0.3 * torch.sin(2 * torch.pi * 440 * 2 ** ((midi - 69) / 12) * time)).numpy(), 16_000)


@pytest.fixture
def layout(tmp_path) -> Path:
    """NSynth's test part with two notes; a third is named in the list and not there."""
    folder = tmp_path / "nsynth-test"
    listed = {}
    named = ("brass_acoustic_046-069-075", 69), ("reed_acoustic_001-048-127", 48), ("organ_electronic_9-060-025", 60)
    for name, pitch in named:
        listed[name] = {"pitch": pitch, "velocity": int(name[-3:]), "instrument_family_str": name.split("_")[0], "note": 1}
        if pitch != 60:
            write_note(folder / "audio" / f"{name}.wav", 4.2, pitch)
    (folder / "examples.json").write_text(json.dumps(listed))
    return tmp_path


@pytest.mark.parametrize(("name", "midi"), [("A4", 69), ("As4", 70), ("A#4", 70), ("Bb3", 58), ("C4", 60), ("E7", 100)])
def test_notes_have_midi_numbers(name, midi):
    assert notes.midi_of(name) == midi


@pytest.mark.parametrize("name", ["H4", "A", "", "a4", "A44", "Ass4"])
def test_what_is_no_note_is_refused(name):
    with pytest.raises(InputError, match="is not a note"):
        notes.midi_of(name)


def test_parts_follow_from_the_name_in_the_shares_that_are_told():
    parts = [notes.part_of(f"flute_{i}") for i in range(5000)]
    assert parts == [notes.part_of(f"flute_{i}") for i in range(5000)]
    for part, share in notes.SHARES.items():
        assert abs(parts.count(part) / 5000 - share) < 0.015


def test_philharmonia_names_are_labels_and_others_are_left_out(tmp_path):
    for name in (
        "flute_As4_05_mezzo-forte_normal", "bassoon_C3_1_cresc-decresc_normal", "kazoo_A4_1_forte_normal",
        "flute_H4_1_forte_normal", "flute_C8_1_forte_normal",
    ):
        write_note(tmp_path / "philharmonia" / "any" / f"{name}.wav")
    found = {source.name: source.labels for source in philharmonia.sources(tmp_path)}
    assert found == {
        "bassoon_C3_1_cresc-decresc_normal": {"pitch": "48", "instrument": "bassoon"},
        "flute_As4_05_mezzo-forte_normal": {"pitch": "70", "instrument": "flute", "dynamics": "mezzo-forte"},
    }


@pytest.mark.parametrize("module", [philharmonia, nsynth, clear_notes])
def test_a_folder_without_the_notes_and_a_part_that_is_not_there_are_told(module, tmp_path):
    with pytest.raises(InputError, match="hold"):
        module.load_split("test", tmp_path)
    with pytest.raises(InputError, match="split"):
        module.load_split("everything", tmp_path)


def test_nsynth_in_its_layout(layout):
    split = nsynth.load_split("test", layout)
    assert [clip.name for clip in split.clips] == ["brass_acoustic_046-069-075", "reed_acoustic_001-048-127"]
    assert split.clips[0].labels == {"pitch": "69", "instrument": "brass", "dynamics": "75"}
    assert [len(clip.audio) for clip in split.clips] == [64_000, 64_000]
    assert split.label_index(split.clips[0], "pitch") == 69
    assert len(nsynth.load_split("test", layout / "nsynth-test")) == 2
    assert [source.part for source in nsynth.sources(layout)] == ["test", "test"]


@pytest.mark.parametrize("text", ['{"a": {"pi', "[1, 2]", '{"a": {}}', '{"a": {"pitch": "x", "velocity": 1}}', "null"])
def test_a_damaged_list_is_one_sentence(layout, text):
    (layout / "nsynth-test" / "examples.json").write_text(text)
    with pytest.raises(InputError, match="examples.json is damaged"):
        nsynth.load_split("test", layout)


def test_nsynth_is_fetched_checked_and_unpacked(layout, tmp_path, monkeypatch):
    archive = tmp_path / "nsynth.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(layout / "nsynth-test", "nsynth-test")
    url = archive.as_uri()
    with pytest.raises(InputError, match="MD5"):
        nsynth.download(tmp_path / "kept", "test", url)
    monkeypatch.setitem(nsynth.CHECKSUMS, "test", hashlib.md5(archive.read_bytes()).hexdigest())
    folder = nsynth.download(tmp_path / "kept", "test", url)
    assert len(nsynth.load_split("test", folder)) == 2
    assert nsynth.download(tmp_path / "kept", "test", "file:///nowhere") == folder


def test_clears_list_names_wav_and_flac_will_do(tmp_path):
    write_note(tmp_path / "violin_4_A.flac")
    entry = {"instrument": "violin", "note": "A", "octave": 4, "filename": "violin_4_A.wav"}
    (tmp_path / clear_notes.INDEX).write_text(json.dumps([entry, entry | {"filename": "gone.wav"}]))
    split = clear_notes.load_split("test", tmp_path)
    assert [clip.labels for clip in split.clips] == [{"pitch": "69", "instrument": "violin"}]
    (tmp_path / clear_notes.INDEX).write_text("[{}]")
    with pytest.raises(InputError, match="is damaged"):
        clear_notes.load_split("test", tmp_path)


@needs_data
def test_the_real_notes_are_all_in_one_part_or_another():
    parts = [source.part for source in philharmonia.sources(REAL)]
    assert len(parts) == 1146
    assert parts.count("test") > 80 and parts.count("validation") > 40 and parts.count("train") > 900
    assert {source.labels["instrument"] for source in philharmonia.sources(REAL)} == set(philharmonia.INSTRUMENTS)
    split = clear_notes.load_split("test", REAL)
    assert len(split) == 135 and all(0 < len(clip.audio) <= 64_000 for clip in split.clips)
