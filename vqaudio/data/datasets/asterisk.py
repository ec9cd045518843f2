"""Telephone prompts in five languages from Debian, extra data for `voice`.

The packages asterisk-core-sounds-{en,es,fr,it,ru}-g722 hold 2,800 prompts, 1.8 hours in all, at 16 kHz, coded in G.722 (ITU-T
G.722, 1988: 64 kbit/s). They are by Allison Smith, June Wallack and others; CC BY-SA 3.0, the Russian ones CC BY 3.0.
"""

import tempfile
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from torch import Tensor

from vqaudio import audio
from vqaudio.data.datasets import fsdd
from vqaudio.data.download import fetch_checked, unpack
from vqaudio.errors import InputError
from vqaudio.progress import bar

URL = "http://deb.debian.org/debian/pool/main/a/asterisk-core-sounds/asterisk-core-sounds-{}-g722_1.6.1-1_all.deb"
CHECKSUMS = {  # SHA-256, as in Debian's list of packages
    "en": "38c5261820b406dcb0ecb37675720da2b0864850690690352ca52707eb623806",
    "es": "e4e3b4281057d3b81b779298fd6be705f57411513955c518eed1bcaabbd615b8",
    "fr": "7add61d5e42279ecff1bbdf842a5a946ac3644fac9a0fe44384731aa7270c8e0",
    "it": "46b4cf7afc508a5fcfc051b7ea233251c0d195dd4ef83cc4b7facb4c6429b016",
    "ru": "673b4238a6b8269960f055d868c6a11083f7a0d00979167cb01554046b48ed9b",
}
SAMPLE_RATE = 16_000
LIMITS = 2_000, 100_000_000  # the most files and bytes in a package
LARGEST = 2_000_000  # bytes of a prompt: four minutes
SHORTEST_S = 0.5
QUIETEST = 0.015  # a prompt with a lower peak is a pause
IN_PACKAGE = PurePosixPath("usr/share/asterisk/sounds")


def download(folder: Path | None = None, url: str = URL, checksums: dict[str, str] = CHECKSUMS) -> Path:
    """Download the packages (55 MB) and save their prompts as VOICE/NAME.flac.

    Skips packages that are already there. `voice` reads them from a folder `asterisk` next to its others.

    Args:
        folder: where to save them; None for the cache.
        url, checksums: the packages, by language, with their SHA-256.

    Returns:
        the folder.

    Raises:
        InputError: the address cannot be reached, a checksum differs, or a package is damaged or unsafe.
        OSError: the disk is full.
    """
    folder = folder or fsdd.cache_folder().with_name("asterisk")
    folder.mkdir(parents=True, exist_ok=True)
    for language, checksum in checksums.items():
        done, package = folder / f".{language}.done", folder / f"{language}.deb"
        if done.exists():
            continue
        fetch_checked(url.format(language), package, checksum)
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            archive, unpacked = Path(temporary) / package.name, Path(temporary) / "unpacked"
            archive.write_bytes(contents(package.read_bytes(), package.name))
            unpack(archive, unpacked, _limit, *LIMITS)
            _keep(sorted(unpacked.rglob("*.g722")), unpacked / IN_PACKAGE, folder)
        package.unlink()
        done.touch()
    return folder


def contents(package: bytes, name: str) -> bytes:
    """Return the tar archive data.tar.* inside a Debian package (deb(5)).

    Raises:
        InputError: it is damaged, or not a Debian package.
    """
    offset = 8
    while package.startswith(b"!<arch>\n") and len(package) - offset >= 60:
        header = package[offset : offset + 60]
        if not header[48:58].strip().isdigit():
            break
        start, size = offset + 60, int(header[48:58])
        if header.startswith(b"data.tar") and start + size <= len(package):
            return package[start : start + size]
        offset = start + size + size % 2
    raise InputError(f"{name} is damaged, or no Debian package.")


def decoded(path: Path) -> Tensor:
    """Decode a headerless G.722 file: [1, N] at 16 kHz. Raises InputError if damaged."""
    import av

    try:
        with av.open(str(path), format="g722") as file:
            blocks = [frame.to_ndarray().reshape(-1) for frame in file.decode(audio=0)]
    except (av.FFmpegError, ValueError):
        raise InputError(f"{path.name} is damaged: it is not G.722.") from None
    return torch.from_numpy(np.concatenate([np.zeros(0, np.int16), *blocks]))[None] / 32768


def _limit(name: PurePosixPath) -> int | None:
    """The most bytes that this file of a package may have; None for other files."""
    of_a_voice = name.is_relative_to(IN_PACKAGE) and len(name.relative_to(IN_PACKAGE).parts) > 1
    return LARGEST if name.suffix == ".g722" and of_a_voice and "silence" not in name.parts else None


def _keep(paths: list[Path], base: Path, folder: Path) -> None:
    """Decode the prompts and save those that are neither short nor silent."""
    with bar("decoding", len(paths), " prompts") as progress:
        for path in paths:
            sound = decoded(path)
            voice, *rest = path.relative_to(base).with_suffix(".flac").parts
            if sound.shape[1] >= SHORTEST_S * SAMPLE_RATE and sound.abs().max() >= QUIETEST:
                (folder / voice).mkdir(exist_ok=True)
                audio.save(folder / voice / "-".join(rest), sound, SAMPLE_RATE)
            progress.update(1)
