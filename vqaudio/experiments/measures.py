"""Measurements of a trained run, all on the validation split."""

from importlib.util import find_spec

import torch

from vqaudio.codec import Codec
from vqaudio.data.clips import Split
from vqaudio.experiments.job import Job

SHARES = {"": 1, "_half": 2, "_quarter": 4}  # of the stages that decode: all, half, a quarter


def measures(job: Job, last: dict[str, float]) -> dict[str, float]:
    """Measure a trained run.

    Codecs: `codec_measures` of the last weights, and `phone_measures`. Anything else: `last`, the last validation scores.
    """
    if job.run.kind != "codec":
        return last
    from vqaudio import hub
    from vqaudio.data import load_split
    from vqaudio.experiments.plan import Settings

    codec = hub.load(job.folder / "last")
    dataset = Settings("codec", job.run.recipe).changed(job.run.options).dataset
    validation = load_split(dataset, "validation", job.data, codec.sample_rate)
    return codec_measures(codec, validation, **job.run.measuring) | phone_measures(codec, validation)


def phone_measures(codec: Codec, split: Split) -> dict[str, float]:
    """Measure how much a single-row first stage says about phones.

    Empty if no clip has phones.
    """
    from vqaudio.analysis import phones, units

    clips = [clip for clip in split.clips if any(label.kind == phones.KIND for label in clip.timed_labels)]
    if not clips or codec.spec.stages[0].rows != 1:
        return {}
    return phones.scores(*phones.all_frames(units.of_codec(codec, clips)))


@torch.inference_mode()
def codec_measures(codec: Codec, split: Split, beam: int = 1) -> dict[str, float]:
    """Measure reconstruction quality and codeword usage.

    Returns:
        `mel_l1` with all stages, half (`_half`) and a quarter (`_quarter`) of them; `pesq` and `estoi` with all, if the extra
        `evaluation` is installed; `bits_paid` per column; `bits_carried`, the sum of the stages' entropies in bits per column;
        `used`, the share of codewords that occur.
    """
    from vqaudio.analysis.codebooks import health
    from vqaudio.evaluation import metrics
    from vqaudio.evaluation.codec_evaluation import decode_split

    k, rate = len(codec.spec.stages), codec.sample_rate
    decoded = decode_split(codec, split, sorted({max(1, k // share) for share in SHARES.values()}), beam)
    found = {}
    for ending, share in SHARES.items():
        sounds = decoded[max(1, k // share)]
        pairs = [(clip.audio, sounds[clip.name]) for clip in split.clips]
        found[f"mel_l1{ending}"] = _mean(metrics.mel_l1(*pair, rate) for pair in pairs)
    rows = [
        [metrics.joined(part, rate) for part in zip(*((split.clips[i].audio, decoded[k][split.clips[i].name]) for i in row))]
        for row in split.utterances
    ]
    for name, package in (("pesq", "pesq"), ("estoi", "pystoi")):
        if rows and find_spec(package):
            found[name] = _mean(getattr(metrics, name)(*pair, rate) for pair in rows)
    counts = code_counts(codec, split, beam)
    words = sum(len(one) for one in counts)
    return found | {
        "bits_paid": codec.spec.bits_per_second / codec.spec.frame_rate,
        "bits_carried": sum(health(one).entropy_bits for one in counts),
        "used": 1 - sum(health(one).dead for one in counts) / words,
    }


def code_counts(codec: Codec, split: Split, beam: int = 1) -> list[torch.Tensor]:
    """Count how often each codeword occurs: one [V] tensor per row of the codes."""
    from vqaudio.data.batches import in_order

    counts = [torch.zeros(vocab, dtype=torch.long) for vocab in codec.spec.vocab_of_row]
    for batch in in_order(split, 50):
        codes = codec.encode(batch.audio, batch.lengths, beam)
        for j, count in enumerate(counts):
            count += torch.bincount(codes.ids[:, j][codes.valid].cpu(), minlength=len(count))
    return counts


def _mean(values) -> float:
    values = list(values)
    return sum(values) / len(values)
