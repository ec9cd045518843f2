"""vqaudio.train: the same loop as the command line's."""

import json

import pytest
import torch

import vqaudio
from vqaudio.errors import InputError

SMALL = {
    "encoder_channels": 16, "encoder_blocks": 1, "decoder_channels": 16, "decoder_blocks": 1, "frame_channels": 16,
    "frame_blocks": 1, "latent_dim": 8, "n_stages": 2, "vocab": 16,
}
LOOP = {"steps": 2, "log_every": 1, "validate_every": 2, "checkpoint_every": 2, "device": "cpu"}


def test_a_codec_is_trained_and_its_command_recorded(tiny_dataset, tmp_path):
    settings = {"codec": SMALL, "training": {"batch_size": 2, "augmentation": {"speeds": (1.0, 1.1)}}}
    codec = vqaudio.train("fsdd-8khz", tiny_dataset, tmp_path / "tiny", loop=LOOP, **settings)
    assert codec.n_codebooks == 2 and codec.codebook_size == 16
    assert codec.encode(torch.randn(1, 1, 1600)).ids.shape[1] == 2
    record = json.loads((tmp_path / "tiny" / "training.json").read_text())
    assert record["steps"] == 2 and "train codec --recipe fsdd-8khz" in record["command"]
    assert "--codec.n-stages 2" in record["command"] and "--training.augmentation.speeds 1.0 1.1" in record["command"]
    with pytest.raises(InputError, match="continue it with --resume"):
        vqaudio.train("fsdd-8khz", tiny_dataset, tmp_path / "tiny", loop=LOOP, **settings)


@pytest.mark.parametrize(("recipe", "settings", "said"), [
    ("fsdd-8kz", {}, "no recipe 'fsdd-8kz'; the nearest is 'fsdd-8khz'"),
    ("fsdd-8khz", {"codec": {"stages": 3}}, "no setting codec.stages"),
    ("fsdd-8khz", {"loop": 3}, "loop takes several settings"),
    ("fsdd-8khz", {"loop": {"steps": 0}}, "loop.steps"),
])  # fmt: skip
def test_what_is_wrong_is_said_before_anything_is_read(recipe, settings, said, tmp_path):
    with pytest.raises(InputError, match=said):
        vqaudio.train(recipe, tmp_path / "nothing", tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()
