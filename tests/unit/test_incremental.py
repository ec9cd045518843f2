"""A transformer of which only some columns are read again gives what the whole one gives."""

import pytest
import torch

from vqaudio.nn.incremental import IncrementalTransformer
from vqaudio.nn.transformer import Transformer, window_mask


@pytest.fixture
def transformer():
    torch.manual_seed(0)
    return Transformer(dim=16, layers=3, heads=2, expansion=2, dropout=0.0).eval()


@pytest.mark.parametrize("reach", [None, 1, 3])
@pytest.mark.parametrize("span", [slice(0, 2), slice(9, 12), slice(18, 20), slice(0, 20)])
@pytest.mark.parametrize("lengths", [(20, 20, 20), (20, 14, 20)])
@torch.no_grad()
def test_only_the_columns_of_a_span_change(transformer, reach, span, lengths):
    valid = torch.arange(20)[None] < torch.tensor(lengths)[:, None]
    x = torch.randn(3, 20, 16)
    x[1] = x[0]  # alike, as variations are before anything is drawn
    incremental = IncrementalTransformer(transformer, valid, reach, span)
    for turn in range(4):
        if turn:
            x[:, span] = torch.randn(3, span.stop - span.start, 16)
        wanted = transformer(x, window_mask(valid, reach))[:, span]
        found = incremental(x[:, span] if turn else x)
        real = valid[:, span]
        torch.testing.assert_close(found[real], wanted[real], rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_later_reading_works_on_what_the_span_has_reached_and_can_still_see(transformer, monkeypatch):
    incremental = IncrementalTransformer(transformer, torch.ones(1, 200, dtype=torch.bool), 4, slice(100, 102))
    x, columns = torch.randn(1, 200, 16), []
    for layer in transformer.layers:
        monkeypatch.setattr(layer, "attended", counted(layer.attended, columns))
    incremental(x)
    incremental(x[:, 100:102])
    assert columns == [2 + 16, 2 + 8, 2, 2 + 8, 2 + 8, 2]


def counted(attended, columns: list[int]):
    return lambda x, *rest: columns.append(x.shape[1]) or attended(x, *rest)
