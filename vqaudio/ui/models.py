"""The app's models, each loaded on first use and shared by all threads.

They are never written to. Loading on first use lets the page open at once.
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

ORDER = ("voice-16khz", "notes-16khz", "fsdd-8khz", "speech-16khz")  # of the picker; a new page opens with the first
NO_PRIOR = "No prior for this codec is installed, so AI fill is off; cells can still be copied and pasted."
_log = logging.getLogger(__name__)
_lock = threading.Lock()


def names() -> list[str]:
    """The codecs to choose from, the default one first.

    They are those of $VQAUDIO_MODEL (separated as in PATH) if it is set, else those in weights/.
    """
    return list(_sources())


def _sources() -> dict[str, str]:
    """Each codec's name, and what `vqaudio.load` takes for it."""
    chosen = [source for source in os.environ.get("VQAUDIO_MODEL", "").split(os.pathsep) if source]
    if chosen:
        return {Path(source).name if Path(source).is_dir() else source: source for source in chosen}
    found = [name for name in hub.installed() if config_of(hub.WEIGHTS / name).get("module", "").startswith("codecs.")]
    return {name: name for name in sorted(found, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))}


def about(name: str | None) -> dict[str, str]:
    """The texts of a codec's about.json, without loading its weights.

    Args:
        name: of the codec; None for the default one.
    """
    known = _sources()
    source = known.get(name or next(iter(known), ""))
    return {} if source is None else hub.about(_folder(source))


def titles() -> list[tuple[str, str]]:
    """Each codec's title in the picker, and its name; loads no weights."""
    return [(hub.about(_folder(source)).get("title", name), name) for name, source in _sources().items()]


def codec(name: str | None = None) -> Codec:
    """Load a codec.

    Args:
        name: one of `names()`; None or empty for the default one.

    Raises:
        InputError: there is no such codec, or it cannot be loaded.
    """
    known = _sources()
    if not known:
        raise InputError("There is no codec here. Put one into weights/, or name one in VQAUDIO_MODEL.")
    name = name or next(iter(known))
    if name not in known:
        raise InputError(f"There is no model {name!r} here. Known are {', '.join(known)}.")
    with _lock:
        return _codec(known[name])


def codec_of(header: VqaHeader) -> Codec:
    """The codec of a .vqa file. Raises InputError if this app does not serve it."""
    likely_first = sorted(names(), key=lambda name: name != header.model)
    for name in likely_first:
        if codec(name).fingerprint == header.fingerprint:
            return codec(name)
    if header.model in likely_first:
        raise InputError(f"These codes are from another version of {header.model}. Open them with that version.")
    raise InputError(f"These codes are from the model {header.model}; this app has {', '.join(likely_first)}.")


def priors(of: Codec | None = None) -> dict:
    """The priors of a codec, by name.

    Those that use both sides of a gap and can score come first.

    They are those of $VQAUDIO_PRIORS (names or folders, separated as in PATH) if it is set, else those in weights/. A prior
    that cannot be loaded is skipped, so that the others still work.

    Args:
        of: the codec; None for the default one.
    """
    of = of or codec()
    with _lock:
        found = [_prior(name) for name in _prior_names() if _may_fit(name, of)]
    fitting = [prior for prior in found if prior is not None and fits(prior, of)]
    return {prior.name: prior for prior in sorted(fitting, key=_last)}


def prior(wanted: str, of: Codec | None = None):
    """One of `priors(of)`. Raises InputError if it is unknown or of another codec."""
    of = of or codec()
    known = priors(of)
    if wanted in known:
        return known[wanted]
    with _lock:
        other = _prior(wanted) if wanted in _prior_names() else None
    if other is not None:
        raise InputError(f"The prior {wanted} was trained on the codes of {other.codec_name}; these are codes of {of.name}.")
    raise InputError(f"There is no prior {wanted!r} here. {_known_priors()}")


def _last(prior) -> tuple[bool, bool, str]:
    """A key that sorts priors."""
    return not prior.sees_right, prior.likelihood == "none", prior.name


def _known_priors() -> str:
    """A sentence that lists all priors, by codec."""
    by_codec: dict[str, list[str]] = {}
    for name in _prior_names():
        # Weights are read only for a prior whose config.json does not name its codec.
        codec_name = config_of(_folder(name)).get("codec_name") or getattr(_prior(name), "codec_name", None)
        if codec_name:
            by_codec.setdefault(str(codec_name), []).append(Path(name).name if Path(name).is_dir() else name)
    parts = [f"for {codec_name}: {', '.join(found)}" for codec_name, found in by_codec.items()]
    return f"Known are {'; '.join(parts) or 'none'}."


def loadable() -> list[Codec]:
    """All codecs that can be loaded. Raises InputError if none can."""
    found, sentences = [], []
    for name in names():
        try:
            found.append(codec(name))
        except InputError as error:
            sentences.append(str(error))
            _log.warning("the codec %s is skipped: %s", name, error)
    if not found:
        raise InputError(sentences[0] if sentences else "There is no codec here.")
    return found


def prior_and_codec(wanted: str = "") -> tuple:
    """A prior and its codec; by default, the first prior of the default codec."""
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
    return prior(wanted, usual), usual  # raises, with the reason


def with_label(kind: str) -> list[tuple]:
    """The priors with a kind of label, each with its codec.

    Those that use both sides of a gap come first. Priors whose config.json shows that they lack the label are not loaded.
    """
    found = []
    for name in _prior_names():
        if kind not in config_of(_folder(name)).get("label_kinds", [kind]):
            continue
        with _lock:
            one = _prior(name)
        of = None if one is None or kind not in one.labels else _codec_of(one)
        found += [] if of is None else [(one, of)]
    return sorted(found, key=lambda pair: _last(pair[0]))


def _codec_of(prior) -> Codec | None:
    for name in sorted(names(), key=lambda name: name != prior.codec_name):
        try:
            if fits(prior, codec(name)):
                return codec(name)
        except InputError as error:
            _log.warning("the codec %s is skipped: %s", name, error)
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
    """A sentence on what the model was trained for."""
    rate = f"{of.sample_rate / 1000:g} kHz"
    knows = hub.about(of.folder).get("knows")
    if knows is None:
        return f"This model works at {rate}; it drops everything above {of.sample_rate / 2000:g} kHz."
    return f"This model knows {knows}, at {rate}; other sounds are only approximated."


def _folder(source: str) -> Path:
    return next((folder for folder in (Path(source), hub.WEIGHTS / source) if folder.is_dir()), Path(source))


def config_of(folder: Path) -> dict:
    """A folder's config.json; empty if it cannot be read."""
    try:
        config = read_json(folder / "config.json")
    except InputError:
        return {}
    return config if isinstance(config, dict) else {}


def _prior_names() -> list[str]:
    chosen = os.environ.get("VQAUDIO_PRIORS")
    if chosen is not None:
        return [name for name in chosen.split(os.pathsep) if name]
    return [name for name in hub.installed() if str(config_of(hub.WEIGHTS / name).get("module")).startswith("priors.")]


def _may_fit(name: str, of: Codec) -> bool:
    """Whether to load a prior: its config.json does not name another codec."""
    return config_of(_folder(name)).get("codec_fingerprint") in (None, _encoder_fingerprint(of))


@cache
def _encoder_fingerprint(of: Codec) -> str:
    return of.encoder_fingerprint


@cache
def _prior(name: str):
    try:
        return vqaudio.load(name)
    except InputError as error:
        _log.warning("the prior %s is skipped: %s", name, error)
        return None


@cache
def _codec(source: str) -> Codec:
    return vqaudio.load(source)
