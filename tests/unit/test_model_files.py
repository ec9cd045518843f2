"""Model folders that somebody made to do harm: a sentence each, with nothing large allocated."""

import json
import math
import resource
import shutil
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file

from vqaudio import hub, model_files
from vqaudio.codecs.waveform import WaveformCodec, WaveformConfig
from vqaudio.errors import InputError
from vqaudio.judges import Judge, JudgeConfig
from vqaudio.priors.autoregressive import AutoregressivePrior, AutoregressivePriorConfig
from vqaudio.priors.diffusion import DiffusionPrior, DiffusionPriorConfig
from vqaudio.priors.masked import MaskedPrior, MaskedPriorConfig
from vqaudio.priors.naive_bayes import NaiveBayesPrior, NaiveBayesPriorConfig
from vqaudio.questions.config import QuestionConfig
from vqaudio.questions.film import QuestionModel

OF_THE_CODEC = {
    "codec_name": "small", "stages": ((1, 1, 32),) * 4, "label_kinds": ("digit",), "label_values": (("0", "1"),), "n_examples": 3,
}  # fmt: skip
PRIORS = {
    "masked": (MaskedPrior, MaskedPriorConfig(**OF_THE_CODEC, dim=16, layers=1, heads=2)),
    "autoregressive": (AutoregressivePrior, AutoregressivePriorConfig(**OF_THE_CODEC, dim=16, layers=1, heads=2)),
    "diffusion": (DiffusionPrior, DiffusionPriorConfig(**OF_THE_CODEC, dim=16, layers=1, heads=2)),
    "naive_bayes": (NaiveBayesPrior, NaiveBayesPriorConfig(**OF_THE_CODEC)),
}
QUESTION = QuestionConfig(
    vocabulary=("<pad>", "<unknown>", "how"), answers=("1", "2"), height=16, width=16, extractor_channels=(4, 4), channels=8,
    embedding=8, gru=8, classifier_channels=8, classifier_hidden=8,
)  # fmt: skip
KINDS = ("codec", "picture", "judge", "question", *PRIORS)
NESTED = "[" * 1000 + "]" * 1000


@pytest.fixture(params=KINDS)
def folder(request, model_folder, picture_folder, tmp_path):
    """A small model of each kind."""
    if request.param in PRIORS:
        model_class, config = PRIORS[request.param]
        prior = model_class(config)
        prior.remember(torch.tensor([800, 1600, 2400]), torch.zeros(3, 1, dtype=torch.long), torch.full((3,), -20.0))
        hub.save_compact(prior, tmp_path / "model")
    elif request.param == "judge":
        hub.save_compact(Judge(JudgeConfig(classes=("0", "1"), channels=4)), tmp_path / "model")
    elif request.param == "question":
        hub.save_compact(QuestionModel(QUESTION), tmp_path / "model")
    else:
        shutil.copytree(model_folder if request.param == "codec" else picture_folder, tmp_path / "model")
    return tmp_path / "model"


def values_of(folder) -> dict:
    return json.loads((folder / "config.json").read_text())


