"""Clips with a name and labels, and the splits of a dataset."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from torch import Tensor

from vqaudio.errors import InputError
from vqaudio.timed_labels import TimedLabel


@dataclass(frozen=True)
class Clip:
    """One recording with its name and labels.

    Attributes:
        audio: [N] float32 in [-1, 1] at the dataset's rate.
        name: unique in its split.
        labels: of the whole clip, kind -> value.
        timed_labels: of intervals of the clip, such as phones, words or notes, sorted by start.
    """

    audio: Tensor
    name: str
    labels: dict[str, str] = field(default_factory=dict)
    timed_labels: tuple[TimedLabel, ...] = ()


def crop_timed_labels(
    labels: Iterable[TimedLabel], start_s: float, duration_s: float, speed: float = 1.0
) -> tuple[TimedLabel, ...]:
    """Return the timed labels of a crop, clipped to it, in seconds from its start.

    Args:
        labels: of the whole clip.
        start_s: where the crop starts in the clip, seconds.
        duration_s: length of the crop as it is played, seconds.
        speed: playback speed of the crop; 2 halves its times.
    """
    found = []
    for label in labels:
        start, end = (min(max((time - start_s) / speed, 0.0), duration_s) for time in (label.start_s, label.end_s))
        if start < end:
            found.append(replace(label, start_s=start, end_s=end))
    return tuple(found)


@dataclass(frozen=True)
class About:
    """A dataset's description for model cards; the defaults are for unknown data.

    Attributes:
        name: follows "trained on".
        trained: what the training data was, and what weights and settings were chosen on.
        tested: what the test part is.
        score_note: what the scores are means over; `{clips}` and `{utterances}` stand for their numbers.
        knows, beyond: what the models know, and how they treat other sounds.
        licence: its short name on the Hub.
        source: where the recordings come from, and their licence.
        tags: of the models on the Hub.
    """

    name: str = "data that was not recorded"
    trained: str = "How the data was split was not recorded."
    tested: str = ""
    score_note: str = "Means over the {clips} clips."
    knows: str = "It knows only the kind of sound in its training data."
    beyond: str = "Other sounds are only approximated"
    licence: str = "unknown"
    source: str = "The licence of the training data was not recorded. Ask its owner before you share these weights."
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Split:
    """A part of a dataset.

    Attributes:
        clips: the clips in order of name.
        sample_rate: Hz of every clip.
        labels: for each kind of label, its possible values in order.
        utterances: positions of clips to join, for measures that need more than one short clip.
        packed_from: for shards, the dataset that they were packed from, if known.
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
        """Seconds of audio."""
        in_shards = getattr(self.clips, "seconds", None)
        return sum(len(clip.audio) for clip in self.clips) / self.sample_rate if in_shards is None else in_shards

    def label_index(self, clip: Clip, kind: str) -> int:
        """Index of the clip's label among its kind's values; their number if it has none."""
        values = self.labels[kind]
        return values.index(clip.labels[kind]) if kind in clip.labels else len(values)


def check_rate(dataset: str, own: int, wanted: int) -> None:
    """Raise InputError if a dataset with a single rate is wanted at another."""
    if own != wanted:
        raise InputError(f"{dataset} is a dataset at {own:,} Hz, and this model works at {wanted:,} Hz.")
