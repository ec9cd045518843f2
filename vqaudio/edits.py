"""What is done to chosen cells of `Codes` at once, with no prior: erasing them, and putting any codewords there."""

from dataclasses import replace

import torch
from torch import Tensor

from vqaudio.codes import Codes
from vqaudio.errors import InputError


def erase(codec, codes: Codes, mask: Tensor) -> Codes:
    """The cells where the mask is True as the codec hears silence; all others, and padding, stay as they are.

    Silence as long as the clip, at the clip's level, is encoded, and its ids are taken. What that sounds like is the decoder's
    matter: it sees the cells around the erased ones, too.

    Args:
        mask: bool [B, K, T].

    Raises:
        InputError: codes of another codec, or a mask of the wrong shape.
    """
    codec.check_codes(codes)
    _check(codes, mask)
    silence = torch.zeros(len(codes), 1, int(codes.lengths.max()))
    quiet = codec.encode(silence, codes.lengths, level_db=codes.level_db).ids[:, : codes.spec.rows]
    return replace(codes, ids=torch.where(_cells(codes, mask), quiet.to(codes.ids), codes.ids))


def randomise(codes: Codes, mask: Tensor, generator: torch.Generator | None = None) -> Codes:
    """Any codewords where the mask is True, each as likely as any other of its stage; all others, and padding, stay.

    Args:
        mask: bool [B, K, T].
        generator: all randomness; None for a fresh one.

    Raises:
        InputError: a mask of the wrong shape.
    """
    _check(codes, mask)
    if generator is None:
        generator = torch.Generator()
        generator.seed()
    vocab = torch.tensor(codes.spec.vocab_of_row)[None, :, None]
    drawn = (torch.rand(codes.ids.shape, generator=generator, dtype=torch.float64) * vocab).long()
    return replace(codes, ids=torch.where(_cells(codes, mask), drawn.to(codes.ids), codes.ids))


def _check(codes: Codes, mask: Tensor) -> None:
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool or mask.shape != codes.ids.shape:
        raise InputError(f"The mask is a bool matrix of the codes' shape {list(codes.ids.shape)}.")


def _cells(codes: Codes, mask: Tensor) -> Tensor:
    return mask.to(codes.ids.device) & codes.valid[:, None]
