"""Training that starts from a shipped codec.

What such a codec reaches on somebody's recordings, and the settings of a run that starts from one.
"""

from dataclasses import replace

import torch

from vqaudio import hub
from vqaudio.codec import Codec
from vqaudio.data.clips import Split
from vqaudio.errors import InputError
from vqaudio.evaluation.metrics import mel_l1
from vqaudio.training.recipes import CODEC_RECIPES

CLIPS, LONGEST_S = 20, 5.0  # to compare: at most 20 clips, and of each at most 5 s
LEARNING_RATE, PATIENCE = 2e-4, 6


def adapted(settings):
    """Fit the settings of the recipe `folder` to the codec that it starts from.

    Those of other recipes stay as they are.

    The codec gets the shape of that one. Unless they were set: a quarter of the steps trains the decoder alone, the learning
    rate is lower, and the run stops when validation has not improved six times in a row.
    """
    recipe = CODEC_RECIPES["folder"]
    if settings.dataset != recipe.dataset or settings.start_from is None or settings.codec != recipe.codec:
        return settings
    codec, training, loop = hub.load(settings.start_from).config, settings.training, settings.loop
    if type(codec) is not type(recipe.codec):
        raise InputError(f"{settings.start_from} is of another family than the recipe's codec. Start from a codec of waveforms.")
    if training.decoder_first == recipe.training.decoder_first:
        training = replace(training, decoder_first=loop.steps // 4)
    if training.learning_rate == recipe.training.learning_rate:
        training = replace(training, learning_rate=LEARNING_RATE)
    if loop.patience == recipe.loop.patience:
        loop = replace(loop, patience=PATIENCE)
    return replace(settings, codec=replace(codec, codebook_update="ema"), training=training, loop=loop)


def advice(validation: Split) -> str:
    """Say what the best shipped codec of this sample rate reaches.

    On the validation clips; and how to start from it.
    """
    known = hub.codecs(CODEC_RECIPES["folder"].codec.module, validation.sample_rate)
    scores = {name: error(hub.load(name), validation) for name in known}
    if not scores:
        return f"No shipped codec has {validation.sample_rate:,} Hz, so that there is none to compare with."
    name = min(scores, key=scores.get)
    return (
        f"For comparison, {name} has mel-L1 {scores[name]:.3f} on {min(CLIPS, len(validation))} of the validation clips. "
        f"--start-from {name} trains it further."
    )


@torch.no_grad()
def error(codec: Codec, validation: Split) -> float:
    """The mean mel-L1 of the first clips, decoded from all stages."""
    longest = round(LONGEST_S * codec.sample_rate)
    clips = [clip.audio[:longest][None, None] for clip in validation.clips[:CLIPS]]
    return sum(mel_l1(clip[0, 0], codec.reconstruct(clip)[0, 0], codec.sample_rate) for clip in clips) / len(clips)
