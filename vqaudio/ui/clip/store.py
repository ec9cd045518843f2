"""Open clips, each under a random token.

Whoever holds a token may see its clip, and tokens are handed only to the page that opened the clip. Clips are forgotten
after a while, and what was unused for longest goes first when there is too much.

Memory: the app keeps at most 272 MB for all people together, however many clips they open: 128 MB of clips with their edits,
48 MB of clips that are compared, 24 MB of variations, 48 MB of decoded sounds, 24 MB of notes. Gradio keeps the last answers
of 100 sessions, under 1 MB each. On top of Python, PyTorch and the models (0.7 to 0.85 GB) that stays under 1.2 GB:
`benchmarks/app_memory.py` measures it with 2,000 clips and 200 abandoned sessions.
"""

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from vqaudio.errors import InputError

KEEP_S = 45 * 60.0
MAX_CLIPS = 256
CLIP_BYTES, PAIR_BYTES, JOB_BYTES, SOUND_BYTES, NOTE_BYTES = (n * 2**20 for n in (128, 48, 24, 48, 24))
SESSIONS = 100  # whose last answers Gradio keeps


class Store:
    """Objects with an `n_bytes`, by token.

    Args:
        keep_s: seconds after its last use that an object is kept.
        max_clips, max_bytes: when there is more than that, what was unused for longest goes.
        clock: seconds, for tests.
    """

    def __init__(
        self, keep_s: float = KEEP_S, max_clips: int = MAX_CLIPS, max_bytes: int = CLIP_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.keep_s, self.max_clips, self.max_bytes, self._clock = keep_s, max_clips, max_bytes, clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[float, object]] = OrderedDict()  # the longest unused first

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, thing) -> str:
        """Keep it; returns its token, 32 random characters."""
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._kept[token] = (self._clock(), thing)
            self._clean()
        return token

    def get(self, token: str):
        """Look a token up.

        Raises:
            InputError: nothing is kept under it, or no longer.
        """
        with self._lock:
            self._clean()
            if token not in self._kept:
                raise InputError("This clip is no longer kept here: open it again.")
            thing = self._kept[token][1]
            self._kept[token] = (self._clock(), thing)
            self._kept.move_to_end(token)
            return thing

    def things(self) -> list[tuple[str, object]]:
        """All that is kept: (token, thing)."""
        with self._lock:
            return [(token, thing) for token, (_, thing) in self._kept.items()]

    def drop(self, token: str | None) -> None:
        """Forget it, if it is there."""
        with self._lock:
            self._kept.pop(token, None)

    def _clean(self) -> None:
        oldest_allowed = self._clock() - self.keep_s
        while self._kept:
            used, _ = next(iter(self._kept.values()))
            too_big = len(self._kept) > 1 and sum(thing.n_bytes for _, thing in self._kept.values()) > self.max_bytes
            if used >= oldest_allowed and len(self._kept) <= self.max_clips and not too_big:
                return
            self._kept.popitem(last=False)
