"""Prompts out of Debian packages: what is kept, and what is refused."""

import hashlib
import io
import tarfile

import av
import numpy as np
import pytest
import soundfile

from vqaudio.data.datasets import asterisk, voice
from vqaudio.errors import InputError


def prompt(seconds: float, level: float = 0.3) -> bytes:
    """A tone, coded in G.722."""
    samples = (level * 32767 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * 16_000)) / 16_000)).astype(np.int16)
    file = io.BytesIO()
    with av.open(file, "w", format="g722") as out:
        stream = out.add_stream("g722", rate=16_000, layout="mono")
        for start in range(0, len(samples), 320):
            frame = av.AudioFrame.from_ndarray(samples[None, start : start + 320], format="s16", layout="mono")
            frame.rate = 16_000
            for packet in stream.encode(frame):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)
    return file.getvalue()


def package(files: dict[str, bytes]) -> bytes:
    """A Debian package of these files: an ar archive of three members."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:xz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    members = (("debian-binary", b"2.0\n"), ("control.tar.xz", b"odd"), ("data.tar.xz", archive.getvalue()))
    parts = [f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
             for name, data in members]  # fmt: skip
    return b"!<arch>\n" + b"".join(parts)


def fetched(tmp_path, data: bytes):
    (tmp_path / "fr.deb").write_bytes(data)
    return asterisk.download(tmp_path / "asterisk", f"file://{tmp_path}/{{}}.deb", {"fr": hashlib.sha256(data).hexdigest()})


SOUNDS = "./usr/share/asterisk/sounds/fr_June/"


def test_prompts_that_say_something_are_kept_and_the_voices_find_them(tmp_path):
    files = {"digits/1.g722": prompt(0.8), "hello.g722": prompt(0.7), "short.g722": prompt(0.2), "soft.g722": prompt(0.8, 0.001)}
    files |= {"silence/1.g722": prompt(1.0), "README": b"text"}
    data = package({SOUNDS + name: data for name, data in files.items()})
    folder = fetched(tmp_path, data)
    kept = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert kept == [".fr.done", "fr_June/digits-1.flac", "fr_June/hello.flac"]
    samples, rate = soundfile.read(folder / "fr_June" / "hello.flac")
    assert rate == 16_000 and abs(len(samples) - 11_200) < 700 and 0.2 < np.abs(samples[2000:8000]).max() < 0.4
    assert {source.name for source in voice.sources(tmp_path)} == {"asterisk/fr_June/digits-1", "asterisk/fr_June/hello"}
    for path in folder.rglob("*.flac"):
        path.unlink()
    assert fetched(tmp_path, data) == folder and not list(folder.rglob("*.flac"))  # what was fetched is not fetched again


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"!<arch>\n", "no Debian package"), (b"text", "no Debian package"),
        (package({SOUNDS + "a.g722": prompt(1.0)})[:-40], "damaged"),
        (package({"./usr/share/asterisk/sounds/../../../../x.g722": b"1"}), "not to be trusted"),
        (package({SOUNDS + "long.g722": b"0" * 2_000_001}), "unpacks to more than it should"),
    ],
)  # fmt: skip
def test_what_is_no_honest_package_is_refused_and_nothing_is_kept(tmp_path, data, sentence):
    with pytest.raises(InputError, match=sentence):
        fetched(tmp_path, data)
    assert not list((tmp_path / "asterisk").rglob("*.flac")) and not list((tmp_path / "asterisk").rglob("*.done"))
