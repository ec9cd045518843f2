"""Questions about acoustic scenes as text and programs, from templates.

A question is redrawn until it is well posed. Of several candidates, the one whose answer is the rarest so far in its type is
kept, so that answers stay balanced.
"""

import random
from collections import Counter
from dataclasses import dataclass, field

from vqaudio.questions import programs
from vqaudio.questions.programs import ATTRIBUTES, ORDINALS, IllPosed
from vqaudio.questions.scenes import OCTAVES, PITCH_CLASSES

CANDIDATES = 6  # well-posed questions to draw for each one to keep
VALUES = {
    "instrument": ("bass", "cello", "clarinet", "flute", "trumpet", "violin"),
    "note": PITCH_CLASSES, "octave": OCTAVES, "loudness": ("quiet", "loud"), "brightness": ("dark", "bright"),
}
SYNONYMS = {"quiet": ("quiet", "soft"), "loud": ("loud", "strong"), "dark": ("dark", "mellow"), "bright": ("bright", "brilliant")}
RELATION_WORDS = {
    "before": ("before", "earlier than"), "after": ("after", "later than"),
    "right_before": ("right before", "immediately before", "just before"),
    "right_after": ("right after", "immediately after", "just after"),
}
TEMPLATES = {
    "exist": ("Is there {a}?", "Are there any {many}?", "Can you hear {a}?", "Does {a} occur?"),
    "count": ("How many {many} are there?", "How many {many} can you hear?", "What is the number of {many}?"),
    "exist_related": (
        "Is there {a} {relation} {the}?", "Are there any {many} {relation} {the}?", "Can you hear {a} {relation} {the}?",
    ),
    "count_related": (
        "How many {many} are there {relation} {the}?", "How many {many} come {relation} {the}?",
        "What is the number of {many} {relation} {the}?",
    ),
    "query_instrument": ("What instrument plays {the}?", "Which instrument is {the}?", "What is the instrument of {the}?"),
    "query_note": ("What is the note of {the}?", "Which note is {the}?", "What note does {the} have?"),
    "query_octave": ("What is the octave of {the}?", "In which octave is {the}?", "What octave does {the} have?"),
    "query_loudness": ("How loud is {the}?", "What is the loudness of {the}?", "Is {the} quiet or loud?"),
    "query_brightness": ("How bright is {the}?", "What is the brightness of {the}?", "Is {the} dark or bright?"),
    "position": ("What is the position of {the}?", "In which position is {the}?", "Where in the sequence is {the}?"),
    "compare_counts": {
        "greater": ("Are there more {many} than {others}?", "Is the number of {many} greater than the number of {others}?"),
        "less": ("Are there fewer {many} than {others}?", "Is the number of {many} less than the number of {others}?"),
        "equal_count": ("Are there as many {many} as {others}?", "Is the number of {many} equal to the number of {others}?"),
    },
}
for _attribute in ATTRIBUTES:
    TEMPLATES[f"equal_{_attribute}"] = (
        f"Do {{the}} and {{other}} have the same {_attribute}?", f"Is the {_attribute} of {{the}} the same as that of {{other}}?",
    )
TYPES = tuple(TEMPLATES)


@dataclass
class Steps:
    """A program under construction."""

    steps: list[dict] = field(default_factory=list)

    def add(self, function: str, inputs: tuple[int, ...] = (), *values: str) -> int:
        """Append a step and return its number."""
        self.steps.append({"function": function, "inputs": list(inputs), "value_inputs": list(values)})
        return len(self.steps) - 1

    def filtered(self, start: int, wanted: dict[str, str]) -> int:
        for attribute, value in wanted.items():
            start = self.add(f"filter_{attribute}", (start,), value)
        return start


