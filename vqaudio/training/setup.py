"""The training commands: a recipe, with options to change it.

Every field of a recipe is an option with the recipe's value as its default, e.g. `--training.batch-size 8 --loop.steps 20`.
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Generic, TypeVar

import tyro

from vqaudio.errors import InputError, nearest
from vqaudio.provenance import relative, runs_of, trained_on
from vqaudio.ranges import check
from vqaudio.training.run_file import RunFile, read

Recipe = TypeVar("Recipe")


@dataclass(frozen=True)
class Run(Generic[Recipe]):
    """Train by a recipe; each of its fields can be changed.

    Under torchrun, the same command trains in several processes: `torchrun --nproc-per-node 2 -m vqaudio train ...`.
    """

    settings: Annotated[Recipe, tyro.conf.arg(name="")]
    recipe: str
    """Name of the recipe that the defaults come from."""
    data: Path | None = None
    """The dataset's folder; by default $VQAUDIO_DATA, else what `vqaudio download` fetched."""
    out: Path | None = None
    """Folder for checkpoints, metrics and the model; by default runs/RECIPE."""
    resume: bool = False
    """Continue from the folder's last checkpoint. With --loop.steps the run becomes longer or shorter."""
    config: Path | None = None
    """A run.toml that another run wrote: start the same one. Other options change its settings."""

    changes_steps: tyro.conf.Suppress[bool] = False
    """Whether --loop.steps was given: a resumed run may have another number of steps."""

    @property
    def folder(self) -> Path:
        return self.out or Path("runs") / self.recipe


def codec(args: list[str]) -> None:
    """Train a codec: metrics.csv, checkpoints, and the model in OUT/best."""
    import torch

    from vqaudio.training.fine_tuning import adapted, advice
    from vqaudio.training.loop import Worker, fit
    from vqaudio.training.recipes import CODEC_RECIPES

    recipes, own = _plugin_recipes(CODEC_RECIPES, "codec", args)
    run = parse(args, recipes, own or "fsdd-8khz", "vqaudio train codec")
    run = replace(run, settings=adapted(run.settings))
    settings = run.settings
    train, validation, facts = load_data(run, settings.codec.sample_rate)
    worker = Worker.join(settings.loop.device)
    if worker.rank == 0 and run.recipe == "folder" and not settings.start_from and not run.resume:
        print(advice(validation), flush=True)
    torch.manual_seed(settings.loop.seed)  # the same initial weights in every process and at every resumption
    settings = with_speakers(settings, train)
    model = initial_model(settings)
    task = settings.training.task(model, train, validation, settings.loop.seed, worker)
    report(fit(task, settings.loop, run.folder, worker, run.resume, facts), run, worker)


def with_speakers(settings, train):
    """Put the training speakers into the settings of a conditioned codec."""
    if getattr(settings.codec, "speakers", None) != ():
        return settings
    return replace(settings, codec=replace(settings.codec, speakers=train.labels.get("speaker", ())))


def initial_model(settings):
    """Create the recipe's codec, or load the weights that it starts from.

    Raises:
        InputError: that model cannot be loaded, or has another shape.
    """
    if settings.start_from is None:
        return new_model(settings.codec)
    import torch

    from vqaudio import hub
    from vqaudio.nn.rvq import Codebook

    model, wanted = hub.load(settings.start_from), settings.codec
    if type(model.config) is not type(wanted) or replace(model.config, **_of_the_quantiser(wanted)) != wanted:
        raise InputError(f"{settings.start_from} has another shape than this recipe's codec: give the same --codec options.")
    if model.config == wanted:
        return model
    started = new_model(wanted)
    weights, shapes = model.state_dict(), {name: value.shape for name, value in started.state_dict().items()}
    if replace(model.config, codebook_update=wanted.codebook_update) != wanted:
        weights = {name: value for name, value in weights.items() if not name.startswith("rvq.")}  # k-means reinitialises them
    started.load_state_dict({name: value for name, value in weights.items() if name in shapes}, strict=False)
    if model.config.codebook_update == "fixed":  # it kept no averages: start them at the codewords
        for part in started.modules():
            if isinstance(part, Codebook):
                part.place(torch.ones(len(part.codewords), dtype=torch.bool), part.codewords, 1.0)
    return started


