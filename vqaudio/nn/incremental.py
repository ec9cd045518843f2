"""Repeated passes of a bidirectional transformer when only some columns change."""

from dataclasses import dataclass

import torch
from torch import Tensor

from vqaudio.nn.transformer import Layer, Transformer, distinct, rotary_angles, window_mask


@dataclass
class _Inputs:
    """A layer's input from column `start` on: x [B, n, dim], keys and values [B, heads, n, d]."""

    start: int
    x: Tensor
    keys: Tensor
    values: Tensor

    def write(self, here: slice, x: Tensor, keys: Tensor, values: Tensor) -> None:
        at = slice(here.start - self.start, here.stop - self.start)
        self.x[:, at], self.keys[:, :, at], self.values[:, :, at] = x, keys, values

    def choose(self, rows: Tensor) -> None:
        self.x, self.keys, self.values = self.x[rows], self.keys[rows], self.values[rows]


class IncrementalTransformer:
    """Recomputes a transformer's outputs when only a span of columns changes.

    In every layer a change spreads by `reach` columns, and a column depends on columns within `reach` only. So the first pass
    computes everything that the span can see, and later passes only what the span has reached and can still see. The outputs
    equal those of the whole transformer.

    Args:
        transformer: the model.
        valid: bool [B, T].
        reach: columns on either side that a layer's attention sees; None for all.
        span: the columns that change.
    """

    def __init__(self, transformer: Transformer, valid: Tensor, reach: int | None, span: slice):
        self.layers, self.norm, self.span, self.columns = transformer.layers, transformer.norm, span, valid.shape[1]
        self.reach = self.columns if reach is None else reach
        self.angles = rotary_angles(self.columns, transformer.head_dim, valid.device)
        valid = valid[:1] if bool((valid == valid[:1]).all()) else valid
        self.allowed = window_mask(valid, self.reach)
        self.inputs: list[_Inputs] = []
        self._masks: dict[tuple, Tensor | None] = {}

    def __call__(self, x: Tensor) -> Tensor:
        """x [B, T, dim] in the first call, then [B, n, dim] of the span's columns -> [B, n, dim] of those."""
        if self.inputs:
            return self._read(x)
        unlike, rows = distinct(x)
        if len(unlike) == len(x) or len(self.allowed) > 1:
            return self._read(x)
        y = self._read(x[unlike])[rows]  # variations of a clip start equal
        for inputs in self.inputs:
            inputs.choose(rows)
        return y

    def _read(self, x: Tensor) -> Tensor:
        first, here = not self.inputs, self.span if self.inputs else slice(0, self.columns)
        for i, layer in enumerate(self.layers):
            after = len(self.layers) - 1 - i
            wanted = self._near(self.span, after if first else min(after, i + 1))
            keys, values = layer.keys_values(x, *self._angles(here))
            if first:
                self.inputs.append(_Inputs(here.start, x.clone(), keys, values.contiguous()))
            else:
                self.inputs[i].write(here, x, keys, values)
            x, here = self._outputs(layer, self.inputs[i], wanted), wanted
        return self.norm(x)

    def _outputs(self, layer: Layer, inputs: _Inputs, wanted: slice) -> Tensor:
        seen = self._near(wanted, 1)
        at, keys = (slice(part.start - inputs.start, part.stop - inputs.start) for part in (wanted, seen))
        x = inputs.x[:, at]
        queries = layer.queries(x, *self._angles(wanted))
        return layer.attended(x, queries, inputs.keys[:, :, keys], inputs.values[:, :, keys], self._mask(wanted, seen))

    def _near(self, columns: slice, steps: int) -> slice:
        """These columns, and those up to `steps` times the reach away."""
        return slice(max(0, columns.start - steps * self.reach), min(self.columns, columns.stop + steps * self.reach))

    def _angles(self, columns: slice) -> tuple[Tensor, Tensor]:
        return tuple(part[columns] for part in self.angles)

    def _mask(self, queries: slice, keys: slice) -> Tensor | None:
        """Attention bias [1 or B, 1, queries, keys], 0 or -inf; None if all keys are visible."""
        key = queries.start, queries.stop, keys.start, keys.stop
        if key not in self._masks:
            allowed = self.allowed[..., queries, keys]
            added = torch.zeros(allowed.shape, device=allowed.device).masked_fill(~allowed, -torch.inf)
            self._masks[key] = None if bool(allowed.all()) else added
        return self._masks[key]
