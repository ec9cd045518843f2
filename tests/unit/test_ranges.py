"""Types and ranges of settings: every field of every configuration has them, and what breaks them is named."""

import math
import typing
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Annotated

import numpy as np
import pytest

from vqaudio.codecs.spectrogram import SpectrogramConfig
from vqaudio.codecs.waveform import WaveformCodec, WaveformConfig
from vqaudio.data.batches import Augmentation
from vqaudio.errors import InputError
from vqaudio.judges import JudgeConfig
from vqaudio.prior import Sampling
from vqaudio.priors.autoregressive import AutoregressivePriorConfig
from vqaudio.priors.diffusion import DiffusionPriorConfig
from vqaudio.priors.masked import MaskedPriorConfig
from vqaudio.priors.naive_bayes import NaiveBayesPriorConfig
from vqaudio.questions.config import QuestionConfig
from vqaudio.ranges import Count, Items, Name, Precision, Range, Share, Text, check, printable
from vqaudio.training.codec_task import CodecTraining
from vqaudio.training.judge_task import JudgeTraining
from vqaudio.training.loop import LoopConfig
from vqaudio.training.picture_task import PictureTraining
from vqaudio.training.prior_recipes import PRIOR_RECIPES
from vqaudio.training.prior_task import PriorTraining
from vqaudio.training.question_recipes import QUESTION_RECIPES
from vqaudio.training.question_task import QuestionTraining
from vqaudio.training.recipes import CODEC_RECIPES, JUDGE_RECIPES

RECIPES = [one for recipes in (CODEC_RECIPES, JUDGE_RECIPES, PRIOR_RECIPES, QUESTION_RECIPES) for one in recipes.values()]
CONFIGS = (
    WaveformConfig, SpectrogramConfig, MaskedPriorConfig, AutoregressivePriorConfig, DiffusionPriorConfig, NaiveBayesPriorConfig,
    JudgeConfig, Sampling, LoopConfig, CodecTraining, PictureTraining, PriorTraining, JudgeTraining, Augmentation, QuestionConfig,
    QuestionTraining,
    *dict.fromkeys(map(type, RECIPES)),
)  # fmt: skip
NUMBERS = [(config, f.name) for config in CONFIGS for f in fields(config) if type(getattr(config(), f.name)) in (int, float)]


@dataclass(frozen=True)
class Inner:
    speeds: Annotated[tuple[Annotated[float, Range(0.25, 4)], ...], Items(1, 3)] = (1.0,)
    stages: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Outer:
    number: Count = 2
    share: Share = 0.5
    rate: Annotated[float, Range(0, 10, above=True)] | None = None
    precision: Precision = "auto"
    name: Name = ""
    flag: bool = False
    inner: Inner = field(default_factory=Inner)


@pytest.mark.parametrize("changes", [
    {}, {"share": 1}, {"share": np.float32(0.5)}, {"number": np.int64(3)}, {"rate": 10},
    {"name": "\u0915\u094d\u200d\u0937"}, {"inner": Inner((1, 2), ((1, 2),))},
])  # fmt: skip
def test_what_fits_is_not_touched(changes):
    check(Outer(**changes))


@pytest.mark.parametrize("field_name,value,says", [
    ("number", 0, "number is 0; it takes a whole number from 1 to 1000000000."),
    ("number", True, "number is True; it takes a whole number"),
    ("number", 2.0, "number is 2.0; it takes a whole number"),
    ("number", "2", "number is '2'; it takes a whole number"),
    pytest.param("number", 10**5000, "number is a number of more than 60 digits; it takes a whole number", id="digits"),
    ("number", [[1] * 99] * 99, r"number is \[\[1, 1, .*\.\.\.\]; it takes a whole number"),
    ("share", math.nan, "share is nan; it takes a number from 0 to 1."),
    ("share", math.inf, "share is inf"),
    ("share", 10**400, "share is a number of more than 60 digits"),
    ("rate", 0, "rate is 0; it takes a number above 0 and at most 10 or none."),
    ("precision", "float64", "precision is 'float64'; it takes 'auto' or 'bfloat16' or 'float32'."),
    ("precision", ["auto"], "precision is"),
    ("name", "\x1b[2J", r"name is '\\x1b\[2J'; it takes text of up to 255 printable characters."),
    ("name", "\udc80", "name is"),
    ("name", "a" * 256, "name is 'aaaaaaaaaaaa...aaaaaaaaaaaaa'; it takes text"),
    ("name", None, "name is None"),
    ("flag", 1, "flag is 1; it takes true or false."),
    ("inner", Inner(()), r"inner.speeds is \(\); it takes a list of 1 to 3 items, each a number from 0.25 to 4."),
    ("inner", Inner((1.0, 9.0)), "inner.speeds is"),
    ("inner", Inner([1.0]), "inner.speeds is"),
    ("inner", Inner(stages=((1,),)), "inner.stages is .* each a list of 2: a whole number, a whole number."),
    ("inner", None, "inner is None"),
])  # fmt: skip
def test_what_does_not_fit_is_named_with_its_range(field_name, value, says):
    with pytest.raises(InputError, match=f"^{says}") as caught:
        check(Outer(**{field_name: value}))
    assert str(caught.value).isprintable() and len(str(caught.value)) < 300


