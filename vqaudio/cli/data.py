"""The commands of datasets: fetch one."""

from typing import Annotated, Literal

import tyro


def download(
    dataset: Annotated[Literal["fsdd", "speech-commands"], tyro.conf.Positional],
    version: Annotated[
        str | None, tyro.conf.arg(help="Of Speech Commands: 0.02 (2.4 GB), which is the default, or 0.01 (1.5 GB).")
    ] = None,
) -> None:
    """Fetch a public dataset, check it, and keep it in the cache."""
    from vqaudio.data import fsdd, speech_commands
    from vqaudio.errors import InputError

    if dataset == "fsdd":
        if version:
            raise InputError("FSDD has one version only: leave --version out.")
        print(fsdd.download())
    else:
        print(speech_commands.download(version=version or "0.02"))
