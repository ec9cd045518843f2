"""What an experiment's description asks for, and what is said of one that cannot be understood."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from vqaudio.errors import InputError
from vqaudio.experiments import plan
from vqaudio.experiments.plan import Settings, key_of, read, recipes_of
from vqaudio.training.recipes import CODEC_RECIPES

HERE = Path(__file__).resolve().parents[2] / "experiments"
SMALL = 'recipe = "fsdd-8khz-small"\n'


@pytest.fixture
def described(tmp_path):
    """An experiment from the text of its file."""

    def write(text: str):
        (tmp_path / "a.toml").write_text(text)
        return read(tmp_path / "a.toml")

    return write


def test_a_run_for_every_setting_and_seed(described):
    text = 'seeds = [0, 5]\n[options]\nloop.steps = 9\n[grid]\n"codec.decay" = [0.9, 0.99]\n"codec.beta" = [1]\n'
    found = described(SMALL + text)
    runs = found.runs()
    assert found.size == len(runs) == 4 and found.varied == ["codec.decay", "codec.beta"]
    assert [(run.setting["codec.decay"], run.seed) for run in runs] == [(0.9, 0), (0.9, 5), (0.99, 0), (0.99, 5)]
    said = "--recipe fsdd-8khz-small --loop.steps 9 --codec.decay 0.9 --codec.beta 1 --loop.seed 0"
    assert " ".join(runs[0].arguments()) == said


def test_options_may_change_together(described):
    runs = described(SMALL + '[grid]\n"codec.n-stages, codec.vocab" = [[32, 4], [8, 256]]\n').runs()
    assert [run.setting for run in runs] == [{"codec.n_stages": n, "codec.vocab": v} for n, v in ((32, 4), (8, 256))]
    with pytest.raises(InputError, match="takes 2 values at a time"):
        described(SMALL + '[grid]\n"codec.n_stages, codec.vocab" = [32, 8]\n').runs()


def test_the_command_line_takes_what_a_run_says(described):
    """Flags, lists and nothing at all too."""
    from vqaudio.training.setup import parse

    text = '[options]\ntraining.decoder-only = true\ntraining.augmentation.speeds = [1.0, 1.1]\nloop.tensorboard = false\n'
    (run,) = described(SMALL + text).runs()
    settings = parse(run.arguments(), CODEC_RECIPES, "fsdd-8khz", "vqaudio").settings
    assert settings == Settings("codec", "fsdd-8khz-small").changed(run.options)
    assert settings.training.decoder_only and settings.training.augmentation.speeds == (1.0, 1.1) and settings.loop.seed == 0


def test_equal_trainings_are_known_to_be_equal_however_they_are_asked_for(described):
    usual, said, other = (described(SMALL + more).runs()[0] for more in (
        "", '[options]\ncodec.decay = 0.99\n', '[options]\ncodec.decay = 0.98\n',
    ))  # fmt: skip
    assert usual.key == said.key != other.key
    assert usual.folder(Path("runs")) == said.folder(Path("runs")) != other.folder(Path("runs"))
    seeds = described(SMALL + "seeds = [0, 1]\n").runs()
    assert seeds[0].key == usual.key != seeds[1].key


def test_a_field_that_comes_later_makes_no_stranger_of_an_old_run():
    recipe = CODEC_RECIPES["fsdd-8khz-small"]
    assert key_of("codec", replace(recipe, codec=replace(recipe.codec, wave_dims=0))) == key_of("codec", recipe)
    assert "wave_dims" not in json.dumps(plan._differences(recipe))


def test_how_a_codec_is_measured_needs_no_training_of_its_own(described):
    greedy, beam = described(SMALL + '[grid]\n"measure.beam" = [1, 4]\n').runs()
    assert greedy.key == beam.key and greedy.arguments() == beam.arguments()
    assert greedy.measuring == {"beam": 1} and beam.measuring == {"beam": 4}


@pytest.mark.parametrize(("text", "said"), [
    ('recipe = "fsdd-8khz-smal"\n', "no recipe 'fsdd-8khz-smal' for a codec; the nearest is 'fsdd-8khz-small'"),
    (SMALL + "[options]\ncodec.deccay = 1\n", "no option 'codec.deccay'; the nearest is 'codec.decay'"),
    (SMALL + '[grid]\n"measure.bean" = [1]\n', "no option 'measure.bean'; the nearest is 'measure.beam'"),
    (SMALL + '[grid]\n"measure.beam" = [0]\n', "measure.beam is a whole number from 1"),
    (SMALL + '[grid]\n"codec.vocab" = [8, "many"]\n', "codec.vocab cannot be 'many'"),
    (SMALL + "[options]\nloop.seed = 3\n", "loop.seed cannot be in a grid: use the key seeds"),
    (SMALL + "[grid]\ncodec.decay = 0.9\n", "gives each option a list of values; codec.decay has 0.9"),
    (SMALL + "seeds = 3\n", "seeds are a list of whole numbers"),
    (SMALL + 'kind = "oracle"\n', "kind is codec, prior or judge"),
    (SMALL + "seed = [1]\n", "'seed' is not known here; the nearest is 'seeds'"),
    ("seeds = [1]\n", "names no recipe"),
    ("recipe = \n", "is not TOML"),
])  # fmt: skip
def test_what_is_not_understood_is_named(described, text, said):
    with pytest.raises(InputError, match="(?s)" + said.replace("(", r"\(")):
        described(text).runs()


def test_every_description_that_is_here_is_understood():
    found = [read(path) for path in HERE.glob("*.toml")]
    assert {one.name for one in found} >= {"codebook-size", "ema-decay", "restarts", "quantiser-dropout", "beam"}
    for one in found:
        assert len(one.runs()) == one.size > 0 and one.question and one.recipe in recipes_of(one.kind)


def test_64_bits_a_column_are_64_whatever_the_number_of_stages():
    settings = Settings("codec", "fsdd-8khz-small")
    for run in read(HERE / "codebook-size.toml").runs():
        codec = settings.changed(run.options).codec
        assert codec.n_stages * (codec.vocab.bit_length() - 1) == 64
