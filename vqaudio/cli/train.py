"""The commands that train: see `vqaudio.training.setup`."""

from vqaudio.training.setup import codec, judge, prior

__all__ = ["codec", "judge", "prior"]
