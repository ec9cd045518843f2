"""Commands that publish, measure and document a model."""

import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from vqaudio import ranges
from vqaudio.cli.options import arg
from vqaudio.errors import InputError
from vqaudio.json_files import expected_in
from vqaudio.provenance import TRAINING, read_record, recorded_command

Data = Annotated[
    Path | None, arg(help="The dataset's folder. Default: $VQAUDIO_DATA, or what `vqaudio download` fetched.")
]
Model = Annotated[str, tyro.conf.arg(help="A name in weights/, a folder, or a Hub id.")]
Dataset = Annotated[str, tyro.conf.arg(help="The dataset: a module name in vqaudio.data.datasets.")]
Judges = Annotated[tuple[str, ...] | None, arg(help="Classifiers that score the clips. Default: those of the dataset.")]
JUDGES = {"fsdd": ("fsdd-judge-digit", "fsdd-judge-speaker"), "philharmonia": ("notes-judge-instrument",)}


def publish(
    runs: Annotated[
        tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(help="Training runs in order, each started from the one before.")
    ],
    name: Annotated[str, tyro.conf.arg(help="A name for the model in weights/, or a folder.")],
    which: Annotated[Literal["best", "last"], tyro.conf.arg(help="Which weights of the last run to publish.")] = "best",
    title: Annotated[str, arg(help="Title in the app's model picker. Default: the name.")] = "",
    knows: Annotated[
        str,
        tyro.conf.arg(help='Completes the sentence "This model knows ...", such as "English digits, spoken by six people".'),
    ] = "",
    licence: Annotated[
        str, arg(help="Licence of the weights: a short name on the Hub, such as cc-by-4.0. Default: the data's.")
    ] = "",
) -> None:
    """Copy a run's weights and training record to weights/NAME."""
    from vqaudio import hub

    if not re.fullmatch(r"[a-z0-9.-]*", licence):
        raise InputError(f"{licence!r} is not a licence name. Use a short name from the Hub, such as cc-by-4.0 or mit.")
    folder = Path(name) if "/" in name else hub.WEIGHTS / name
    records = []
    for run in runs:
        if not (run / TRAINING).is_file():
            raise InputError(f"{run} is not a finished training run: it has no {TRAINING}. Choose another folder.")
        records.append(read_record(run, TRAINING))
    hub.load(runs[-1] / which)
    stale = hub.publish(runs[-1] / which, folder, records, {"title": title, "knows": knows, "licence": licence})
    if stale:
        print(f"Removed {', '.join(stale)}, which described the old weights. Measure the new ones.")
    print(folder)


def codebooks(
    model: Model = "fsdd-8khz", data: Data = None,
    dataset: Annotated[
        str, tyro.conf.arg(help="The dataset that the model was trained on: a module name in vqaudio.data.datasets.")
    ] = "fsdd",
) -> None:
    """Count how often each codeword occurs in the training and test clips.

    Saved with the weights for the app and the model card, together with the quantisation errors of the clips.
    """
    from vqaudio import hub
    from vqaudio.analysis.codebooks import health, measure, save_statistics
    from vqaudio.data import load_split

    codec = hub.load(model)
    train, test = (load_split(dataset, part, data, codec.sample_rate) for part in ("train", "test"))
    statistics = measure(codec, train, test, train.packed_from or dataset)
    save_statistics(statistics, hub.folder_of(model))
    for j, counts in enumerate(statistics.test_counts, 1):
        h = health(counts)
        print(f"stage {j}: perplexity {h.perplexity:.1f}, entropy {h.entropy_bits:.2f} bits, {h.dead} codewords unused")
    for part, errors in (("training", statistics.train_errors), ("test", statistics.test_errors)):
        print(f"quantisation error of {part} clips: {errors[5]:.2f} to {errors[95]:.2f} (5 to 95 %), median {errors[50]:.2f}")


