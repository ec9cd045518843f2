"""The `plot` command: training curves and the analysis of a codec."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

from vqaudio.cli.options import arg
from vqaudio.errors import InputError

FORMATS = (".png", ".svg", ".pdf")


def plot(
    target: Annotated[
        Path, tyro.conf.Positional, tyro.conf.arg(help="The .png, .svg or .pdf file to write; .webp or .gif with --film.")
    ],
    clip: Annotated[Path | None, tyro.conf.Positional, arg(help="For comparison: an audio file. Default: none.")] = None,
    what: Annotated[
        Literal["tried", "training", "gradients", "map", "distances", "knows", "comparison"],
        tyro.conf.arg(
            help="tried: all runs of a folder and the table of priors. training: one run's losses, perplexity and gradients; "
            "gradients: its gradient norms by part of the network. comparison: a clip's waveform, features, codes, phones if a "
            ".TextGrid or .lab file is beside it, and reconstruction. After `vqaudio explore`: map (its latents in two "
            "dimensions), distances (to the codewords) or knows (what each stage encodes)."
        ),
    ] = "tried",
    folder: Annotated[Path, tyro.conf.arg(help="For tried: the folder of .csv files and priors.json.")] = Path("experiments"),
    run: Annotated[
        Path | None, arg(help="For training, gradients and --film: a run's folder or metrics.csv. Default: the model's last run.")
    ] = None,
    model: Annotated[str, tyro.conf.arg(help="A name in weights/, a folder, or a Hub id.")] = "fsdd-8khz",
    speaker: Annotated[
        str | None, arg(help="For comparison: the speaker to decode as, of a codec that knows speakers. Default: none.")
    ] = None,
    film: Annotated[
        bool, tyro.conf.arg(help="For map: animate latents and codewords over the snapshots of --run (--loop.snapshots).")
    ] = False,
    dataset: Annotated[str, tyro.conf.arg(help="For --film: the dataset to encode; its phones are the colours.")] = "festvox-ru",
    data: Annotated[Path | None, arg(help="For --film: the dataset's folder. Default: $VQAUDIO_DATA, or the download.")] = None,
    part: Annotated[Literal["train", "validation", "test"], tyro.conf.arg(help="For --film: which part.")] = "validation",
) -> None:
    """Plot recorded runs, a training run, a clip, or a codec's latent space."""
    if (clip is not None) != (what == "comparison"):
        raise InputError("Name an audio file after the target with --what comparison, and only then.")
    if film:
        return _film(target, what, run, dataset, data, part)
    check_target(target)
    if what == "comparison":
        from vqaudio.cli.speech_figures import comparison

        save(comparison(clip, model, speaker), target)
    elif what == "tried":
        save(_tried(folder), target)
    elif what in ("training", "gradients"):
        save(_of_run(what, _last_run(model) if run is None else _run(run)), target)
    else:
        save(_of_model(model, what), target)


def _film(target: Path, what: str, run: Path | None, dataset: str, data: Path | None, part: str) -> None:
    from vqaudio.cli import speech_figures

    check_target(target, speech_figures.FILM_FORMATS)
    if what != "map" or run is None:
        raise InputError("A film shows the map over a training run. Give --what map and --run RUN.")
    speech_figures.film(target, run, dataset, data, part)
    print(target)


def _run(path: Path):
    from vqaudio.analysis.training_curves import read

    return read(path)


def _last_run(model: str):
    """The curves of the last run that `vqaudio explore` recorded."""
    from vqaudio import hub
    from vqaudio.analysis import exploration

    known = exploration.load(hub.folder_of(model))
    if known is None or not known.training:
        raise InputError(f"{model} has no run on record. Name one with --run, or `vqaudio explore --model {model} --runs RUN`.")
    return known.training[-1]


def _of_run(what: str, curves):
    from vqaudio.plots import training_figure
    from vqaudio.speech_plots import gradients_figure

    if what == "gradients" and not curves.gradients:
        raise InputError(f"The run {curves.name} recorded no gradients. Train it again with this version.")
    return (gradients_figure if what == "gradients" else training_figure)(curves)


def _tried(folder: Path):
    from vqaudio.experiments.curves import HEADER, read_curves, read_table
    from vqaudio.plots import experiments_figure

    curves = {name: [(run.name, run.steps, run.scores) for run in runs] for name, runs in read_curves(folder).items()}
    return experiments_figure(curves, HEADER, read_table(folder))


def _of_model(model: str, what: str):
    from vqaudio import hub, plots
    from vqaudio.analysis import exploration

    known = exploration.load(hub.folder_of(model))
    if known is None:
        raise InputError(f"{model} has not been analysed yet. Run `vqaudio explore --model {model}` first.")
    if what == "knows" and not known.knows:
        raise InputError(f"{model} was analysed with unlabelled clips, so there is nothing to plot. Choose map or distances.")
    return {
        "map": lambda: plots.map_figure(known.map, known.values),
        "distances": lambda: plots.distances_figure(known.distances), "knows": lambda: plots.knowledge_figure(known.knows),
    }[what]()  # fmt: skip


def check_target(target: Path, formats: tuple[str, ...] = FORMATS) -> None:
    """Raise InputError if the figure cannot be written to the target."""
    from vqaudio import files

    if target.suffix.lower() not in formats:
        raise InputError(f"{target} should end in {', '.join(formats[:-1])} or {formats[-1]}.")
    files.check_folder(target)


def save(figure, target: Path) -> None:
    """Write a figure in the format of the target's extension."""
    from vqaudio import files
    from vqaudio.plots import picture

    drawn = picture(figure, target.suffix[1:].lower())
    files.replace_file(target, lambda path: path.write_bytes(drawn))
