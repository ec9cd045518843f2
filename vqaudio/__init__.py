"""A laboratory for vector-quantised audio, and for models of its codes.

codec = vqaudio.load("voice-16khz")
codes = codec.encode("speech.flac")     # or [N], [1, N], [B, 1, N] at codec.sample_rate, or sample_rate=44_100
sound = codec.decode(codes, stages=3)   # [B, 1, N], from three stages
prior = vqaudio.load("voice-16khz-masked")
filled = prior.fill(codes, codes.region(0.2, 0.4))
sound, codes = vqaudio.generate(vqaudio.load("fsdd-8khz"), labels={"digit": 7, "speaker": "theo"}, seed=3)
"""

import importlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from vqaudio import audio, codec, codes, edits, errors, hub, masks, prior, streaming, vqa
    from vqaudio.codec import Codec
    from vqaudio.codes import Codes, CodeSpec, Stage
    from vqaudio.errors import InputError
    from vqaudio.hub import load, push
    from vqaudio.labels import Labels
    from vqaudio.prior import Prior
    from vqaudio.randomness import Generators
    from vqaudio.registry import register
    from vqaudio.sampling import Sampling
    from vqaudio.streaming import StreamingDecoder, StreamingEncoder
    from vqaudio.timed_labels import TimedLabel
    from vqaudio.training.from_python import train
    from vqaudio.vqa import read_vqa, write_vqa
    from vqaudio.waveforms import Audio

__version__ = "0.1.0"

