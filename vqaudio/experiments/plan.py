"""The plan of an experiment: a TOML file -> the runs it describes.

    kind = "codec"                                       # what `vqaudio train` trains: codec, prior or judge
    recipe = "fsdd-8khz-small"
    question = "What does the decay of the moving average change?"
    seeds = [0, 1, 2]

    [options]                                            # of every run, named as on the command line
    "loop.steps" = 400

    [grid]                                               # every combination of these is a setting
    "codec.decay" = [0.9, 0.99, 0.999]
    "codec.n_stages, codec.vocab" = [[32, 4], [8, 256]]  # these change together
    "measure.beam" = [1, 8]                              # how a trained codec is measured: needs no extra run
"""

import dataclasses
import hashlib
import itertools
import json
import tomllib
from dataclasses import dataclass, field, is_dataclass, replace
from pathlib import Path

from vqaudio.errors import InputError, nearest
from vqaudio.ranges import check

KINDS = ("codec", "prior", "judge")
KEYS = ("kind", "recipe", "question", "seeds", "options", "grid")
MEASURE = {"measure.beam": 1}  # options of measuring and their defaults
RESERVED = {"loop.seed": "use the key seeds", "loop.device": "use --device"}


@dataclass(frozen=True)
class Run:
    """One training run and how it is measured.

    Attributes:
        setting: the options that the grid changes, option -> value.
        options: everything that differs from the recipe, option -> value.
        key: 16 hex digits: a hash of all settings that training depends on, including the seed.
    """

    kind: str
    recipe: str
    setting: dict
    options: dict
    seed: int
    key: str

    @property
    def measuring(self) -> dict:
        """Options of measuring, such as the beam."""
        return measuring(self.setting)

    @property
    def name(self) -> str:
        """A label such as "codec.decay 0.9, seed 1"."""
        return ", ".join([*(f"{name} {value}" for name, value in self.setting.items()), f"seed {self.seed}"])

    def folder(self, root: Path) -> Path:
        """The folder it trains in. Equal runs of different experiments share it."""
        return root / f"{self.recipe}-{self.key[:8]}-seed{self.seed}"

    def arguments(self) -> list[str]:
        """The arguments of `vqaudio train KIND`, without folders."""
        said = [part for name, value in self.options.items() for part in _said(name, value)]
        return ["--recipe", self.recipe, *said, "--loop.seed", str(self.seed)]


@dataclass(frozen=True)
class Experiment:
    """A parsed description; `runs` lists its training runs."""

    name: str
    kind: str
    recipe: str
    question: str = ""
    seeds: tuple[int, ...] = (0,)
    options: dict = field(default_factory=dict)
    grid: dict = field(default_factory=dict)

    @property
    def size(self) -> int:
        """The number of runs."""
        total = len(self.seeds)
        for values in self.grid.values():
            total *= len(values)
        return total

    @property
    def varied(self) -> list[str]:
        """The options that the grid varies."""
        return [name for names in self.grid for name in _split(names)]

    def runs(self) -> list[Run]:
        """Every setting under every seed.

        Raises:
            InputError: an unknown recipe, option or value; the message suggests the nearest known one.
        """
        settings = Settings(self.kind, self.recipe)
        found = []
        axes = [[dict(zip(_split(names), _listed(names, one))) for one in values] for names, values in self.grid.items()]
        for chosen in itertools.product(*axes):
            setting = {name: value for one in chosen for name, value in one.items()}
            asked = {name: value for name, value in (self.options | setting).items() if name not in MEASURE}
            recipe = settings.changed(asked)
            options = {name: value for name, value in asked.items() if not settings.is_usual_flag(name, value)}
            for name in set(setting) & set(MEASURE):
                if self.kind != "codec" or not isinstance(setting[name], int) or setting[name] < 1:
                    raise InputError(f"{name} is a whole number from 1, and for codecs; not {setting[name]!r}.")
            for seed in self.seeds:
                seeded = replace(recipe, loop=replace(recipe.loop, seed=seed))
                check(seeded)
                found.append(Run(self.kind, self.recipe, setting, options, seed, key_of(self.kind, seeded)))
        return found


def read(path: Path) -> Experiment:
    """Read an experiment from a TOML file.

    Raises:
        InputError: no such file, invalid TOML, or an unknown key or value.
    """
    try:
        content = tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not TOML: {error}.") from None
    for key in content:
        if key not in KEYS:
            raise InputError(f"{path}: {key!r} is not known here{nearest(key, KEYS)}")
    content = {"kind": "codec", "seeds": [0], "options": {}, "grid": {}, "question": "", **content}
    seeds = content["seeds"]
    if content["kind"] not in KINDS:
        raise InputError(f"{path}: kind is {', '.join(KINDS[:-1])} or {KINDS[-1]}; not {content['kind']!r}.")
    if not isinstance(content.get("recipe"), str):
        raise InputError(f"{path} names no recipe.")
    if not isinstance(seeds, list) or not all(isinstance(seed, int) and seed >= 0 for seed in seeds):
        raise InputError(f"{path}: seeds are a list of whole numbers from 0; not {seeds!r}.")
    if not all(isinstance(content[table], dict) for table in ("options", "grid")):
        raise InputError(f"{path}: [options] and [grid] are tables.")
    content["options"], content["grid"] = (_flat(content[table]) for table in ("options", "grid"))
    for names, values in content["grid"].items():
        if not isinstance(values, list):
            raise InputError(f"{path}: the grid gives each option a list of values; {names} has {values!r}.")
    return Experiment(path.stem, **content | {"seeds": tuple(dict.fromkeys(seeds))})


