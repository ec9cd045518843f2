"""What a codec keeps of a dataset's clips, at several numbers of stages, beside the decoded clips of others."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from vqaudio import audio as audio_io
from vqaudio.codec import Codec
from vqaudio.data.batches import in_order
from vqaudio.data.clips import Split
from vqaudio.errors import InputError
from vqaudio.evaluation import metrics
from vqaudio.evaluation.judges import Judge


@dataclass(frozen=True)
class Scores:
    """One row of the table.

    Attributes:
        name: of the codec.
        bits_per_second: of payload.
        pesq, estoi: means over utterances: clips joined with 0.25 s of zeros around each.
        mel_l1, mr_stft, si_sdr: means over clips; SI-SDR in dB.
        judged: share of clips that each judge gives the right label, by the label's name.
    """

    name: str
    bits_per_second: float
    pesq: float
    estoi: float
    mel_l1: float
    mr_stft: float
    si_sdr: float
    judged: dict[str, float]


def decode_split(codec: Codec, split: Split, stages: list[int], beam: int = 1) -> dict[int, dict[str, Tensor]]:
    """Encode every clip once; for each number of stages, the decoded clips [N] by name, on the CPU."""
    decoded: dict[int, dict[str, Tensor]] = {n: {} for n in stages}
    for batch in tqdm(list(in_order(split, 25)), desc="decoding", unit="batch"):
        codes = codec.encode(batch.audio, batch.lengths, beam)
        for n in stages:
            for name, sound, length in zip(batch.names, codec.decode(codes.first(n))[:, 0], batch.lengths.tolist()):
                decoded[n][name] = sound[:length].cpu()
    return decoded


def score(name: str, bits_per_second: float, split: Split, decoded: dict[str, Tensor], judges: list[Judge]) -> Scores:
    """Compare decoded clips [N], by name, with the split's originals of the same lengths."""
    rate = split.sample_rate
    pairs = [(clip.audio, decoded[clip.name]) for clip in split.clips]
    joined = [
        [metrics.joined([pairs[i][side] for i in group], rate) for side in (0, 1)] for group in split.utterances
    ]
    mean = lambda values: sum(values) / len(values)  # noqa: E731
    return Scores(
        name, bits_per_second,
        pesq=mean([metrics.pesq(a, b, rate) for a, b in joined]),
        estoi=mean([metrics.estoi(a, b, rate) for a, b in joined]),
        mel_l1=mean([metrics.mel_l1(a, b, rate) for a, b in pairs]),
        mr_stft=mean([metrics.mr_stft(a, b) for a, b in pairs]),
        si_sdr=mean([metrics.si_sdr(a, b) for a, b in pairs]),
        judged={judge.config.target: judged_right(judge, split, decoded) for judge in judges},
    )


@torch.no_grad()
def judged_right(judge: Judge, split: Split, decoded: dict[str, Tensor]) -> float:
    """The share of decoded clips to which the judge gives the original's label."""
    heard = replace(split, clips=tuple(replace(clip, audio=decoded[clip.name]) for clip in split.clips))
    right = 0
    for batch in in_order(heard, 50):
        right += int((judge(batch.audio, batch.lengths).argmax(-1) == batch.labels[judge.config.target]).sum())
    return right / len(split)


def read_peer(folder: Path, split: Split) -> tuple[str, float, dict[str, Tensor]]:
    """Another codec's decoded clips: `folder` holds meta.json (codec, bits_per_second) and {clip}.flac.

    Raises:
        InputError: meta.json or a clip is missing, or a clip's length differs from its original's.
    """
    try:
        meta = json.loads((folder / "meta.json").read_text())
        decoded = {clip.name: audio_io.load(folder / f"{clip.name}.flac", split.sample_rate)[0][0] for clip in split.clips}
    except (OSError, json.JSONDecodeError) as error:
        raise InputError(f"{folder} holds no decoded clips of this split: {error}") from None
    wrong = [clip.name for clip in split.clips if len(decoded[clip.name]) != len(clip.audio)]
    if wrong:
        raise InputError(f"{folder}: {wrong[0]} has not the length of its original.")
    return meta["codec"], meta["bits_per_second"], decoded


def table(rows: list[Scores]) -> str:
    """The rows as a Markdown table."""
    targets = list(rows[0].judged)
    head = ["codec", "bit/s", "PESQ", "ESTOI", "mel-L1", "MR-STFT", "SI-SDR dB", *(f"{target} %" for target in targets)]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        lines.append([
            row.name, f"{row.bits_per_second:.0f}", f"{row.pesq:.2f}", f"{row.estoi:.3f}", f"{row.mel_l1:.3f}",
            f"{row.mr_stft:.3f}", f"{row.si_sdr:.1f}", *(f"{100 * row.judged[target]:.1f}" for target in targets),
        ])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
