"""All of a prior's numbers in one record, the record in words, and the model card written from it."""

import json
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import torch

from vqaudio.codec import Codec
from vqaudio.critics import critic_of
from vqaudio.data import load_split
from vqaudio.data.clips import Split
from vqaudio.data.encoded import encoded
from vqaudio.errors import InputError
from vqaudio.evaluation import prior_evaluation as measure
from vqaudio.evaluation.card import described, measured_on, on_split, training_in_words
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
    """Everything that `vqaudio evaluate prior` prints.

    Args:
        n: new clips that the judges hear; without judges none are made.
        hole_s: seconds of the hole that is filled in the middle of each clip of the part; None for 30 % of the clip.
        beside: other priors that fill the same holes.
        of: so many clips of the part, drawn at random; None for all.
    """
    prior.check_codec(codec)
    check_rates(codec.sample_rate, judges)
    split = _drawn(load_split(dataset, part, data, codec.sample_rate), of)
    clips = replace(encoded(codec, split, part), labels=_labels_known_to(prior, split))
    generator = torch.Generator().manual_seed(seed)
    bits = measure.bits_per_code(prior, clips, prior.labels)
    found = {
        "prior": prior.name, "dataset": split.packed_from or dataset,
        "likelihood": prior.likelihood, "sees_right": prior.sees_right, "split": part,
        "drawn_clips": of and len(split), "clips": n, "seed": seed, "settings": asdict(prior.sampling(True, sampling)),
        "candidates": prior.config.candidates if critic_of(prior) else 1,
        "hole_settings": asdict(prior.sampling(False, sampling)), "hole_s": hole_s,
        "bits_per_code": bits.mean, "bits_per_row": bits.per_row, "bits_standard_error": bits.standard_error,
        "bits_clips": bits.clips, "bits_of_clips": len(clips), "judges": {},
    }
    if judges or "pitch" in prior.labels:
        train = load_split(dataset, "train", data, codec.sample_rate)
        found |= _judged(codec, prior, judges, train, split, part, clips, n, generator, sampling)
    fill = partial(measure.inpainting, codec, [prior, *beside], clips, judges, generator, hole_s, sampling=sampling)
    found["inpainting"] = fill()
    if has_bands(prior.spec):
        found["hole_bands"], found["inpainting_of_bands"] = HOLE_BANDS, fill(bands=HOLE_BANDS)
    return found


def _drawn(split: Split, n: int | None) -> Split:
    """So many of the clips, always the same; None for all."""
    if n is None or n >= len(split):
        return split
    if n < 1:
        raise InputError(f"At least 1 clip is needed to measure a prior, not {n}.")
    chosen = torch.randperm(len(split), generator=torch.Generator().manual_seed(0))[:n].sort().values.tolist()
    return replace(split, clips=tuple(split.clips[i] for i in chosen), utterances=())


def _labels_known_to(prior: Prior, split) -> torch.Tensor:
    """[clips, kinds] positions among the prior's own values: the split may have other labels, or none of them."""
    lists = prior.labels.items()
    rows = [[v.index(clip.labels[k]) if clip.labels.get(k) in v else len(v) for k, v in lists] for clip in split.clips]
    return torch.tensor(rows).view(len(split), len(prior.labels))


