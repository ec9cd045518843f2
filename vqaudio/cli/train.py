"""Training commands; the code is in `vqaudio.training.setup`."""

from vqaudio.training.setup import codec, judge, prior

__all__ = ["codec", "judge", "prior"]
