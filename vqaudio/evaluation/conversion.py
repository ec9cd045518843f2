"""Scores of voice conversion: target similarity and kept codewords."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vqaudio.codec import Codec
from vqaudio.data.clips import Clip, Split
from vqaudio.errors import InputError
from vqaudio.evaluation.metrics import speaker_embedding
from vqaudio.progress import bar

REFERENCES = 10  # training clips of a speaker whose mean embedding stands for the voice
SHORTEST_S = 1.0  # of a clip: shorter ones say little of a voice


@dataclass(frozen=True)
class ConversionScores:
    """Shares, 0 to 1, over all conversions.

    Attributes:
        conversions: number of them.
        nearer_target: share whose embedding is nearer to the target's voice than to the source's.
        to_target, to_source: mean cosine similarity to each.
        codes_kept: share of codes that are the source's when the conversion is encoded again.
        codes_kept_unconverted: the same for the source decoded in its own voice: the codec's own limit.
    """

    conversions: int
    nearer_target: float
    to_target: float
    to_source: float
    codes_kept: float
    codes_kept_unconverted: float


@torch.no_grad()
def evaluate(codec: Codec, train: Split, test: Split, n: int = 50) -> ConversionScores:
    """Convert `n` utterances of a part to every other speaker.

    Args:
        train: clips that stand for the voices.
        test: utterances of at least SHORTEST_S, taken in turn from the speakers.
        n: utterances.

    Raises:
        InputError: the codec knows no speakers, or fewer than two of them are in the data.
    """
    known = codec.decoder_labels.get("speaker", ())
    voices = {speaker: _voice(train, speaker) for speaker in known if _of(train.clips, speaker, train.sample_rate)}
    chosen = _in_turn(test, tuple(voices), n)
    if len(voices) < 2 or not chosen:
        raise InputError(f"Conversion needs two speakers that {codec.name!r} knows, with clips of {SHORTEST_S:g} s or more.")
    rows, kept = [], []
    with bar("converting", len(chosen), " clips") as progress:
        for clip in chosen:
            source = clip.labels["speaker"]
            codes = codec.encode(clip.audio[None, None])
            kept.append(_kept(codec, codes.ids, codec.decode(codes, labels={"speaker": source})))
            for target in voices:
                if target != source:
                    sound = codec.decode(codes, labels={"speaker": target})
                    embedding = speaker_embedding(sound[0, 0])
                    near = [float(embedding @ voices[one]) for one in (target, source)]
                    rows.append((*near, _kept(codec, codes.ids, sound)))
            progress.update(1)
    to_target, to_source, codes_kept = np.array(rows).T
    return ConversionScores(
        len(rows), float((to_target > to_source).mean()), float(to_target.mean()), float(to_source.mean()),
        float(codes_kept.mean()), float(np.mean(kept)),
    )


def _kept(codec: Codec, ids: Tensor, sound: Tensor) -> float:
    """Share of codes [1, K, T] that come back when a sound is encoded."""
    return float((codec.encode(sound).ids == ids).float().mean())


def _of(clips: Sequence[Clip], speaker: str, rate: int) -> list[Clip]:
    return [clip for clip in clips if clip.labels.get("speaker") == speaker and len(clip.audio) >= SHORTEST_S * rate]


def _voice(split: Split, speaker: str) -> Tensor:
    """The mean embedding of a speaker's first clips, of length 1."""
    clips = _of(split.clips, speaker, split.sample_rate)[:REFERENCES]
    mean = torch.stack([speaker_embedding(clip.audio) for clip in clips]).mean(0)
    return mean / mean.norm()


def _in_turn(split: Split, speakers: tuple[str, ...], n: int) -> list[Clip]:
    """The first clip of each speaker, then the second, and so on: `n` in all."""
    groups = [_of(split.clips, speaker, split.sample_rate) for speaker in speakers]
    turns = [group[i] for i in range(max(map(len, groups), default=0)) for group in groups if i < len(group)]
    return turns[:n]
