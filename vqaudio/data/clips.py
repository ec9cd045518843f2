"""What every dataset gives: clips with a name and labels."""

from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class Clip:
    """One recording: audio [N] float32 in [-1, 1] at the dataset's rate, its name, and its labels."""

    audio: Tensor
    name: str
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Split:
    """A part of a dataset, in memory.

    Attributes:
        clips: in the order of their names.
        sample_rate: Hz of every clip.
        labels: for each kind of label, its possible values in order.
        utterances: positions of clips that are heard in a row, for the measures that need more than one short clip.
    """

    clips: tuple[Clip, ...]
    sample_rate: int
    labels: dict[str, tuple[str, ...]]
    utterances: tuple[tuple[int, ...], ...] = ()

    def __len__(self) -> int:
        return len(self.clips)

    def label_index(self, clip: Clip, kind: str) -> int:
        """The position of the clip's label among its kind's values; their number where the clip has none of that kind."""
        values = self.labels[kind]
        return values.index(clip.labels[kind]) if kind in clip.labels else len(values)
