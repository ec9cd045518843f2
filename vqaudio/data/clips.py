"""What every dataset gives: clips with a name and labels."""

from dataclasses import dataclass, field

from torch import Tensor

from vqaudio.errors import InputError
from vqaudio.timed_labels import TimedLabel


@dataclass(frozen=True)
class Clip:
    """One recording: audio [N] float32 in [-1, 1] at the dataset's rate, its name, and its labels."""

    audio: Tensor
    name: str
    labels: dict[str, str] = field(default_factory=dict)
    timed_labels: tuple[TimedLabel, ...] = ()


@dataclass(frozen=True)
class About:
    """What model cards say about a dataset. Sentences, unless said otherwise; by default those for data that nobody recorded.

    Attributes:
        name: follows "trained on".
        trained: what was trained on and what weights and settings were chosen on.
        tested: what the test part is.
        heard: what the figures are means over; `{clips}` and `{utterances}` stand for their numbers.
        knows, beyond: what the models know, and what becomes of everything else.
        licence: its short name on the Hub.
        source: where the recordings come from, under which licence.
        tags: of the models on the Hub.
    """

    name: str = "data that was not recorded"
    trained: str = "How the data was split was not recorded."
    tested: str = ""
    heard: str = "Means over the {clips} clips."
    knows: str = "It knows what is in its training data."
    beyond: str = "Other sounds come back recognisable at best"
    licence: str = "unknown"
    source: str = "The licence of the training data was not recorded: ask its owner before you pass these weights on."
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Split:
    """A part of a dataset, in memory.

    Attributes:
        clips: in the order of their names.
        sample_rate: Hz of every clip.
        labels: for each kind of label, its possible values in order.
        utterances: positions of clips that are heard in a row, for the measures that need more than one short clip.
        packed_from: of shards, the dataset that they were made of, where they say so.
    """

    clips: tuple[Clip, ...]
    sample_rate: int
    labels: dict[str, tuple[str, ...]]
    utterances: tuple[tuple[int, ...], ...] = ()
    packed_from: str | None = None

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def seconds(self) -> float:
        """Of audio in all."""
        in_shards = getattr(self.clips, "seconds", None)
        return sum(len(clip.audio) for clip in self.clips) / self.sample_rate if in_shards is None else in_shards

    def label_index(self, clip: Clip, kind: str) -> int:
        """The position of the clip's label among its kind's values; their number where the clip has none of that kind."""
        values = self.labels[kind]
        return values.index(clip.labels[kind]) if kind in clip.labels else len(values)


def check_rate(dataset: str, own: int, wanted: int) -> None:
    """Raises InputError where a dataset that has one rate only is wanted at another."""
    if own != wanted:
        raise InputError(f"{dataset} is a dataset at {own:,} Hz, and this model works at {wanted:,} Hz.")
