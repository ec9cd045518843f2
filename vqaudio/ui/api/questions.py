"""The endpoint of questions for programs: /ask."""

from pathlib import Path
from typing import Annotated

import gradio as gr
from pydantic import Field

from vqaudio.questions.inputs import is_picture, read_source
from vqaudio.ui import reading, turns, verbs, wire
from vqaudio.ui.ask import networks


class Question(wire.Message):
    question: Annotated[str, Field(max_length=1000)]
    stages: Annotated[int, Field(ge=0, le=64)] = 0


def ask(file: str, question: str, stages: int = 0) -> dict:
    """Answer a question about a recording of notes, or about a picture of a shape.

    Args:
        file: a sound of at most 12 s, or a picture.
        question: such as "How many cello sounds come after the flute sound?".
        stages: how many stages of the notes codec the network sees; 0 for the sound itself.

    Returns:
        text, the likeliest answer; distribution, every answer with its probability, the likeliest first; unknown, the words of
        the question that the network does not know; model, its name.
    """
    with reading.plain_errors():
        asked = wire.validated(Question, {"question": question or "", "stages": stages or 0})
        kind = "picture" if is_picture(Path(file or "")) else "sound"
        network = networks.network(kind, asked.stages)
        said = verbs.ask(network, read_source(Path(file), network.config), asked.question, True)
        return {
            "text": said.text, "distribution": said.distribution, "unknown": list(said.unknown), "model": network.name,
        }  # fmt: skip


def add_endpoints() -> None:
    """Name the endpoint inside the current Blocks; its components are never shown."""
    file = gr.File(visible=False, label="Sound or picture", type="filepath")
    question = gr.Textbox("", visible=False, label="Question")
    stages = gr.Number(0, precision=0, visible=False, label="Stages")
    turns.endpoint(ask, [file, question, stages], gr.JSON(visible=False, label="Answer"))
