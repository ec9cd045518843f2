"""Files that people hand in: sounds and .vqa files, with one plain sentence where they cannot be used."""

import logging
from contextlib import contextmanager
from pathlib import Path

import gradio as gr
from gradio import FileData
from gradio.utils import get_upload_folder, is_in_or_equal
from pydantic import ValidationError
from torch import Tensor

import vqaudio.audio
from vqaudio.audio import InputReport
from vqaudio.codec import Codec
from vqaudio.codes import Codes
from vqaudio.errors import InputError
from vqaudio.ui import models
from vqaudio.vqa import read_header, read_vqa

MAX_SECONDS = 60
MAX_MB = 30
MOST_CLIPS = 4  # variations in one .vqa file
TOO_MANY_CODES = f"Only codes of up to {MAX_SECONDS} s can be opened here; use the command line for longer ones."
NOT_UPLOADED = "Upload the file: a path on the server is not read."
_log = logging.getLogger(__name__)


def sound(path: str | None, codec: Codec, trim: bool = False) -> tuple[Tensor, InputReport]:
    """An uploaded sound as [1, N] at the codec's rate, and what it was like. Raises InputError."""
    if not path:
        raise InputError("There is no sound yet: record or upload one.")
    _check_size(path)
    # Bytes, not the path: a message must not tell where the server keeps uploads.
    return vqaudio.audio.load(Path(path).read_bytes(), codec.sample_rate, trim=trim, max_seconds=MAX_SECONDS)


def uploaded(path: str) -> Path:
    """The path of a file that a page has uploaded. Raises InputError for any other path on the server."""
    if not is_in_or_equal(path, get_upload_folder()) or not Path(path).is_file():
        raise InputError(NOT_UPLOADED)
    return Path(path)


def codes(path: str | None, clip: int | None = None) -> tuple[Codec, Codes]:
    """The codes of one clip of an uploaded .vqa file, and the codec that made them.

    Args:
        clip: which of the file's clips, the first being 1; None where there must be one only.

    Raises:
        InputError: there is no such file or clip, or it cannot be read here.
    """
    if not path:
        raise InputError("There is no .vqa file yet: upload one.")
    _check_size(path)
    try:
        header = read_header(path)
        n = len(header.lengths)
        if clip is None and n != 1:
            raise InputError(f"Codes of one clip can be opened here; this file holds {n}.")
        if clip is not None and clip > n:
            raise InputError(f"There is no clip {clip} in this file; it holds {n}.")
        if header.duration_s > MAX_SECONDS * (MOST_CLIPS if clip else 1):  # at the file's own rate, which must be the codec's
            raise InputError(TOO_MANY_CODES)
        codec = models.codec_of(header)
        return codec, read_vqa(path, codec).clip(0 if clip is None else clip - 1)
    except InputError as error:
        raise InputError(str(error).replace(str(path), Path(path).name)) from None


def _check_size(path: str) -> None:
    if Path(path).stat().st_size > MAX_MB * 2**20:
        raise InputError(f"This file is larger than {MAX_MB} MB: shorten it.")


@contextmanager
def plain_errors():
    """InputError -> the sentence to the person; anything else -> a sentence to the person, the traceback to the log."""
    try:
        yield
    except InputError as error:
        raise gr.Error(str(error), print_exception=False) from None
    except Exception:
        _log.exception("an event handler failed")
        raise gr.Error("Something went wrong in the app; the fault was logged.", print_exception=False) from None


class UploadedFile(FileData):
    """A file that was uploaded; in Python, `gradio_client.handle_file("its path")`."""

    @classmethod
    def model_validate(cls, *arguments, **settings):
        """Anything that is no upload gets a sentence."""
        try:
            return super().model_validate(*arguments, **settings)
        except ValidationError:
            raise gr.Error(NOT_UPLOADED, print_exception=False) from None


def only_uploads(component):
    """Make a file component refuse what is no upload with a sentence: a path on the server is not read.

    Gradio takes a subclass of gr.Audio for a custom component with files of its own, so this changes the instance.
    """
    usual = component.preprocess

    def preprocess(payload: FileData | None):
        if payload is not None and not Path(payload.path).is_file():
            raise gr.Error(NOT_UPLOADED, print_exception=False)
        return usual(payload)

    component.data_model = UploadedFile
    component.preprocess = preprocess
    return component
