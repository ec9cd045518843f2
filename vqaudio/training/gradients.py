"""Gradient norms by part of a network, for metrics.csv."""

import torch
from torch import Tensor

from vqaudio.model import Model


@torch.no_grad()
def gradient_norms(model: Model) -> dict[str, Tensor]:
    """Map `gradient_PART` to the norm of that part's gradients.

    Covers every trainable parameter: one without a gradient counts as zero, so that the names are the same at every step. The
    squares of the parts add up to the square of the total.
    """
    parts: dict[str, list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            found = parts.setdefault(model.part_of(name), [])
            if parameter.grad is not None:
                found.append(parameter.grad)
    return {f"gradient_{part}": torch.nn.utils.get_total_norm(gradients) for part, gradients in parts.items()}
