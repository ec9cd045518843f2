"""Scores of a prior: measured, printed as tables, and written into its model card."""

import json
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import torch

from vqaudio.codec import Codec
from vqaudio.critics import critic_of
from vqaudio.data import load_split
from vqaudio.data.clips import Split
from vqaudio.data.encoded import EncodedSplit, encoded
from vqaudio.errors import InputError
from vqaudio.evaluation import prior_evaluation as measure
from vqaudio.evaluation.card import describe_data, measured_on, on_split, training_in_words
from vqaudio.evaluation.codec_evaluation import check_rates
from vqaudio.evaluation.holes import HOLE_BANDS, has_bands
from vqaudio.files import replace_file
from vqaudio.judges import Judge
from vqaudio.prior import LIKELIHOODS, Prior
from vqaudio.provenance import read_record, runs_of, trained_on
from vqaudio.sampling import Sampling


def evaluate(
    codec: Codec, prior: Prior, judges: list[Judge], dataset: str, data: Path | None, part: str, n: int, hole_s: float | None,
    beside: list[Prior], of: int | None, seed: int, sampling: Sampling,
) -> dict:
    """Measure everything that `vqaudio evaluate prior` prints.

    Args:
        judges: classifiers that score the generated clips.
        dataset, data, part: the clips to compare with: the dataset's name, folder and split.
        n: number of clips to generate for the judges; none are generated without judges.
        hole_s: length in seconds of the gap in the middle of each clip; None for 30 % of the clip.
        beside: other priors that fill the same gaps.
        of: size of a random sample of the clips; None for all.
        sampling: settings; None keeps the prior's own.

    Returns:
        The record for metrics.json.

    Raises:
        InputError: the prior is for another codec, a judge for another sample rate, or the data is missing.
    """
    prior.check_codec(codec)
    check_rates(codec.sample_rate, judges)
    split = _sample(load_split(dataset, part, data, codec.sample_rate), of)
    clips = replace(encoded(codec, split, part), labels=_label_ids(prior, split))
    generator = torch.Generator().manual_seed(seed)
    found = {
        "prior": prior.name, "dataset": split.packed_from or dataset,
        "likelihood": prior.likelihood, "sees_right": prior.sees_right, "split": part,
        "drawn_clips": of and len(split), "clips": n, "seed": seed, "settings": asdict(prior.sampling(True, sampling)),
        "candidates": prior.config.candidates if critic_of(prior) else 1,
        "hole_settings": asdict(prior.sampling(False, sampling)), "hole_s": hole_s,
        **_bits(prior, clips), "judges": {},
    }
    if judges or "pitch" in prior.labels:
        train = load_split(dataset, "train", data, codec.sample_rate)
        found |= _judged(codec, prior, judges, train, split, part, clips, n, generator, sampling)
    fill = partial(measure.inpainting, codec, [prior, *beside], clips, judges, generator, hole_s, sampling=sampling)
    found["inpainting"] = fill()
    if has_bands(prior.spec):
        found["hole_bands"], found["inpainting_of_bands"] = HOLE_BANDS, fill(bands=HOLE_BANDS)
    return found


def _bits(prior: Prior, clips: EncodedSplit) -> dict:
    """Bits per code, if the prior has a likelihood."""
    if prior.likelihood == "none":
        return {}
    bits = measure.bits_per_code(prior, clips, prior.labels)
    return {
        "bits_per_code": bits.mean, "bits_per_row": bits.per_row, "bits_standard_error": bits.standard_error,
        "bits_clips": bits.clips, "bits_of_clips": len(clips),
    }


def _sample(split: Split, n: int | None) -> Split:
    """A random sample of n clips, the same every time; None for all."""
    if n is None or n >= len(split):
        return split
    if n < 1:
        raise InputError(f"A prior cannot be scored on {n} clips. Use at least 1.")
    chosen = torch.randperm(len(split), generator=torch.Generator().manual_seed(0))[:n].sort().values.tolist()
    return replace(split, clips=tuple(split.clips[i] for i in chosen), utterances=())


