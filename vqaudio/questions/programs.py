"""Functional programs over a scene's sounds, as in CLEVR (Johnson et al. 2017).

Their interpreter is the only source of answers. A program is a list of steps in JSON: {"function": "filter_instrument",
"inputs": [0], "value_inputs": ["cello"]}. `inputs` are numbers of earlier steps; the last step's value is the answer. The value
of a step is a list of sounds (positions in order of time), one sound, a count, a word or a truth value.
"""

from collections.abc import Callable

from vqaudio.errors import InputError

ATTRIBUTES = ("instrument", "note", "octave", "loudness", "brightness")
RELATIONS = ("before", "after", "right_before", "right_after")
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")

Value = list[int] | int | str | bool
Sounds = list[dict]


class IllPosed(ValueError):
    """A question whose referent does not exist or is ambiguous."""


def answer(program: list[dict], sounds: Sounds) -> str:
    """Run a program and return the answer: "yes" or "no", a count, or an attribute.

    Args:
        program: the steps.
        sounds: as in scenes.json, in any order.

    Raises:
        IllPosed: `unique` was applied to no sound or to several.
        InputError: the program has an unknown function, or lacks a step.
    """
    return word_of(trace(program, sounds)[-1])


def word_of(value: Value) -> str:
    """Convert the value of a last step to an answer."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def trace(program: list[dict], sounds: Sounds) -> list[Value]:
    """Return every step's value; sounds are numbered by time. Raises as `answer` does."""
    return run(program, in_order(sounds), FUNCTIONS)


def run(program: list[dict], things: list[dict], functions: dict[str, Callable]) -> list[Value]:
    """Run a program over a scene's objects; return every step's value."""
    values: list[Value] = []
    for step in program:
        try:
            function, inputs = functions[step["function"]], [values[i] for i in step["inputs"]]
            values.append(function(things, *inputs, *step.get("value_inputs", ())))
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise InputError(f"Step {len(values) + 1} of this program cannot be run: {step}.") from error
    if not values:
        raise InputError("This program has no steps.")
    return values


def in_order(sounds: Sounds) -> Sounds:
    """Sort sounds by time."""
    return sorted(sounds, key=lambda sound: sound["start_s"])


def selections(program: list[dict], sounds: Sounds) -> list[list[int]]:
    """Return the sounds that the last step is about, numbered in order of time.

    Returns:
        two lists for a comparison; otherwise one, and that of the sound that a relation starts from, if any.
    """
    values, last = trace(program, sounds), program[-1]
    if len(last["inputs"]) == 2:
        found = [values[program[i]["inputs"][0]] for i in last["inputs"]]
    else:
        related = [values[step["inputs"][0]] for step in program if step["function"] == "relate"]
        found = [values[last["inputs"][0]], *related[-1:]]
    return [one if isinstance(one, list) else [one] for one in found]


def _filter(attribute: str) -> Callable:
    return lambda sounds, some, value: [i for i in some if sounds[i][attribute] == value]


def _query(attribute: str) -> Callable:
    return lambda sounds, one: sounds[one][attribute]


def _unique(sounds: Sounds, some: list[int]) -> int:
    if len(some) != 1:
        raise IllPosed(f"{len(some)} sounds fit the description.")
    return some[0]


def _relate(sounds: Sounds, one: int, relation: str) -> list[int]:
    ranges = {
        "before": range(one), "after": range(one + 1, len(sounds)),
        "right_before": range(max(0, one - 1), one), "right_after": range(one + 1, min(one + 2, len(sounds))),
    }
    return list(ranges[relation])


def _filter_position(sounds: Sounds, some: list[int], ordinal: str) -> list[int]:
    if ordinal == "last":
        return some[-1:]
    at = ORDINALS.index(ordinal)
    return some[at : at + 1]


FUNCTIONS: dict[str, Callable] = {
    "scene": lambda sounds: list(range(len(sounds))),
    "unique": _unique,
    "relate": _relate,
    "filter_position": _filter_position,
    "count": lambda sounds, some: len(some),
    "exist": lambda sounds, some: len(some) > 0,
    "position": lambda sounds, one: ORDINALS[one],
    "greater": lambda sounds, a, b: a > b,
    "less": lambda sounds, a, b: a < b,
    "equal_count": lambda sounds, a, b: a == b,
}
for _attribute in ATTRIBUTES:
    FUNCTIONS[f"filter_{_attribute}"] = _filter(_attribute)
    FUNCTIONS[f"query_{_attribute}"] = _query(_attribute)
    FUNCTIONS[f"equal_{_attribute}"] = lambda sounds, a, b: a == b