def test_a_field_is_named_as_an_option_where_it_is_one():
    with pytest.raises(InputError, match="^--loop.log-every is 0; it takes"):
        check(replace(CODEC_RECIPES["folder"], loop=LoopConfig(log_every=0)), option=True)


@pytest.mark.parametrize("config", CONFIGS)
def test_every_number_has_a_range_and_every_text_a_limit(config):
    for name, hint in typing.get_type_hints(config, include_extras=True).items():
        assert _is_limited(hint), f"{config.__name__}.{name} is a {hint} without limits"


def _is_limited(hint) -> bool:
    if is_dataclass(hint) or hint in (bool, type(None)) or typing.get_origin(hint) is typing.Literal:
        return True
    if typing.get_origin(hint) is Annotated and typing.get_args(hint)[0] in (int, float, str):
        return any(isinstance(limit, Range | Text) for limit in typing.get_args(hint)[1:])
    parts = [part for part in typing.get_args(hint) if part is not Ellipsis and not isinstance(part, Items)]
    return bool(parts) and all(map(_is_limited, parts))


@pytest.mark.parametrize("config,name", NUMBERS, ids=[f"{config.__name__}.{name}" for config, name in NUMBERS])
def test_no_number_of_any_configuration_takes_nonsense(config, name):
    for value in (-1000, 10**19, math.nan, math.inf, -math.inf, "1", [1], True, 10**5000):
        with pytest.raises(InputError, match=f"^{name} is "):
            check(replace(config(), **{name: value}))


def test_recipes_are_in_range():
    for recipe in RECIPES:
        check(recipe)


@pytest.mark.parametrize("changes,says", [
    ({"hop": 441}, "frames_per_column divides hop, 441; 2 does not. Choose 1, 3, 7, 9."), ({"n_fft": 79}, "n_fft is at least"),
    ({"look_ahead": 7}, "look_ahead is less than kernel"), ({"wave_dims": 65}, "wave_dims is at most latent_dim"),
    ({"wave_dims": 64, "network_stages": 1}, "latent_dim larger"),
])  # fmt: skip
def test_a_codec_is_not_built_from_settings_that_do_not_fit_together(changes, says):
    with pytest.raises(InputError, match=says):
        WaveformCodec(WaveformConfig(**changes))


@pytest.mark.parametrize("config,changes,says", [
    (SpectrogramConfig, {"rows": 500}, "8 does not divide 500"), (SpectrogramConfig, {"n_fft": 128}, "n_fft is at least"),
    (SpectrogramConfig, {"kernel": 4}, "kernel is odd"), (SpectrogramConfig, {"n_fft": 641}, "n_fft is even"),
    (SpectrogramConfig, {"rows": 4096, "n_fft": 4096}, "rows times n_fft / 2"),
    (SpectrogramConfig, {"hop": 8, "n_fft": 8, "sample_rate": 384_000}, "at most 200000 codes a second"),
    (MaskedPriorConfig, {"frame_rate": 100_000.0, "hop": 1, "stages": ((1, 1, 2),) * 3}, "at most 200000 codes a second"),
    (MaskedPriorConfig, {"frame_rate": 1.0}, "hop times frame_rate is 160; it takes"),
    (QuestionConfig, {"extractor_channels": (8,)}, "needs a pair of extractor_strides"),
    (QuestionConfig, {"height": 4096, "width": 4096}, "at most 16777216 numbers"),
    (MaskedPriorConfig, {"dim": 252}, "dim is a multiple of twice the heads, here 8"),
    (MaskedPriorConfig, {"stages": ((256, 256, 2),)}, "at most 4096 rows"),
    (MaskedPriorConfig, {"label_kinds": ("a", "b"), "label_values": (("1",),)}, "Each kind of label"),
    (MaskedPriorConfig, {"label_kinds": ("a", "a"), "label_values": (("1",), ("1",))}, "Each kind of label"),
])  # fmt: skip
def test_settings_that_do_not_fit_together_are_named(config, changes, says):
    with pytest.raises(InputError, match=says):
        check(config(**changes))


def test_control_characters_are_written_out():
    assert printable("a\x1b[2J\n\u2028\ud800é\u200d") == "a\\x1b[2J\\n\\u2028\\ud800é\u200d"
