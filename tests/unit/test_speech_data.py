"""Data sets of speech: VCTK in its layouts, festvox's Russian voice with phones, and several folders as one set of speakers."""

import io
import shutil
import sys
import tarfile

import pytest
import torch

from vqaudio import audio
from vqaudio.data import load_split
from vqaudio.data.datasets import festvox_ru, speech, vctk
from vqaudio.errors import InputError

LAB = "#\n0.1 125 pau\n0.4 125 aa\n0.5 125 pau\n"
INFO = "ID  AGE  GENDER  ACCENTS  REGION\n225  23  F    English    Southern  England\np226  22  M  English  Surrey\n"


def tone(path, rate=16_000, seconds=0.5):
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = 0.3 * torch.sin(torch.arange(round(seconds * rate)) * 0.2)
    audio.save(path, wave[None], rate)


@pytest.fixture(scope="module")
def voice(tmp_path_factory):
    """A voice in festvox's layout: 40 recordings with labels."""
    base = tmp_path_factory.mktemp("speech") / "festvox-ru"
    (base / "lab").mkdir(parents=True)
    for i in range(40):
        tone(base / "wav" / f"ru_{i:04d}.wav")
        (base / "lab" / f"ru_{i:04d}.lab").write_text(LAB)
    return base


@pytest.mark.parametrize("folder,ending", [("wav48_silence_trimmed", "_mic1.flac"), ("wav48", ".wav")])
def test_vctk_in_its_real_layouts(tmp_path, folder, ending):
    for speaker in ("p225", "p226"):
        for i in range(30):
            tone(tmp_path / folder / speaker / f"{speaker}_{i:03d}{ending}", 48_000, 0.1)
        (tmp_path / "txt" / speaker).mkdir(parents=True)
        (tmp_path / "txt" / speaker / f"{speaker}_000.txt").write_text("Please call Stella.\n")
    tone(tmp_path / folder / "p225" / "p225_001_mic2.flac", 48_000, 0.1)
    (tmp_path / "speaker-info.txt").write_text(INFO)
    found = list(vctk.sources(tmp_path))
    assert len(found) == 60 and {source.part for source in found} == {"train", "validation", "test"}
    assert vctk.text_of(next(source for source in found if source.name == "p225_000")) == "Please call Stella."
    assert vctk.text_of(next(source for source in found if source.name == "p226_001")) is None
    split = load_split("vctk", "train", tmp_path, 16_000)
    assert split.labels == {"speaker": ("p225", "p226"), "gender": ("F", "M")}
    assert split.clips[0].labels == {"speaker": "p225", "gender": "F", "accent": "English"} and len(split.clips[0].audio) == 1600


def test_one_speaker_of_vctk_in_one_folder(tmp_path):
    for i in range(30):
        tone(tmp_path / f"p239_{i:03d}.flac", seconds=0.1)
    (tmp_path / "p239_000.txt").write_text("Six spoons.")
    found = list(vctk.sources(tmp_path))
    assert len(found) == 30 and vctk.text_of(found[0]) == "Six spoons."
    assert load_split("vctk", "validation", tmp_path, 16_000).labels == {"speaker": ("p239",)}


def test_a_festvox_clip_has_its_phones(voice):
    split = load_split("festvox_ru", "train", voice, 16_000)
    assert [label.value for label in split.clips[0].timed_labels] == ["pau", "aa", "pau"]
    assert split.clips[0].timed_labels[1].start_s == 0.1
    parts = [load_split("festvox_ru", part, voice, 16_000) for part in ("train", "validation", "test")]
    assert sum(map(len, parts)) == 40 and not {c.name for c in parts[0].clips} & {c.name for c in parts[2].clips}


def test_a_recording_with_another_clips_labels_is_skipped_by_name(voice, tmp_path, capsys):
    base = tmp_path / "voice"
    shutil.copytree(voice, base)
    names = [source.name for source in festvox_ru.sources(base) if source.part == "train"]
    (base / "lab" / f"{names[0]}.lab").write_text(LAB.replace("0.5 ", "4.5 "))
    (base / "lab" / f"{names[1]}.lab").unlink()
    split = load_split("festvox_ru", "train", base, 16_000)
    assert names[0] not in [clip.name for clip in split.clips] and len(split) == len(names) - 1
    assert split.clips[0].timed_labels == ()
    assert f"{names[0]}.lab is not of this clip" in capsys.readouterr().err


