"""Option values that no command can use: one line and exit code 2, before anything is read, written or trained."""

import dataclasses
import inspect
import json
import typing

import pytest

from vqaudio import hub, ranges, replay
from vqaudio.cli import COMMANDS
from vqaudio.errors import InputError
from vqaudio.masks import parse_stages

OPTIONS = """
reconstruct a.wav b.wav --beam 0
encode a.wav b.vqa --beam -1
encode a.wav b.vqa --stages 0
blur a.wav b.wav --radius 17
blur a.wav b.wav --strength nan
blur a.wav b.wav --from -1
blur a.wav b.wav --seed 9223372036854775808
generate b.wav --seconds inf
generate b.wav --variations 0
generate b.wav --steps 1000000000
generate b.wav --guidance -1
generate b.wav --top-k 0
inpaint a.wav b.wav --from 1 --to nan
sampler b.zip --seconds 0
prepare folder out --sample-rate 0
prepare folder out --per-shard 0
tokenize in out --batch-s 0
tokenize in out --processes -1
energy --repeats 0
energy --clip-s 0
energy --stretch-s -1
evaluate codec --beam 0
evaluate codec --stages 0
evaluate prior --clips 0
evaluate prior --seed -1
evaluate prior --hole-s 0
evaluate prior --of 0
explore --seed 4294967296
listen --seconds 0
listen --level-db 41
experiment run a.toml --at-once 0
experiment run a.toml --minutes -1
scenes out --scenes 0
ask a.wav how --answers 0
train codec --training.batch-size 0
train codec --training.crop-s 0
train codec --training.learning-rate nan
train codec --training.augmentation.speeds 0
train codec --loop.log-every 0
train codec --loop.seed 99999999999999999999999
train codec --codec.sample-rate 0
train judge --judge.n-mels 0
train judge --loop.validate-every -5
train prior --prior.heads 0
train prior --prior.dropout 2
train prior --training.shifts -1
train questions --training.epochs 0
train questions --model.gru -1
"""


@pytest.mark.parametrize("line", OPTIONS.strip().splitlines())
def test_an_option_out_of_range_is_named_before_anything_is_read(command, tmp_path, monkeypatch, line):
    monkeypatch.chdir(tmp_path)
    code, out, err = command(*line.split())
    assert (code, out) == (2, "") and err.startswith(f"vqaudio: {line.split()[-2]} is ") and "; it takes" in err
    assert err.count("\n") == 1 and not list(tmp_path.iterdir())


@pytest.mark.parametrize("line,says", [
    ("train codec --codec.hop 441", "frames_per_column divides hop"), ("train codec --codec.n-fft 3", "n_fft is at least"),
    ("train prior --prior.dim 250", "dim is a multiple of twice the heads"),
])  # fmt: skip
def test_settings_that_do_not_fit_together_are_named_before_the_data_are_read(command, tmp_path, line, says):
    code, out, err = command(*line.split(), "--data", tmp_path / "nowhere")
    assert (code, out) == (2, "") and err.startswith(f"vqaudio: {says}") and err.count("\n") == 1


def test_every_number_among_the_options_of_commands_has_a_range():
    found = 0
    for name, command in COMMANDS.items():
        for option, hint in typing.get_type_hints(command, include_extras=True).items():
            for kind, limits in _numbers(hint):
                found += 1
                assert any(isinstance(limit, ranges.Range) for limit in limits), f"{name} --{option}: {kind} without a range"
    assert found > 30


def _numbers(hint, limits: tuple = ()):
    """(int or float, its limits) of each number in an annotation, and in a group of options."""
    if hint in (int, float):
        yield hint, limits
    elif dataclasses.is_dataclass(hint):
        for part in typing.get_type_hints(hint, include_extras=True).values():
            yield from _numbers(part)
    elif typing.get_origin(hint) is typing.Annotated:
        yield from _numbers(typing.get_args(hint)[0], (*limits, *typing.get_args(hint)[1:]))
    else:
        for part in typing.get_args(hint):
            yield from _numbers(part, limits) if not isinstance(part, str) else ()


@pytest.mark.parametrize("text", ["9" * 5000, "1-" + "9" * 5000, "1," + "9" * 30])
def test_stages_of_thousands_of_digits(text):
    with pytest.raises(InputError, match="Stages are"):
        parse_stages(text, 8)


RECIPE = {
    "vqaudio_recipe": 1, "verb": "generate", "codec": "small", "prior": "masked", "labels": {}, "seconds": None, "seed": 1,
    "settings": dict.fromkeys(replay.SETTINGS), "codec_fingerprint": "", "prior_fingerprint": "", "ids_sha256": "",
    "target": "a.wav",
}  # fmt: skip


@pytest.mark.parametrize("name,value", [
    ("verb", ["generate"]), ("seed", -1), ("seed", 2**63), ("seed", "1"), ("seed", 1.5), ("seconds", "x"), ("seconds", 1e9),
    ("labels", ["a"]), ("labels", {"digit": 7}), ("variations", 10**9), ("variations", "2"), ("settings", []), ("codec", 7),
    ("prior", None), ("target", 7), ("source", []),
])  # fmt: skip
def test_a_recipe_of_wrong_types_is_refused_before_a_model_is_loaded(tmp_path, monkeypatch, name, value):
    monkeypatch.setattr(hub, "load", lambda name: pytest.fail("loaded"))
    (tmp_path / "r.json").write_text(json.dumps(RECIPE | {name: value}))
    with pytest.raises(InputError, match=f"^{name} is |is no recipe"):
        replay.replay(tmp_path / "r.json")


def test_the_defaults_of_commands_are_in_range():
    for command in COMMANDS.values():
        parameters = inspect.signature(command).parameters.values()
        ranges.check_arguments(command, {p.name: p.default for p in parameters if p.default is not p.empty})
