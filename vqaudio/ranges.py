"""Types and ranges of settings, and their checks.

They are written once, on the fields of configurations and the options of commands.

    @dataclass(frozen=True)
    class LoopConfig:
        steps: Annotated[int, Range(1, 1_000_000_000)] = 2000

A configuration whose fields depend on one another also has a method `check_together`, which raises InputError.
"""

import math
import numbers
import reprlib
import types
import typing
import unicodedata
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, Literal

from vqaudio.errors import InputError

CONTROLS = ("Cc", "Cs", "Zl", "Zp")  # categories: control characters, halves of characters, ends of lines and paragraphs
REASON = 200  # characters of another library's message that an error may quote
MOST_BLUR = 16  # cells
MOST_BITS = 200  # of a whole number shown in a message


@dataclass(frozen=True)
class Range:
    """Limits of a number, both included. Infinity and NaN are in no range.

    Args:
        low, high: the limits.
        above: exclude the lower limit.
    """

    low: float
    high: float
    above: bool = False

    def __contains__(self, value: float) -> bool:
        return (self.low < value if self.above else self.low <= value) and value <= self.high

    def __str__(self) -> str:
        return f" above {self.low} and at most {self.high}" if self.above else f" from {self.low} to {self.high}"


@dataclass(frozen=True)
class Items:
    """Minimum and maximum number of items of a tuple."""

    low: int
    high: int

    def __contains__(self, value: tuple) -> bool:
        return self.low <= len(value) <= self.high

    def __str__(self) -> str:
        return f" of {self.low} to {self.high} items"


@dataclass(frozen=True)
class Text:
    """Text without control characters, with a maximum number of characters."""

    longest: int

    def __contains__(self, value: str) -> bool:
        return len(value) <= self.longest and value == printable(value)

    def __str__(self) -> str:
        return f" of up to {self.longest} printable characters"


Name = Annotated[str, Text(255)]
PathText = Annotated[str, Text(4096)]
Seed = Annotated[int, Range(0, 2**63 - 1)]
Seed32 = Annotated[int, Range(0, 2**32 - 1)]  # for NumPy
Count = Annotated[int, Range(1, 1_000_000_000)]
Share = Annotated[float, Range(0, 1)]
Weight = Annotated[float, Range(0, 1_000_000)]
Decibels = Annotated[float, Range(-120, 40)]
Seconds = Annotated[float, Range(0, 86_400, above=True)]
Moment = Annotated[float, Range(0, 1_000_000)]  # seconds from the start of a clip

# sound and pictures of it
SampleRate = Annotated[int, Range(1000, 384_000)]
Hop = Annotated[int, Range(1, 65_536)]
WindowSize = Annotated[int, Range(2, 16_384)]
Floor = Annotated[float, Range(0, 1, above=True)]  # a magnitude

# models
Width = Annotated[int, Range(1, 8192)]
Depth = Annotated[int, Range(0, 128)]
Kernel = Annotated[int, Range(1, 255)]
Stages = Annotated[int, Range(1, 64)]
Bands = Annotated[int, Range(1, 256)]
Vocab = Annotated[int, Range(2, 65_536)]
Beam = Annotated[int, Range(1, 64)]

# measuring
Repeats = Annotated[int, Range(1, 1000)]
StretchSeconds = Annotated[float, Range(0, 600, above=True)]

# training
BatchSize = Annotated[int, Range(1, 65_536)]
LearningRate = Annotated[float, Range(0, 1_000_000_000)]
Steps = Annotated[int, Range(0, 1_000_000_000)]
CropSeconds = Annotated[float, Range(0.01, 600)]
Speed = Annotated[float, Range(0.25, 4)]
Processes = Annotated[int, Range(1, 1024)]
Semitones = Annotated[int, Range(0, 48)]
Workers = Annotated[int, Range(0, 1024)]
Precision = Literal["auto", "bfloat16", "float32"]

# sampling
Temperature = Annotated[float, Range(0, 1000)]
TopK = Annotated[int, Range(1, 1_000_000)]
TopP = Annotated[float, Range(0, 1, above=True)]
Passes = Annotated[int, Range(1, 10_000)]
GuidanceWeight = Annotated[float, Range(0, 1000)]
Variations = Annotated[int, Range(1, 64)]
Candidates = Annotated[int, Range(1, 64)]
ClipSeconds = Annotated[float, Range(0, 30, above=True)]
BlurRadius = Annotated[float, Range(0, MOST_BLUR)]