def _of_the_quantiser(config) -> dict:
    """The codebooks' settings, which may differ from those of the model that a run starts from."""
    names = ("codebook_update", "network_stages", "n_stages", "vocab")
    return {name: getattr(config, name) for name in names if hasattr(config, name)}


def judge(args: list[str]) -> None:
    """Train a judge: a small classifier of a dataset's clips by one of their labels."""
    import torch

    from vqaudio.judges import Judge
    from vqaudio.training.judge_task import JudgeTask
    from vqaudio.training.loop import Worker, fit
    from vqaudio.training.recipes import JUDGE_RECIPES

    run = parse(args, JUDGE_RECIPES, "fsdd-judge-digit", "vqaudio train judge")
    settings = run.settings
    train, validation, facts = load_data(run, settings.judge.sample_rate, settings.train_split)
    worker = Worker.join(settings.loop.device)
    torch.manual_seed(settings.loop.seed)
    model = Judge(replace(settings.judge, classes=train.labels[settings.judge.target]))
    task = JudgeTask(model, settings.training, train, validation, settings.loop.seed, worker)
    report(fit(task, settings.loop, run.folder, worker, run.resume, facts), run, worker)


def prior(args: list[str]) -> None:
    """Train a prior over a codec's codes, which are cached in runs/codes."""
    from dataclasses import replace as changed

    import torch

    from vqaudio import hub
    from vqaudio.data.encoded import encoded
    from vqaudio.training.loop import Worker, fit
    from vqaudio.training.prior_recipes import ALIASES, PRIOR_RECIPES
    from vqaudio.training.prior_task import PriorTask, codewords, config_for, variants

    named = [ALIASES.get(arg.removeprefix("--recipe="), arg.removeprefix("--recipe=")) for arg in args]
    args = [f"--recipe={new}" if arg.startswith("--recipe=") else new for arg, new in zip(args, named)]
    recipes, own = _plugin_recipes(PRIOR_RECIPES, "prior", args)
    run = parse(args, recipes, own or "fsdd-8khz-masked", "vqaudio train prior")
    settings = run.settings
    worker = Worker.join(settings.loop.device)
    codec = hub.load(settings.codec).to(worker.device)
    of_codec = {"codec": {"name": codec.name, "fingerprint": codec.encoder_fingerprint}}
    train, validation, facts = load_data(run, codec.sample_rate, more=of_codec)
    clips, unseen = variants(codec, train, settings.training), encoded(codec, validation, "validation")
    config = config_for(settings.prior, codec, codec.name, train)
    torch.manual_seed(settings.loop.seed)
    model = new_model(config)
    known = settings.start_from and _take_weights(model, settings.start_from)
    if known != model.codec_fingerprint:
        model.start_from(codewords(codec))
    task = PriorTask(model, settings.training, clips, unseen, settings.loop.seed, worker)
    loop = settings.loop
    if task.counts:
        loop = changed(loop, steps=task.batches.per_epoch * len(clips))
    report(fit(task, loop, run.folder, worker, run.resume, facts), run, worker)


def _take_weights(model, name: str) -> str:
    """Copy a trained prior's weights into a new one; return its codec's fingerprint."""
    from vqaudio import hub

    trained = hub.load(name)
    same = getattr(trained, "spec", None) == model.spec and trained.labels == model.labels
    try:
        model.load_state_dict(trained.state_dict() if same else {})
    except RuntimeError:
        raise InputError(f"{name} has another shape, stages or labels than this recipe's prior.") from None
    return trained.codec_fingerprint


def run_command(kind: str, args: list[str]) -> None:
    """Train as `vqaudio train KIND ARGS` does, and record that command.

    Args:
        kind: codec, prior or judge.
        args: the options.
    """
    before, sys.argv = sys.argv, ["vqaudio", "train", kind, *args]
    try:
        {"codec": codec, "prior": prior, "judge": judge}[kind](args)
    finally:
        sys.argv = before


