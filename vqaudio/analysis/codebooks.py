"""Codebook health: codeword usage, examples from training, quantisation error."""

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
from vqaudio.codes import Codes
from vqaudio.data.batches import in_order
from vqaudio.data.clips import Split
from vqaudio.errors import InputError
from vqaudio.files import replace_file
from vqaudio.json_files import expected_in, read_json
from vqaudio.ranges import Name, check_value

EXAMPLES = 4  # training clips to keep per codeword
SHARES = torch.linspace(0, 1, 101)  # at which to keep quantiles of the quantisation error


@dataclass(frozen=True)
class CodebookStatistics:
    """Codeword counts over a dataset, for codecs with equal codebook sizes.

    A stage's rows are counted together.

    Attributes:
        train_counts, test_counts: int [K, V], how often each codeword of each stage occurs.
        examples: int [K, V, EXAMPLES, 2], (clip number, column) of its closest occurrences, one per clip; -1 for none.
        clips: names of the training clips, by clip number.
        dataset: the module of vqaudio.data that they are from.
        train_errors, test_errors: [101] quantiles, 0 to 1 in hundredths, of the clips' `quantisation_errors`; None if not
            measured.
    """

    train_counts: Tensor
    test_counts: Tensor
    examples: Tensor
    clips: list[str]
    dataset: str = "fsdd"
    train_errors: Tensor | None = None
    test_errors: Tensor | None = None


@dataclass(frozen=True)
class StageHealth:
    """Perplexity (1 to vocab), dead codewords and entropy (bits per index) of a stage."""

    perplexity: float
    dead: int
    entropy_bits: float


def health(counts: Tensor) -> StageHealth:
    """Compute a stage's health from counts [V]; without any: perplexity 1, entropy 0."""
    share = counts.double() / max(1, int(counts.sum()))
    nats = float(torch.special.entr(share).sum())
    return StageHealth(math.exp(nats), int((counts == 0).sum()), nats / math.log(2))


@torch.inference_mode()
def quantisation_errors(codec: Codec, codes: Codes, latents: Tensor) -> Tensor:
    """Return each clip's mean distance from its codewords: [B].

    The mean, over a clip's columns, of the Euclidean distance between the latents [B, D, T] and their quantised values.
    """
    return _errors(codec, codes, codec.residual_norms(latents, codes.ids))


def _errors(codec: Codec, codes: Codes, residual_norms: Tensor) -> Tensor:
    last = torch.cat([residual_norms[:, codec.spec.rows_of(j)] for j in codec.final_stages()], 1)
    return (last.norm(dim=1) * codes.valid).sum(-1) / codes.valid.sum(-1)


@torch.inference_mode()
def measure(codec: Codec, train: Split, test: Split, dataset: str = "fsdd") -> CodebookStatistics:
    """Encode both splits of a dataset and count the codewords."""
    seen, train_errors = _occurrences(codec, train)
    unseen, test_errors = _occurrences(codec, test)
    vocab = codec.spec.stages[0].vocab
    counts = [torch.stack([torch.bincount(stage.ids, minlength=vocab) for stage in part]) for part in (seen, unseen)]
    examples = torch.stack([_closest(stage, vocab) for stage in seen])
    names = [clip.name for clip in train.clips]
    return CodebookStatistics(*counts, examples, names, dataset, train_errors.quantile(SHARES), test_errors.quantile(SHARES))


@dataclass(frozen=True)
class _Occurrences:
    """Every cell of a stage: ids [n], (clip number, column) [n, 2], residual norms [n]."""

    ids: Tensor
    places: Tensor
    distances: Tensor


def _closest(stage: _Occurrences, vocab: int) -> Tensor:
    """Closest occurrences of each codeword: see `CodebookStatistics.examples`."""
    examples = torch.full((vocab, EXAMPLES, 2), -1)
    seen: dict[int, list[int]] = {}
    for i in stage.distances.argsort().tolist():
        word, (clip, column) = int(stage.ids[i]), stage.places[i].tolist()
        used = seen.setdefault(word, [])
        if len(used) < EXAMPLES and clip not in used:
            examples[word, len(used)] = torch.tensor([clip, column])
            used.append(clip)
    return examples


