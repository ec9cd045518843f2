"""The command that puts the app on Hugging Face Spaces."""

from pathlib import Path
from typing import Annotated, Literal

import tyro


def space(
    repo_id: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="OWNER/NAME", help="The Space, new or your own.")],
    private: Annotated[bool, tyro.conf.arg(help="Nobody else can see a new Space.")] = False,
    hardware: Annotated[
        Literal["zero-a10g", "cpu-basic"] | None, tyro.conf.arg(help="What it runs on: shared GPUs (PRO), or two cores.")
    ] = None,
    dry_run: Annotated[bool, tyro.conf.arg(help="Only write the folder and start the app from it.")] = False,
    folder: Annotated[Path | None, tyro.conf.arg(help="Where the folder is written; runs/spaces/NAME if not given.")] = None,
) -> None:
    """Put this app on Hugging Face Spaces; --dry-run tries it here."""
    from vqaudio import space
    from vqaudio.errors import InputError

    owner, _, name = repo_id.partition("/")
    if not all(set(part) <= ALLOWED and part.strip(".-") == part != "" for part in (owner, name)):
        raise InputError(f"{repo_id!r} is not the name of a Space: give OWNER/NAME, of letters, digits, '-', '_' and '.'.")
    folder = folder or Path("runs/spaces") / name
    files = space.write(folder)
    space.check(folder, hardware)
    size_mb = sum((folder / file).stat().st_size for file in files) / 1e6
    print(f"{folder}: {len(files)} files, {size_mb:.0f} MB, checked")
    if dry_run:
        print(f"The app answers from there, {space.try_out(folder):.1f} s after its start. Nothing was uploaded.")
    else:
        print(space.upload(folder, repo_id, private, hardware))


ALLOWED = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
