"""Any file or array <-> float32 mono at a rate, and what was wrong with the input, in words."""

import torch
from torch import Tensor

SILENCE_DB = -80.0


def active_level_db(audio: Tensor, lengths: Tensor, sample_rate: int) -> Tensor:
    """The level of each clip where it sounds, in steps of 0.5 dB re full scale: audio [B, 1, N], lengths [B] -> [B].

    The mean power of the 20 ms frames within 20 dB of the loudest one; so pauses do not count, and a softer copy of a clip
    is softer by exactly that. Silence is -80 dB.
    """
    frame = sample_rate // 50
    samples = torch.arange(audio.shape[-1], device=audio.device)[None] < lengths[:, None]
    padding = -audio.shape[-1] % frame
    power, count = (
        torch.nn.functional.pad(part, (0, padding)).unflatten(-1, (-1, frame)).sum(-1)
        for part in (audio[:, 0].square() * samples, samples.to(audio.dtype))
    )
    loudness = power / count.clamp_min(frame / 4)
    active = loudness >= loudness.amax(-1, keepdim=True) * 0.01
    mean = (power * active).sum(-1) / (count * active).sum(-1).clamp_min(1)
    level = 10 * mean.clamp_min(10 ** (SILENCE_DB / 10)).log10()
    return (level * 2).round() / 2