class Asker:
    """Writes questions about scenes and balances their answers.

    Args:
        seed, split: with the order of the scenes, they determine the questions.
        types: of questions to write.
    """

    def __init__(self, seed: int, split: str, types: tuple[str, ...] = TYPES):
        self.seed, self.split, self.types = seed, split, types
        self.answers: dict[str, Counter] = {name: Counter() for name in types}
        self.asked = 0

    def ask(self, sounds: list[dict], index: int, count: int) -> list[dict]:
        """Write up to `count` questions about scene number `index`.

        Each has a question, program, answer and type.
        """
        rng, sounds = random.Random(f"{self.seed} {self.split} {index}"), programs.in_order(sounds)
        found: list[dict] = []
        for _ in range(4 * count):
            if len(found) == count:
                break
            one = self._one(rng, sounds, self.types[self.asked % len(self.types)])
            self.asked += 1
            if one and one["question"] not in (other["question"] for other in found):
                self.answers[one["type"]][one["answer"]] += 1
                found.append(one)
        return found

    def _one(self, rng: random.Random, sounds: list[dict], kind: str) -> dict | None:
        candidates = [candidate for _ in range(CANDIDATES) if (candidate := draw(rng, sounds, kind))]
        return min(candidates, key=lambda one: self.answers[kind][one["answer"]], default=None)

    def commonest(self) -> dict[str, float]:
        """Return the share of the most frequent answer of each type."""
        return {kind: max(counts.values()) / counts.total() for kind, counts in self.answers.items() if counts}


def draw(rng: random.Random, sounds: list[dict], kind: str) -> dict | None:
    """Draw one question of a type about sounds in order; None if it is ill posed."""
    steps = Steps()
    steps.add("scene")
    try:
        template, words = _parts(rng, sounds, kind, steps)
        answer = programs.answer(steps.steps, sounds)
    except IllPosed:
        return None
    return {"question": template.format(**words), "program": steps.steps, "answer": answer, "type": kind}


def _parts(rng: random.Random, sounds: list[dict], kind: str, steps: Steps) -> tuple[str, dict[str, str]]:
    """Write the program; return the template and the words for it."""
    words: dict[str, str] = {}
    if kind in ("exist", "count", "exist_related", "count_related"):
        start = 0
        if kind.endswith("related"):
            relation = rng.choice(("before", "after"))
            one, words["the"] = _referent(rng, sounds, steps)
            start, words["relation"] = steps.add("relate", (one,), relation), rng.choice(RELATION_WORDS[relation])
        wanted = _random_filter(rng, sounds)
        words |= _described(rng, wanted)
        steps.add(kind.removesuffix("_related"), (steps.filtered(start, wanted),))
        return rng.choice(TEMPLATES[kind]), words
    if kind == "compare_counts":
        attribute = rng.choice(("instrument", "octave", "loudness", "brightness"))
        pair = rng.sample(VALUES[attribute], 2)
        counts = [steps.add("count", (steps.filtered(0, {attribute: value}),)) for value in pair]
        function = rng.choice(tuple(TEMPLATES[kind]))
        steps.add(function, tuple(counts))
        words = {"many": phrase(rng, {attribute: pair[0]}, True), "others": phrase(rng, {attribute: pair[1]}, True)}
        return rng.choice(TEMPLATES[kind][function]), words
    attribute = kind.partition("_")[2]
    one, words["the"] = _referent(rng, sounds, steps, attribute or "position", relations=not kind.startswith("equal_"))
    if kind == "position":
        steps.add("position", (one,))
    elif kind.startswith("query_"):
        steps.add(kind, (one,))
    else:
        first, at = steps.add(f"query_{attribute}", (one,)), programs.trace(steps.steps, sounds)[one]
        wants_same = rng.random() < 0.5
        others = [i for i, sound in enumerate(sounds) if i != at and (sound[attribute] == sounds[at][attribute]) == wants_same]
        if not others:
            raise IllPosed("No other sound gives this answer.")
        other, words["other"] = _referent(rng, sounds, steps, attribute, rng.choice(others))
        steps.add(kind, (first, steps.add(f"query_{attribute}", (other,))))
    return rng.choice(TEMPLATES[kind]), words


