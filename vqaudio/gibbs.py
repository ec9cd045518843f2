"""Blur: local regeneration of cells by Gibbs sweeps over a checkerboard.

See Geman and Geman 1984. Each cell is redrawn from a prior's p(cell | its neighbours). The cells of one colour are hidden and
redrawn at once, given the other colour; then the other way round.
"""

import math
from dataclasses import replace

import torch
from torch import Tensor

from vqaudio import masks, ranges
from vqaudio.codes import Codes, CodeSpec
from vqaudio.errors import InputError
from vqaudio.labels import Labels
from vqaudio.nn.noise import Noise
from vqaudio.prior import Gap, Prior
from vqaudio.randomness import fresh_generator
from vqaudio.sampling import Sampling

SWEEPS = 4  # at full strength
COOLING = 0.75  # how far the temperature falls below 1 at full strength
WINDOWS = 512  # redrawn at a time


def blur(
    prior: Prior, codes: Codes, mask: Tensor, radius: float = 2.0, strength: float = 1.0, labels: Labels | None = None,
    generator: torch.Generator | None = None,
) -> Codes:
    """Redraw the selected cells from what a prior expects between their neighbours.

    Args:
        prior: one with a pseudo-likelihood, such as a masked or a naive Bayes prior.
        codes: [B, K, T] of the prior's codec.
        mask: bool [B, K, T]. If no cell is selected, the codes come back unchanged.
        radius: columns on either side that count as neighbours, 0 to 16; below 1 nothing changes. A naive Bayes prior uses no
            more of them than its `reach`.
        strength: 0 to 1. At 0 nothing changes; with more strength there are more sweeps, up to SWEEPS, and a lower temperature,
            1 - COOLING * strength.
        labels: as for `Prior.fill`.
        generator: all randomness; None for a fresh one.

    Raises:
        InputError: a prior that does not suit, codes of another codec, a mask of the wrong shape, an unknown label, or a setting
            out of range.
    """
    check_suits(prior)
    prior.check_codes(codes)
    selected = masks.cells(codes, mask)
    ranges.check_value("radius", radius, ranges.BlurRadius)
    ranges.check_value("strength", strength, ranges.Share)
    words = prior.label_ids(labels, len(codes))
    reach = min([math.floor(radius), *(prior.reach(selected, codes.valid) or ())])
    if not reach or not strength or not selected.any():
        return codes
    with torch.inference_mode():
        drawn = _swept(prior, codes, selected, words, reach, strength, generator or fresh_generator())
    return replace(codes, ids=torch.where(selected, drawn.to(codes.ids), codes.ids))


def suits(prior: Prior) -> bool:
    """Whether a prior knows each cell's distribution given its neighbours."""
    return prior.likelihood == "pseudo"


def check_suits(prior: Prior) -> None:
    """Raise InputError unless the prior can blur."""
    if not suits(prior):
        raise InputError(
            f"The prior {prior.name!r} cannot blur: it does not predict a cell from both sides. "
            "Choose a masked or naive Bayes prior."
        )


def checkerboard(spec: CodeSpec, columns: int) -> Tensor:
    """Colours 0 and 1 of cells, [K, T].

    Neighbours in time, in the next band and in the next stage differ.
    """
    colours = torch.zeros(spec.rows, columns, dtype=torch.long)
    for j, stage in enumerate(spec.stages):
        time = torch.arange(columns * stage.steps)
        picture = (torch.arange(stage.bands)[:, None] + time + j) % 2
        colours[spec.rows_of(j)] = spec.rows_from(picture[None], j)[0]
    return colours


def _swept(prior: Prior, codes: Codes, selected: Tensor, words: Tensor, reach: int, strength: float, generator) -> Tensor:
    """Ids [B, K, T] after all sweeps, on the prior's device."""
    device = prior.device
    ids, lengths = codes.ids.long().to(device), codes.valid.sum(1).to(device)
    selected, words = selected.to(device), words.to(device)
    colours = checkerboard(codes.spec, codes.columns).to(device)
    sampling = prior.sampling(False, Sampling(temperature=1 - COOLING * strength, steps=1))
    for _ in range(math.ceil(SWEEPS * strength)):
        for colour in (0, 1):
            hidden = selected & (colours == colour)
            new = ids.clone()
            for centres in hidden.any(1).nonzero().split(WINDOWS):
                windows = _Windows(centres, lengths, reach)
                gap = windows.gap(ids, hidden, words)
                noise = Noise.of([generator], [gap.ids.shape[2]] * len(centres), gap.ids.shape[2], device)
                windows.write(prior._sample(gap, sampling, noise, lambda done, total, ids: None), new, hidden)
            ids = new
    return ids


class _Windows:
    """The columns within `reach` of some columns: one window for each, which the prior takes for a clip's part.

    Args:
        centres: [n, 2], clip and column.
        lengths: [B] columns of each clip.
        reach: columns on either side.
    """

    def __init__(self, centres: Tensor, lengths: Tensor, reach: int):
        self.clips, self.columns = centres.unbind(1)
        self.last = lengths[self.clips] - 1
        self.start = (self.columns - reach).clamp_min(0)
        self.end = torch.minimum(self.columns + reach, self.last)
        time = self.start[:, None] + torch.arange(int((self.end - self.start).max()) + 1, device=centres.device)
        self.valid, self.time = time <= self.end[:, None], time.minimum(self.end[:, None])

    def of(self, x: Tensor) -> Tensor:
        """The windows [n, K, w] of x [B, K, T]."""
        return x[self.clips[:, None], :, self.time].transpose(1, 2)

    def gap(self, ids: Tensor, hidden: Tensor, words: Tensor) -> Gap:
        """The hidden cells of every window, for the prior to draw.

        Only those of its centre are kept.
        """
        cut = torch.stack([self.start, self.last - self.end], 1)
        return Gap(
            self.of(ids) * self.valid[:, None], self.of(hidden) & self.valid[:, None], self.valid, words[self.clips], cut
        )

    def write(self, drawn: Tensor, ids: Tensor, hidden: Tensor) -> None:
        """Copy the centres' hidden cells from windows [n, K, w] into ids [B, K, T]."""
        n = torch.arange(len(drawn), device=drawn.device)
        here, new = hidden[self.clips, :, self.columns], drawn[n, :, self.columns - self.start]
        ids[self.clips, :, self.columns] = torch.where(here, new, ids[self.clips, :, self.columns])
