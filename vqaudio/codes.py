"""`Codes`: the indices of a batch of clips, one integer matrix `[B, K, T]`.

A column is one equal slice of time. The rows of a column are grouped by stage; a stage is one quantiser's output and has
`bands * steps` rows: row `band * steps + step` of a stage holds sub-column `step` of that frequency band.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vqaudio import timed_labels
from vqaudio.errors import InputError
from vqaudio.timed_labels import TimedLabel

MOST_CODES_A_SECOND = 200_000
LEVELS_DB = (-120.0, 40.0)  # the allowed range of a clip's level, dB re full scale


@dataclass(frozen=True)
class Stage:
    """One quantiser's output.

    Args:
        bands: frequency bands, at least 1.
        steps: sub-columns of a column, at least 1.
        vocab: codewords, at least 2; each index is in range(vocab).

    Raises:
        InputError: a number below its minimum.
    """

    bands: int
    steps: int
    vocab: int

    def __post_init__(self):
        if min(self.bands, self.steps) < 1 or self.vocab < 2:
            raise InputError(f"A stage needs at least 1 band, 1 step and 2 codewords; this one has {self}.")

    @property
    def rows(self) -> int:
        """Rows of the stage in a column of codes."""
        return self.bands * self.steps

    @property
    def bits(self) -> int:
        """Bits that one index takes on disk."""
        return math.ceil(math.log2(self.vocab))


@dataclass(frozen=True)
class CodeSpec:
    """The shape of a codec's codes.

    Args:
        stages: coarse first, at least one.
        frame_rate: columns per second, above 0.

    Raises:
        InputError: no stages, or a frame rate of 0 or less.
    """

    stages: tuple[Stage, ...]
    frame_rate: float

    def __post_init__(self):
        if not self.stages or not self.frame_rate > 0:
            raise InputError("Codes need at least one stage and a positive frame rate.")

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """First row of each stage, then K: stage j is rows offsets[j]:offsets[j + 1]."""
        offsets = [0]
        for stage in self.stages:
            offsets.append(offsets[-1] + stage.rows)
        return tuple(offsets)

    @property
    def rows(self) -> int:
        """K, the rows of a column."""
        return self.offsets[-1]

    @cached_property
    def stage_of_row(self) -> tuple[int, ...]:
        """The stage, from 0, of each of the K rows."""
        return tuple(j for j, stage in enumerate(self.stages) for _ in range(stage.rows))

    @property
    def vocab_of_row(self) -> tuple[int, ...]:
        """The number of codewords of each of the K rows."""
        return tuple(self.stages[j].vocab for j in self.stage_of_row)

    @property
    def bits_per_second(self) -> float:
        """Bit rate of all stages together, bit/s."""
        return sum(stage.rows * stage.bits for stage in self.stages) * self.frame_rate

    def rows_of(self, stage: int) -> slice:
        """The rows of a stage, counted from 0."""
        return slice(self.offsets[stage], self.offsets[stage + 1])

    def picture(self, matrix: Tensor, stage: int) -> Tensor:
        """A stage's rows of a matrix [B, K, T] as a picture, time to the right.

        The matrix is ids or a mask; the picture is [B, bands, T * steps].
        """
        s, (batch, _, columns) = self.stages[stage], matrix.shape
        grid = matrix[:, self.rows_of(stage)].reshape(batch, s.bands, s.steps, columns)
        return grid.transpose(2, 3).reshape(batch, s.bands, columns * s.steps)

    def rows_from(self, picture: Tensor, stage: int) -> Tensor:
        """The inverse of `picture`: [B, bands, T * steps] -> [B, bands * steps, T]."""
        s, (batch, bands, width) = self.stages[stage], picture.shape
        return picture.reshape(batch, bands, width // s.steps, s.steps).transpose(2, 3).reshape(batch, s.rows, -1)

    def first(self, n: int) -> "CodeSpec":
        """The spec of the first `n` stages, 1 <= n <= number of stages. Raises InputError."""
        if not 1 <= n <= len(self.stages):
            raise InputError(f"These codes have stages 1 to {len(self.stages)}; the first {n} cannot be taken.")
        return replace(self, stages=self.stages[:n])


@dataclass(frozen=True, eq=False, repr=False)
class Codes:
    """The indices of a batch of clips.

    Args:
        ids: integers [B, K, T], K = spec.rows; each row's values in range(vocab) of its stage.
        spec: the meaning of the rows.
        lengths: [B] audio samples of each clip before padding.
        valid: bool [B, T]; False where a column is padding.
        level_db: [B] the level (dB re full scale) that encoding removed and decoding restores. It is one number a clip,
            not part of `bits_per_second`; None for a codec without level normalisation.
        timed_labels: for each clip its phones, words or notes, in seconds from the clip's start; None if there are none.
            They are not stored in .vqa files.

    Raises:
        InputError: shapes that do not fit together, or a timed label that ends after its clip.
    """

    ids: Tensor
    spec: CodeSpec
    lengths: Tensor
    valid: Tensor
    level_db: Tensor | None = None
    timed_labels: tuple[tuple[TimedLabel, ...], ...] | None = None

    def __post_init__(self):
        if self.ids.ndim != 3 or self.ids.shape[1] != self.spec.rows:
            raise InputError(
                f"Codes of this spec are [B, {self.spec.rows}, T]; these are {list(self.ids.shape)}."
            )
        batch, _, columns = self.ids.shape
        if self.ids.is_floating_point() or tuple(self.valid.shape) != (batch, columns) or len(self.lengths) != batch:
            raise InputError("Codes need integer ids [B, K, T], lengths [B] and valid [B, T] of one batch.")
        if self.timed_labels is not None:
            if len(self.timed_labels) != batch:
                raise InputError(f"Give timed labels for each of the {batch} clips, not for {len(self.timed_labels)}.")
            for labels, columns in zip(self.timed_labels, self.valid.sum(1).tolist()):
                timed_labels.check(labels, columns / self.spec.frame_rate)

    def __len__(self) -> int:
        return self.ids.shape[0]

    def __getitem__(self, which: int | slice) -> "Codes":
        """One clip without its padding columns, or several as a batch."""
        if isinstance(which, slice):
            kept = range(len(self))[which]
            if not kept:
                raise InputError(f"There are {len(self)} clips; {which} selects none.")
            return together([self.clip(b) for b in kept])
        if not -len(self) <= which < len(self):
            raise IndexError(f"There are {len(self)} clips, counted from 0; not {which}.")  # ends a for loop
        return self.clip(which % len(self))

    def __eq__(self, other: object) -> bool:
        """Whether ids, lengths, levels, labels and spec are the same.

        The devices may differ.
        """
        if not isinstance(other, Codes):
            return NotImplemented
        pairs = [(getattr(self, name), getattr(other, name)) for name in ("ids", "lengths", "valid", "level_db")]
        same = self.spec == other.spec and self.timed_labels == other.timed_labels
        return same and all(_same(one, two) for one, two in pairs)

    __hash__ = None  # tensors can change

    def __repr__(self) -> str:
        counts = (len(self), "clip"), (len(self.spec.stages), "stage")
        clips, stages = (f"{n} {word}{'' if n == 1 else 's'}" for n, word in counts)
        rate = f"{self.spec.bits_per_second:g} bit/s"
        return f"Codes({clips}, {stages}, ids {list(self.ids.shape)}, {self.duration_s:.2f} s, {rate})"

    @property
    def shape(self) -> torch.Size:
        """[B, K, T]: clips, rows and columns."""
        return self.ids.shape

    @property
    def columns(self) -> int:
        """T, the columns of the longest clip."""
        return self.ids.shape[2]

    @property
    def duration_s(self) -> float:
        """Seconds of the longest clip, in whole columns."""
        return self.columns / self.spec.frame_rate

    def check_range(self) -> None:
        """Raise InputError if an index lies outside its stage's codebook."""
        vocab = torch.tensor(self.spec.vocab_of_row, device=self.ids.device)[None, :, None]
        wrong = (self.ids < 0) | (self.ids >= vocab)
        if wrong.any():
            clip, row, column = (int(i) for i in torch.unravel_index(wrong.flatten().to(torch.uint8).argmax(), wrong.shape))
            stage = self.spec.stage_of_row[row]
            raise InputError(
                f"Index {int(self.ids[clip, row, column])} in stage {stage + 1}, column {column} is outside "
                f"0 to {self.spec.stages[stage].vocab - 1}."
            )

    def stage(self, j: int) -> Tensor:
        """The picture of stage j, counted from 0: [B, bands, T * steps]."""
        return self.spec.picture(self.ids, j)

    def first(self, n: int) -> "Codes":
        """The first n stages only: the same clips at a lower bit rate. Raises InputError."""
        spec = self.spec.first(n)
        return replace(self, ids=self.ids[:, : spec.rows], spec=spec)

    def clip(self, b: int) -> "Codes":
        """One clip of the batch, without its padding columns."""
        keep = self.valid[b]
        return replace(
            self, ids=self.ids[b : b + 1, :, keep], lengths=self.lengths[b : b + 1], valid=keep[keep][None],
            level_db=None if self.level_db is None else self.level_db[b : b + 1],
            timed_labels=None if self.timed_labels is None else (self.timed_labels[b],),
        )

    def to(self, device: torch.device | str) -> "Codes":
        """The same codes on a device."""
        parts = {name: part.to(device) for name, part in vars(self).items() if isinstance(part, Tensor)}
        return replace(self, **parts)

    def cpu(self) -> "Codes":
        """The same codes on the CPU."""
        return self.to("cpu")

    def numpy(self) -> np.ndarray:
        """The ids [B, K, T] as a NumPy array."""
        return self.ids.cpu().numpy()

    def repeated(self, n: int, ids: Tensor) -> "Codes":
        """Repeat each clip n times in a row, with new ids [B * n, K, T]."""
        parts = self.lengths, self.valid, self.level_db
        lengths, valid, level = (part if part is None else part.repeat_interleave(n, 0) for part in parts)
        labels = self.timed_labels and tuple(labels for labels in self.timed_labels for _ in range(n))
        return replace(
            self, ids=ids.to(self.ids.device), lengths=lengths, valid=valid, level_db=level, timed_labels=labels
        )

    def region(self, start_s: float, end_s: float | None, stages=None, bands=None) -> Tensor:
        """Build a mask over a rectangle of time, stages and bands.

        Args:
            start_s, end_s: seconds; every column that the span touches is inside. An end of None is the clip's end.
            stages: stage numbers from 0, or None for all.
            bands: band numbers from 0, or None for all; a stage without that band has no cell there.

        Returns:
            bool [B, K, T]; True = write this cell. Padding is never inside.

        Raises:
            InputError: an empty span, one after the clip's end, or a stage that does not exist.
        """
        end_s = math.inf if end_s is None else end_s
        if not 0 <= start_s < end_s:
            raise InputError(f"A region needs 0 <= start < end in seconds; got {start_s} to {end_s}.")
        first = math.floor(start_s * self.spec.frame_rate + 1e-6)
        last = math.ceil(min(end_s * self.spec.frame_rate, self.columns) - 1e-6)
        if first >= self.columns:
            raise InputError(f"The clip ends at {self.columns / self.spec.frame_rate:.2f} s; the region starts at {start_s} s.")
        chosen = range(len(self.spec.stages)) if stages is None else list(stages)
        rows = torch.zeros(self.spec.rows, dtype=torch.bool)
        for j in chosen:
            if not 0 <= j < len(self.spec.stages):
                raise InputError(f"These codes have stages 1 to {len(self.spec.stages)}; there is no stage {j + 1}.")
            stage = self.spec.stages[j]
            for band in range(stage.bands) if bands is None else bands:
                if 0 <= band < stage.bands:
                    start = self.spec.offsets[j] + band * stage.steps
                    rows[start : start + stage.steps] = True
        time = torch.zeros(self.columns, dtype=torch.bool)
        time[first:last] = True
        mask = rows[None, :, None] & time[None, None, :] & self.valid.cpu()[:, None, :]
        return mask.to(self.ids.device)


def check_density(rows: int, frame_rate: float) -> None:
    """Raise InputError if there are more than 200,000 codes a second."""
    if rows * frame_rate > MOST_CODES_A_SECOND:
        raise InputError(f"There are at most {MOST_CODES_A_SECOND} codes a second; {rows} rows at {frame_rate:g} Hz are more.")


def _same(one: Tensor | None, two: Tensor | None) -> bool:
    if one is None or two is None:
        return one is two
    return one.shape == two.shape and bool((one.cpu() == two.cpu()).all())


def together(clips: list[Codes]) -> Codes:
    """Join clips of one spec into a batch, padded to the longest.

    Levels and labels are kept if all clips have them.
    """
    columns = max(codes.columns for codes in clips)
    wide = [F.pad(codes.ids, (0, columns - codes.columns)) for codes in clips]
    valid = [F.pad(codes.valid, (0, columns - codes.columns)) for codes in clips]
    levels, labels = [codes.level_db for codes in clips], [codes.timed_labels for codes in clips]
    return Codes(
        torch.cat(wide), clips[0].spec, torch.cat([codes.lengths for codes in clips]), torch.cat(valid),
        None if None in levels else torch.cat(levels), None if None in labels else sum(labels, ()),
    )
