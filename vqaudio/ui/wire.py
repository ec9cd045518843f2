"""What goes between the page and the program: every request is checked here, every answer is plain JSON."""

import base64
import functools
import logging
import threading
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from vqaudio.audio import to_int16
from vqaudio.errors import InputError

AT_ONCE = 2
WAIT_S = 30.0
_log = logging.getLogger(__name__)
_slots = threading.BoundedSemaphore(AT_ONCE)

Token = Annotated[str, Field(min_length=20, max_length=64)]
StageNumber = Annotated[int, Field(ge=0, le=63)]
Row = Annotated[int, Field(ge=0, le=4095)]
Column = Annotated[int, Field(ge=0, le=10**7)]
Index = Annotated[int, Field(ge=0, le=2**20)]


class Request(BaseModel):
    """What the page asks of one clip."""

    model_config = ConfigDict(extra="forbid", strict=True)
    token: Token


class StagesRequest(Request):
    stages: Annotated[list[StageNumber], Field(min_length=1, max_length=64)]


class ExportRequest(StagesRequest):
    kind: Literal["wav", "png", "vqa", "json"]


class CellRequest(Request):
    row: Row
    column: Column


class SwapRequest(CellRequest):
    index: Index


class ExampleRequest(Request):
    row: Row
    index: Index
    number: Annotated[int, Field(ge=0, le=63)]


def serves(request_type: type[Request]):
    """Make a server function of `f(request) -> dict`: its answer is {ok: true, ...} or {ok: false, error: a sentence}.

    Server functions go round Gradio's queue, so at most AT_ONCE of them work at a time.
    """

    def wrap(f):
        @functools.wraps(f, assigned=("__module__", "__name__", "__doc__"))
        def served(data):
            try:
                request = request_type.model_validate(data)
            except ValidationError:
                return _refusal("The page asked for something that this app does not know: reload the page.")
            if not _slots.acquire(timeout=WAIT_S):
                return _refusal("Too many people are listening at this moment: try again in a minute.")
            try:
                return {"ok": True, **f(request)}
            except InputError as error:
                return _refusal(str(error))
            except Exception:  # the last line of defence: a person gets a sentence, the log gets the traceback
                _log.exception("a server function failed")
                return _refusal("Something went wrong in the app. The clip is unharmed; the fault was logged.")
            finally:
                _slots.release()

        del served.__wrapped__  # Gradio would read the signature of f
        return served

    return wrap


def _refusal(sentence: str) -> dict:
    return {"ok": False, "error": sentence}


def sound(samples: Tensor, loudest: bool = False) -> dict:
    """[N] -> 16-bit samples and the factor they are to be multiplied by; `loudest`: use all 16 bits for a soft sound."""
    peak = float(samples.abs().max())
    factor = peak if loudest and 0 < peak < 1 else 1.0
    return {"data": text(to_int16(samples / factor).astype("<i2").tobytes()), "factor": factor}


def picture(shades: Tensor) -> dict:
    """uint8 [height, width]"""
    return {"data": text(shades.numpy().tobytes()), "height": shades.shape[0], "width": shades.shape[1]}


def integers(values: Tensor) -> str:
    """Integers below 65,536 of any shape, row by row, 16 bits each; larger ones do not fit a page's lane."""
    if values.numel() and int(values.max()) >= 2**16:
        raise InputError("The page can show codebooks of at most 65,536 codewords.")
    return text(values.to(torch.int32).numpy().astype(np.dtype("<u2")).tobytes())


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()
