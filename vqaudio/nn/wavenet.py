"""WaveNet over mu-law samples, conditioned on features, with cached sampling.

Dilated causal gated convolutions: van den Oord et al. 2016, "WaveNet: A Generative Model for Raw Audio", sections 2.1 to 2.5.
Cached layer states: Paine et al. 2016, "Fast WaveNet Generation Algorithm".
"""

import functools

import numpy as np
import torch
import torchaudio
from torch import Tensor, nn
from torch.nn import functional as F

CLASSES = 256  # of 8-bit mu-law; class 128 is silence
SILENCE = 128


class WaveNet(nn.Module):
    """Predict each sample's class from earlier samples and a condition.

    Args:
        channels: of the residual path; the gated convolutions have twice as many.
        skip_channels: of the path to the output.
        dilations: of each layer, in samples; a layer sees a sample and the one `dilation` before it.
        condition_dim: numbers in a column of the condition.
        hop: samples a column.
    """

    def __init__(self, channels: int, skip_channels: int, dilations: tuple[int, ...], condition_dim: int, hop: int):
        super().__init__()
        self.dilations, self.hop = tuple(dilations), hop
        self.embedding = nn.Embedding(CLASSES, channels)
        n = len(self.dilations)
        self.before = nn.ModuleList(nn.Linear(channels, 2 * channels, bias=False) for _ in range(n))
        self.here = nn.ModuleList(nn.Linear(channels, 2 * channels, bias=False) for _ in range(n))
        self.condition = nn.Linear(condition_dim, 2 * channels * n)
        self.residual = nn.ModuleList(nn.Linear(channels, channels) for _ in range(n))
        self.skip = nn.ModuleList(nn.Linear(channels, skip_channels) for _ in range(n))
        self.hidden, self.out = nn.Linear(skip_channels, skip_channels), nn.Linear(skip_channels, CLASSES)

    @property
    def receptive_field(self) -> int:
        """Earlier samples that a prediction depends on."""
        return sum(self.dilations) + 1

    def forward(self, classes: Tensor, condition: Tensor) -> Tensor:
        """Logits of every sample.

        Args:
            classes: int [B, N], the true samples; N is at most T * hop.
            condition: [B, T, condition_dim], one column for each `hop` samples.

        Returns:
            [B, N, 256]; those of sample t depend on samples before t only.
        """
        past = F.pad(classes[:, :-1], (1, 0), value=SILENCE)
        return self._logits(past, self._conditions(condition), 0)

    def _conditions(self, condition: Tensor) -> Tensor:
        """[B, T, condition_dim] -> what each layer adds before its gate, [B, T, layers, 2 * channels]."""
        return self.condition(condition).unflatten(-1, (len(self.dilations), -1))

    def _logits(self, past: Tensor, conditions: Tensor, first: int) -> Tensor:
        """past [B, n]: the sample before each; the first of them is sample `first`, before which there is silence."""
        x, skip = self.embedding(past), 0
        columns = (torch.arange(past.shape[1], device=past.device) + first) // self.hop
        for i, dilation in enumerate(self.dilations):
            earlier = F.pad(x, (0, 0, dilation, 0))[:, : x.shape[1]]
            h = self.before[i](earlier) + self.here[i](x) + conditions[:, columns, i]
            value, gate = h.chunk(2, -1)
            z = torch.tanh(value) * torch.sigmoid(gate)
            x, skip = x + self.residual[i](z), skip + self.skip[i](z)
        return self.out(F.relu(self.hidden(F.relu(skip))))

    @torch.no_grad()
    def sample(
        self, condition: Tensor, generator: torch.Generator, temperature: float = 1.0, cached: bool = True, n: int | None = None
    ) -> Tensor:
        """Sample from the model: condition [T, condition_dim] -> int [n], the classes.

        Args:
            generator: of one uniform number a sample, drawn on the CPU; the same one gives the same samples.
            temperature: of the softmax; 0 takes the likeliest class.
            cached: whether layers keep their states. Otherwise every sample recomputes its whole receptive field, with the same
                result: for tests and benchmarks.
            n: samples; None for T * hop.
        """
        n = len(condition) * self.hop if n is None else n
        chance = torch.rand(n, generator=generator, dtype=torch.float64)
        conditions = self._conditions(condition[None])
        if cached:
            return self._cached(conditions[0], chance, temperature)
        past = [SILENCE]
        for t in range(n):
            first = max(0, t + 1 - self.receptive_field)
            window = torch.tensor(past[first:], device=condition.device)[None]
            logits = self._logits(window, conditions, first)[0, -1]
            past.append(_choose(logits, float(chance[t]), temperature))
        return torch.tensor(past[1:])

    def _cached(self, conditions: Tensor, chance: Tensor, temperature: float) -> Tensor:
        """The loop over samples, compiled: conditions [T, layers, 2 * channels], chance [n] -> int [n]."""
        weights = [
            torch.stack([layer.weight for layer in layers]).cpu().numpy()
            for layers in (self.before, self.here, self.residual, self.skip)
        ]  # fmt: skip
        biases = [torch.stack([layer.bias for layer in layers]).cpu().numpy() for layers in (self.residual, self.skip)]
        ends = [part.detach().cpu().numpy() for layer in (self.hidden, self.out) for part in (layer.weight, layer.bias)]
        transposed = [np.ascontiguousarray(weight.swapaxes(1, 2)) for weight in weights]
        found = _compiled()(
            self.embedding.weight.detach().cpu().numpy(), *transposed, *biases,
            np.ascontiguousarray(ends[0].T), ends[1], np.ascontiguousarray(ends[2].T), ends[3],
            conditions.cpu().numpy(), np.array(self.dilations), self.hop, chance.numpy(), temperature,
        )
        return torch.from_numpy(found)