def test_speech_joins_folders_and_labels_speakers(voice, tmp_path, tiny_dataset):
    shutil.copytree(voice, tmp_path / "festvox-ru")
    shutil.copytree(tiny_dataset, tmp_path / "fsdd" / "recordings")
    for i in range(30):
        tone(tmp_path / "vctk-p239" / f"p239_{i:03d}.flac")
    for i in range(60):
        tone(tmp_path / "asterisk" / "en_US_f_Allison" / f"prompt-{i}.flac")
    train = load_split("speech", "train", tmp_path, 16_000)
    assert {"festvox-ru", "vctk-p239", "asterisk-en_US_f_Allison", "fsdd-theo"} <= set(train.labels["speaker"])
    assert train.labels == load_split("speech", "validation", tmp_path, 16_000).labels
    rows = [clip for clip in train.clips if clip.name.startswith("fsdd/")]
    digits = [path for path in tiny_dataset.glob("*_theo_10.wav")]
    row = next(clip for clip in rows if clip.name == "fsdd/theo_10")
    assert row.labels == {"speaker": "fsdd-theo"} and len(row.audio) == 2 * sum(audio.load(p, 8000)[0].shape[1] for p in digits)
    assert next(clip for clip in train.clips if clip.name.startswith("festvox-ru/")).timed_labels
    parts = {source.name: source.part for source in speech.sources(tmp_path)}
    for source in festvox_ru.sources(tmp_path / "festvox-ru"):
        assert parts[f"festvox-ru/{source.name}"] == source.part


def test_what_is_missing_is_said(tmp_path, voice, monkeypatch):
    monkeypatch.delenv("VQAUDIO_DATA", raising=False)
    (tmp_path / "empty").mkdir()
    for wrong, message in (
        (lambda: load_split("vctk", "train", tmp_path / "empty", 16_000), "no recordings of VCTK"),
        (lambda: load_split("vctk", "train", tmp_path / "none", 16_000), "There is no folder"),
        (lambda: load_split("vctk", "train", None, 16_000), "Name the folder of VCTK"),
        (lambda: load_split("vctk", "dev", tmp_path, 16_000), "VCTK has the splits"),
        (lambda: load_split("festvox_ru", "train", tmp_path, 16_000), "no folders wav and lab"),
        (lambda: load_split("festvox_ru", "dev", tmp_path, 16_000), "has the splits"),
        (lambda: load_split("speech", "train", tmp_path / "empty", 16_000), "has none of the speakers"),
        (lambda: load_split("speech", "train", voice.parent, 16_000), "only festvox-ru of the speakers"),
        (lambda: load_split("speech", "dev", tmp_path, 16_000), "has the splits"),
        (lambda: load_split("speech", "train", None, 16_000), "Name the folder"),
    ):
        with pytest.raises(InputError, match=message):
            wrong()


def package(voice, names) -> bytes:
    """A Debian package with these files of the voice."""
    inside = io.BytesIO()
    with tarfile.open(fileobj=inside, mode="w:xz") as tar:
        for name in names:
            tar.add(voice / name, arcname=f"./usr/share/festival/voices/russian/msu_ru_nsh_clunits/{name}")
    data = inside.getvalue()
    fields = ("data.tar.xz", 16), ("0", 12), ("0", 6), ("0", 6), ("644", 8), (str(len(data)), 10)
    return b"!<arch>\n" + "".join(text.ljust(width) for text, width in fields).encode() + b"`\n" + data


def test_the_voice_comes_from_debians_package(voice, tmp_path):
    (tmp_path / "fetch.py").write_text(f"import shutil, sys; shutil.copy({str(tmp_path / 'p.deb')!r}, sys.argv[1] + '.deb')")
    fetch = (sys.executable, str(tmp_path / "fetch.py"))
    (tmp_path / "p.deb").write_bytes(package(voice, ["wav/ru_0001.wav", "lab/ru_0001.lab"]))
    folder = festvox_ru.download(tmp_path / "cache", tmp_path / "none", fetch)
    assert [path.name for path in sorted(folder.rglob("ru_*"))] == ["ru_0001.lab", "ru_0001.wav"]
    assert festvox_ru.download(tmp_path / "cache", tmp_path / "none", ("no-such-command",)) == folder
    assert festvox_ru.download(tmp_path / "other", voice) == voice


@pytest.mark.parametrize("command,message", [
    (("no-such-command",), "no no-such-command here"),
    ((sys.executable, "-c", "import sys; sys.exit('E: Unable to locate package')"), "fetch festvox-ru: Unable to locate"),
    ((sys.executable, "-c", "open('a.deb', 'wb').write(b'no')"), "no Debian package"),
])  # fmt: skip
def test_a_package_that_does_not_come(tmp_path, command, message):
    with pytest.raises(InputError, match=message):
        festvox_ru.download(tmp_path / "cache", tmp_path / "none", command)
    assert not any((tmp_path / "cache").iterdir())
