"""Layers of FiLM.

Perez et al. 2018, "FiLM: Visual Reasoning with a General Conditioning Layer".

A question, read by recurrent layers, scales and shifts the channels of a picture's features. Feature maps are [B, C, H, W].
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence

Pair = tuple[int, int]


class FiLMGenerator(nn.Module):
    """Question -> vector: embeddings, stacked GRU layers, the top layer's last state."""

    def __init__(self, vocabulary: int, embedding: int = 64, hidden: int = 128, layers: int = 2):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding, padding_idx=0)
        self.gru = nn.GRU(embedding, hidden, layers, batch_first=True)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Encode tokens int [B, L] with lengths [B] in 1..L as [B, hidden].

        Tokens after a question's length are ignored.
        """
        packed = pack_padded_sequence(self.embedding(tokens), lengths.cpu(), batch_first=True, enforce_sorted=False)
        return self.gru(packed)[1][-1]


class FiLM(nn.Module):
    """gamma * h + beta a channel, both linear in the question (equations 1 and 2)."""

    def __init__(self, conditions: int, channels: int):
        super().__init__()
        self.gamma = nn.Linear(conditions, channels)
        self.beta = nn.Linear(conditions, channels)
        nn.init.ones_(self.gamma.bias)  # section 2.1: an untrained question changes little

    def forward(self, h: Tensor, q: Tensor) -> Tensor:
        """Features [B, C, H, W], question [B, conditions] -> [B, C, H, W]."""
        return self.gamma(q)[:, :, None, None] * h + self.beta(q)[:, :, None, None]


class Concatenation(nn.Module):
    """The baseline of FiLM: concatenate the question to every cell, then convolve."""

    def __init__(self, conditions: int, channels: int):
        super().__init__()
        self.mix = nn.Conv2d(channels + conditions, channels, 1)

    def forward(self, h: Tensor, q: Tensor) -> Tensor:
        """Features [B, C, H, W], question [B, conditions] -> [B, C, H, W]."""
        return self.mix(torch.cat([h, q[:, :, None, None].expand(-1, -1, *h.shape[-2:])], 1))


class AddCoordinates(nn.Module):
    """Appends the row's and the column's coordinate as two maps from -1 to 1.

    Args:
        rows, columns: whether to use that coordinate; otherwise its map is 0.
    """

    def __init__(self, rows: bool = True, columns: bool = True):
        super().__init__()
        self.rows, self.columns = rows, columns

    def forward(self, h: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C + 2, H, W]."""
        down = torch.linspace(-1, 1, h.shape[-2], device=h.device, dtype=h.dtype) * self.rows
        along = torch.linspace(-1, 1, h.shape[-1], device=h.device, dtype=h.dtype) * self.columns
        maps = torch.stack(torch.meshgrid(down, along, indexing="ij"))
        return torch.cat([h, maps.expand(len(h), -1, -1, -1)], 1)


class ResBlock(nn.Module):
    """The residual block of FiLM.

    1x1 convolution, ReLU; convolution, BatchNorm without affine, FiLM, ReLU; skip from the first ReLU.
    """

    def __init__(self, inputs: int, channels: int, conditions: int, kernel: Pair = (3, 3), film: type[nn.Module] = FiLM):
        super().__init__()
        self.project = nn.Conv2d(inputs, channels, 1)
        self.convolve = nn.Conv2d(channels, channels, kernel, padding="same")
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.film = film(conditions, channels)

    def forward(self, h: Tensor, q: Tensor) -> Tensor:
        """Features [B, inputs, H, W], question [B, conditions] -> [B, channels, H, W]."""
        first = F.relu(self.project(h))
        return first + F.relu(self.film(self.norm(self.convolve(first)), q))


class SameConvolution(nn.Conv2d):
    """A strided convolution with ceil(n / stride) outputs.

    An odd padding has its extra zero at the end.
    """

    def forward(self, h: Tensor) -> Tensor:
        pads = []
        for size, kernel, stride in zip(h.shape[:-3:-1], self.kernel_size[::-1], self.stride[::-1]):
            total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
            pads += [total // 2, total - total // 2]
        return super().forward(F.pad(h, pads))


class FeatureExtractor(nn.Sequential):
    """Picture -> features: 4x4 convolution, BatchNorm, ReLU for each of the strides."""

    def __init__(self, inputs: int, channels: tuple[int, ...], strides: tuple[Pair, ...]):
        widths = (inputs, *channels)
        super().__init__(
            *(
                nn.Sequential(SameConvolution(i, o, 4, stride), nn.BatchNorm2d(o), nn.ReLU())
                for i, o, stride in zip(widths, channels, strides, strict=False)
            )
        )


class Classifier(nn.Module):
    """1x1 convolution, ReLU, maximum over all cells, and two dense layers.

    Args:
        inputs, channels, hidden, answers: widths.
        with_mean: also pool by the mean over all cells, which makes counting easier.
        heads: also use this many pointers to cells: each reads the features there, by attention over all cells, and counts the
            cells that it points to.
        features: channels of the features that pointers read.
    """

    def __init__(
        self, inputs: int, channels: int, hidden: int, answers: int, with_mean: bool = False, heads: int = 0, features: int = 0
    ):
        super().__init__()
        self.with_mean = with_mean
        self.project = nn.Conv2d(inputs, channels, 1)
        self.pointers = nn.Conv2d(inputs, heads, 1) if heads else None
        self.hidden = nn.Linear(channels * (1 + with_mean) + heads * (features + 1), hidden)
        self.answers = nn.Linear(hidden, answers)

    def forward(self, h: Tensor, features: Tensor | None = None) -> Tensor:
        """[B, C, H, W] -> logits [B, answers].

        Pointers also need the features [B, features, H, W] from before any block.
        """
        cells = F.relu(self.project(h)).flatten(2)
        pooled = [cells.amax(-1)]
        if self.with_mean:
            pooled.append(cells.mean(-1))
        if self.pointers is not None:
            scores = self.pointers(h).flatten(2)
            pooled += [(scores.softmax(-1) @ features.flatten(2).mT).flatten(1), scores.sigmoid().sum(-1)]
        return self.answers(F.relu(self.hidden(torch.cat(pooled, -1))))