def refused(folder) -> str:
    """The sentence, which must be fit to be printed."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError) as caught:
        hub.load(folder)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KB
    assert str(caught.value).isprintable() and len(str(caught.value)) < 600
    return str(caught.value)


def test_the_folders_below_load_but_for_their_one_flaw(folder):
    assert hub.load(folder).name == "model"


@pytest.mark.parametrize("value", [10**18, math.inf, math.nan, -1000, True, [1], {"a": 1}, 2**63, "9"], ids=str)
def test_numbers_out_of_any_range_and_of_wrong_types(folder, value):
    values = values_of(folder)
    numbers = [name for name, good in values.items() if type(good) in (int, float)]
    for name in numbers:
        (folder / "config.json").write_text(json.dumps(values | {name: value}))
        assert f"{name} is " in refused(folder)
    assert len(numbers) > 5


@pytest.mark.parametrize("text", ["n" * 300, "\\u001b[2J", "\\u009b1m", "a\\nb"])
def test_names_that_are_long_or_steer_a_terminal(folder, text):
    values = values_of(folder)
    texts = [name for name, good in values.items() if isinstance(good, str) and name != "module"]
    for name in texts:
        (folder / "config.json").write_text(json.dumps(values | {name: "@"}).replace("@", text))
        assert f"{name} is " in refused(folder)
    (folder / "config.json").write_text(json.dumps(values | {"module": "@"}).replace("@", text))
    assert "names the module" in refused(folder)
    (folder / "config.json").write_text(json.dumps(values | {"@": 1}).replace("@", text))
    assert "a setting that is not known" in refused(folder)


@pytest.mark.parametrize(
    "raw", [NESTED, "9" * 5000, '{"a":' * 1000 + "1" + "}" * 1000, "[" * 100_000, '"', "NaN" * 2], ids=range(6)
)
def test_json_that_no_person_writes(folder, raw):
    values = values_of(folder)
    name = next(name for name, good in values.items() if type(good) is int)
    (folder / "config.json").write_text(json.dumps(values | {name: "@"}).replace('"@"', raw))
    assert "config.json" in refused(folder)


def test_a_config_of_many_megabytes_is_not_read(folder):
    with open(folder / "config.json", "a") as file:
        file.truncate(2**26)
    assert "larger than 32 MB" in refused(folder)


WIDEST = {
    "codecs.waveform": {"encoder_channels": 8192, "encoder_blocks": 128}, "codecs.spectrogram": {"channels": 8192},
    "priors.masked": {"dim": 8192, "layers": 128}, "priors.autoregressive": {"dim": 8192, "layers": 128},
    "priors.diffusion": {"dim": 8192, "layers": 128},
    "priors.naive_bayes": {"stages": ((1, 1, 65_536),) * 64}, "judges": {"channels": 1024},
    "questions.film": {"channels": 8192, "n_blocks": 128},
}  # fmt: skip


def test_a_model_larger_than_its_weights_is_refused_before_it_is_made(folder):
    """Every number is in its range; together they ask for gigabytes."""
    values = values_of(folder)
    (folder / "config.json").write_text(json.dumps(values | WIDEST[values["module"]]))
    assert "do not fit its config.json: the model that it describes has more than" in refused(folder)


def test_a_question_model_without_words_is_refused(tmp_path):
    hub.save_compact(QuestionModel(QUESTION), tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(values_of(tmp_path) | {"vocabulary": []}))
    assert "do not fit its config.json" in refused(tmp_path)


def test_a_new_model_is_bounded_too():
    with pytest.raises(InputError, match="more than 536870912 numbers"):
        model_files.build(WaveformCodec, WaveformConfig(encoder_channels=8192, encoder_blocks=128))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300])
def test_weights_that_are_not_finite_do_not_load(folder, value):
    weights = load_file(folder / "model.safetensors")
    for name in [name for name, good in weights.items() if good.is_floating_point()][::5]:
        wrong = weights[name].double()
        wrong.view(-1)[-1:] = value
        save_file(weights | {name: wrong}, folder / "model.safetensors")
        assert "are damaged: some are infinite, NaN, or counts below 0" in refused(folder)


def test_the_mixins_way_of_loading_is_as_careful(model_folder, tmp_path):
    folder = shutil.copytree(model_folder, tmp_path / "model")
    values, weights = values_of(folder), load_file(folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(values | {"encoder_channels": 8192, "encoder_blocks": 128}))
    with pytest.raises(InputError, match="has more than [0-9]+ numbers"):
        WaveformCodec.from_pretrained(folder)
    (folder / "config.json").write_text(json.dumps(values))
    save_file({**weights, "stem.weight": weights["stem.weight"] * math.nan}, folder / "model.safetensors")
    with pytest.raises(InputError, match="are damaged"):
        WaveformCodec.from_pretrained(folder)


def test_counts_below_zero_do_not_load(folder):
    weights = load_file(folder / "model.safetensors")
    for name in [name for name, good in weights.items() if not good.is_floating_point()]:
        save_file(weights | {name: torch.full_like(weights[name], -1)}, folder / "model.safetensors")
        assert "counts below 0" in refused(folder)


@pytest.mark.parametrize("header", [
    {"a": {"dtype": "F32", "shape": [10**18], "data_offsets": [0, 4]}},
    {"a": {"dtype": "F32", "shape": [2**63, 2], "data_offsets": [0, 0]}},
    {"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}},
    {"\x1b[2J" * 9: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}},
    {"k" * 5000: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}},
])  # fmt: skip
def test_headers_of_weights_that_lie(folder, header):
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(4))
    refused(folder)


def test_a_prior_whose_examples_are_of_any_length_still_makes_a_clip(tmp_path):
    model_class, config = PRIORS["naive_bayes"]
    prior = model_class(config)
    prior.remember(torch.tensor([2**31 - 1, 0, 2**31 - 1]), torch.zeros(3, 1, dtype=torch.long), torch.full((3,), -20.0))
    lengths = {int(prior.blank(generator=torch.Generator().manual_seed(seed)).lengths[0]) for seed in range(9)}
    assert lengths == {1, 30 * 8000}


@pytest.mark.parametrize("kind", PRIORS)
def test_a_prior_with_weights_that_are_not_finite_or_in_half_precision_fills_nothing(kind):
    model_class, config = PRIORS[kind]
    prior = model_class(config).eval()
    codes = prior.blank(seconds=0.1)
    mask = codes.valid[:, None].expand(codes.ids.shape)
    assert prior.fill(codes, mask, steps=1).ids.shape == codes.ids.shape
    with torch.autocast("cpu", torch.bfloat16):
        assert prior.fill(codes, mask, steps=1).ids.shape == codes.ids.shape
    if list(prior.parameters()):
        with pytest.raises(InputError, match="computes in float32"):
            prior.half().fill(codes, mask, steps=1)
        prior.float()
    prior.example_levels_db.fill_(math.nan)
    scoring = [] if prior.likelihood == "none" else [lambda: prior.log_prob(codes)]
    for call in (lambda: prior.fill(codes, mask, steps=1), *scoring):
        with pytest.raises(InputError, match="are damaged"):
            call()


@pytest.mark.parametrize("content", [
    b"", b"[]", b"{", NESTED.encode(), b'{"title": ' + b"9" * 5000 + b"}", b"\xff", json.dumps({"title": "t" * 2000}).encode(),
    b'{"title": "\\u001b[2J"}', b'{"title": ["a"]}', b'{"title": null}',
])  # fmt: skip
def test_an_about_file_that_is_damaged_says_nothing(model_folder, tmp_path, content):
    (tmp_path / "about.json").write_bytes(content)
    assert hub.about(tmp_path) == {}


@pytest.mark.parametrize("name", ["n" * 300, "a/" + "n" * 300, "a\0b", "\x1b[2J", "n" * 5000])
def test_names_that_no_file_system_takes(name):
    with pytest.raises(InputError) as caught:
        hub.load(name)
    assert "\x1b" not in str(caught.value)
