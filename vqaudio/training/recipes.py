"""Recipes: a name for a filled-in dataclass. Each trains with `vqaudio train codec --recipe NAME`."""

from dataclasses import dataclass, field

from vqaudio.codecs.waveform import WaveformConfig
from vqaudio.training.codec_task import CodecTraining
from vqaudio.training.loop import LoopConfig


@dataclass(frozen=True)
class CodecRecipe:
    """A codec, its data and how it is trained."""

    dataset: str = "fsdd"
    """The module of vqaudio.data that reads it."""
    codec: WaveformConfig = field(default_factory=WaveformConfig)
    training: CodecTraining = field(default_factory=CodecTraining)
    loop: LoopConfig = field(default_factory=LoopConfig)


CODEC_RECIPES = {
    "fsdd-8khz": CodecRecipe(loop=LoopConfig(steps=20000, log_every=100, validate_every=2000, checkpoint_every=2000)),
    "fsdd-8khz-cpu": CodecRecipe(
        training=CodecTraining(batch_size=24, adversary_from=None), loop=LoopConfig(steps=4000)
    ),
}
