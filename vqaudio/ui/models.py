"""The model that the app serves, loaded when the first person needs it, so that the page opens at once."""

import json
import logging
import os
import threading
from functools import cache
from pathlib import Path

import vqaudio
from vqaudio import hub
from vqaudio.codec import Codec
from vqaudio.errors import InputError

_KNOWS = {"fsdd-8khz": "English digits, zero to nine, spoken by six people"}
_log = logging.getLogger(__name__)
_lock = threading.Lock()


def name() -> str:
    """The model's name: $VQAUDIO_MODEL, or fsdd-8khz."""
    return os.environ.get("VQAUDIO_MODEL", "fsdd-8khz")


def codec() -> Codec:
    """The codec. Raises InputError where it cannot be loaded."""
    with _lock:
        return _load(name())


def priors() -> dict:
    """The priors that fit the codec, by name: those in weights/, or those of $VQAUDIO_PRIORS (names or folders, as in PATH).

    Those that see both sides of a hole come first. One that cannot be loaded is left out: it must not keep the others from
    working.
    """
    made_for = codec()
    with _lock:
        found = [_prior(name) for name in _prior_names()]
    fitting = [prior for prior in found if prior is not None and fits(prior, made_for)]
    return {prior.name: prior for prior in sorted(fitting, key=lambda prior: (not prior.sees_right, prior.name))}


def prior(wanted: str):
    """One of `priors()`. Raises InputError: there is no such prior, or it was made for another codec."""
    known = priors()
    if wanted in known:
        return known[wanted]
    made_for = codec().name
    with _lock:
        other = _prior(wanted) if wanted in _prior_names() else None
    if other is not None:
        raise InputError(f"The prior {wanted} was trained on the codes of {other.codec_name}; this app serves {made_for}.")
    raise InputError(f"There is no prior of that name for {made_for}. Known here: {', '.join(known) or 'none'}.")


def fits(prior, made_for: Codec) -> bool:
    """Whether a prior was trained on this codec's codes."""
    try:
        prior.check_codec(made_for)
    except InputError:
        return False
    return True


def _prior_names() -> list[str]:
    told = os.environ.get("VQAUDIO_PRIORS")
    if told is not None:
        return [name for name in told.split(os.pathsep) if name]
    return [name for name in hub.installed() if _is_prior(hub.WEIGHTS / name)]


def _is_prior(folder: Path) -> bool:
    try:
        return str(json.loads((folder / "config.json").read_text())["module"]).startswith("priors.")
    except (OSError, ValueError, KeyError, TypeError):
        return False


@cache
def _prior(name: str):
    try:
        return vqaudio.load(name)
    except InputError as error:
        _log.warning("the prior %s is left out: %s", name, error)
        return None


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
