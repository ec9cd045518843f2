"""Utterances with phones as units: of a codec, of k-means on MFCC-39, or random."""

import hashlib
import sys
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from vqaudio.analysis.phones import KIND, Utterance
from vqaudio.codec import Codec
from vqaudio.data.clips import Clip, Split
from vqaudio.data.sources import LISTED
from vqaudio.errors import InputError
from vqaudio.features import Features
from vqaudio.nn.rvq import kmeans, nearest
from vqaudio.progress import bar

KMEANS_STEPS = 25
KMEANS_FRAMES = 100_000  # at most, chosen at random


def labelled(split: Split) -> list[Clip]:
    """Select the clips with phones; the others are named on stderr.

    Raises InputError if there are none.
    """
    found = [clip for clip in split.clips if any(label.kind == KIND for label in clip.timed_labels)]
    others = [clip.name for clip in split.clips if not any(label.kind == KIND for label in clip.timed_labels)]
    if not found:
        raise InputError(f"None of the {len(others):,} clips has phones: choose a dataset with labels, such as festvox-ru.")
    if others:
        names = ", ".join(others[:LISTED]) + (", ..." if len(others) > LISTED else "")
        print(f"skipped {len(others):,} of {len(split):,} clips, which have no phones: {names}", file=sys.stderr)
    return found


@torch.no_grad()
def of_codec(codec: Codec, clips: Sequence[Clip]) -> list[Utterance]:
    """Encode the clips with a codec's first stage.

    Raises InputError unless that stage is one row of codes over time.
    """
    if codec.spec.stages[0].rows != 1:
        raise InputError(f"The first stage of {codec.name!r} has several codes a column; phones are compared with one.")
    words, found = codec.codewords(0).cpu().numpy(), []
    with bar("encoding", len(clips), " clips") as progress:
        for clip in clips:
            ids = codec.encode(clip.audio[None, None]).ids[0, 0].cpu().numpy()
            found.append(Utterance(clip.name, clip.timed_labels, ids, codec.spec.frame_rate, words[ids]))
            progress.update(1)
    return found


class KMeansUnits:
    """K-means on normalised MFCC-39, a code every 10 ms.

    Args:
        clips: to learn the centres from.
        vocab: number of centres.
        sample_rate: Hz.
        seed: of the first centres, and of the frames that are learned from.
    """

    def __init__(self, clips: Sequence[Clip], vocab: int, sample_rate: int, seed: int = 0):
        self.features, self.rate = Features("mfcc39", sample_rate), 100.0
        frames = torch.cat([self.features.of_clip(clip.audio).T for clip in clips])
        self.mean, self.deviation = frames.mean(0), frames.std(0).clamp_min(1e-5)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            chosen = frames[torch.randperm(len(frames))[:KMEANS_FRAMES]]
            self.centres, _ = kmeans(self._normalised(chosen), vocab, KMEANS_STEPS)

    def of(self, clips: Sequence[Clip]) -> list[Utterance]:
        """The clips in these units."""
        found = []
        for clip in clips:
            ids = nearest(self._normalised(self.features.of_clip(clip.audio).T), self.centres)
            found.append(Utterance(clip.name, clip.timed_labels, ids.numpy(), self.rate, self.centres[ids].numpy()))
        return found

    def _normalised(self, frames: Tensor) -> Tensor:
        return ((frames - self.mean) / self.deviation).contiguous()


def at_random(utterances: Sequence[Utterance], vocab: int, seed: int = 0) -> list[Utterance]:
    """Replace the codes and their vectors by random ones."""
    vectors = np.random.default_rng(seed).normal(size=(vocab, 16))
    found = []
    for one in utterances:
        digest = hashlib.sha256(f"{seed} {one.name}".encode()).digest()
        ids = np.random.default_rng(int.from_bytes(digest[:8], "big")).integers(0, vocab, len(one.ids))
        found.append(Utterance(one.name, one.labels, ids, one.rate, vectors[ids]))
    return found
