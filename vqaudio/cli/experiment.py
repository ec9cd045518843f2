"""Experiment commands: run, table, plot."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

from vqaudio import ranges
from vqaudio.cli.options import arg
from vqaudio.errors import InputError
from vqaudio.provenance import relative

Descriptions = Annotated[
    tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(help="Experiment files (.toml). Results are saved next to each.")
]
Folder = Annotated[Path, tyro.conf.arg(help="Folder of experiments and their results.")]


def run(
    descriptions: Descriptions,
    at_once: Annotated[
        ranges.Processes | None, arg(help="Parallel runs. Default: one per core here (also the limit), else all.")
    ] = None,
    on: Annotated[
        Literal["here", "ray", "slurm", "submitit"],
        tyro.conf.arg(
            help="Where to run: this machine; a Ray cluster (RAY_ADDRESS, or else local); Slurm, as a job array; or submitit's "
            "local executor, to try out such an array."
        ),
    ] = "here",
    data: Annotated[Path | None, tyro.conf.arg(help="The dataset's folder; see `vqaudio train codec --help`.")] = None,
    runs: Annotated[
        Path, tyro.conf.arg(help="Folder for training runs. Interrupted ones continue from their checkpoints.")
    ] = Path(
        "runs/experiments"
    ),
    device: Annotated[str, tyro.conf.arg(help="auto, cpu, cuda or mps.")] = "auto",
    partition: Annotated[str | None, tyro.conf.arg(help="Slurm partition.")] = None,
    minutes: Annotated[ranges.Count, tyro.conf.arg(help="Time limit per run, on Slurm or submitit.")] = 60,
    cores: Annotated[ranges.Processes, tyro.conf.arg(help="Cores per run, on Slurm or submitit.")] = 1,
    memory_gb: Annotated[ranges.Count, tyro.conf.arg(help="Memory per run, on Slurm or submitit.")] = 8,
    yes: Annotated[bool, tyro.conf.arg(help="Skip the confirmation when the grid is empty or very large.")] = False,
) -> None:
    """Train and measure every run of an experiment; finished runs are kept.

    Results go into a .json file next to each experiment.
    """
    from vqaudio.experiments import plan, records, runner

    limits = {"partition": partition, "minutes": minutes, "cores": cores, "memory_gb": memory_gb}
    if not descriptions:
        raise InputError("Name at least one experiment file (.toml).")
    asked = [(path, plan.read(path)) for path in descriptions]
    for _, experiment in asked:
        runner.ask_first(experiment, yes)
    for path, experiment in asked:
        target, command = path.with_suffix(".json"), f"vqaudio experiment run {relative(str(path))}"
        found = runner.run(experiment, target, runs, command, on, at_once, data, device, limits)
        print(f"\n{experiment.name}: {experiment.question}\n\n{records.table(found)}\n" if found.runs else f"{target}: no run")


def table(
    results: Annotated[
        tuple[Path, ...], tyro.conf.Positional, arg(help="Results or experiment files. Default: all in the folder.")
    ] = (),
    folder: Folder = Path("experiments"),
    page: Annotated[
        Path | None, tyro.conf.arg(help="Also write each table into this page, after its marker `<!-- table: NAME -->`.")
    ] = None,
) -> None:
    """Print an experiment's results: mean ± standard deviation over the seeds."""
    from vqaudio.evaluation.card import put_table
    from vqaudio.experiments import records

    found = [records.read(path.with_suffix(".json")) for path in results] or records.read_all(folder)
    if not found:
        raise InputError(f"{folder} has no experiment results. Run `vqaudio experiment run` first.")
    for record in found:
        if page:
            put_table(page, record.experiment, records.table(record))
            print(f"{page}: {record.experiment}")
        else:
            print(f"{record.experiment}: {record.question}\n\n{records.table(record)}\n")


def plot(
    result: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(help="An experiment file or its results.")],
    target: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(help="The .png, .svg or .pdf file to write.")],
) -> None:
    """Plot an experiment: curves, and final figures with their spread."""
    from vqaudio.cli.plot import check_target, save
    from vqaudio.experiments import records
    from vqaudio.plots import experiment_figure

    check_target(target)
    record = records.read(result.with_suffix(".json"))
    save(experiment_figure(records.title(record), records.curves(record), records.finals(record)), target)
