"""Messages between page and server: checked requests, and answers in plain JSON."""

import base64
import functools
import logging
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from vqaudio.audio import to_int16
from vqaudio.errors import InputError
from vqaudio.ui.spending import Clock

_log = logging.getLogger(__name__)
UNKNOWN = "The page asked for something that this app does not know: reload the page."

Token = Annotated[str, Field(min_length=20, max_length=64)]
StageNumber = Annotated[int, Field(ge=0, le=63)]
Row = Annotated[int, Field(ge=0, le=4095)]
Column = Annotated[int, Field(ge=0, le=10**7)]
Index = Annotated[int, Field(ge=0, le=2**20)]
Name = Annotated[str, Field(max_length=200)]
StagesText = Annotated[str, Field(max_length=200)]


class Message(BaseModel):
    """A message from a page; nothing in it is trusted."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Request(Message):
    """A request about one clip."""

    token: Token


class SpeakerRequest(Request):
    """A request about the sound of a clip; an empty speaker is nobody."""

    speaker: Name = ""


class StagesRequest(SpeakerRequest):
    stages: Annotated[list[StageNumber], Field(min_length=1, max_length=64)]


class ExportRequest(StagesRequest):
    kind: Literal["wav", "png", "vqa", "json"]


class CellRequest(Request):
    row: Row
    column: Column


class SwapRequest(CellRequest):
    index: Index


class PutRequest(Request):
    cells: Annotated[list[Annotated[tuple[Row, Column, Index], Field(strict=False)]], Field(min_length=1, max_length=30_000)]


class ExampleRequest(Request):
    row: Row
    index: Index
    number: Annotated[int, Field(ge=0, le=63)]


# The error for each field that a person or a program can get wrong.
FIELD_ERRORS = {
    "temperature": "The temperature is a number from 0 to 5.",
    "top_k": "Top-k is a whole number from 1 to 65,536, or empty.",
    "top_p": "Top-p is a number above 0, at most 1, or empty.",
    "steps": "The steps are a whole number from 1 to 256, or empty.",
    "guidance": "The guidance is a number from 0 to 10.",
    "seed": "The seed is a whole number from 0 to 4,294,967,295.",
    "radius": "The radius of a blur is a number of cells from 0 to 16.",
    "strength": "The strength of a blur is a number from 0 to 1.",
    "seconds": "A new clip lasts from 0.1 to 10 s; leave it empty to have the length drawn.",
    "take": "The take is a whole number from 0 up.",
    "labels": "Labels are names with a value each, such as digit: 7; leave out what may be anything.",
    "rectangles": 'A mask is a list of at most 20,000 rectangles, each with start_s, end_s (seconds) and stages such as "2-".',
    "model": "A model is the name of a codec of this app, at most 200 characters; empty for the usual one.",
    "prior": "A prior is the name of one of this app, at most 200 characters; empty for the usual one.",
    "stages": 'Stages are a text such as "3" or "1-4,7", at most 200 characters; empty for all.',
    "low": "The lowest note is written as C3, A#3 or 48.",
    "high": "The highest note is written as C5, A#5 or 72.",
    "local": "Local is true or false.",
    "variations": "Variations are a whole number from 1 to 4.",
    "speaker": "A speaker is the name of one that the model knows, at most 200 characters; empty for none.",
    "clip": "A clip of a file is a whole number from 1 to 4.",
    "start_s": "A selection starts at a number of seconds from 0.",
    "end_s": "A selection ends at a number of seconds, inside the clip.",
}


def validated(model: type[BaseModel], data):
    """Parse `data` as a model. Raises InputError with the valid range of the field."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        fields = error.errors()[0]["loc"]
        raise InputError(next((FIELD_ERRORS[field] for field in fields if field in FIELD_ERRORS), UNKNOWN)) from None


def serves(request_type: type[Message], quick: bool = False, light: bool = False):
    """Make a server function of `f(request) -> dict`.

    It answers {ok: true, spent, ...}, or {ok: false, error: a sentence}.

    Args:
        quick: it takes a few milliseconds, so it skips the queue; see `turns`.
        light: it is quick, and called so often that its time and energy are not reported.
    """

    def wrap(f):
        @functools.wraps(f, assigned=("__module__", "__name__", "__doc__"))
        def server_function(data):
            try:
                request = validated(request_type, data)
                with Clock() as clock:
                    answer = f(request)
                return {"ok": True, **({} if light else {"spent": clock.spent.to_json(f.__name__)}), **answer}
            except InputError as error:
                return refusal(str(error))
            except Exception:  # a person gets a sentence, the log gets the traceback
                _log.exception("a server function failed")
                return refusal("Something went wrong in the app. The clip is unharmed; the fault was logged.")

        del server_function.__wrapped__  # Gradio would read the signature of f
        server_function.handle = f  # without checks, for other handlers
        server_function.quick = quick or light
        return server_function

    return wrap


def refusal(sentence: str) -> dict:
    return {"ok": False, "error": sentence}


def sound(samples: Tensor, loudest: bool = False) -> dict:
    """Pack sound [N] as 16-bit samples and the factor to multiply them by.

    Args:
        loudest: use all 16 bits for a soft sound, so that it keeps its detail.
    """
    peak = float(samples.abs().max())
    factor = peak * 32768 / 32767 if loudest and 0 < peak < 1 else 1.0  # the largest 16-bit sample is 32767 / 32768
    return {"data": text(to_int16(samples / factor).astype("<i2").tobytes()), "factor": factor}


def picture(shades: Tensor) -> dict:
    """Pack shades, uint8 [height, width]."""
    return {"data": text(shades.numpy().tobytes()), "height": shades.shape[0], "width": shades.shape[1]}


def integers(values: Tensor) -> str:
    """Pack integers below 65,536 of any shape, row by row, 16 bits each."""
    if values.numel() and int(values.max()) >= 2**16:
        raise InputError("The page can show codebooks of at most 65,536 codewords.")
    return text(values.to(torch.int32).numpy().astype(np.dtype("<u2")).tobytes())


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()