# Names are imported when first used: PyTorch takes seconds to import, and `vqaudio --help` should not wait for it.
_HOMES = {
    "load": "hub", "push": "hub", "Codes": "codes", "CodeSpec": "codes", "Stage": "codes", "read_vqa": "vqa",
    "write_vqa": "vqa", "InputError": "errors", "StreamingEncoder": "streaming", "StreamingDecoder": "streaming",
    "Sampling": "sampling", "TimedLabel": "timed_labels", "Codec": "codec", "Prior": "prior", "register": "registry",
    "train": "training.from_python",
}
_SUBMODULES = ("audio", "codes", "codec", "edits", "errors", "hub", "masks", "prior", "streaming", "vqa")
__all__ = [
    "CodeSpec", "Codec", "Codes", "InputError", "Prior", "Sampling", "Stage", "StreamingDecoder", "StreamingEncoder",
    "TimedLabel", "audio", "blur", "codec", "codes", "edits", "errors", "generate", "hub", "inpaint", "load", "masks", "prior",
    "push", "read_vqa", "reconstruct", "register", "smear", "streaming", "train", "vqa", "write_vqa",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"vqaudio.{_HOMES[name]}"), name)
    if name in _SUBMODULES:
        return importlib.import_module(f"vqaudio.{name}")
    raise AttributeError(f"module 'vqaudio' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, "__version__", "__doc__"})


def reconstruct(
    codec: "Codec", audio: "Audio", stages: int | Sequence[int] | None = None, labels: "Labels | None" = None,
    generator: "Generators | None" = None,
) -> "Tensor":
    """Encode and decode audio.

    Args:
        codec: from `load`.
        audio: whatever `Codec.encode` takes, such as [B, 1, N] at `codec.sample_rate`, or a path to any audio file.
        stages: number of stages, from the first; or a list of stages, counted from 0; None for all.
        labels, generator: see `Codec.decode`.

    Returns:
        Reconstructed audio [B, 1, N].

    Raises:
        InputError: the audio cannot be used, a stage does not exist, or the decoder does not know a label.
    """
    return codec.reconstruct(audio, stages, labels, generator)


def generate(
    codec: "Codec", prior: "Prior | str | os.PathLike | None" = None, labels: "Labels | None" = None,
    seconds: float | None = None, generator: "Generators | None" = None, *, seed: int | None = None, n: int | None = None,
    **settings: Any,
) -> "tuple[Tensor, Codes]":
    """Generate new clips.

    Args:
        codec: from `load`.
        prior: from `load`, or a name for it; it must belong to this codec. None takes the first of `codec.priors()`.
        labels: e.g. {"digit": "7"}; a list of values gives as many clips. A kind that is missing is left open.
        seconds: length, above 0 and at most 30; None draws it from the training clips with these labels.
        generator: a torch.Generator for all randomness; a list of n gives n clips, each as it would be alone. None follows
            `torch.manual_seed`.
        seed: in place of a generator.
        n: number of clips; with a seed, the i-th is the clip of the seed `seed + i`.
        settings: temperature, top_k, top_p, steps, guidance (see `vqaudio.sampling.Sampling`), sampling, on_step: see
            `Prior.fill`.

    Returns:
        (sound [B, 1, N], Codes). If the prior has a critic, the best of several clips: see `vqaudio.critics`.

    Raises:
        InputError: a prior of another codec, a codec without a prior, an unknown label, or a setting out of range.
    """
    from vqaudio.critics import critic_for
    from vqaudio.randomness import for_clips

    prior = _prior(codec, prior)
    prior.check_codec(codec)
    generator = for_clips(generator, seed, n)
    blank = prior.blank(labels, seconds, generator)
    mask = blank.valid[:, None].expand(blank.ids.shape)
    critic = critic_for(codec, prior, labels)
    codes = prior.fill(blank, mask, labels, generator=generator, critic=critic, **settings)
    return _decoded(codec, codes, labels, generator), codes


def _prior(codec: "Codec", prior: "Prior | str | os.PathLike | None") -> "Prior":
    """The prior itself, the one of a name, or the codec's first."""
    from vqaudio.errors import InputError
    from vqaudio.prior import Prior

    if prior is not None and not isinstance(prior, str | os.PathLike):
        return prior
    if prior is None:
        names = codec.priors()
        if not names:
            raise InputError(
                f"There is no prior of the codec {codec.name!r} here. Train one: `vqaudio train prior --codec "
                f"{codec.folder or codec.name}`."
            )
        prior = names[0]
    return Prior.from_pretrained(prior, device=codec.device)


def inpaint(
    codec: "Codec", prior: "Prior", codes: "Codes", mask: "Tensor", labels: "Labels | None" = None,
    generator: "Generators | None" = None, *, seed: int | None = None, n: int | None = None, **settings: Any,
) -> "tuple[Tensor, Codes]":
    """Regenerate the selected cells of codes.

    Args:
        codec, prior: from `load`; the prior must belong to this codec.
        codes: [B, K, T] of the codec.
        mask: bool [B, K, T]; True = write this cell.
        labels: as for `generate`; they describe the whole clip.
        generator: as for `generate`; for codes of one clip, a list of n gives n variations of it.
        seed: in place of a generator.
        n: number of variations of one clip, as for `generate`.
        settings: as for `generate`; local_labels: see `Prior.fill`.

    Returns:
        (sound [B, 1, N], Codes).

    Raises:
        InputError: as `generate`; a mask of the wrong shape, or one with no cell selected.
    """
    from vqaudio.masks import check_selected
    from vqaudio.randomness import for_clips

    prior.check_codec(codec)
    generator = for_clips(generator, seed, n)
    filled = prior.fill(codes, mask, labels, generator=generator, **settings)
    check_selected(codes, mask, "fill")
    return _decoded(codec, filled, labels, generator), filled


def blur(
    codec: "Codec", codes: "Codes", mask: "Tensor", radius: float = 2.0, strength: float = 1.0,
    generator: "torch.Generator | None" = None, prior: "Prior | None" = None, labels: "Labels | None" = None,
) -> "tuple[Tensor, Codes]":
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


def smear(
    codec: "Codec", codes: "Codes", mask: "Tensor", radius: float = 2.0, strength: float = 1.0,
    generator: "torch.Generator | None" = None,
) -> "tuple[Tensor, Codes]":
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


def _decoded(codec: "Codec", codes: "Codes", labels: "Labels | None", generator: "Generators | None") -> "Tensor":
    """Decode with those of the labels that condition the codec's decoder."""
    from vqaudio.labels import chosen

    return codec.decode(codes, labels=chosen(labels, codec.decoder_labels), generator=generator)
