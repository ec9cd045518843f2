"""The latents and codewords of a codec over its training, in one fixed projection."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from vqaudio import hub
from vqaudio.analysis.exploration import look, phones_of_columns
from vqaudio.codec import Codec
from vqaudio.errors import InputError
from vqaudio.progress import bar

FOLDER = "snapshots"  # of a run, by `--loop.snapshots`
COLUMNS = 1500  # shown, chosen at random
MARGIN = 0.05  # of the shown range


@dataclass(frozen=True)
class Film:
    """Positions of columns and codewords at some steps of a training run.

    The columns are the same at every step.

    Attributes:
        steps: [F].
        latents: [F, n, 2]; words: [F, V, 2], of the first stage.
        groups: [n], the index of each column's phone in `names`, -1 for none; without phones its codeword at the end.
        names: of the phones; empty without phones.
    """

    steps: list[int]
    latents: np.ndarray
    words: np.ndarray
    groups: np.ndarray
    names: list[str]

    @property
    def colours(self) -> str:
        """What the colours stand for."""
        return "by phone" if self.names else "by codeword"

    @property
    def limits(self) -> list[tuple[float, float]]:
        """The range of both axes that holds all but a hundredth of the positions."""
        together = np.concatenate([self.latents.reshape(-1, 2), self.words.reshape(-1, 2)])
        low, high = np.quantile(together, 0.005, axis=0), np.quantile(together, 0.995, axis=0)
        margin = MARGIN * np.maximum(high - low, 1e-6)
        return list(zip((low - margin).tolist(), (high + margin).tolist()))


def snapshots(run: Path) -> list[tuple[int, Path]]:
    """List the snapshots of a run as (step, folder), in order.

    Raises InputError for fewer than two.
    """
    found = [(int(path.name), path) for path in (run / FOLDER).glob("[0-9]*") if path.name.isdigit()]
    if len(found) < 2:
        raise InputError(f"{run} has no snapshots for a film. Train it with --loop.snapshots 12.")
    return sorted(found)


def film(run: Path, load_split, seed: int = 0) -> Film:
    """Encode the same columns with every snapshot, and project all of them at once.

    The projection is on the first two principal components of the latents of all snapshots.

    Args:
        run: a run's folder.
        load_split: sample rate -> the split to encode.
        seed: of the choice of columns.

    Raises:
        InputError: the run has no snapshots, is not a codec's, or its codewords are not in the latents' own space.
    """
    folders = snapshots(run)
    last = _codec(folders[-1][1])
    split = load_split(last.sample_rate)
    latents, words = [], []
    with bar("snapshots", len(folders), " models") as progress:
        for _, folder in folders:
            codec = _codec(folder)
            seen = look(codec, split)
            latents.append(seen.latents)
            words.append(codec.codewords(0).detach().cpu().numpy())
            progress.update(1)
    if words[0].shape[1] != latents[0].shape[1]:
        raise InputError(f"The codewords of {run} are in another space than its latents, so one map cannot show both.")
    chosen = np.sort(np.random.default_rng(seed).permutation(len(latents[0]))[:COLUMNS])
    latents = [one[chosen] for one in latents]
    groups, names = _groups(phones_of_columns(split, seen, last.spec.frame_rate), seen.ids[:, 0], chosen)
    centre, axes = _components(np.concatenate(latents))
    flat = [np.stack([(one - centre) @ axes for one in many]) for many in (latents, words)]
    return Film([step for step, _ in folders], *flat, groups, names)


def _codec(folder: Path) -> Codec:
    codec = hub.load(folder)
    if not isinstance(codec, Codec):
        raise InputError(f"{folder} is no codec. Name the run of a codec.")
    return codec


def _groups(values: list[str | None], ids: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """The group of each chosen column, and the names of the groups."""
    names = sorted({value for value in values if value is not None})
    if not names:
        return ids[chosen].astype(int), []
    return np.array([names.index(values[i]) if values[i] is not None else -1 for i in chosen]), names


def _components(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean [D] and the first two principal components [D, 2], with fixed signs."""
    centre = vectors.mean(0)
    together = torch.from_numpy(vectors - centre).double()
    _, axes = torch.linalg.eigh(together.T @ together)
    axes = axes[:, [-1, -2]].numpy()
    return centre, axes * np.sign(axes[np.abs(axes).argmax(0), [0, 1]])