def _occurrences(codec: Codec, split: Split) -> tuple[list[_Occurrences], Tensor]:
    """The occurrences in a split by stage, and every clip's quantisation error."""
    number = {clip.name: i for i, clip in enumerate(split.clips)}
    parts, errors = [[] for _ in codec.spec.stages], []
    for batch in tqdm(list(in_order(split, 25)), desc="counting", unit="batch"):
        codes, latents = codec.encode_with_latents(batch.audio, batch.lengths)
        residual_norms = codec.residual_norms(latents, codes.ids)
        errors.append(_errors(codec, codes, residual_norms))
        clip = torch.tensor([number[name] for name in batch.names])[:, None].expand_as(codes.valid)
        column = torch.arange(codes.columns)[None].expand_as(codes.valid)
        position = torch.stack([clip, column], -1)[codes.valid]  # [n, 2]
        for j, found in enumerate(parts):
            rows = codec.spec.rows_of(j)
            ids, distances = (part[:, rows].transpose(1, 2)[codes.valid] for part in (codes.ids, residual_norms))  # [n, rows]
            found.append((ids.flatten(), position.repeat_interleave(ids.shape[1], 0), distances.flatten()))
    return [_Occurrences(*(torch.cat(part) for part in zip(*found))) for found in parts], torch.cat(errors)


def save_statistics(statistics: CodebookStatistics, folder: Path) -> None:
    """Write codebooks.safetensors and codebooks.json into a model's folder."""
    tensors = {
        "train_counts": statistics.train_counts.int(), "test_counts": statistics.test_counts.int(),
        "examples": statistics.examples.int(),
    }
    if statistics.train_errors is not None:
        tensors |= {"train_errors": statistics.train_errors.float(), "test_errors": statistics.test_errors.float()}
    named = json.dumps({"dataset": statistics.dataset, "clips": statistics.clips})
    replace_file(folder / "codebooks.safetensors", lambda path: path.write_bytes(save(tensors)))
    replace_file(folder / "codebooks.json", lambda path: path.write_text(named))


def load_statistics(folder: Path) -> CodebookStatistics | None:
    """Read what `save_statistics` wrote; None without it.

    Raises:
        InputError: the files are damaged.
    """
    if not any((folder / name).is_file() for name in ("codebooks.safetensors", "codebooks.json")):
        return None
    try:
        with expected_in(folder / "codebooks.json"):
            tensors, named = load_file(folder / "codebooks.safetensors"), read_json(folder / "codebooks.json")
            found = CodebookStatistics(
                tensors["train_counts"].long(), tensors["test_counts"].long(), tensors["examples"].long(), named["clips"],
                named.get("dataset", "fsdd"), tensors.get("train_errors"), tensors.get("test_errors"),
            )
            _check(found)
            return found
    except (SafetensorError, OSError, InputError) as error:
        raise InputError(f"The codebook statistics in {folder} are damaged: {error}") from None


def _check(found: CodebookStatistics) -> None:
    """Raise InputError if parts of the statistics do not match."""
    shape = tuple(found.train_counts.shape)
    errors = [part for part in (found.train_errors, found.test_errors) if part is not None]
    if len(shape) != 2 or 0 in shape or found.test_counts.shape != shape or found.examples.shape != (*shape, EXAMPLES, 2):
        raise InputError("their tables have different shapes.")
    if min(int(found.train_counts.min()), int(found.test_counts.min())) < 0:
        raise InputError("some counts are below 0.")
    if int(found.examples[..., 0].max()) >= len(found.clips):
        raise InputError("they name clips that are not there.")
    if not all(part.shape == SHARES.shape and part.isfinite().all() for part in errors):
        raise InputError("their errors are not finite.")
    check_value("clips", found.clips, list[Name])
    check_value("dataset", found.dataset, Name)
