"""Training that starts from a trained codec: the start is a candidate, the decoder goes first, and patience ends."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import vqaudio
from vqaudio import hub
from vqaudio.data.datasets import folder as folder_dataset
from vqaudio.errors import InputError
from vqaudio.training import fine_tuning
from vqaudio.training.loop import LoopConfig, Worker, fit
from vqaudio.training.recipes import CODEC_RECIPES
from vqaudio.training.record import RunFacts

LOOP = {"steps": 6, "log_every": 1, "validate_every": 2, "checkpoint_every": 2, "device": "cpu"}
TRAINING = {"batch_size": 2, "crop_s": 0.3}
FOLDER = CODEC_RECIPES["folder"]


@pytest.fixture(scope="module")
def sounds(tmp_path_factory, example_clips) -> Path:
    """A folder of recordings with a validation part."""
    folder = tmp_path_factory.mktemp("own")
    for i in range(24):
        shutil.copy(example_clips[i % len(example_clips)], folder / f"sound {i}.wav")
    return folder


@pytest.fixture
def start(model_folder, tmp_path, monkeypatch) -> str:
    """The small codec, shipped."""
    shutil.copytree(model_folder, tmp_path / "weights" / "small")
    monkeypatch.setattr(hub, "WEIGHTS", tmp_path / "weights")
    return "small"


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return hub.load(folder).state_dict()


def test_the_decoder_goes_first_and_codes_stay_until_then(sounds, start, tmp_path):
    training = TRAINING | {"decoder_first": 100}
    trained = vqaudio.train("folder", sounds, tmp_path / "run", start_from=start, loop=LOOP, training=training)
    before, after = weights(hub.WEIGHTS / start), weights(tmp_path / "run" / "last")
    changed = {name for name, value in before.items() if name in after and not torch.equal(value, after[name])}
    assert changed and not {name for name in changed if name.startswith(("encoder", "rvq", "stem"))}
    assert trained.encoder_fingerprint == hub.load(start).encoder_fingerprint
    everything = vqaudio.train(
        "folder", sounds, tmp_path / "all", start_from=start, loop=LOOP, training=TRAINING | {"decoder_first": 2}
    )
    assert everything.config.n_stages == 4, "the shape of the codec that it starts from"
    assert weights(tmp_path / "all" / "last")["encoder.0.contract.weight"].shape
    assert hub.load(tmp_path / "all" / "last").encoder_fingerprint != hub.load(start).encoder_fingerprint


class Scripted:
    """A task whose validations give these scores, the first one before training."""

    def __init__(self, scores: list[float]):
        self.scores = iter(scores)
        self.layer = torch.nn.Linear(1, 1)
        self.modules, self.learning_rates = {"layer": self.layer}, {"layer": 0.1}
        self.optimisers = {"layer": torch.optim.SGD(self.layer.parameters())}

    def train_step(self, step: int) -> dict[str, torch.Tensor]:
        with torch.no_grad():
            self.layer.bias.fill_(step + 1.0)
        return {"loss": torch.tensor(1.0)}

    def validate(self) -> dict[str, float]:
        return {"error": next(self.scores)}

    def sounds(self) -> dict:
        return {}

    def export(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(self.layer.bias.item()))


def exported(folder: Path) -> float:
    return json.loads((folder / "config.json").read_text())


@pytest.mark.parametrize(("scores", "steps", "best"), [
    ([1.0, 2.0, 3.0, 4.0], 3, 0.5),  # never better than the start
    ([3.0, 2.0, 2.5, 1.5, 1.6, 1.7, 1.8], 6, 3.0),
    ([3.0, 2.9, 2.8, 2.7, 2.6, 2.5, 2.4, 2.3, 2.2], 8, 8.0),
])  # fmt: skip
def test_the_start_is_a_candidate_and_patience_ends(scores, steps, best, tmp_path, capsys):
    loop = LoopConfig(steps=8, log_every=1, validate_every=1, checkpoint_every=5, patience=3)
    facts = RunFacts(start_from={"model": "small", "data": []})
    task = Scripted(scores)
    task.layer.bias.data.fill_(0.5)
    fit(task, loop, tmp_path, Worker(torch.device("cpu")), facts=facts)
    assert f"Before training: error {scores[0]:g}" in capsys.readouterr().out
    assert exported(tmp_path / "best") == best and exported(tmp_path / "last") == steps
    assert len((tmp_path / "metrics.csv").read_text().splitlines()) == 1 + steps
    assert fit(Scripted([]), loop, tmp_path, Worker(torch.device("cpu")), resume=True, facts=facts) == {}, "it is complete"


def test_the_recipe_follows_the_codec_that_it_starts_from(start):
    given = replace(FOLDER, start_from=start)
    found = fine_tuning.adapted(given)
    assert found.codec.encoder_channels == 16 and found.codec.codebook_update == "ema"
    assert found.training.decoder_first == FOLDER.loop.steps // 4 and found.loop.patience == fine_tuning.PATIENCE
    own = replace(given, training=replace(FOLDER.training, decoder_first=7, learning_rate=1e-5))
    assert fine_tuning.adapted(own).training == own.training
    assert fine_tuning.adapted(FOLDER) is FOLDER


def test_a_codec_of_another_family_is_refused(picture_folder):
    with pytest.raises(InputError, match="of another family"):
        fine_tuning.adapted(replace(FOLDER, start_from=str(picture_folder)))


def test_the_advice_names_a_codec_and_what_it_reaches(sounds, start):
    validation = folder_dataset.load_split("validation", sounds, 8000)
    error = fine_tuning.error(hub.load(start), validation)
    assert f"small has mel-L1 {error:.3f} on {len(validation)} of" in fine_tuning.advice(validation)
    assert "No shipped codec has 22,050 Hz" in fine_tuning.advice(replace(validation, sample_rate=22050))