def check(settings, option: bool = False, path: str = "") -> None:
    """Raise InputError for the first field of a wrong type or out of range.

    Fields that are dataclasses are checked too.

    Args:
        option: name fields as command-line options: --loop.log-every instead of loop.log_every.
        settings: the dataclass.
        path: prefix of its fields in a larger dataclass, such as "loop.".
    """
    hints = _hints(type(settings))
    for field in fields(settings):
        value = getattr(settings, field.name)
        if is_dataclass(value):
            check(value, option, f"{path}{field.name}.")
        else:
            check_value(f"{path}{field.name}", value, hints[field.name], option)
    if hasattr(settings, "check_together"):
        settings.check_together()


def check_arguments(function, arguments: dict[str, Any]) -> None:
    """Raise InputError for the first argument that does not fit its annotation."""
    for name, value in arguments.items():
        hint = _hints(function).get(name, Any)
        if is_dataclass(value):  # a group of options
            check(value, option=True)
        named = next((part.name for part in typing.get_args(hint)[1:] if getattr(part, "name", None)), name)
        check_value(named, value, hint, option=True)


def check_value(name: str, value, hint, option: bool = False) -> None:
    """Raise InputError, with the name, unless a value fits its annotation."""
    if not _fits(value, hint):
        name = "--" + name.replace("_", "-") if option else name
        raise InputError(f"{name} is {shown(value)}; it takes {_description(hint)}.")


@cache
def _hints(annotated) -> dict[str, Any]:
    return typing.get_type_hints(annotated, include_extras=True)


def _fits(value, hint, limits: tuple = ()) -> bool:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _fits(value, args[0], tuple(limit for limit in args[1:] if isinstance(limit, Range | Items | Text)))
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, one, limits) for one in args)
    if hint is types.NoneType:
        return value is None
    return _has_type(value, hint) and all(value in limit for limit in limits)


def _has_type(value, hint) -> bool:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return any(type(value) is type(one) and value == one for one in args)
    if origin in (tuple, list):
        return isinstance(value, origin) and _items_fit(value, args if origin is tuple else (*args, ...))
    if origin is dict:
        return isinstance(value, dict) and all(_fits(key, args[0]) and _fits(one, args[1]) for key, one in value.items())
    if hint is float and isinstance(value, numbers.Real) and not isinstance(value, numbers.Integral):
        return math.isfinite(value)
    if hint in (int, float):
        return isinstance(value, numbers.Integral) and not isinstance(value, bool)
    return hint is Any or not isinstance(hint, type) or isinstance(value, hint)


def _items_fit(value: tuple | list, args: tuple) -> bool:
    items = args[:1] * len(value) if args[-1:] == (Ellipsis,) else args
    return len(items) == len(value) and all(map(_fits, value, items))


def _description(hint, limits: str = "") -> str:
    """The values that an annotation allows, in words."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _description(args[0], "".join(str(limit) for limit in args[1:] if isinstance(limit, Range | Items | Text)))
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_description(one, limits) for one in args)
    if origin is Literal:
        return " or ".join(map(repr, args))
    if origin is list or args[-1:] == (Ellipsis,):
        return f"a list{limits}, each {_description(args[0])}"
    if origin is dict:
        return f"names, each with {_description(args[1])}"
    if origin is tuple:
        return f"a list of {len(args)}: {', '.join(map(_description, args))}"
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false", types.NoneType: "none"}
    return names.get(hint, "another type") + ("" if hint is types.NoneType else limits)


def printable(text: str) -> str:
    """Escape control characters, so that names cannot steer a terminal."""
    return "".join(c.encode("unicode_escape").decode() if unicodedata.category(c) in CONTROLS else c for c in text)


def shown(value) -> str:
    """A value for a message, on one line, without control characters."""
    if isinstance(value, int) and value.bit_length() > MOST_BITS:
        return "a number of more than 60 digits"
    return reprlib.repr(value)
