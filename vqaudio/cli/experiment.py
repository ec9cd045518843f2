"""The commands of experiments: run what a description asks for, and show what came out."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

from vqaudio import ranges
from vqaudio.errors import InputError
from vqaudio.provenance import relative

Descriptions = Annotated[
    tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(help="Descriptions, .toml files; each one's results go beside it.")
]
Folder = Annotated[Path, tyro.conf.arg(help="Of descriptions and results.")]


def run(
    descriptions: Descriptions,
    at_once: Annotated[
        ranges.Processes | None, tyro.conf.arg(help="Runs side by side: here at most, and by default, one a core; elsewhere all.")
    ] = None,
    on: Annotated[
        Literal["here", "ray", "slurm", "submitit"],
        tyro.conf.arg(
            help="Who runs them: this machine; the Ray cluster that RAY_ADDRESS names, else one on this machine; Slurm, as an "
            "array; or submitit's processes here, which try out such an array."
        ),
    ] = "here",
    data: Annotated[Path | None, tyro.conf.arg(help="The dataset's folder; see `vqaudio train codec`.")] = None,
    runs: Annotated[Path, tyro.conf.arg(help="Where runs train. An interrupted one goes on from its checkpoint there.")] = Path(
        "runs/experiments"
    ),
    device: Annotated[str, tyro.conf.arg(help="auto, cpu, cuda or mps.")] = "auto",
    partition: Annotated[str | None, tyro.conf.arg(help="Of Slurm.")] = None,
    minutes: Annotated[ranges.Count, tyro.conf.arg(help="That Slurm, or submitit, gives a run.")] = 60,
    cores: Annotated[ranges.Processes, tyro.conf.arg(help="That they give a run.")] = 1,
    memory_gb: Annotated[ranges.Count, tyro.conf.arg(help="That they give a run.")] = 8,
    yes: Annotated[bool, tyro.conf.arg(help="Do not ask, even if that is no run at all, or a thousand.")] = False,
) -> None:
    """Train and measure every run that experiments ask for; finished ones are kept, in a .json file beside each."""
    from vqaudio.experiments import plan, records, runner

    limits = {"partition": partition, "minutes": minutes, "cores": cores, "memory_gb": memory_gb}
    if not descriptions:
        raise InputError("Name the descriptions of experiments, .toml files.")
    asked = [(path, plan.read(path)) for path in descriptions]
    for _, experiment in asked:
        runner.ask_first(experiment, yes)
    for path, experiment in asked:
        target, command = path.with_suffix(".json"), f"vqaudio experiment run {relative(str(path))}"
        found = runner.run(experiment, target, runs, command, on, at_once, data, device, limits)
        print(f"\n{experiment.name}: {experiment.question}\n\n{records.table(found)}\n" if found.runs else f"{target}: no run")


def table(
    results: Annotated[
        tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(help="Results or descriptions; none for all of the folder.")
    ] = (),
    folder: Folder = Path("experiments"),
    page: Annotated[
        Path | None, tyro.conf.arg(help="Put each table into this page, between its marks `<!-- table: NAME -->`.")
    ] = None,
) -> None:
    """What came out of experiments: a row a setting, with mean ± standard deviation over the seeds."""
    from vqaudio.evaluation.card import put_table
    from vqaudio.experiments import records

    found = [records.read(path.with_suffix(".json")) for path in results] or records.read_all(folder)
    if not found:
        raise InputError(f"{folder} holds no experiment's result: `vqaudio experiment run` makes them.")
    for record in found:
        if page:
            put_table(page, record.experiment, records.table(record))
            print(f"{page}: {record.experiment}")
        else:
            print(f"{record.experiment}: {record.question}\n\n{records.table(record)}\n")


def plot(
    result: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(help="An experiment's result, or its description.")],
    target: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(help="Where to draw: a .png, .svg or .pdf file.")],
) -> None:
    """Draw an experiment: curves with their spread over the seeds, and the final measures."""
    from vqaudio.cli.plot import check_target, save
    from vqaudio.experiments import records
    from vqaudio.plots import experiment_figure

    check_target(target)
    record = records.read(result.with_suffix(".json"))
    save(experiment_figure(records.title(record), records.curves(record), records.finals(record)), target)
