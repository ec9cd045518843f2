"""Decoded sounds, kept so that a stage that is switched off and on again is decoded once; one bounded cache for all clips."""

import threading
from collections import OrderedDict
from collections.abc import Callable

from torch import Tensor

from vqaudio.ui.clip.store import SOUND_BYTES


class SoundCache:
    """Sounds [N] by key; when there are too many bytes, what was unused for longest goes. Never fewer than two are kept."""

    def __init__(self, max_bytes: int = SOUND_BYTES):
        self.max_bytes = max_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple, Tensor] = OrderedDict()
        self._bytes = 0

    def get(self, key: tuple, make: Callable[[], Tensor]) -> Tensor:
        """The sound of this key; made, outside of the lock, where it is not kept."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        sound = make()
        with self._lock:
            if key not in self._kept:
                self._kept[key] = sound
                self._bytes += sound.nbytes
            while self._bytes > self.max_bytes and len(self._kept) > 2:
                self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return sound


cache = SoundCache()
