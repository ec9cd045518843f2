"""A bidirectional transformer that is read again and again while only some of its columns change."""

from dataclasses import dataclass

import torch
from torch import Tensor

from vqaudio.nn.transformer import Layer, Transformer, around, distinct, turns


@dataclass
class _Inputs:
    """What a layer was given, from column `start` on: x [B, n, dim], and its keys and values [B, heads, n, d]."""

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
    """The outputs of a transformer in a span of columns, which alone change from one reading to the next.

    In every layer a change spreads by `reach` columns, and only what is within `reach` of a column can still matter to it. So the
    first reading computes what the span can see, and each later one only what the span has reached and can still see. The
    outputs are those of the whole transformer.

    Args:
        valid: bool [B, T].
        reach: columns on either side that a layer's attention sees; None for all.
        span: the columns that change.
    """

    def __init__(self, transformer: Transformer, valid: Tensor, reach: int | None, span: slice):
        self.layers, self.norm, self.span, self.columns = transformer.layers, transformer.norm, span, valid.shape[1]
        self.reach = self.columns if reach is None else reach
        self.turns = turns(self.columns, transformer.head_dim, valid.device)
        valid = valid[:1] if bool((valid == valid[:1]).all()) else valid
        self.allowed = around(valid, self.reach)
        self.inputs: list[_Inputs] = []
        self._masks: dict[tuple, Tensor | None] = {}

    def __call__(self, x: Tensor) -> Tensor:
        """x [B, T, dim] the first time, later that of the span's columns alone -> [B, n, dim] of the span's columns."""
        if self.inputs:
            return self._read(x)
        unlike, rows = distinct(x)
        if len(unlike) == len(x) or len(self.allowed) > 1:
            return self._read(x)
        y = self._read(x[unlike])[rows]  # variations of a clip begin alike
        for inputs in self.inputs:
            inputs.choose(rows)
        return y

    def _read(self, x: Tensor) -> Tensor:
        first, here = not self.inputs, self.span if self.inputs else slice(0, self.columns)
        for i, layer in enumerate(self.layers):
            after = len(self.layers) - 1 - i
            wanted = self._near(self.span, after if first else min(after, i + 1))
            keys, values = layer.keys_values(x, *self._turns(here))
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
        queries = layer.queries(x, *self._turns(wanted))
        return layer.attended(x, queries, inputs.keys[:, :, keys], inputs.values[:, :, keys], self._mask(wanted, seen))

    def _near(self, columns: slice, steps: int) -> slice:
        """These columns, and those up to so many layers' reach away."""
        return slice(max(0, columns.start - steps * self.reach), min(self.columns, columns.stop + steps * self.reach))

    def _turns(self, columns: slice) -> tuple[Tensor, Tensor]:
        return tuple(part[columns] for part in self.turns)

    def _mask(self, queries: slice, keys: slice) -> Tensor | None:
        """What is added to the attention's logits, [1 or B, 1, queries, keys]; None where everything may be seen."""
        key = queries.start, queries.stop, keys.start, keys.stop
        if key not in self._masks:
            allowed = self.allowed[..., queries, keys]
            added = torch.zeros(allowed.shape, device=allowed.device).masked_fill(~allowed, -torch.inf)
            self._masks[key] = None if bool(allowed.all()) else added
        return self._masks[key]
