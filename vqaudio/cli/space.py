"""The `space` command."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

from vqaudio.cli.options import arg


def space(
    repo_id: Annotated[
        str, tyro.conf.Positional, tyro.conf.arg(metavar="OWNER/NAME", help="The Space: a new one, or one of yours to update.")
    ],
    private: Annotated[bool, tyro.conf.arg(help="Make a new Space private.")] = False,
    hardware: Annotated[
        Literal["zero-a10g", "cpu-basic"] | None, tyro.conf.arg(help="zero-a10g: shared GPUs (needs PRO). cpu-basic: two cores.")
    ] = None,
    dry_run: Annotated[bool, tyro.conf.arg(help="Write the folder and start the app from it, but do not upload.")] = False,
    folder: Annotated[Path | None, arg(help="Folder to write. Default: runs/spaces/NAME.")] = None,
) -> None:
    """Host this app on Hugging Face Spaces; --dry-run tries it here."""
    from vqaudio import space
    from vqaudio.errors import InputError

    owner, _, name = repo_id.partition("/")
    if not all(set(part) <= ALLOWED and part.strip(".-") == part != "" for part in (owner, name)):
        raise InputError(f"{repo_id!r} is not the name of a Space. Use OWNER/NAME, with letters, digits, '-', '_' and '.'.")
    folder = folder or Path("runs/spaces") / name
    files = space.write(folder)
    space.check(folder, hardware)
    size_mb = sum((folder / file).stat().st_size for file in files) / 1e6
    print(f"{folder}: {len(files)} files, {size_mb:.0f} MB, checked")
    if dry_run:
        print(f"The app started from there in {space.try_out(folder):.1f} s. Nothing was uploaded.")
    else:
        print(space.upload(folder, repo_id, private, hardware))


ALLOWED = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
