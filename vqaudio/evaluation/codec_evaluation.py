"""Scores of codecs on a dataset's clips, by number of stages."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from vqaudio import audio as audio_io
from vqaudio.codec import Codec
from vqaudio.data.batches import in_order
from vqaudio.data.clips import Clip, Split
from vqaudio.errors import InputError
from vqaudio.evaluation import metrics
from vqaudio.judges import Judge


@dataclass(frozen=True)
class Scores:
    """One row of the table.

    Attributes:
        name: of the codec.
        bits_per_second: of payload.
        pesq, estoi: means over utterances, joined from clips with 0.25 s of zeros before and after each; None if the dataset has
            no utterances, such as notes.
        mel_l1, mr_stft, si_sdr: means over clips; SI-SDR in dB.
        judged: share of clips that each judge classifies correctly, by the label's name.
        speaker_similarity: mean over speakers of the similarity of all their clips in a row, if the dataset names speakers and
            there is no judge of them; else None.
        dnsmos: mean over utterances, at 16 kHz; else None.
        log_spectral_db: mean log-spectral distance, of notes.
        pitch_kept: share of notes decoded within 50 cents, of those with a measurable pitch in the original.
        codewords_used: share of each stage's codewords that occurs in the codes, of notes.
    """

    name: str
    bits_per_second: float
    pesq: float | None
    estoi: float | None
    mel_l1: float
    mr_stft: float
    si_sdr: float
    judged: dict[str, float]
    speaker_similarity: float | None = None
    dnsmos: float | None = None
    log_spectral_db: float | None = None
    pitch_kept: float | None = None
    codewords_used: list[float] | None = None


def check_rates(sample_rate: int, models: list) -> None:
    """Raise InputError if a codec or a judge has another sample rate than the clips."""
    for model in models:
        if model.config.sample_rate != sample_rate:
            raise InputError(
                f"{model.name} works at {model.config.sample_rate:,} Hz, and the clips are at {sample_rate:,} Hz: leave it out."
            )


def decode_split(codec: Codec, split: Split, stages: list[int], beam: int = 1) -> dict[int, dict[str, Tensor]]:
    """Encode every clip once and decode it from each number of stages.

    Returns:
        for each number of stages, the decoded clips [N] by name, on the CPU.
    """
    decoded: dict[int, dict[str, Tensor]] = {n: {} for n in stages}
    for batch in tqdm(list(in_order(split, 25)), desc="decoding", unit="batch"):
        codes = codec.encode(batch.audio, batch.lengths, beam)
        for n in stages:
            for name, sound, length in zip(batch.names, codec.decode(codes.first(n))[:, 0], batch.lengths.tolist()):
                decoded[n][name] = sound[:length].cpu()
    return decoded


def score(name: str, bits_per_second: float, split: Split, decoded: dict[str, Tensor], judges: list[Judge]) -> Scores:
    """Score decoded clips [N], by name, against originals of equal length."""
    rate = split.sample_rate
    pairs = [(clip.audio, decoded[clip.name]) for clip in split.clips]
    joined = [
        [metrics.joined([pairs[i][side] for i in group], rate) for side in (0, 1)] for group in split.utterances
    ]
    mean = lambda values: sum(values) / len(values) if values else None  # noqa: E731
    notes = "pitch" in split.labels
    return Scores(
        name, bits_per_second,
        pesq=mean([metrics.pesq(a, b, rate) for a, b in joined]),
        estoi=mean([metrics.estoi(a, b, rate) for a, b in joined]),
        mel_l1=mean([metrics.mel_l1(a, b, rate) for a, b in pairs]),
        mr_stft=mean([metrics.mr_stft(a, b) for a, b in pairs]),
        si_sdr=mean([metrics.si_sdr(a, b) for a, b in pairs]),
        judged={judge.config.target: judged_right(judge, split, decoded) for judge in judges},
        speaker_similarity=_similarity(split, decoded) if rate == 16_000 and "speaker" in split.labels else None,
        dnsmos=mean([metrics.dnsmos(decoded) for _, decoded in joined]) if rate == 16_000 else None,
        log_spectral_db=mean([metrics.log_spectral_distance(a, b) for a, b in pairs]) if notes else None,
        pitch_kept=pitch_kept(pairs, rate) if notes else None,
    )


def pitch_kept(pairs: list[tuple[Tensor, Tensor]], sample_rate: int) -> float | None:
    """Share of notes decoded within 50 cents, of those with a measurable pitch.

    Args:
        pairs: original [N] and decoded [N] of each note.
        sample_rate: Hz.

    Returns:
        the share, 0 to 1; None if no original has a measurable pitch.
    """
    pitches = [(metrics.pitch_hz(original, sample_rate), decoded) for original, decoded in pairs]
    kept = [metrics.cents_apart(hz, metrics.pitch_hz(decoded, sample_rate)) <= 50 for hz, decoded in pitches if hz]
    return sum(kept) / len(kept) if kept else None


def codewords_used(codec: Codec, split: Split, beam: int = 1) -> list[float]:
    """Share of each stage's codewords that occurs in the codes of a split's clips."""
    used = [torch.zeros(stage.vocab, dtype=torch.bool) for stage in codec.spec.stages]
    for batch in in_order(split, 25):
        codes = codec.encode(batch.audio, batch.lengths, beam)
        for j, seen in enumerate(used):
            seen[codes.ids[:, codes.spec.rows_of(j)].transpose(1, 2)[codes.valid].flatten().cpu()] = True
    return [float(seen.float().mean()) for seen in used]


def _similarity(split: Split, decoded: dict[str, Tensor]) -> float:
    """Mean similarity over speakers, each speaker's clips concatenated."""
    voices: dict[str, list[Clip]] = {}
    for clip in split.clips:
        voices.setdefault(clip.labels["speaker"], []).append(clip)
    total = 0.0
    for clips in voices.values():
        total += metrics.speaker_similarity(*(torch.cat(part) for part in zip(*((c.audio, decoded[c.name]) for c in clips))))
    return total / len(voices)