def encode(audio: Tensor) -> Tensor:
    """Audio in [-1, 1] -> int classes of mu-law, 0 to 255."""
    return torchaudio.functional.mu_law_encoding(audio, CLASSES)


def decode(classes: Tensor) -> Tensor:
    """Classes of mu-law -> audio in [-1, 1]."""
    return torchaudio.functional.mu_law_decoding(classes, CLASSES)


def _choose(logits: Tensor, chance: float, temperature: float) -> int:
    """The class at `chance`, 0 to 1, of the cumulative distribution."""
    if temperature == 0:
        return int(logits.argmax())
    weights = torch.exp((logits.double() - logits.max().double()) / temperature).cumsum(0)
    return min(int((weights < chance * weights[-1]).sum()), CLASSES - 1)


@functools.cache
def _compiled():
    """The loop of `WaveNet._cached`, compiled by numba at its first use."""
    import numba

    @numba.njit(fastmath=True)
    def add_product(y, x, weight):
        """y [m] += x [k] @ weight [k, m]."""
        for i in range(len(x)):
            xi = x[i]
            row = weight[i]
            for j in range(len(y)):
                y[j] += xi * row[j]

    @numba.njit(fastmath=True)
    def run(
        embedding, before, here, residual, skip, residual_bias, skip_bias, hidden, hidden_bias, out, out_bias, conditions,
        dilations, hop, chance, temperature,
    ):
        layers, channels = len(dilations), embedding.shape[1]
        size = dilations.max()
        queue = np.zeros((layers, size, channels), dtype=np.float32)  # each layer's input, the last `dilation` of them
        x, z = np.empty(channels, np.float32), np.empty(channels, np.float32)
        h, total = np.empty(2 * channels, np.float32), np.empty(len(hidden_bias), np.float32)
        inside, logits = np.empty(len(hidden_bias), np.float32), np.empty(len(out_bias), np.float32)
        cumulative = np.empty(len(out_bias), np.float64)
        found = np.empty(len(chance), np.int64)
        last = 128
        for t in range(len(chance)):
            x[:] = embedding[last]
            total[:] = 0
            column = t // hop
            for i in range(layers):
                place = t % dilations[i]
                h[:] = conditions[column, i]
                add_product(h, queue[i, place], before[i])
                add_product(h, x, here[i])
                queue[i, place] = x
                for c in range(channels):
                    z[c] = np.tanh(h[c]) / (1 + np.exp(-h[channels + c]))
                for c in range(len(total)):
                    total[c] += skip_bias[i, c]
                for c in range(channels):
                    x[c] += residual_bias[i, c]
                add_product(total, z, skip[i])
                add_product(x, z, residual[i])
            for c in range(len(total)):
                total[c] = max(total[c], np.float32(0))
            inside[:] = hidden_bias
            add_product(inside, total, hidden)
            for c in range(len(inside)):
                inside[c] = max(inside[c], np.float32(0))
            logits[:] = out_bias
            add_product(logits, inside, out)
            last = np.argmax(logits)
            if temperature > 0:
                most, weight = np.float64(logits[last]), 0.0
                for c in range(len(logits)):
                    weight += np.exp((np.float64(logits[c]) - most) / temperature)
                    cumulative[c] = weight
                last = min(np.searchsorted(cumulative, chance[t] * weight), len(logits) - 1)
            found[t] = last
        return found

    return run