def fit(
    model: Model = "fsdd-8khz", data: Data = None,
    dataset: Annotated[
        str, tyro.conf.arg(help="The dataset that the model was trained on: a module name in vqaudio.data.datasets.")
    ] = "fsdd",
) -> None:
    """Score a codec on its test clips, for the app to compare user clips with.

    Saves fit.json with the weights: percentiles of level change, mel distance and SI-SDR over the test clips, and of spectral
    change over the training clips.
    """
    from vqaudio import hub
    from vqaudio.analysis import fit as fits
    from vqaudio.data import load_split

    codec, folder = hub.load(model), hub.folder_of(model)
    train, test = (load_split(dataset, part, data, codec.sample_rate) for part in ("train", "test"))
    reference = fits.measure(codec, train, test, train.packed_from or dataset, recorded_command())
    fits.save(reference, folder)
    for name in ("level_change_db", "mel_distance", "si_sdr_db", "spectral_change"):
        low, middle, high = (reference.at(name, percentile) for percentile in (5, 50, 95))
        print(f"{name}: {low:.3g} to {high:.3g} (5 to 95 %), median {middle:.3g}")
    print(folder / fits.FILE)


def explore(
    model: Model = "fsdd-8khz", data: Data = None,
    dataset: Annotated[
        str, tyro.conf.arg(help="The dataset that the model was trained on: a module name in vqaudio.data.datasets.")
    ] = "fsdd",
    part: Annotated[
        Literal["validation", "test"], tyro.conf.arg(help="Which part to plot. Probes always train on the training part.")
    ] = "test",
    runs: Annotated[
        tuple[Path, ...],
        arg(help="Its training runs: folders or metrics.csv files. Default: keep the ones on record."),
    ] = (),
    seed: Annotated[ranges.Seed32, tyro.conf.arg(help="Random seed for UMAP and for the choice of columns.")] = 0,
) -> None:
    """Analyse a codec: latent map, codeword distances, probes, training curves.

    Saved with the weights for `vqaudio plot` and the app. Needs scikit-learn and umap-learn: `pip install -e .[explore]`.
    """
    from vqaudio import hub
    from vqaudio.analysis import exploration, training_curves
    from vqaudio.data import load_split

    curves, folder = [training_curves.read(run) for run in runs], hub.folder_of(model)
    codec = hub.load(model)
    train, shown = (load_split(dataset.replace("-", "_"), one, data, codec.sample_rate) for one in ("train", part))
    found = exploration.explore(codec, train, shown, dataset, part, seed)
    known = exploration.load(folder) if not curves and (folder / exploration.FILE).exists() else None
    exploration.save(exploration.with_training(found, curves or (known.training if known else [])), folder)
    for kind, one in found.knows.items():
        print(f"{kind}: chance {one.largest:.1%}; all stages {one.probe_of_all:.1%}; latents {one.probe_of_latents:.1%}")
        for j, (nmi, chance, probe) in enumerate(zip(one.nmi, one.nmi_by_chance, one.probe), 1):
            print(f"  stage {j}: mutual information {nmi:.3f} (chance {chance:.3f}), probe {probe:.1%}")
    print(folder / exploration.FILE)


def evaluate_conversion(
    model: Model = "speech-16khz", data: Data = None,
    dataset: Annotated[str, tyro.conf.arg(help="A dataset whose clips name their speakers.")] = "speech",
    split: Annotated[Literal["validation", "test"], tyro.conf.arg(help="Which part is converted.")] = "test",
    clips: Annotated[ranges.Count, tyro.conf.arg(help="Utterances, each converted to every other speaker.")] = 50,
) -> None:
    """Measure voice conversion: nearness to the target's voice, and codes that stay.

    Similarity is the cosine of resemblyzer's embeddings, to the mean over the speaker's training clips.
    """
    from dataclasses import asdict

    from vqaudio import hub
    from vqaudio.data import load_split
    from vqaudio.evaluation import conversion

    codec = hub.load(model)
    parts = (load_split(dataset, part, data, codec.sample_rate) for part in ("train", split))
    for name, value in asdict(conversion.evaluate(codec, *parts, clips)).items():
        print(f"{name.replace('_', ' ')}: {value:,}" if isinstance(value, int) else f"{name.replace('_', ' ')}: {value:.3f}")


