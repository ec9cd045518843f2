"""The models that the app serves: each is loaded when the first person needs it, so that the page opens at once, and shared.

Nobody writes to them, so all threads use the same ones.
"""

import logging
import os
import threading
from functools import cache
from pathlib import Path

import vqaudio
from vqaudio import hub
from vqaudio.codec import Codec
from vqaudio.errors import InputError
from vqaudio.json_files import read_json
from vqaudio.vqa import VqaHeader

ORDER = ("voice-16khz", "notes-16khz", "fsdd-8khz")  # of the picker; the first that is here is what a new page has
NO_PRIOR = "No prior for this codec is here, so there is nothing to fill with; cells can still be copied and pasted."
_log = logging.getLogger(__name__)
_lock = threading.Lock()


def names() -> list[str]:
    """The codecs that can be chosen, the usual one first: those of $VQAUDIO_MODEL (as in PATH), or those in weights/."""
    return list(_sources())


def _sources() -> dict[str, str]:
    """For each codec's name, what `vqaudio.load` takes: the name, a folder, or a Hub id."""
    told = [source for source in os.environ.get("VQAUDIO_MODEL", "").split(os.pathsep) if source]
    if told:
        return {Path(source).name if Path(source).is_dir() else source: source for source in told}
    found = [name for name in hub.installed() if _config(hub.WEIGHTS / name).get("module", "").startswith("codecs.")]
    return {name: name for name in sorted(found, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))}


def about(name: str | None) -> dict[str, str]:
    """What a codec's about.json says, or nothing; None for the usual codec. Reads no weights."""
    known = _sources()
    source = known.get(name or next(iter(known), ""))
    return {} if source is None else hub.about(_folder(source))


def titles() -> list[tuple[str, str]]:
    """(what the picker shows, name) of each codec. Reads no weights."""
    return [(hub.about(_folder(source)).get("title", name), name) for name, source in _sources().items()]


def codec(name: str | None = None) -> Codec:
    """A codec of `names()`; None or empty for the usual one. Raises InputError where it is not there or cannot be loaded."""
    known = _sources()
    if not known:
        raise InputError("No codec is here: put one into weights/, or name one in VQAUDIO_MODEL.")
    name = name or next(iter(known))
    if name not in known:
        raise InputError(f"There is no model {name!r} here. Known are {', '.join(known)}.")
    with _lock:
        return _codec(known[name])


def made(header: VqaHeader) -> Codec:
    """The codec that made a .vqa file. Raises InputError where it is not served here."""
    likely_first = sorted(names(), key=lambda name: name != header.model)
    for name in likely_first:
        if codec(name).fingerprint == header.fingerprint:
            return codec(name)
    if header.model in likely_first:
        raise InputError(f"These codes were made by another version of {header.model}: they need that one.")
    raise InputError(f"These codes were made by the model {header.model}; known here are {', '.join(likely_first)}.")


def priors(of: Codec | None = None) -> dict:
    """The priors that fit a codec, by name: those in weights/, or those of $VQAUDIO_PRIORS (names or folders, as in PATH).

    Those that see both sides of a hole come first. One that cannot be loaded is left out: it must not keep the others from
    working.
    """
    of = of or codec()
    with _lock:
        found = [_prior(name) for name in _prior_names() if _may_fit(name, of)]
    fitting = [prior for prior in found if prior is not None and fits(prior, of)]
    return {prior.name: prior for prior in sorted(fitting, key=lambda prior: (not prior.sees_right, prior.name))}


def prior(wanted: str, of: Codec | None = None):
    """One of `priors(of)`. Raises InputError: there is no such prior, or it was made for another codec."""
    of = of or codec()
    known = priors(of)
    if wanted in known:
        return known[wanted]
    with _lock:
        other = _prior(wanted) if wanted in _prior_names() else None
    if other is not None:
        raise InputError(f"The prior {wanted} was trained on the codes of {other.codec_name}; these are codes of {of.name}.")
    raise InputError(f"There is no prior {wanted!r} here. {_known_priors()}")


