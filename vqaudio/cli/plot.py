"""The command that draws what was tried."""

from pathlib import Path
from typing import Annotated

import tyro

from vqaudio.errors import InputError

FORMATS = (".png", ".svg", ".pdf")


def plot(
    target: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(help="Where to draw: a .png, .svg or .pdf file.")],
    folder: Annotated[Path, tyro.conf.arg(help="The runs' .csv files, and priors.json.")] = Path("experiments"),
) -> None:
    """Draw the runs of a folder of experiments: their curves, and the table of the priors."""
    from vqaudio.evaluation.experiments import HEADER, read_curves, read_table
    from vqaudio.plots import experiments_figure

    check_target(target)
    curves = {name: [(run.name, run.steps, run.scores) for run in runs] for name, runs in read_curves(folder).items()}
    save(experiments_figure(curves, HEADER, read_table(folder)), target)


def check_target(target: Path) -> None:
    """InputError where no figure can be written."""
    from vqaudio import hub

    if target.suffix.lower() not in FORMATS:
        raise InputError(f"{target} should end in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}.")
    hub.check_folder(target)


def save(figure, target: Path) -> None:
    """Write a figure in the format of the target's ending."""
    from vqaudio import hub

    form = target.suffix[1:].lower()
    hub.replace_file(target, lambda path: figure.savefig(path, format=form, dpi=80))
