"""The `push` command."""

from typing import Annotated

import tyro


def push(
    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(help="A name in weights/, or a folder.")],
    repo_id: Annotated[str, tyro.conf.Positional, tyro.conf.arg(help="Repository on the Hub: OWNER/NAME.")],
    private: Annotated[bool, tyro.conf.arg(help="Make the repository private.")] = False,
) -> None:
    """Upload a model to the Hugging Face Hub."""
    from vqaudio import hub

    print(hub.push(model, repo_id, private))