def _known_priors() -> str:
    """A sentence that lists all priors, by codec. Reads no weights where a config.json names the codec."""
    by_codec: dict[str, list[str]] = {}
    for name in _prior_names():
        codec_name = _config(_folder(name)).get("codec_name") or getattr(_prior(name), "codec_name", None)
        if codec_name:
            by_codec.setdefault(str(codec_name), []).append(Path(name).name if Path(name).is_dir() else name)
    parts = [f"for {codec_name}: {', '.join(found)}" for codec_name, found in by_codec.items()]
    return f"Known are {'; '.join(parts) or 'none'}."


def loadable() -> list[Codec]:
    """The codecs that can be loaded; one that cannot must not keep the others from working. Raises InputError: none can."""
    found, sentences = [], []
    for name in names():
        try:
            found.append(codec(name))
        except InputError as error:
            sentences.append(str(error))
            _log.warning("the codec %s is left out: %s", name, error)
    if not found:
        raise InputError(sentences[0] if sentences else "No codec is here.")
    return found


def prior_and_codec(wanted: str = "") -> tuple:
    """A prior, whichever codec it was made for, and that codec; empty for the usual codec's first prior."""
    usual = codec()
    if not wanted:
        known = priors(usual)
        if not known:
            raise InputError(NO_PRIOR)
        return next(iter(known.values())), usual
    for name in names():
        of = codec(name)
        if wanted in priors(of):
            return prior(wanted, of), of
    return prior(wanted, usual), usual  # tells what is wrong


def with_label(kind: str) -> list[tuple]:
    """(prior, its codec) of each prior that knows a kind of label, those that see both sides of a hole first.

    Of the others no weights are read, where their config.json tells that they do not know it.
    """
    found = []
    for name in _prior_names():
        if kind not in _config(_folder(name)).get("label_kinds", [kind]):
            continue
        with _lock:
            one = _prior(name)
        of = None if one is None or kind not in one.labels else _codec_of(one)
        found += [] if of is None else [(one, of)]
    return sorted(found, key=lambda pair: (not pair[0].sees_right, pair[0].name))


def _codec_of(prior) -> Codec | None:
    for name in sorted(names(), key=lambda name: name != prior.codec_name):
        try:
            if fits(prior, codec(name)):
                return codec(name)
        except InputError as error:
            _log.warning("the codec %s is left out: %s", name, error)
    return None


def fits(prior, made_for: Codec) -> bool:
    """Whether a prior was trained on this codec's codes."""
    return _fits(prior, prior.codec_name, made_for)


@cache
def _fits(prior, codec_name: str, made_for: Codec) -> bool:
    try:
        prior.check_codec(made_for)
    except InputError:
        return False
    return True


def limits(of: Codec) -> str:
    """What the model was trained for, in one sentence."""
    rate = f"{of.sample_rate / 1000:g} kHz"
    knows = hub.about(of.folder).get("knows")
    if knows is None:
        return f"This model works at {rate}: nothing above {of.sample_rate / 2000:g} kHz comes through."
    return f"This model knows {knows}, at {rate}; anything else it spells with the sounds it has."


def _folder(source: str) -> Path:
    return next((folder for folder in (Path(source), hub.WEIGHTS / source) if folder.is_dir()), Path(source))


def _config(folder: Path) -> dict:
    """A folder's config.json; empty where it has none that can be read."""
    try:
        config = read_json(folder / "config.json")
    except InputError:
        return {}
    return config if isinstance(config, dict) else {}


def _prior_names() -> list[str]:
    told = os.environ.get("VQAUDIO_PRIORS")
    if told is not None:
        return [name for name in told.split(os.pathsep) if name]
    return [name for name in hub.installed() if str(_config(hub.WEIGHTS / name).get("module")).startswith("priors.")]


def _may_fit(name: str, of: Codec) -> bool:
    """Whether it is worth loading a prior: its config.json does not name another codec."""
    return _config(_folder(name)).get("codec_fingerprint") in (None, _encoder_fingerprint(of))


@cache
def _encoder_fingerprint(of: Codec) -> str:
    return of.encoder_fingerprint


@cache
def _prior(name: str):
    try:
        return vqaudio.load(name)
    except InputError as error:
        _log.warning("the prior %s is left out: %s", name, error)
        return None


@cache
def _codec(source: str) -> Codec:
    return vqaudio.load(source)
