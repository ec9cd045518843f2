"""Turn anything that holds sound into a batch for a codec.

Codecs take [B, 1, N] float32 in [-1, 1] at their own sample rate. People have mono and stereo tensors, NumPy arrays, lists of
clips, integer samples, files and other sample rates.
"""

import os
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from vqaudio import audio as sound_files
from vqaudio import ranges
from vqaudio.audio import InputReport, float_samples
from vqaudio.errors import InputError

Clip = Tensor | np.ndarray | str | os.PathLike | tuple
Audio = Clip | Sequence[Clip]
FULL_SCALE = {torch.int8: 2**7, torch.int16: 2**15, torch.int32: 2**31}


def as_batch(
    audio: Audio, sample_rate: int, lengths: Tensor | Sequence[int] | None = None, source_rate: int | None = None
) -> tuple[Tensor, Tensor | Sequence[int] | None]:
    """Convert audio to a batch.

    Args:
        audio: [N], [channels, N] or [B, channels, N] floats in [-1, 1] or integers at full scale, as a tensor or array; a path; a
            pair (samples, Hz), (Hz, samples) or (samples, report) as different libraries return it; or a list of these, one a
            clip. Channels are mixed to mono.
        sample_rate: Hz of the result.
        lengths: [B] samples of each clip; None for all.
        source_rate: Hz of the samples; None if that is `sample_rate`.

    Returns:
        [B, 1, N] float32 at `sample_rate`, padded with zeros, and lengths [B]; None for lengths stands for all N.

    Raises:
        InputError: a shape or type that is no sound, a file that cannot be read, or a sample rate out of range.
    """
    if source_rate is not None:
        ranges.check_value("sample_rate", source_rate, ranges.SampleRate)
    if isinstance(audio, tuple) and len(audio) == 2 and not isinstance(audio[1], Tensor | np.ndarray | str | os.PathLike):
        audio, second = audio  # (samples, Hz) of torchaudio, or (samples, report) of `vqaudio.audio.load`
        source_rate = source_rate if isinstance(second, InputReport) else second
    if isinstance(audio, list | tuple) and not _is_one_clip(audio):
        if lengths is not None:
            raise InputError("A list of clips has lengths already. Leave `lengths` out.")
        return _padded([_clip(one, sample_rate, source_rate) for one in audio])
    if isinstance(audio, str | os.PathLike | tuple):
        return sound_files.read(audio, sample_rate)[None], None
    batch = mono(audio)
    if source_rate in (None, sample_rate):
        return batch, lengths
    ends = [batch.shape[-1]] * len(batch) if lengths is None else torch.as_tensor(lengths).tolist()
    return _padded([sound_files.resample(clip[:, :end], source_rate, sample_rate) for clip, end in zip(batch, ends, strict=True)])


def mono(audio: Tensor | np.ndarray | Sequence[float]) -> Tensor:
    """Convert samples of any shape and type to float32 [B, 1, N]; see `as_batch`."""
    samples = _floats(audio)
    if not 1 <= samples.ndim <= 3:
        raise InputError(f"Audio is [samples], [channels, samples] or [batch, channels, samples]; this is {list(samples.shape)}.")
    if 0 in samples.shape:
        raise InputError("The clip is empty: there is nothing to encode.")
    samples = samples.reshape((1,) * (3 - samples.ndim) + tuple(samples.shape))
    if samples.shape[1] > samples.shape[2]:
        raise InputError(f"{list(samples.shape)} has more channels than samples. Transpose it to [channels, samples].")
    return samples if samples.shape[1] == 1 else samples.mean(1, keepdim=True)


def _floats(audio) -> Tensor:
    """Float32 samples in [-1, 1]; integers are divided by their full scale."""
    if isinstance(audio, Tensor):
        samples = audio.detach()
    else:
        try:
            array = np.asarray(audio)
            samples = torch.from_numpy(array if array.flags.writeable and min(array.strides, default=0) >= 0 else array.copy())
        except (TypeError, ValueError):
            raise InputError("Audio is a tensor, an array, a file, or a list of these, one a clip.") from None
    if samples.dtype == torch.uint8:
        return (samples.float() - 128) / 128
    if samples.dtype in FULL_SCALE:
        return samples.float() / FULL_SCALE[samples.dtype]
    return float_samples(samples)


def _is_one_clip(audio: list | tuple) -> bool:
    """Whether this is a list of numbers, or the pair (Hz, samples) of SciPy and Gradio."""
    return not audio or isinstance(audio[0], int | float | np.integer | np.floating)


def _clip(one: Clip, sample_rate: int, source_rate: int | None) -> Tensor:
    """One clip of a list, [1, N]."""
    batch, _ = as_batch(one, sample_rate, None, source_rate)
    if len(batch) != 1:
        raise InputError(f"Each clip of a list is [samples] or [channels, samples]; this is {list(batch.shape)}.")
    return batch[0]


def _padded(clips: list[Tensor]) -> tuple[Tensor, Tensor]:
    lengths = [clip.shape[-1] for clip in clips]
    batch = clips[0].new_zeros(len(clips), 1, max(lengths))
    for row, clip, length in zip(batch, clips, lengths):
        row[:, :length] = clip
    return batch, torch.tensor(lengths)
