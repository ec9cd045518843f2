"""A dataset's clips as codes, cached on disk by the encoder's fingerprint."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torchaudio
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from vqaudio.data.batches import Augmentation, augmented, pad
from vqaudio.data.clips import Split, crop_timed_labels
from vqaudio.data.seeds import python_random
from vqaudio.files import clear_stale, replace_file
from vqaudio.progress import bar
from vqaudio.timed_labels import TimedLabel

CACHE = Path("runs") / "codes"


@dataclass(frozen=True)
class EncodedSplit:
    """Codes of a split's clips.

    Attributes:
        ids: [K, T] of each clip, in the split's order.
        labels: [n, kinds] of `Split.label_index`.
        lengths: [n] samples.
        levels_db: [n] dBFS, or None for a codec without level normalisation.
        timed_labels: of each clip, in seconds of its codes; empty if no clip has any.
    """

    ids: list[Tensor]
    labels: Tensor
    lengths: Tensor
    levels_db: Tensor | None
    timed_labels: tuple[tuple[TimedLabel, ...], ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def batch(self, chosen: list[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Return ids [B, K, T] (0 in padding), valid [B, T] and labels [B, kinds]."""
        columns = torch.tensor([self.ids[i].shape[1] for i in chosen])
        ids = torch.zeros(len(chosen), self.ids[0].shape[0], int(columns.max()), dtype=torch.long)
        for row, i in zip(ids, chosen):
            row[:, : self.ids[i].shape[1]] = self.ids[i]
        return ids, torch.arange(ids.shape[2])[None] < columns[:, None], self.labels[chosen]


ROOMS = Augmentation(gain_db=0.0, polarity=False, noise=0.6, reverberation=0.25, band_limits=0.25)


def encoded(
    codec, split: Split, part: str, shift: int = 0, speed: float = 1.0, cache: Path = CACHE, room: int = 0
) -> EncodedSplit:
    """Encode every clip of a split, or read its codes from the cache.

    Args:
        part: the split's name, for the file's name.
        shift: samples to cut off each clip's start: the same sound in other columns.
        speed: playback speed of each clip.
        room: 0 for the clips as they are; any other number is a seed that gives each a random room, band and noise (ROOMS).
    """
    variant = f"{shift}-{speed:g}" + (f"-room{room}" if room else "")
    path = cache / f"{codec.encoder_fingerprint}-{part}-{_fingerprint(split)}-{variant}.safetensors"
    try:
        kept = load_file(path)
        ids, columns, lengths, levels = (kept[name] for name in ("ids", "columns", "lengths", "levels_db"))
    except (FileNotFoundError, SafetensorError, KeyError):
        ids, columns, lengths, levels = _encode(codec, _changed(split, shift, speed, room))
        path.parent.mkdir(parents=True, exist_ok=True)
        clear_stale(path.parent, older_than_s=3600)  # other runs share this folder
        kept = {"ids": ids.short(), "columns": columns, "lengths": lengths, "levels_db": levels}
        replace_file(path, lambda temporary: temporary.write_bytes(save(kept)))
    labels = [[split.label_index(clip, kind) for kind in split.labels] for clip in split.clips]
    parts = list(ids.short().split(columns.tolist(), dim=1))
    label_ids = torch.tensor(labels).view(len(split), -1)
    levels = None if codec.reference_level_db is None else levels
    return EncodedSplit(parts, label_ids, lengths, levels, _timed_labels(split, lengths, shift, speed))


def _timed_labels(split: Split, lengths: Tensor, shift: int, speed: float) -> tuple[tuple[TimedLabel, ...], ...]:
    """The clips' timed labels after a shift and a change of speed."""
    if not any(clip.timed_labels for clip in split.clips):
        return ()
    rate = split.sample_rate
    return tuple(
        crop_timed_labels(clip.timed_labels, shift / rate, n / rate, speed)
        for clip, n in zip(split.clips, lengths.tolist())
    )


def _fingerprint(split: Split) -> str:
    """16 hex digits over the clips' samples, so that two datasets never share a file."""
    digest = hashlib.sha256()
    for clip in split.clips:
        digest.update(len(clip.audio).to_bytes(8, "big") + clip.audio.numpy().tobytes())
    return digest.hexdigest()[:16]


def played(audio: Tensor, speed: float) -> Tensor:
    """Resample a clip [n] to play at this speed, to a hundredth."""
    return audio if speed == 1 else torchaudio.functional.resample(audio, round(100 * speed), 100)


def _changed(split: Split, shift: int, speed: float, room: int) -> list[Tensor]:
    """Apply a variant's shift, speed and room to the clips; see `encoded`."""
    clips = [played(clip.audio[min(shift, len(clip.audio) - 1) :], speed) for clip in split.clips]
    if room:
        chances = [python_random(room, i) for i in range(len(clips))]
        clips = [augmented(audio, ROOMS, split.sample_rate, chance) for audio, chance in zip(clips, chances)]
    return clips


def _batches(order: list[int], lengths: list[int]) -> Iterator[list[int]]:
    """Group clips of ascending length into batches of at most 50 clips and about 2 million samples."""
    while order:
        n = next((i for i in range(1, min(50, len(order))) if (i + 1) * lengths[order[i]] > 2_000_000), min(50, len(order)))
        yield order[:n]
        order = order[n:]


@torch.no_grad()
def _encode(codec, clips: list[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return ids [K, all columns], columns [n], lengths [n] and levels [n], on the CPU."""
    order = sorted(range(len(clips)), key=lambda i: len(clips[i]))
    found, levels = {}, torch.zeros(len(clips))
    with bar("encoding", len(clips), " clips") as progress:
        for chosen in _batches(order, [len(clip) for clip in clips]):
            codes = codec.encode(*pad([clips[i] for i in chosen]))
            for b, i in enumerate(chosen):
                found[i] = codes.ids[b][:, codes.valid[b]].cpu()
                if codes.level_db is not None:
                    levels[i] = codes.level_db[b]
            progress.update(len(chosen))
    columns = torch.tensor([found[i].shape[1] for i in range(len(clips))])
    lengths = torch.tensor([len(clip) for clip in clips], dtype=torch.int32)
    return torch.cat([found[i] for i in range(len(clips))], dim=1), columns, lengths, levels