def evaluate_codec(
    model: Model = "fsdd-8khz", data: Data = None,
    dataset: Dataset = "fsdd",
    split: Annotated[Literal["validation", "test"], tyro.conf.arg(help="Which part of the dataset.")] = "test",
    stages: Annotated[
        tuple[ranges.Stages, ...] | None, arg(help="Numbers of stages to score. Default: all, half and a quarter.")
    ] = None,
    beam: Annotated[ranges.Beam, tyro.conf.arg(help="Beam width of the codeword search; 1 is greedy.")] = 1,
    beside: Annotated[
        tuple[str, ...], tyro.conf.arg(help="Other codecs to score in the same table, with all their stages.")
    ] = (),
    peers: Annotated[
        Path | None, tyro.conf.arg(help="Folder of clips decoded by other codecs: CODEC/meta.json and CODEC/CLIP.flac.")
    ] = None,
    judges: Judges = None,
    save: Annotated[bool, tyro.conf.arg(help="Save the table with the weights, for the model card.")] = False,
) -> None:
    """Score a codec on a dataset and print a table.

    Speech: PESQ, ESTOI, mel-L1, MR-STFT, SI-SDR, the judges' accuracy and, at 16 kHz, speaker similarity and DNSMOS. Notes:
    mel-L1, MR-STFT, SI-SDR, log-spectral distance, share of correct pitches and instruments, and codewords used.
    """
    from vqaudio import files, hub
    from vqaudio.data import load_split
    from vqaudio.evaluation import codec_evaluation as evaluation

    codec, others = hub.load(model), [hub.load(name) for name in beside]
    jury = [hub.load(name) for name in (JUDGES.get(dataset, ()) if judges is None else judges)]
    evaluation.check_rates(codec.sample_rate, [*others, *jury])
    clips = load_split(dataset, split, data, codec.sample_rate)
    total = len(codec.spec.stages)
    chosen = sorted(stages or {total, max(1, total // 2), max(1, total // 4)}, reverse=True)
    rows = []
    for one, numbers in [(codec, chosen), *((other, None) for other in others)]:
        used = evaluation.codewords_used(one, clips, beam) if "pitch" in clips.labels else None
        for n, decoded in evaluation.decode_split(one, clips, numbers or [len(one.spec.stages)], beam).items():
            rate = one.spec.first(n).bits_per_second
            row = evaluation.score(f"{one.name}, {n} stage{'s' * (n > 1)}", rate, clips, decoded, jury)
            rows.append(replace(row, codewords_used=used and used[:n]))
    for folder in sorted(peers.iterdir()) if peers else ():
        rows.append(evaluation.score(*_peer(folder, clips), jury))
    originals = {clip.name: clip.audio for clip in clips.clips}
    rows.append(evaluation.score("original", 16 * clips.sample_rate, clips, originals, jury))
    print(evaluation.table(rows))
    if save:
        record = {
            "command": recorded_command(), "dataset": clips.packed_from or dataset, "split": split, "clips": len(clips),
            "utterances": len(clips.utterances), "rows": [asdict(row) for row in rows],
        }
        path = hub.folder_of(model) / "metrics.json"
        files.replace_file(path, lambda temporary: temporary.write_text(json.dumps(record, indent=1) + "\n"))


def card(
    model: Model = "fsdd-8khz",
    page: Annotated[
        Path | None, tyro.conf.arg(help="Also write the table of scores into this page, between its markers.")
    ] = None,
) -> None:
    """Write the model card from the saved records and scores."""
    from vqaudio import hub
    from vqaudio.evaluation.card import write_codec_card, write_table
    from vqaudio.evaluation.prior_card import write_prior_card
    from vqaudio.evaluation.question_card import write_question_card
    from vqaudio.judges import Judge
    from vqaudio.prior import Prior
    from vqaudio.questions.film import QuestionModel

    folder, loaded = hub.folder_of(model), hub.load(model)
    if isinstance(loaded, Judge):
        raise InputError(f"{loaded.name} is a judge. Choose a codec, a prior or a question model.")
    writers = {Prior: write_prior_card, QuestionModel: write_question_card}
    with expected_in(folder):
        next((write for kind, write in writers.items() if isinstance(loaded, kind)), write_codec_card)(loaded, folder)
    print(folder / "README.md")
    if page:
        write_table(folder, page)


def _peer(folder: Path, clips):
    from vqaudio.evaluation.codec_evaluation import read_peer

    name, bits_per_second, decoded = read_peer(folder, clips)
    return name, bits_per_second, clips, decoded
