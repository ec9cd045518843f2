"""Decoded sounds [N], shared by all clips, so that switching a stage back on decodes nothing."""

from vqaudio.ui.clip.store import SOUND_BYTES
from vqaudio.ui.memory import ByteCache

cache = ByteCache(SOUND_BYTES, lambda sound: sound.nbytes, at_least=2)  # of two prefixes, what a stage adds