class Settings:
    """A recipe whose options can be changed; each option and value is checked once."""

    def __init__(self, kind: str, recipe: str):
        recipes = recipes_of(kind)
        if recipe not in recipes:
            raise InputError(f"There is no recipe {recipe!r} for a {kind}{nearest(recipe, recipes)}")
        self.kind, self.name, self.recipe = kind, recipe, recipes[recipe]
        self.known = _leaves(self.recipe)
        self._typed: dict[tuple[str, str], object] = {}

    def changed(self, options: dict):
        """Apply options to the recipe; raises InputError for an unknown one."""
        recipe = self.recipe
        for name, value in options.items():
            recipe = _with(recipe, name.split("."), self._checked(name, value))
        return recipe

    def is_usual_flag(self, name: str, value) -> bool:
        """Whether this is a flag at its default, which the command line cannot spell."""
        return isinstance(value, bool) and self.known.get(name) is value

    def _checked(self, name: str, value):
        """The value in the recipe's type: a list as a tuple, an integer as a float."""
        if name in RESERVED:
            raise InputError(f"{name} cannot be in a grid: {RESERVED[name]}.")
        if name not in self.known:
            raise InputError(f"The recipe {self.name!r} has no option {name!r}{nearest(name, [*self.known, *MEASURE])}")
        if self.is_usual_flag(name, value):
            return value
        key = name, json.dumps(value, default=str)
        if key not in self._typed:
            self._typed[key] = self._parsed(name, value)
        return self._typed[key]

    def _parsed(self, name: str, value):
        from vqaudio.training.setup import parse

        args = ["--recipe", self.name, *_said(name, value)]
        try:
            found = parse(args, recipes_of(self.kind), self.name, "vqaudio", single=True).settings
        except SystemExit:
            raise InputError(f"{name} cannot be {value!r}: the recipe {self.name!r} has {self.known[name]!r}.") from None
        for part in name.split("."):
            found = getattr(found, part)
        return found


def measuring(setting: dict) -> dict:
    """The measuring options of a setting, without their prefix."""
    return {name.removeprefix("measure."): setting.get(name, usual) for name, usual in MEASURE.items()}


def recipes_of(kind: str) -> dict:
    """The recipes of `vqaudio train KIND`."""
    from vqaudio.training.prior_recipes import PRIOR_RECIPES
    from vqaudio.training.recipes import CODEC_RECIPES, JUDGE_RECIPES

    return {"codec": CODEC_RECIPES, "prior": PRIOR_RECIPES, "judge": JUDGE_RECIPES}[kind]


def key_of(kind: str, recipe) -> str:
    """Hash the settings that a training run depends on.

    Only values that differ from the class defaults count, so that a new field does not change the key of an old run.
    """
    text = json.dumps([kind, type(recipe).__name__, _differences(recipe)], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _differences(config) -> dict:
    """Option -> value where it differs from the default; for a model also its module."""
    found = {}
    for f in dataclasses.fields(config):
        value = getattr(config, f.name)
        usual = f.default if f.default is not dataclasses.MISSING else None
        if is_dataclass(value):
            module = {"module": value.module} if hasattr(value, "module") else {}
            found |= {f"{f.name}.{name}": one for name, one in (_differences(value) | module).items()}
        elif value != usual:
            found[f.name] = value
    return found


def _leaves(config, prefix: str = "") -> dict:
    """Every option of a recipe by its name, with its value."""
    found = {}
    for f in dataclasses.fields(config):
        value = getattr(config, f.name)
        found |= _leaves(value, f"{prefix}{f.name}.") if is_dataclass(value) else {prefix + f.name: value}
    return found


def _with(config, path: list[str], value):
    head, *rest = path
    return replace(config, **{head: _with(getattr(config, head), rest, value) if rest else value})


def _said(name: str, value) -> list[str]:
    """An option as command-line arguments."""
    option = "--" + name.replace("_", "-")
    if isinstance(value, bool):
        return [option if value else "--" + ".".join([*name.split(".")[:-1], f"no-{name.split('.')[-1]}"]).replace("_", "-")]
    return [option, *map(str, value if isinstance(value, list) else [value])]


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",")]


def _listed(names: str, value) -> list:
    """The values of options that change together."""
    wanted = len(_split(names))
    values = [value] if wanted == 1 else value
    if not isinstance(values, list) or len(values) != wanted:
        raise InputError(f"The grid's {names} takes {wanted} values at a time, in a list; not {value!r}.")
    return values


def _flat(table: dict, prefix: str = "") -> dict:
    """Options by full name: TOML reads an unquoted `loop.steps = 9` as nested tables."""
    found = {}
    for name, value in table.items():
        whole = prefix + name.replace("-", "_")
        found |= _flat(value, f"{whole}.") if isinstance(value, dict) else {whole: value}
    return found
