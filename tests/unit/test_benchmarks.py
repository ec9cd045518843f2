"""The benchmarks run, at sizes that measure nothing, and write what they promise."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch

from vqaudio.codecs.waveform import WaveformCodec, WaveformConfig
from vqaudio.hub import save_compact

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def benchmark_module(monkeypatch):
    """Loads a benchmark as its command line does; what it does to torch's threads and random numbers is undone."""
    monkeypatch.syspath_prepend(BENCHMARKS)

    def load(name):
        spec = importlib.util.spec_from_file_location(f"benchmark_{name}", BENCHMARKS / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    threads = torch.get_num_threads()
    with torch.random.fork_rng():
        yield load
    torch.set_num_threads(threads)


def test_the_quantiser_benchmark(benchmark_module, tmp_path, capsys):
    benchmark_module("rvq").main(
        batch=2, frames=40, dim=8, vocab=16, stages=(2, 3), beam=2, repeats=1, json=tmp_path / "rvq.json"
    )
    written = json.loads((tmp_path / "rvq.json").read_text())
    assert written["machine"]["threads"] == 1
    for stages in ("2", "3"):
        assert written["over_floor"][stages]["floor"] == 1
        assert {"vqaudio, encode", "vqaudio, encode, beam 2", "vqaudio, training step"} <= set(written["cpu_s"][stages])
    assert "| vqaudio, training step" in capsys.readouterr().out


def test_the_codec_benchmark(benchmark_module, tmp_path, capsys):
    config = WaveformConfig(encoder_channels=8, latent_dim=4, decoder_channels=8, frame_channels=8, vocab=16)
    save_compact(WaveformCodec(config), tmp_path / "tiny")
    benchmark_module("codec").main(
        str(tmp_path / "tiny"), lengths_s=(0.1, 0.5), repeats=1, encodec=False, json=tmp_path / "codec.json"
    )
    written = json.loads((tmp_path / "codec.json").read_text())
    assert set(written["times_real_time"]) == {"0.1", "0.5"}
    assert all(speed > 0 for speed in written["times_real_time"]["0.5"].values())
    assert "| decode 0.5 s" in capsys.readouterr().out
