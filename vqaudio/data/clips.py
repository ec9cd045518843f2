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
class About:
    """What the cards of models that were trained on a dataset say of it. Sentences.

    Attributes:
        name: what stands after "trained on".
        parts: what was trained on, chosen on and tested on.
        heard: over what the figures of the table are means.
        knows, beyond: what its models know, and what comes of everything else.
        licence, source: the licence's short name on the Hub, and where the recordings come from under which licence.
    """

    name: str = "a folder of recordings"
    parts: str = "The recordings were shared out by a hash of their names."
    heard: str = "Means over the clips."
    knows: str = "It knows what is in those recordings."
    beyond: str = "Other sounds come back recognisable at best"
    licence: str = "other"
    source: str = "The recordings are their owner's, and so is the licence."


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
