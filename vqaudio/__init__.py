"""A laboratory for vector-quantised audio, and for models of its codes.

codec = vqaudio.load("fsdd-8khz")
codes = codec.encode(audio)             # audio [B, 1, N] float32 in [-1, 1] at codec.sample_rate
sound = codec.decode(codes.first(3))    # [B, 1, N], from three stages
prior = vqaudio.load("fsdd-8khz-masked")
sound, codes = vqaudio.generate(codec, prior, labels={"digit": "7", "speaker": "theo"})
"""

import importlib
from collections.abc import Sequence

__version__ = "0.1.0"

# Names are imported when first used: PyTorch takes seconds to import, and `vqaudio --help` should not wait for it.
_HOMES = {
    "load": "hub", "push": "hub", "Codes": "codes", "CodeSpec": "codes", "Stage": "codes", "read_vqa": "vqa",
    "write_vqa": "vqa", "InputError": "errors", "StreamingEncoder": "streaming", "StreamingDecoder": "streaming",
    "Sampling": "sampling", "TimedLabel": "timed_labels",
}
_SUBMODULES = ("audio", "codes", "codec", "edits", "errors", "hub", "masks", "prior", "streaming", "vqa")
__all__ = [
    "CodeSpec", "Codes", "InputError", "Sampling", "Stage", "StreamingDecoder", "StreamingEncoder", "TimedLabel", "blur",
    "generate", "inpaint", "load", "push", "read_vqa", "reconstruct", "smear", "write_vqa",
]


def __getattr__(name: str):
    if name in _HOMES:
        return getattr(importlib.import_module(f"vqaudio.{_HOMES[name]}"), name)
    if name in _SUBMODULES:
        return importlib.import_module(f"vqaudio.{name}")
    raise AttributeError(f"module 'vqaudio' has no attribute {name!r}")


def reconstruct(codec, audio, stages: int | Sequence[int] | None = None, labels=None, generator=None):
    """Encode and decode audio.

    Args:
        codec: from `load`.
        audio: [B, 1, N] float32 in [-1, 1] at `codec.sample_rate`, or a path to any audio file.
        stages: number of stages, from the first; or a list of stages, counted from 0; None for all.
        labels, generator: see `Codec.decode`.

    Returns:
        Reconstructed audio [B, 1, N].

    Raises:
        InputError: the audio cannot be used, a stage does not exist, or the decoder does not know a label.
    """
    import os

    from vqaudio.audio import read

    if isinstance(audio, str | os.PathLike):
        audio = read(audio, codec.sample_rate)[None]
    codes = codec.encode(audio)
    if isinstance(stages, int):
        codes, stages = codes.first(stages), None
    return codec.decode(codes, None if stages is None else tuple(stages), labels, generator)


def generate(codec, prior, labels=None, seconds: float | None = None, generator=None, **settings):
    """Generate new clips.

    Args:
        codec, prior: from `load`; the prior must belong to this codec.
        labels: e.g. {"digit": "7"}; a list of values gives as many clips. A kind that is missing is left open.
        seconds: length, above 0 and at most 30; None draws it from the training clips with these labels.
        generator: a torch.Generator for all randomness; a list of n gives n clips, each as it would be alone.
        settings: temperature, top_k, top_p, steps, guidance (see `vqaudio.sampling.Sampling`), sampling, on_step: see
            `Prior.fill`.

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
    codes = prior.fill(blank, mask, labels, generator=generator, critic=critic, **settings)
    return _decoded(codec, codes, labels, generator), codes


def inpaint(codec, prior, codes, mask, labels=None, generator=None, **settings):
    """Regenerate the selected cells of codes.

    Args:
        codec, prior: from `load`; the prior must belong to this codec.
        codes: [B, K, T] of the codec.
        mask: bool [B, K, T]; True = write this cell.
        labels: as for `generate`; they describe the whole clip.
        generator: as for `generate`; for codes of one clip, a list of n gives n variations of it.
        settings: as for `generate`; local_labels: see `Prior.fill`.

    Returns:
        (sound [B, 1, N], Codes).

    Raises:
        InputError: as `generate`; a mask of the wrong shape, or one with no cell selected.
    """
    from vqaudio.masks import check_selected

    prior.check_codec(codec)
    filled = prior.fill(codes, mask, labels, generator=generator, **settings)
    check_selected(codes, mask, "fill")
    return _decoded(codec, filled, labels, generator), filled


def blur(codec, codes, mask, radius: float = 2.0, strength: float = 1.0, generator=None, prior=None, labels=None):
    """Redraw the selected cells as a prior expects them between their neighbours.

    See `vqaudio.gibbs.blur`.

    Args:
        codec: from `load`.
        codes: [B, K, T] of the codec.
        mask: bool [B, K, T]; True = redraw this cell.
        radius: columns on either side that count as neighbours, 0 to 16.
        strength: 0 to 1; more is closer to what the prior expects.
        generator: a torch.Generator for all randomness; None for a fresh one.
        prior: from `load`, a masked or naive Bayes prior of this codec; None to `smear`.
        labels: as for `generate`; they describe the whole clip.

    Returns:
        (sound [B, 1, N], Codes).

    Raises:
        InputError: codes of another codec, a mask of the wrong shape or with no cell selected, a prior that does not suit, or a
            setting out of range.
    """
    if prior is None:
        return smear(codec, codes, mask, radius, strength, generator)
    from vqaudio import gibbs
    from vqaudio.masks import check_selected

    prior.check_codec(codec)
    blurred = gibbs.blur(prior, codes, mask, radius, strength, labels, generator)
    check_selected(codes, mask, "blur")
    return _decoded(codec, blurred, labels, generator), blurred


def smear(codec, codes, mask, radius: float = 2.0, strength: float = 1.0, generator=None):
    """Replace the selected cells by copies of their neighbours.

    See `vqaudio.edits.smear`.

    Args:
        codec: from `load`.
        codes: [B, K, T] of the codec.
        mask: bool [B, K, T]; True = replace this cell.
        radius: cells, 0 to 16.
        strength: share of the cells that are replaced, 0 to 1.
        generator: a torch.Generator for all randomness; None for a fresh one.

    Returns:
        (sound [B, 1, N], Codes).

    Raises:
        InputError: codes of another codec, a mask of the wrong shape or with no cell selected, a setting out of range.
    """
    from vqaudio import edits
    from vqaudio.masks import check_selected

    smeared = edits.smear(codes, mask, radius, strength, generator)
    check_selected(codes, mask, "smear")
    return codec.decode(smeared, generator=generator), smeared


def _decoded(codec, codes, labels, generator):
    """Decode with those of the labels that condition the codec's decoder."""
    from vqaudio.labels import chosen

    return codec.decode(codes, labels=chosen(labels, codec.decoder_labels), generator=generator)
