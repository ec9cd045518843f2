"""Shared fixtures: small untrained codecs, example clips, tiny datasets and the command line."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import hypothesis
import pytest
import torch

from tests import asking
from vqaudio import hub
from vqaudio.codecs.spectrogram import SpectrogramCodec, SpectrogramConfig
from vqaudio.codecs.waveform import WaveformCodec, WaveformConfig

ROOT = Path(__file__).resolve().parent.parent
SMALL = WaveformConfig(
    encoder_channels=16, encoder_blocks=1, decoder_channels=16, decoder_blocks=1, frame_channels=16, frame_blocks=1,
    latent_dim=8, n_stages=4, vocab=32,
)
SMALL_PICTURE = SpectrogramConfig(
    sample_rate=8000, hop=160, frames_per_column=2, n_fft=320, rows=32, top_bands=2, bottom_bands=4, bottom_stages=2, vocab=32,
    latent_dim=8, channels=16, top_channels=16, encoder_blocks=1, decoder_blocks=1, refinements=1,
)
SMALL_WITH_WAVE = replace(SMALL, phase="vector", wave_dims=6, look_ahead=1)

hypothesis.settings.register_profile("vqaudio", deadline=None, derandomize=True)
hypothesis.settings.load_profile("vqaudio")


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory) -> Path:
    """A small untrained codec, in the layout of weights/."""
    return save_small(tmp_path_factory.mktemp("models") / "small", seed=0)


@pytest.fixture(scope="session")
def other_folder(tmp_path_factory) -> Path:
    """Another codec of the same shape."""
    return save_small(tmp_path_factory.mktemp("models") / "other", seed=1)


@pytest.fixture(scope="session")
def wave_folder(tmp_path_factory) -> Path:
    """A codec with a waveform path to its latents."""
    return save_small(tmp_path_factory.mktemp("models") / "wave", seed=2, config=SMALL_WITH_WAVE)


@pytest.fixture(scope="session")
def picture_folder(tmp_path_factory) -> Path:
    """A spectrogram codec: two maps with bands, and a phase that depends on everything earlier."""
    return save_small_picture(tmp_path_factory.mktemp("models") / "picture", seed=3)


@pytest.fixture
def codec(model_folder):
    return hub.load(model_folder)


def save_small(folder: Path, seed: int, config: WaveformConfig = SMALL) -> Path:
    torch.manual_seed(seed)
    codec = WaveformCodec(config)
    for buffer in codec.rvq.buffers():
        if buffer.is_floating_point() and buffer.ndim >= 2:  # spread the ids, as trained codebooks do
            buffer.copy_(torch.randn_like(buffer) * 0.3)
    for name, parameter in codec.named_parameters():
        if name.endswith(".scale"):  # blocks with an effect, as in a trained model
            parameter.data.fill_(1.0)
        elif name.endswith(("expand.weight", "contract.weight")):
            parameter.data.mul_(10.0)
    hub.save_compact(codec, folder)
    return folder


def save_small_picture(folder: Path, seed: int, config: SpectrogramConfig = SMALL_PICTURE) -> Path:
    torch.manual_seed(seed)
    codec = SpectrogramCodec(config)
    for parameter in codec.parameters():
        if not parameter.any():  # no zero weights, as in a trained model
            parameter.data.copy_(0.1 * torch.randn_like(parameter))
    codec.start_from(0.1 * torch.randn(8, 1, 32 * config.hop))
    hub.save_compact(codec, folder)
    return folder


@pytest.fixture(scope="session")
def example_clips() -> list[Path]:
    """Clips of FSDD's test split, 8 kHz mono."""
    clips = sorted((ROOT / "assets" / "examples").glob("*.wav"))
    if not clips:
        pytest.skip("assets/examples holds no clips")
    return clips


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory, example_clips) -> Path:
    """The example clips, named like FSDD's training and validation clips."""
    folder = tmp_path_factory.mktemp("data")
    for clip in example_clips:
        digit, speaker, _ = clip.stem.split("_")
        shutil.copy(clip, folder / f"{digit}_{speaker}_10.wav")
        shutil.copy(clip, folder / f"{digit}_{speaker}_5.wav")
    return folder


@pytest.fixture(scope="session")
def clear_folder(tmp_path_factory) -> Path:
    """Tones, named like CLEAR's notes."""
    return asking.write_tones(tmp_path_factory.mktemp("clear") / "clear-notes")


@pytest.fixture(scope="session")
def scene_folders(tmp_path_factory, clear_folder) -> Path:
    """Training and validation scenes of those tones, with questions."""
    return asking.write_scenes(tmp_path_factory.mktemp("scenes"), clear_folder)


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """For subprocesses: this repository's package, one thread, and no access to the Hub."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


@pytest.fixture(scope="session")
def shell(environment):
    """Run `python -m vqaudio ...` in a subprocess."""

    def run(*arguments, **options) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "vqaudio", *map(str, arguments)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, **options)

    return run


@pytest.fixture
def command(capfd):
    """Run `vqaudio ...` in this process: (exit code, stdout, stderr). Faster than `shell`, otherwise the same."""
    from vqaudio.cli import main

    def run(*arguments) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        return code, *capfd.readouterr()

    return run
