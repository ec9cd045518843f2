"""The model that the app serves, loaded when the first person needs it, so that the page opens at once."""

import os
import threading
from functools import cache

import vqaudio
from vqaudio.codec import Codec

_KNOWS = {"fsdd-8khz": "English digits, zero to nine, spoken by six people"}
_lock = threading.Lock()


def name() -> str:
    """The model's name: $VQAUDIO_MODEL, or fsdd-8khz."""
    return os.environ.get("VQAUDIO_MODEL", "fsdd-8khz")


def codec() -> Codec:
    """The codec. Raises InputError where it cannot be loaded."""
    with _lock:
        return _load(name())


@cache
def _load(model_name: str) -> Codec:
    return vqaudio.load(model_name)


def limits(of: Codec) -> str:
    """What the model was trained for, in one sentence."""
    rate = f"{of.sample_rate / 1000:g} kHz"
    knows = _KNOWS.get(of.name)
    if knows is None:
        return f"This model works at {rate}: nothing above {of.sample_rate / 2000:g} kHz comes through."
    return f"This model knows {knows}, at {rate}; anything else it spells with the sounds it has."
