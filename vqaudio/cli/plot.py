"""The `plot` command: training curves and the analysis of a codec."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

from vqaudio.cli.options import arg
from vqaudio.errors import InputError

FORMATS = (".png", ".svg", ".pdf")


def plot(
    target: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(help="The .png, .svg or .pdf file to write.")],
    what: Annotated[
        Literal["tried", "training", "map", "distances", "knows"],
        tyro.conf.arg(
            help="tried: all runs of a folder and the table of priors. training: one run's losses, perplexity and gradients. "
            "After `vqaudio explore`: map (its latents in two dimensions), distances (to the codewords) or knows "
            "(what each stage encodes)."
        ),
    ] = "tried",
    folder: Annotated[Path, tyro.conf.arg(help="For tried: the folder of .csv files and priors.json.")] = Path("experiments"),
    run: Annotated[
        Path | None, arg(help="For training: a run's folder or metrics.csv. Default: the model's last run.")
    ] = None,
    model: Annotated[str, tyro.conf.arg(help="A name in weights/, a folder, or a Hub id.")] = "fsdd-8khz",
) -> None:
    """Plot recorded runs, one training run or a codec's latent space."""
    check_target(target)
    if what == "tried":
        save(_tried(folder), target)
    elif what == "training" and run is not None:
        from vqaudio.analysis.training_curves import read
        from vqaudio.plots import training_figure

        save(training_figure(read(run)), target)
    else:
        save(_of_model(model, what), target)


def _tried(folder: Path):
    from vqaudio.experiments.curves import HEADER, read_curves, read_table
    from vqaudio.plots import experiments_figure

    curves = {name: [(run.name, run.steps, run.scores) for run in runs] for name, runs in read_curves(folder).items()}
    return experiments_figure(curves, HEADER, read_table(folder))


def _of_model(model: str, what: str):
    from vqaudio import hub, plots
    from vqaudio.analysis import exploration

    known = exploration.load(hub.folder_of(model))
    if known is None or (what == "training" and not known.training):
        needed = f"--model {model}" + (" --runs RUN" if what == "training" else "")
        raise InputError(f"{model} has not been analysed yet. Run `vqaudio explore {needed}` first.")
    if what == "knows" and not known.knows:
        raise InputError(f"{model} was analysed with unlabelled clips, so there is nothing to plot. Choose map or distances.")
    return {
        "training": lambda: plots.training_figure(known.training[-1]), "map": lambda: plots.map_figure(known.map, known.values),
        "distances": lambda: plots.distances_figure(known.distances), "knows": lambda: plots.knowledge_figure(known.knows),
    }[what]()  # fmt: skip


def check_target(target: Path) -> None:
    """Raise InputError if the figure cannot be written to the target."""
    from vqaudio import files

    if target.suffix.lower() not in FORMATS:
        raise InputError(f"{target} should end in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}.")
    files.check_folder(target)


def save(figure, target: Path) -> None:
    """Write a figure in the format of the target's extension."""
    from vqaudio import files
    from vqaudio.plots import picture

    drawn = picture(figure, target.suffix[1:].lower())
    files.replace_file(target, lambda path: path.write_bytes(drawn))
