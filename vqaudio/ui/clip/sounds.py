"""Decoded sounds [N], shared by all clips in one bounded cache."""

from vqaudio.ui.clip.store import SOUND_BYTES
from vqaudio.ui.memory import ByteCache

cache = ByteCache(SOUND_BYTES, lambda sound: sound.nbytes, at_least=2)  # of two prefixes, what a stage adds