def _random_filter(rng: random.Random, sounds: list[dict]) -> dict[str, str]:
    """Draw up to two attributes, mostly with values that occur in the scene."""
    chosen = rng.sample(ATTRIBUTES, rng.choices((0, 1, 2), (1, 12, 5))[0])
    model = rng.choice(sounds)
    wanted = {name: model[name] if rng.random() < 0.6 else rng.choice(VALUES[name]) for name in ATTRIBUTES if name in chosen}
    return wanted


def _referent(
    rng: random.Random, sounds: list[dict], steps: Steps, without: str = "", at: int | None = None, relations: bool = False
) -> tuple[int, str]:
    """Describe one sound so that no other fits.

    Args:
        without: the attribute to avoid in the description; "position" excludes ordinals.
        at: which sound; None draws one.
        relations: also describe a sound by the one next to it.

    Returns:
        the step that finds it, and the words.

    Raises:
        IllPosed: the description fits no sound or several.
    """
    at = rng.randrange(len(sounds)) if at is None else at
    way = rng.choices(("attributes", "ordinal", "relation"), (5, 0 if without == "position" else 3, 3 if relations else 0))[0]
    if way == "relation":
        one, the = _referent(rng, sounds, steps, without)
        relation = rng.choice(("right_before", "right_after"))
        found = steps.add("unique", (steps.add("relate", (one,), relation),))
        return found, f"the {rng.choice(('sound', 'tone'))} {rng.choice(RELATION_WORDS[relation])} {the}"
    if way == "ordinal":
        wanted = {"instrument": sounds[at]["instrument"]} if without != "instrument" and rng.random() < 0.3 else {}
        same = [i for i, sound in enumerate(sounds) if all(sound[name] == value for name, value in wanted.items())]
        ordinal = "last" if at == same[-1] and rng.random() < 0.5 else ORDINALS[same.index(at)]
        found = steps.add("unique", (steps.add("filter_position", (steps.filtered(0, wanted),), ordinal),))
        return found, f"the {ordinal} {phrase(rng, wanted)}"
    wanted = _unique_description(rng, sounds, at, without)
    return steps.add("unique", (steps.filtered(0, wanted),)), f"the {phrase(rng, wanted)}"


def _unique_description(rng: random.Random, sounds: list[dict], at: int, without: str) -> dict[str, str]:
    """The fewest attributes that single out a sound, in random order, mostly the instrument first."""
    order = rng.sample([name for name in ATTRIBUTES if name != without], len(ATTRIBUTES) - (without in ATTRIBUTES))
    if "instrument" in order and rng.random() < 0.6:
        order.sort(key=lambda name: name != "instrument")
    for count in (1, 2, 3):
        wanted = {name: sounds[at][name] for name in ATTRIBUTES if name in order[:count]}
        if sum(all(sound[name] == value for name, value in wanted.items()) for sound in sounds) == 1:
            return wanted
    raise IllPosed("No short description fits this sound alone.")


def _described(rng: random.Random, wanted: dict[str, str]) -> dict[str, str]:
    one = phrase(rng, wanted)
    return {"a": f"{'an' if one[0] in 'aeiou' else 'a'} {one}", "many": phrase(rng, wanted, True)}


def phrase(rng: random.Random, wanted: dict[str, str], plural: bool = False) -> str:
    """Format a noun phrase, such as "loud cello sound with the note C sharp"."""
    before = [rng.choice(SYNONYMS[wanted[name]]) for name in ("loudness", "brightness") if name in wanted]
    before += [wanted["instrument"]] if "instrument" in wanted else []
    noun = rng.choice(("sound", "tone")) + ("s" if plural else "")
    after = [f"with the note {wanted['note'].replace('#', ' sharp')}"] if "note" in wanted else []
    after += [f"in octave {wanted['octave']}"] if "octave" in wanted else []
    return " ".join([*before, noun, *after])