def _label_ids(prior: Prior, split) -> torch.Tensor:
    """Label ids [clips, kinds] in the prior's own vocabulary; the split may have other labels or none."""
    lists = prior.labels.items()
    rows = [[v.index(clip.labels[k]) if clip.labels.get(k) in v else len(v) for k, v in lists] for clip in split.clips]
    return torch.tensor(rows).view(len(split), len(prior.labels))


def _judged(codec, prior, judges, train, split, part, clips, n, generator, sampling) -> dict:
    """The judges' scores of `n` generated clips, and their distance to the training clips."""
    shifts = [quarter * codec.hop // 4 for quarter in range(4)]
    training = [ids for shift in shifts for ids in encoded(codec, train, "train", shift).ids]
    generated, maps = measure.generate_evenly(codec, prior, n, generator, sampling=sampling)
    real, known = measure.decoded(codec, split), measure.decoded(codec, train)
    found: dict = {"judges": {}}
    share = torch.randperm(len(known.sounds), generator=generator)[:n]
    for judge in judges:
        kind = judge.config.target
        new, predicted = measure.embeddings(judge, generated.sounds)
        test, test_predicted = measure.embeddings(judge, real.sounds)
        floor = measure.embeddings(judge, [known.sounds[i] for i in share])[0]
        found["judges"][kind] = {
            "accuracy": float((predicted.argmax(-1) == generated.wanted[kind]).float().mean()),
            "accuracy_of_decoded_clips": float((test_predicted.argmax(-1) == real.wanted[kind]).float().mean()),
            "frechet": measure.frechet(new, test), "frechet_floor": measure.frechet(floor, test),
            "diversity": measure.spread(new, generated.wanted), "diversity_of_decoded_clips": measure.spread(test, real.wanted),
        }
    if "pitch" in generated.wanted:
        found["pitch_within_50_cents"] = {}
        for name, some in (("generated", generated), (part, real)):
            midi = [int(prior.labels["pitch"][i]) for i in some.wanted["pitch"]]
            found["pitch_within_50_cents"][name] = measure.pitch_right(some.sounds, codec.sample_rate, midi)
    for name, own in (("generated", maps), (part, clips.ids)):
        found[f"nearest_training_map_{name}"] = float(measure.nearest(own, training).median())
    return found


def report(found: dict) -> str:
    """Format the record as Markdown tables."""
    head = "This prior has no likelihood, so bits per code are not measured."
    if "bits_per_code" in found:
        condition = f"{found['likelihood']} likelihood, given the labels, {_clips_scored(found)}"
        head = f"{found['bits_per_code']:.3f} bits per code ({condition})"
    kinds = list(found["judges"])
    hole = f"middle {found['hole_s']:g} s" if found.get("hole_s") else "middle 30 %"
    holes = _holes_table(hole, kinds, found["inpainting"])
    if "inpainting_of_bands" in found:
        low, high = (f"{100 * share:g}" for share in found["hole_bands"])
        holes += ["", *_holes_table(f"{hole}, {low} to {high} % of the bands,", kinds, found["inpainting_of_bands"])]
    return "\n".join([head, "", *(_judged_table(found) if f"nearest_training_map_{found['split']}" in found else ()), *holes])


def _clips_scored(found: dict) -> str:
    """Say which clips the bits are for. Old records lack their number."""
    if "bits_clips" not in found:
        return f"{found['split']} clips"
    n, of = found["bits_clips"], found["bits_of_clips"]
    clips = f"all {of} {found['split']} clips" if n == of else f"{n} of {of} {found['split']} clips, chosen at random"
    return f"{clips}, standard error {found['bits_standard_error']:.3f}"


def _clips_inpainted(found: dict) -> str:
    n = found.get("drawn_clips")
    return f"{n} {found['split']} clips, chosen at random," if n else f"all {found['split']} clips,"


def _holes_table(hole: str, kinds: list[str], rows: list[dict]) -> list[str]:
    lines = [" | ".join([f"| {hole} filled by", *(f"{kind} %" for kind in kinds), "mel-L1 in the gap", "seam |"])]
    lines.append("| --- |" + " --- |" * (len(kinds) + 2))
    for row in rows:
        judged = [f"{100 * row[kind]:.1f}" for kind in kinds]
        lines.append(" | ".join([f"| {row['name']}", *judged, f"{row['mel_l1']:.3f}", f"{row['seam']:.3f} |"]))
    return lines


def _judged_table(found: dict) -> list[str]:
    rows = ["| judge | accuracy % | of real clips | Fréchet distance | Fréchet floor | diversity | of real clips |"]
    rows.append("| --- | --- | --- | --- | --- | --- | --- |")
    for kind, j in found["judges"].items():
        rows.append(
            f"| {kind} | {100 * j['accuracy']:.1f} | {100 * j['accuracy_of_decoded_clips']:.1f} | {j['frechet']:.3f} | "
            f"{j['frechet_floor']:.3f} | {_number(j['diversity'])} | {_number(j['diversity_of_decoded_clips'])} |"
        )
    near = [100 * found[f"nearest_training_map_{name}"] for name in ("generated", found["split"])]
    text = (
        f"Cells that differ from the nearest training clip (median): {near[0]:.1f} % in generated clips, {near[1]:.1f} % in "
        f"{found['split']} clips."
    )
    if "pitch_within_50_cents" in found:
        right = [100 * found["pitch_within_50_cents"][name] for name in ("generated", found["split"])]
        text = (
            f"Pitch within 50 cents of the label: {right[0]:.1f} % of generated clips, {right[1]:.1f} % of decoded "
            f"{found['split']} clips. {text}"
        )
    return [*(rows if found["judges"] else ()), "", text, ""]


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.2f}"


