"""A codec's code map as the input of a question model."""

from dataclasses import replace
from functools import cache

import torch
from torch import Tensor

from vqaudio.codec import Codec
from vqaudio.codes import Codes
from vqaudio.errors import InputError
from vqaudio.questions.config import QuestionConfig, fitted

LONGEST_S = 12.0


def config_for(config: QuestionConfig) -> QuestionConfig:
    """Set the picture's size to that of the code map.

    Raises:
        InputError: the codec has fewer stages.
    """
    codec, n = _codec(config.codec), config.code_stages
    stages = codec.spec.stages
    if not 1 <= n <= len(stages):
        raise InputError(f"{config.codec} has {len(stages)} stages: take 1 to {len(stages)} of them, not {n}.")
    steps = max(stage.steps for stage in stages)
    column_s = 1 / (codec.spec.frame_rate * steps)
    return replace(
        config, sample_rate=codec.sample_rate, height=max(stage.bands for stage in stages), column_s=column_s,
        width=round(LONGEST_S / column_s) + steps, inputs=sum(codec.codewords(j).shape[1] for j in range(n)),
    )


def code_picture(codec: Codec, codes: Codes, n: int) -> Tensor:
    """Codewords of the first n stages as a picture, on the finest stage's grid."""
    stages = codec.spec.stages
    bands, steps = max(stage.bands for stage in stages), max(stage.steps for stage in stages)
    pictures = []
    for j, stage in enumerate(stages[:n]):
        vectors = codec.codewords(j)[codes.stage(j)]
        pictures.append(vectors.repeat_interleave(bands // stage.bands, 1).repeat_interleave(steps // stage.steps, 2))
    return torch.cat(pictures, -1)


def picture_of(audio: Tensor, config: QuestionConfig) -> Tensor:
    """Turn audio [1, 1, N] into the network's input [1, height, width, inputs]."""
    codec = _codec(config.codec)
    codes = codec.encode(audio.to(next(codec.parameters()).device))
    return fitted(code_picture(codec, codes, config.code_stages).to(audio.device), config.width)


@cache
def _codec(name: str | None) -> Codec:
    from vqaudio import hub

    if name is None:
        raise InputError("Name the codec whose codes are the input with --model.codec.")
    codec = hub.load(name)
    if not isinstance(codec, Codec):
        raise InputError(f"{name} is not a codec.")
    return codec
