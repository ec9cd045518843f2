"""A GPU where one is lent: on a Space with ZeroGPU, functions that carry its decorator run beside a GPU; anywhere else nothing
changes. Its package, `spaces`, is there on every Space, and has no effect on one with a CPU only.
"""

import copy
from dataclasses import replace

import torch
from torch import Tensor

from vqaudio.codec import Codec
from vqaudio.codes import Codes
from vqaudio.ui import models

try:
    import spaces
except ImportError:
    spaces = None


def on_gpu(f):
    """`f` with ZeroGPU's decorator, where its package is; else `f` itself.

    Such a function works in a process of its own: what it takes and gives back is copied, and what it stores is lost.
    """
    return f if spaces is None else spaces.GPU(f)


@on_gpu
def encoded(model: str, audio: Tensor) -> tuple[Codes, Tensor]:
    """The codes of audio [1, N] by a codec of the app, and the latents [1, D, T] that they were made from, on the CPU.

    Raises InputError: no such model.
    """
    codes, latents = _placed(models.codec(model)).encode_with_latents(audio[None])
    level_db = None if codes.level_db is None else codes.level_db.cpu()
    codes = replace(codes, ids=codes.ids.cpu(), lengths=codes.lengths.cpu(), valid=codes.valid.cpu(), level_db=level_db)
    return codes, latents.cpu()


def _placed(codec: Codec) -> Codec:
    """The codec, or, where a GPU is lent, a copy of it there: the one that all share stays on the CPU."""
    return copy.deepcopy(codec).to("cuda") if lent() else codec


def lent() -> bool:
    """Whether a GPU is there for functions that carry the decorator."""
    return spaces is not None and torch.cuda.is_available()