@torch.no_grad()
def judged_right(judge: Judge, split: Split, decoded: dict[str, Tensor]) -> float:
    """Share of decoded clips that the judge classifies like the originals."""
    reconstructed = replace(split, clips=tuple(replace(clip, audio=decoded[clip.name]) for clip in split.clips))
    right = 0
    for batch in in_order(reconstructed, 50):
        right += int((judge(batch.audio, batch.lengths).argmax(-1) == batch.labels[judge.config.target]).sum())
    return right / len(split)


def read_peer(folder: Path, split: Split) -> tuple[str, float, dict[str, Tensor]]:
    """Read another codec's decoded clips.

    `folder` holds meta.json (codec, bits_per_second) and {clip}.flac.

    Raises:
        InputError: meta.json or a clip is missing, or a clip's length differs from its original's.
    """
    try:
        meta = json.loads((folder / "meta.json").read_text())
        decoded = {clip.name: audio_io.read(folder / f"{clip.name}.flac", split.sample_rate)[0] for clip in split.clips}
    except (OSError, json.JSONDecodeError) as error:
        raise InputError(f"{folder} holds no decoded clips of this split: {error}") from None
    wrong = [clip.name for clip in split.clips if len(decoded[clip.name]) != len(clip.audio)]
    if wrong:
        raise InputError(f"{folder}: {wrong[0]} differs in length from its original.")
    return meta["codec"], meta["bits_per_second"], decoded


def table(rows: list[Scores]) -> str:
    """Format the rows as a Markdown table, without columns that no row has."""
    columns = {
        "codec": lambda row: row.name, "bit/s": lambda row: f"{row.bits_per_second:.0f}",
        "PESQ": lambda row: f"{row.pesq:.2f}", "ESTOI": lambda row: f"{row.estoi:.3f}", "mel-L1": lambda row: f"{row.mel_l1:.3f}",
        "MR-STFT": lambda row: f"{row.mr_stft:.3f}", "SI-SDR dB": lambda row: f"{row.si_sdr:.1f}",
        "LSD dB": lambda row: f"{row.log_spectral_db:.1f}", "pitch %": lambda row: f"{100 * row.pitch_kept:.1f}",
    }
    missing = {"PESQ": rows[0].pesq, "ESTOI": rows[0].estoi, "LSD dB": rows[0].log_spectral_db, "pitch %": rows[0].pitch_kept}
    columns = {name: show for name, show in columns.items() if name not in missing or missing[name] is not None}
    for target in rows[0].judged:
        columns[f"{target} %"] = lambda row, target=target: f"{100 * row.judged[target]:.1f}"
    if rows[0].speaker_similarity is not None:
        columns["speaker similarity"] = lambda row: f"{row.speaker_similarity:.3f}"
    if rows[0].dnsmos is not None:
        columns["DNSMOS"] = lambda row: f"{row.dnsmos:.2f}"
    if any(row.codewords_used for row in rows):
        columns["codewords used %"] = lambda row: ", ".join(f"{100 * share:.0f}" for share in row.codewords_used or ()) or "-"
    lines = [list(columns), ["---"] * len(columns), *([show(row) for show in columns.values()] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
