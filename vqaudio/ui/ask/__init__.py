"""The Ask tab: a scene of notes or a picture, a question, and a network's answer."""

import secrets
from pathlib import Path
from typing import Annotated, Any, Literal

import gradio as gr
from pydantic import Field

from vqaudio.ui import turns, verbs, wire
from vqaudio.ui.ask import networks, scenes
from vqaudio.ui.shared import component_settings

EXAMPLES = 6  # scenes that are a press away; their numbers are 0 to 5
LARGEST = 2**31 - 1
Kind = Literal["sound", "picture"]


class SceneRequest(wire.Message):
    kind: Kind
    number: Annotated[int, Field(ge=0, le=LARGEST)] | None = None


class AskRequest(wire.Message):
    kind: Kind
    number: Annotated[int, Field(ge=0, le=LARGEST)]
    question: Annotated[str, Field(max_length=1000)]
    time: bool = True
    stages: Annotated[int, Field(ge=0, le=64)] = 0


@wire.serves(SceneRequest)
def open_scene(request: SceneRequest) -> dict:
    """Open a scene by its number, or a new one.

    Returns its sound or picture, and questions about it.
    """
    number = secrets.randbelow(LARGEST) if request.number is None else request.number
    found = scenes.scene(request.kind, number)
    choices = networks.choices(request.kind)
    return {
        "kind": request.kind, "number": number, "examples": EXAMPLES, "stages": list(choices.values()),
        "problem": "" if choices else networks.NONE, "questions": found.questions(), **found.describe(),
    }  # fmt: skip


@wire.serves(AskRequest)
def answer(request: AskRequest) -> dict:
    """Answer a question.

    Returns every answer with its probability, unknown words, and the true answer with its program.
    """
    found = scenes.scene(request.kind, request.number)
    network = networks.network(request.kind, request.stages)
    said = verbs.ask(network, found.source, request.question, request.time)
    return {
        "question": request.question, "answers": list(said.distribution.items()), "unknown": list(said.unknown),
        "truth": scenes.truth_in_words(found, request.question), "network": network.name,
    }  # fmt: skip


FUNCTIONS = (open_scene, answer)


class Ask(gr.HTML):
    """The component; its value is the kinds of scene, once the tab was opened."""

    def __init__(self, value: dict | None = None, **settings: Any):
        files = component_settings(Path(__file__).parent)
        super().__init__(value=value, server_functions=turns.for_page(FUNCTIONS), **files, **settings)

    def api_info(self) -> dict[str, Any]:
        return {"type": "object", "description": "The kinds of scene, once the tab was opened."}


def _opened() -> dict:
    return {"kinds": networks.kinds()}


def view() -> None:
    """Fill the tab that is being built."""
    with gr.Tab("Ask") as tab:
        component = Ask(elem_id="ask")
        tab.select(_opened, None, component, api_visibility="private", show_progress="hidden", queue=False)