REAL = (
    "Real clips are decoded clips of this split; the Fréchet floor is the distance between decoded training clips and them. "
)
CARD = """---
license: {about.licence}
library_name: vqaudio
tags: [audio, prior, inpainting, residual-vector-quantization]
---
# {name}

{summary} Trained with [vqaudio](../../README.md) on codes of [{codec}](../{codec}) (encoder {fingerprint}).

| | |
| --- | --- |
| labels | {labels} |
| likelihood | {likelihood} |
| uses the audio after a gap | {sees_right} |
| size | {parameters:.1f} M parameters (including counts); {megabytes:.1f} MB |

## Training

{training}

{about.trained}

## Results{split}

{scores}

{how}

## Limits

{about.knows} It fills gaps with the kind of sound it was trained on, whatever the recording.

## Data and licence

{about.source}
"""


def write_prior_card(prior: Prior, folder: Path) -> None:
    """Write a prior's model card, `folder`/README.md.

    Reads config.json, training.json and metrics.json in the folder.
    """
    found, runs = read_record(folder, "metrics.json"), runs_of(folder)
    data = trained_on(runs)
    how = "Measured by `vqaudio evaluate prior`."
    if found:
        settings, gap_settings = (
            json.dumps({k: v for k, v in found[name].items() if v is not None}) for name in ("settings", "hole_settings")
        )
        new = f"Generated: {found['clips']} clips, evenly over the training clips' label combinations, with {settings}. "
        n = found.get("candidates", 1)
        best = f"Each is the best of {n} samples, ranked by a classifier that is not one of the judges. "
        how = (
            f"{(new + best * (n > 1) + REAL) if found['judges'] else ''}Inpainted: {_clips_inpainted(found)} without labels "
            f"except where a row says so, with {gap_settings}. {measured_on(found, data)} Measured by `{found['command']}`."
        )
    text = CARD.format(
        about=describe_data(data, folder), split=on_split(found),
        name=folder.resolve().name, summary=type(prior).summary, codec=prior.codec_name,
        fingerprint=prior.codec_fingerprint,
        labels="; ".join(f"{kind}: {', '.join(values)}" for kind, values in prior.labels.items()) or "none",
        likelihood=LIKELIHOODS[prior.likelihood],
        sees_right="yes" if prior.sees_right else "no, it works from left to right",
        parameters=sum(t.numel() for t in prior.state_dict().values()) / 1e6,
        megabytes=(folder / "model.safetensors").stat().st_size / 1e6,
        training=training_in_words(runs),
        scores=report(found) if found else "Not measured.", how=how,
    )
    replace_file(folder / "README.md", lambda path: path.write_text(text))
