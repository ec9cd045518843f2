"""A laboratory for vector-quantised audio: audio -> `Codes` -> audio, and what the indices mean.

    codec = vqaudio.load("fsdd-8khz")
    codes = codec.encode(audio)             # audio [B, 1, N] float32 in [-1, 1] at codec.sample_rate
    sound = codec.decode(codes.first(3))    # [B, 1, N], from three stages
    prior = vqaudio.load("fsdd-8khz-masked")
    sound, codes = vqaudio.generate(codec, prior, labels={"digit": "7", "speaker": "theo"})
"""

import importlib
from collections.abc import Sequence

__version__ = "0.1.0"

# PyTorch takes seconds to import; so that `vqaudio --help` does not wait for it, names are imported when first used.
_HOMES = {
    "load": "hub", "push": "hub", "Codes": "codes", "CodeSpec": "codes", "Stage": "codes", "read_vqa": "vqa",
    "write_vqa": "vqa", "InputError": "errors", "StreamingEncoder": "streaming", "StreamingDecoder": "streaming",
}
_SUBMODULES = ("audio", "blurring", "codes", "codec", "errors", "hub", "prior", "streaming", "vqa")
__all__ = [
    "CodeSpec", "Codes", "InputError", "Stage", "StreamingDecoder", "StreamingEncoder", "blur", "generate", "inpaint", "load",
    "push", "read_vqa", "reconstruct", "write_vqa",
]


def __getattr__(name: str):
    if name in _HOMES:
        return getattr(importlib.import_module(f"vqaudio.{_HOMES[name]}"), name)
    if name in _SUBMODULES:
        return importlib.import_module(f"vqaudio.{name}")
    raise AttributeError(f"module 'vqaudio' has no attribute {name!r}")


def reconstruct(codec, audio, stages: int | Sequence[int] | None = None):
    """Encode and decode again.

    Args:
        codec: from `load`.
        audio: [B, 1, N] float32 in [-1, 1] at `codec.sample_rate`, or a path to any audio file.
        stages: how many, from the first; or which, counted from 0; None for all.

    Returns:
        [B, 1, N] as the codec hears it.

    Raises:
        InputError: the audio cannot be used, or a stage is not there.
    """
    import os

    from vqaudio.audio import load as load_audio

    if isinstance(audio, str | os.PathLike):
        audio = load_audio(audio, codec.sample_rate)[0][None]
    codes = codec.encode(audio)
    if isinstance(stages, int):
        return codec.decode(codes.first(stages))
    return codec.decode(codes, None if stages is None else tuple(stages))


def generate(codec, prior, labels=None, seconds: float | None = None, generator=None, **sampling):
    """Generate new clips.

    Args:
        codec, prior: from `load`; the prior must belong to this codec.
        labels: e.g. {"digit": "7"}; a list of values gives as many clips. A kind that is missing is left open.
        seconds: length; None draws it from the training clips with these labels.
        generator: a torch.Generator, from which all randomness comes; a list of n gives n clips, each as it would be alone.
        sampling: temperature, top_k, top_p, steps, guidance, on_step: see `Prior.fill`.

    Returns:
        (sound [B, 1, N], Codes). If the prior has a critic, the best of several clips: see `vqaudio.critics`.

    Raises:
        InputError: a prior of another codec, an unknown label, or a setting out of range.
    """
    from vqaudio.critics import critic_for

    prior.check_codec(codec)
    blank = prior.blank(labels, seconds, generator)
    mask = blank.valid[:, None].expand(blank.ids.shape)
    critic = critic_for(codec, prior, labels)
    codes = prior.fill(blank, mask, labels, generator=generator, critic=critic, **sampling)
    return codec.decode(codes), codes


def inpaint(codec, prior, codes, mask, labels=None, generator=None, **sampling):
    """Rewrite the cells of `codes` where the mask (bool [B, K, T]) is True; see `generate` and `Prior.fill`.

    Args:
        generator: as for `generate`; for codes of one clip, a list of n gives n variations of it.

    Returns:
        (sound [B, 1, N], Codes).

    Raises:
        InputError: as `generate`; a mask of the wrong shape, or one with no cell selected.
    """
    prior.check_codec(codec)
    filled = prior.fill(codes, mask, labels, generator=generator, **sampling)
    _check_selected(codes, mask, "fill")
    return codec.decode(filled), filled


def blur(codec, codes, mask, radius: float = 2.0, strength: float = 1.0, generator=None):
    """Redraw the cells of `codes` where the mask (bool [B, K, T]) is True from their neighbours; see `blurring.blur`.

    Args:
        radius: cells, 0 to 16.
        strength: share of the cells that are redrawn, 0 to 1.

    Returns:
        (sound [B, 1, N], Codes).

    Raises:
        InputError: codes of another codec, a mask of the wrong shape or with no cell selected, a setting out of range.
    """
    from vqaudio import blurring

    blurred = blurring.blur(codes, mask, radius, strength, generator)
    _check_selected(codes, mask, "blur")
    return codec.decode(blurred), blurred


def _check_selected(codes, mask, verb: str) -> None:
    """Raise InputError if a mask of the codes' shape selects no cell."""
    from vqaudio.errors import InputError

    if not (mask.to(codes.valid.device) & codes.valid[:, None]).any():
        raise InputError(f"No cell is selected: there is nothing to {verb}.")