def parse(args: list[str], recipes: dict[str, Recipe], default: str, prog: str, single: bool = False) -> Run[Recipe]:
    """Parse a training command's arguments; the recipe provides the defaults.

    Args:
        args: the arguments after the command's name.
        recipes: by name.
        default: the recipe to use without --recipe.
        prog: the command's name, for help.
        single: check one option on its own: it need not fit the recipe's others, and SystemExit alone reports an error.

    Raises:
        InputError: a recipe that does not exist, a setting out of range, or settings that do not fit together.
    """
    file = config_of(args)
    name = value_of("--recipe", args) or file.recipe or default
    if name not in recipes:
        raise InputError(f"There is no recipe {name!r}{nearest(name, recipes)} Known are {', '.join(recipes)}.")
    recipe = file.applied(recipes[name])
    if file.recipe:
        check(recipe, option=True)
    run = tyro.cli(
        Run[type(recipe)], default=Run(recipe, name, file.data), args=args, prog=prog, config=(tyro.conf.FlagCreatePairsOff,),
        console_outputs=not single,
    )
    if not single:
        check(run.settings, option=True)
    return replace(run, changes_steps=value_of("--loop.steps", args) is not None)


def report(result: dict[str, float], run: Run, worker) -> None:
    """Print the last line of a training run."""
    if worker.rank == 0:
        scores = ", ".join(f"{name} {value:.4g}" for name, value in result.items())
        print(f"{run.folder / 'best'}: the last validation gave {scores}" if scores else f"{run.folder}: nothing left to do.")


def config_of(args: list[str]) -> RunFile:
    """The run.toml that the arguments name. Raises InputError."""
    path = value_of("--config", args)
    return RunFile() if path is None else read(Path(path))


def _plugin_recipes(recipes: dict, part: str, args: list[str]) -> tuple[dict, str | None]:
    """The recipes, with that of a plug-in if the arguments name one; see `with_plugin`."""
    from vqaudio.training.plugin_recipes import with_plugin

    file = config_of(args)
    module = value_of(f"--{part}.module", args) or file.value(f"{part}.module")
    return with_plugin(recipes, part, module, value_of("--recipe", args))


def value_of(option: str, args: list[str]) -> str | None:
    """The value that the arguments give an option; None without it."""
    for at, arg in enumerate(args):
        if arg == option:
            return args[at + 1] if at + 1 < len(args) else None
        if arg.startswith(f"{option}="):
            return arg.partition("=")[2]
    return None


def load_data(run: Run, sample_rate: int, part: str = "train", more: dict | None = None):
    """Load the training and validation parts and the facts that the run records.

    Args:
        run: the run.
        sample_rate: Hz, the model's.
        part: train, or development.
        more: additional facts about the data.

    Raises:
        InputError: those of `data.load_split`; or the run cannot start or resume, which is checked before anything is read.
    """
    from vqaudio.data import facts, fingerprint, load_split

    begin = checked_facts(run)
    dataset = run.settings.dataset
    splits = {one: load_split(dataset, one, run.data, sample_rate) for one in (part, "validation")}
    return *splits.values(), replace(begin, data=facts(dataset, splits) | (more or {}), fingerprint=fingerprint(splits))


def checked_facts(run: Run):
    """Check that a run may start, and return its settings and starting model.

    Raises:
        InputError: those of `checkpoints.check_resumable`, or there is no model to start from.
    """
    from vqaudio.hub import folder_of
    from vqaudio.training.checkpoints import check_resumable
    from vqaudio.training.record import RunFacts

    settings = {name: value for name, value in vars(run.settings).items() if name != "loop"}  # its steps may follow from the data
    check_resumable(run.folder, run.resume, settings)
    start = settings.get("start_from")
    start_from = {"model": relative(start), "data": trained_on(runs_of(folder_of(start)))} if start else None
    return RunFacts(settings, start_from=start_from, recipe=run.recipe, data_folder=run.data, changes_steps=run.changes_steps)


def new_model(config):
    """Create an untrained model. Raises InputError if it is too large."""
    from vqaudio.hub import module_named
    from vqaudio.model_files import build

    return build(module_named(config.module).MODEL, config)
