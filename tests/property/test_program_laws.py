"""Laws of programs: a second, naive interpreter agrees, and neither the order of sounds nor that of JSON keys matters."""

import json
import random

import pytest

from vqaudio.questions import grammar, programs
from vqaudio.questions.programs import IllPosed

NUMBERS = dict(enumerate(["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"], 1))


def random_scene(rng: random.Random) -> list[dict]:
    """Sounds in order of time, with values drawn evenly."""
    starts = sorted(rng.sample(range(1000), rng.randint(5, 10)))
    return [{"start_s": start / 100, **{name: rng.choice(values) for name, values in grammar.VALUES.items()}} for start in starts]


def naive(program: list[dict], number: int, scene: list[dict]):
    """The value of one step, by its definition, on the sounds' own dictionaries; a list for sets and for one sound alike."""
    step = program[number]
    name, values = step["function"], step["value_inputs"]
    inputs = [naive(program, i, scene) for i in step["inputs"]]
    if name == "scene":
        return list(scene)
    if name == "unique":
        if len(inputs[0]) != 1:
            raise IllPosed
        return inputs[0]
    if name == "relate":
        start = inputs[0][0]["start_s"]
        earlier = [sound for sound in scene if sound["start_s"] < start]
        later = [sound for sound in scene if sound["start_s"] > start]
        latest = max((sound["start_s"] for sound in earlier), default=None)
        soonest = min((sound["start_s"] for sound in later), default=None)
        near = {"right_before": latest, "right_after": soonest}
        if values[0] in near:
            return [sound for sound in scene if sound["start_s"] == near[values[0]]]
        return earlier if values[0] == "before" else later
    if name == "filter_position":
        by_time = sorted(inputs[0], key=lambda sound: sound["start_s"])
        rank = len(by_time) if values[0] == "last" else next(n for n, word in NUMBERS.items() if word == values[0])
        return [sound for n, sound in enumerate(by_time, 1) if n == rank]
    if name == "position":
        return NUMBERS[1 + sum(sound["start_s"] < inputs[0][0]["start_s"] for sound in scene)]
    if name.startswith("filter_"):
        return [sound for sound in inputs[0] if sound[name.removeprefix("filter_")] == values[0]]
    if name.startswith("query_"):
        return inputs[0][0][name.removeprefix("query_")]
    if name == "count":
        return str(len(inputs[0]))
    if name == "exist":
        return "yes" if inputs[0] else "no"
    sign = {"greater": 1, "less": -1}.get(name, 0)
    a, b = map(int, inputs) if name in ("greater", "less") else inputs
    return "yes" if (a > b) - (a < b) == sign else "no"


@pytest.fixture(scope="module")
def thousand():
    rng, found = random.Random(0), []
    while len(found) < 1000:
        scene = random_scene(rng)
        one = grammar.draw(rng, scene, rng.choice(grammar.TYPES))
        if one:
            found.append((one, scene))
    return found


def test_a_naive_interpreter_agrees(thousand):
    for one, scene in thousand:
        assert naive(one["program"], len(one["program"]) - 1, scene) == one["answer"], one
    assert len({one["answer"] for one, _ in thousand}) > 40


def test_a_referent_that_is_not_the_only_one_is_ill_posed_for_both(thousand):
    refused = 0
    for one, _ in thousand[:300]:
        scene = random_scene(random.Random(one["question"]))
        try:
            expected = naive(one["program"], len(one["program"]) - 1, scene)
        except IllPosed:
            refused += 1
            with pytest.raises(IllPosed):
                programs.answer(one["program"], scene)
        else:
            assert programs.answer(one["program"], scene) == expected
    assert 50 < refused < 290


def shuffled(value, rng: random.Random):
    """The same JSON with the keys of every object in another order."""
    if isinstance(value, dict):
        return {key: shuffled(value[key], rng) for key in rng.sample(list(value), len(value))}
    return [shuffled(item, rng) for item in value] if isinstance(value, list) else value


def test_neither_the_order_of_keys_nor_that_of_sounds_changes_an_answer(thousand):
    rng = random.Random(1)
    for one, scene in thousand:
        program, sounds = (json.loads(json.dumps(shuffled(value, rng))) for value in (one["program"], scene))
        rng.shuffle(sounds)
        assert programs.answer(program, sounds) == one["answer"]
        assert programs.selections(program, sounds) == programs.selections(one["program"], scene)
