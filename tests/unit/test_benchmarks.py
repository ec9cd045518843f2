"""The benchmarks run at tiny sizes and write their results."""

import json

import pytest
import torch

from benchmarks import blur, codec, questions, rvq, start, streaming, training
from vqaudio.codecs.waveform import WaveformCodec, WaveformConfig
from vqaudio.hub import save_compact


@pytest.fixture(autouse=True)
def undone():
    """What a benchmark does to torch's threads and random numbers is undone."""
    threads = torch.get_num_threads()
    with torch.random.fork_rng():
        yield
    torch.set_num_threads(threads)


def test_the_quantiser_benchmark(tmp_path, capsys):
    rvq.main(
        batch=2, frames=40, dim=8, vocab=16, stages=(2, 3), beam=2, repeats=1, json=tmp_path / "rvq.json"
    )
    written = json.loads((tmp_path / "rvq.json").read_text())
    assert written["machine"]["threads"] == 1
    for stages in ("2", "3"):
        assert written["over_floor"][stages]["floor"] == 1
        assert {"vqaudio, encode", "vqaudio, encode, beam 2", "vqaudio, training step"} <= set(written["cpu_s"][stages])
    assert "| vqaudio, training step" in capsys.readouterr().out


def test_the_codec_benchmark(tmp_path, capsys):
    config = WaveformConfig(encoder_channels=8, latent_dim=4, decoder_channels=8, frame_channels=8, vocab=16)
    save_compact(WaveformCodec(config), tmp_path / "tiny")
    codec.main(
        str(tmp_path / "tiny"), lengths_s=(0.1, 0.5), repeats=1, encodec=False, json=tmp_path / "codec.json"
    )
    written = json.loads((tmp_path / "codec.json").read_text())
    assert set(written["times_real_time"]) == {"0.1", "0.5"}
    assert all(speed > 0 for speed in written["times_real_time"]["0.5"].values())
    assert "| decode 0.5 s" in capsys.readouterr().out


def test_the_streaming_benchmark(tmp_path, capsys):
    config = WaveformConfig(encoder_channels=8, latent_dim=4, decoder_channels=8, frame_channels=8, vocab=16)
    save_compact(WaveformCodec(config), tmp_path / "tiny")
    streaming.main(str(tmp_path / "tiny"), blocks_ms=(100.0,), seconds=0.3, repeats=1, json=tmp_path / "streaming.json")
    written = json.loads((tmp_path / "streaming.json").read_text())
    contestants = {f"{name} {verb}" for name in ("whole file", "stream 100 ms", "window 100 ms") for verb in ("encode", "decode")}
    assert set(written["times_real_time"]) == contestants and min(written["times_real_time"].values()) > 0
    assert written["delay_ms"] == 600 and "| stream 100 ms" in capsys.readouterr().out


def test_the_blur_benchmark(tmp_path, capsys):
    blur.main(("fsdd-8khz-naive-bayes",), seconds=0.1, repeats=1, json=tmp_path / "blur.json")
    taken = json.loads((tmp_path / "blur.json").read_text())["cpu_s"]
    assert taken["fsdd-8khz-naive-bayes"] > 0 and "| smear, codes of fsdd-8khz-naive-bayes" in capsys.readouterr().out


def test_the_training_benchmark(tiny_dataset, tmp_path, capsys):
    training.main("fsdd-8khz", tiny_dataset, steps=1, batch_size=2, json=tmp_path / "training.json")
    written = json.loads((tmp_path / "training.json").read_text())
    assert written["core_seconds_a_step"] > written["of_which_the_batch"] > 0 and written["flop_a_step"] > 1e9
    assert "estimated:" in (printed := capsys.readouterr().out) and "measured:" in printed


def test_the_question_benchmark(tmp_path, capsys):
    questions.main(("ask-pictures",), batch=2, repeats=1, json=tmp_path / "questions.json")
    rates = json.loads((tmp_path / "questions.json").read_text())["questions_per_second"]["ask-pictures"]
    assert set(rates) == {"one question", "many scenes", "one scene"} and all(rate > 0 for rate in rates.values())
    assert "2 about one scene" in capsys.readouterr().out


def test_the_start_benchmark(tmp_path, capsys):
    (tmp_path / "app.py").write_text(
        "import http.server, sys\n"
        "http.server.test(http.server.SimpleHTTPRequestHandler, port=int(sys.argv[4]), bind=sys.argv[2])"
    )
    start.main(repeats=1, folder=tmp_path, floor="import json", json=tmp_path / "start.json")
    written = json.loads((tmp_path / "start.json").read_text())
    assert set(written["wall_s"]) == {"start to first page", "import json"} and min(written["cpu_s"].values()) > 0
    assert "| start to first page" in capsys.readouterr().out
