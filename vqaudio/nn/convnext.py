"""ConvNeXt blocks.

They keep padding at zero, so that a clip gives the same result in any batch.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of [B, C, T], separately for each column."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class _Block(nn.Module):
    """A depthwise convolution, then a two-layer perceptron at each position, added to the input."""

    def __init__(self, depthwise: nn.Module, channels: int, expansion: int, scale: float):
        super().__init__()
        self.depthwise = depthwise
        self.norm = nn.LayerNorm(channels)
        self.expand = nn.Linear(channels, channels * expansion)
        self.contract = nn.Linear(channels * expansion, channels)
        self.activation = nn.GELU()
        nn.init.trunc_normal_(self.expand.weight, std=0.02)
        nn.init.trunc_normal_(self.contract.weight, std=0.02)
        nn.init.zeros_(self.contract.bias)
        self.scale = nn.Parameter(scale * self.contract.bias.new_ones(channels))

    def _added(self, x: Tensor, convolved: Tensor) -> Tensor:
        """x and its convolution, both [B, C, ...] -> x plus the perceptron's output."""
        y = self.contract(self.activation(self.expand(self.norm(convolved.movedim(1, -1)))))
        return x + (self.scale * y).movedim(-1, 1)


class ConvNeXtBlock(_Block):
    """A ConvNeXt block over time, [B, C, T].

    Liu et al. 2022, "A ConvNet for the 2020s", in one dimension as in Vocos (Siuzdak 2023). `valid` [B, 1, T] is 1 where a
    column is real: the convolution sees zeros in the others, as it does beyond the ends of an unpadded clip. Of the `kernel`
    columns that it sees, `look_ahead` come after the column itself.
    """

    def __init__(self, channels: int, kernel: int = 7, look_ahead: int = 3, expansion: int = 3, scale: float = 0.1):
        super().__init__(nn.Conv1d(channels, channels, kernel, groups=channels), channels, expansion, scale)
        self.padding = kernel - 1 - look_ahead, look_ahead

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        return self._added(x, self.depthwise(F.pad(x * valid, self.padding)))


class GridBlock(_Block):
    """A ConvNeXt block on a grid [B, C, bands, steps].

    The convolution sees `kernel` steps, as many before as after, of three bands. `valid` [B, 1, 1, steps] is 1 where a step is
    real.
    """

    def __init__(self, channels: int, kernel: int = 5, expansion: int = 3, scale: float = 0.1):
        depthwise = nn.Conv2d(channels, channels, (3, kernel), padding=(1, kernel // 2), groups=channels)
        super().__init__(depthwise, channels, expansion, scale)
        self.kernel = kernel

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        return self._added(x, self.depthwise(x * valid))


class PerBand(nn.Module):
    """A separate linear layer for each band of [B, bands, steps, C]."""

    def __init__(self, bands: int, inputs: int, outputs: int, zero: bool = False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(bands, inputs, outputs) * (not zero) / inputs**0.5)
        self.bias = nn.Parameter(torch.zeros(bands, 1, outputs))

    def forward(self, x: Tensor) -> Tensor:
        batch, bands, steps, _ = x.shape
        y = torch.baddbmm(self.bias, x.transpose(0, 1).reshape(bands, batch * steps, -1), self.weight)
        return y.view(bands, batch, steps, -1).transpose(0, 1)

    @torch.no_grad()
    def set(self, weight: Tensor, bias: Tensor) -> None:
        """Copy a weight [bands, inputs, outputs] and a bias [bands, 1, outputs]."""
        self.weight.copy_(weight)
        self.bias.copy_(bias)
