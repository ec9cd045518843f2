"""Codebook health: how often each codeword occurs, and where in the training clips it is heard best."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor
from tqdm import tqdm

from vqaudio.codec import Codec
from vqaudio.data.batches import in_order
from vqaudio.data.clips import Split
from vqaudio.errors import InputError
from vqaudio.hub import replace_file

EXAMPLES = 4  # clips of the training part that are remembered a codeword


@dataclass(frozen=True)
class CodebookStatistics:
    """Counts over a dataset, for codecs whose stages are single rows.

    Attributes:
        train_counts, test_counts: int [K, V], how often each codeword of each stage occurs.
        examples: int [K, V, EXAMPLES, 2], (clip number, column) of its closest occurrences, one a clip; -1 for none.
        clips: names of the training clips, by clip number.
    """

    train_counts: Tensor
    test_counts: Tensor
    examples: Tensor
    clips: list[str]


@dataclass(frozen=True)
class StageHealth:
    """One stage over a set of clips: perplexity 1 to vocab; dead codewords; entropy in bits an index."""

    perplexity: float
    dead: int
    entropy_bits: float


def health(counts: Tensor) -> StageHealth:
    """Counts [V] of one stage -> its health. No counts at all: perplexity 1, entropy 0."""
    share = counts.double() / max(1, int(counts.sum()))
    nats = float(torch.special.entr(share).sum())
    return StageHealth(math.exp(nats), int((counts == 0).sum()), nats / math.log(2))


@torch.inference_mode()
def measure(codec: Codec, train: Split, test: Split) -> CodebookStatistics:
    """Encode both splits and count."""
    train_ids, places, distances = _occurrences(codec, train)
    test_ids, _, _ = _occurrences(codec, test)
    stages = codec.spec.stages
    counts = [
        torch.stack([torch.bincount(ids[j], minlength=stage.vocab) for j, stage in enumerate(stages)])
        for ids in (train_ids, test_ids)
    ]
    examples = torch.full((len(stages), stages[0].vocab, EXAMPLES, 2), -1)
    for j in range(len(stages)):
        seen: dict[int, list[int]] = {}
        for i in distances[j].argsort().tolist():
            word, (clip, column) = int(train_ids[j, i]), places[i].tolist()
            used = seen.setdefault(word, [])
            if len(used) < EXAMPLES and clip not in used:
                examples[j, word, len(used)] = torch.tensor([clip, column])
                used.append(clip)
    return CodebookStatistics(*counts, examples, [clip.name for clip in train.clips])


def _occurrences(codec: Codec, split: Split) -> tuple[Tensor, Tensor, Tensor]:
    """Every column of a split: ids [K, n], (clip number, column) [n, 2], and the distance left behind each stage [K, n]."""
    number = {clip.name: i for i, clip in enumerate(split.clips)}
    ids, places, distances = [], [], []
    for batch in tqdm(list(in_order(split, 25)), desc="counting", unit="batch"):
        codes, latents = codec.encode_with_latents(batch.audio, batch.lengths)
        rows = codes.ids.transpose(1, 2)[codes.valid]  # [n, K]
        residual, left = latents.transpose(1, 2)[codes.valid], []
        for j in range(rows.shape[1]):
            residual = residual - codec.rvq.vectors_of(rows[:, j], j)
            left.append(residual.norm(dim=-1))
        clip = torch.tensor([number[name] for name in batch.names])[:, None].expand_as(codes.valid)
        column = torch.arange(codes.columns)[None].expand_as(codes.valid)
        ids.append(rows.T)
        distances.append(torch.stack(left))
        places.append(torch.stack([clip[codes.valid], column[codes.valid]], dim=-1))
    return torch.cat(ids, 1), torch.cat(places), torch.cat(distances, 1)


def save_statistics(statistics: CodebookStatistics, folder: Path) -> None:
    """Write codebooks.safetensors and codebooks.json beside a model's weights."""
    tensors = {
        "train_counts": statistics.train_counts.int(), "test_counts": statistics.test_counts.int(),
        "examples": statistics.examples.short(),
    }
    replace_file(folder / "codebooks.safetensors", lambda path: path.write_bytes(save(tensors)))
    replace_file(folder / "codebooks.json", lambda path: path.write_text(json.dumps({"clips": statistics.clips})))


def load_statistics(folder: Path) -> CodebookStatistics | None:
    """What `save_statistics` wrote; None where it was never measured. Raises InputError where the files are damaged."""
    try:
        tensors = load_file(folder / "codebooks.safetensors")
        clips = json.loads((folder / "codebooks.json").read_text())["clips"]
        return CodebookStatistics(
            tensors["train_counts"].long(), tensors["test_counts"].long(), tensors["examples"].long(), clips
        )
    except FileNotFoundError:
        return None
    except (SafetensorError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise InputError(f"The codebook statistics in {folder} are damaged: {error}") from None