def _judged(codec, prior, judges, train, split, part, clips, n, generator, sampling) -> dict:
    """What the judges say of `n` new clips, and how near these are to the training clips."""
    shifts = [quarter * codec.hop // 4 for quarter in range(4)]
    training = [ids for shift in shifts for ids in encoded(codec, train, "train", shift).ids]
    heard, maps = measure.generate_evenly(codec, prior, n, generator, sampling=sampling)
    real, known = measure.decoded(codec, split), measure.decoded(codec, train)
    found: dict = {"judges": {}}
    share = torch.randperm(len(known.sounds), generator=generator)[:n]
    for judge in judges:
        kind = judge.config.target
        new, said = measure.embeddings(judge, heard.sounds)
        test, test_said = measure.embeddings(judge, real.sounds)
        floor = measure.embeddings(judge, [known.sounds[i] for i in share])[0]
        found["judges"][kind] = {
            "accuracy": float((said.argmax(-1) == heard.wanted[kind]).float().mean()),
            "accuracy_of_decoded_clips": float((test_said.argmax(-1) == real.wanted[kind]).float().mean()),
            "frechet": measure.frechet(new, test), "frechet_floor": measure.frechet(floor, test),
            "diversity": measure.spread(new, heard.wanted), "diversity_of_decoded_clips": measure.spread(test, real.wanted),
        }
    if "pitch" in heard.wanted:
        found["pitch_within_50_cents"] = {}
        for name, some in (("generated", heard), (part, real)):
            midi = [int(prior.labels["pitch"][i]) for i in some.wanted["pitch"]]
            found["pitch_within_50_cents"][name] = measure.pitch_right(some.sounds, codec.sample_rate, midi)
    for name, own in (("generated", maps), (part, clips.ids)):
        found[f"nearest_training_map_{name}"] = float(measure.nearest(own, training).median())
    return found


def report(found: dict) -> str:
    """The record as Markdown tables."""
    head = f"{found['bits_per_code']:.3f} bits a code ({found['likelihood']} likelihood, labels told, {_likelihood_of(found)})"
    kinds = list(found["judges"])
    hole = f"middle {found['hole_s']:g} s" if found.get("hole_s") else "middle 30 %"
    holes = _holes_table(hole, kinds, found["inpainting"])
    if "inpainting_of_bands" in found:
        low, high = (f"{100 * share:g}" for share in found["hole_bands"])
        holes += ["", *_holes_table(f"{hole}, {low} to {high} % of the bands,", kinds, found["inpainting_of_bands"])]
    return "\n".join([head, "", *(_judged_table(found) if f"nearest_training_map_{found['split']}" in found else ()), *holes])


def _likelihood_of(found: dict) -> str:
    """The clips that the bits are of; records from before there was a sample do not say."""
    if "bits_clips" not in found:
        return f"{found['split']} clips"
    n, of = found["bits_clips"], found["bits_of_clips"]
    clips = f"all {of} {found['split']} clips" if n == of else f"{n} of {of} {found['split']} clips, drawn at random"
    return f"{clips}, standard error {found['bits_standard_error']:.3f}"


def _holes_in(found: dict) -> str:
    n = found.get("drawn_clips")
    return f"{n} of the {found['split']} clips, drawn at random," if n else f"The {found['split']} clips"


def _holes_table(hole: str, kinds: list[str], rows: list[dict]) -> list[str]:
    lines = [" | ".join([f"| {hole} filled by", *(f"{kind} %" for kind in kinds), "mel-L1 in the hole", "seam |"])]
    lines.append("| --- |" + " --- |" * (len(kinds) + 2))
    for row in rows:
        judged = [f"{100 * row[kind]:.1f}" for kind in kinds]
        lines.append(" | ".join([f"| {row['name']}", *judged, f"{row['mel_l1']:.3f}", f"{row['seam']:.3f} |"]))
    return lines


def _judged_table(found: dict) -> list[str]:
    rows = ["| judge | accuracy % | of decoded clips | Fréchet | training-to-test floor | diversity | of decoded clips |"]
    rows.append("| --- | --- | --- | --- | --- | --- | --- |")
    for kind, j in found["judges"].items():
        rows.append(
            f"| {kind} | {100 * j['accuracy']:.1f} | {100 * j['accuracy_of_decoded_clips']:.1f} | {j['frechet']:.3f} | "
            f"{j['frechet_floor']:.3f} | {_number(j['diversity'])} | {_number(j['diversity_of_decoded_clips'])} |"
        )
    near = [100 * found[f"nearest_training_map_{name}"] for name in ("generated", found["split"])]
    said = f"Cells unlike the nearest training map (median): {near[0]:.1f} % for new clips, {near[1]:.1f} % for {found['split']}."
    if "pitch_within_50_cents" in found:
        right = [100 * found["pitch_within_50_cents"][name] for name in ("generated", found["split"])]
        said = (
            f"Pitch within 50 cents of the label: {right[0]:.1f} % of new clips, {right[1]:.1f} % of decoded {found['split']} "
            f"clips. {said}"
        )
    return [*(rows if found["judges"] else ()), "", said, ""]


def _number(value: float | None) -> str:
    return "none alike" if value is None else f"{value:.2f}"


CARD = """---
license: {about.licence}
library_name: vqaudio
tags: [audio, prior, inpainting, residual-vector-quantization]
---
# {name}

{summary} It fills codes of [{codec}](../{codec}) (encoder {fingerprint}), made with [vqaudio](../../README.md).

| | |
| --- | --- |
| labels | {labels} |
| likelihood | {likelihood} |
| sees what follows a hole | {sees_right} |
| size | {parameters:.1f} M parameters and counts; {megabytes:.1f} MB |

## Training

{training}

{about.trained}

## What it reaches{split}

{scores}

{how}

## Limits

{about.knows} It fills with what it was trained on, in other material too.

## Data and licence

{about.source}
"""


def write_prior_card(prior: Prior, folder: Path) -> None:
    """Write `folder`/README.md from config.json, training.json and metrics.json there."""
    found, runs = read_record(folder, "metrics.json"), runs_of(folder)
    data = trained_on(runs)
    how = "Measured by `vqaudio evaluate prior`."
    if found:
        used, in_hole = (json.dumps({k: v for k, v in found[s].items() if v is not None}) for s in ("settings", "hole_settings"))
        new = f"{found['clips']} new clips, evenly over the training clips' combinations of labels, with the settings {used}. "
        n = found.get("candidates", 1)
        kept = f"Of {n} for each label, that one was kept in which a critic, another network than the judges, heard it best. "
        how = (
            f"{(new + kept * (n > 1)) if found['judges'] else ''}{_holes_in(found)} were inpainted "
            f"without telling their labels, but where a row says so, with {in_hole}. All sounds, "
            f"the floor's too, went through the codec. {measured_on(found, data)} Measured by `{found['command']}`."
        )
    text = CARD.format(
        about=described(data, folder), split=on_split(found),
        name=folder.resolve().name, summary=type(prior).summary, codec=prior.codec_name,
        fingerprint=prior.codec_fingerprint,
        labels="; ".join(f"{kind}: {', '.join(values)}" for kind, values in prior.labels.items()) or "none",
        likelihood=LIKELIHOODS[prior.likelihood],
        sees_right="yes" if prior.sees_right else "no: it fills from the left",
        parameters=sum(t.numel() for t in prior.state_dict().values()) / 1e6,
        megabytes=(folder / "model.safetensors").stat().st_size / 1e6,
        training=training_in_words(runs),
        scores=report(found) if found else "Not measured.", how=how,
    )
    replace_file(folder / "README.md", lambda path: path.write_text(text))
