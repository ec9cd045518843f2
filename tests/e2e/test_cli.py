"""The command line from end to end."""

import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from vqaudio import audio, hub, vqa
from vqaudio.cli import COMMANDS, RECIPE_COMMANDS, main
from vqaudio.errors import InputError
from vqaudio.masks import parse_stages

TINY = (
    *("--codec.encoder-channels", "16", "--codec.encoder-blocks", "1", "--codec.latent-dim", "8", "--codec.n-stages", "2"),
    *("--codec.decoder-channels", "16", "--codec.decoder-blocks", "1", "--codec.frame-channels", "16"),
    *("--codec.frame-blocks", "1", "--codec.vocab", "16", "--loop.device", "cpu", "--training.batch-size", "4"),
    *("--training.adversary-from", "2", "--training.discriminator-channels", "4"),
)


def rms(path: Path) -> float:
    return float(np.sqrt(np.mean(soundfile.read(path)[0] ** 2)))


def test_encode_decode_and_reconstruct_in_processes_of_their_own(shell, model_folder, codec, example_clips, tmp_path):
    clip, model = example_clips[0], ("--model", model_folder, "--device", "cpu")
    for arguments in (
        ("encode", clip, "a.vqa", *model), ("decode", "a.vqa", "a.wav", *model), ("reconstruct", clip, "b.wav", *model)
    ):  # fmt: skip
        done = shell(*arguments, cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.vqa", "a.wav", "b.wav"]
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
    original, rate = soundfile.read(clip)
    sound, decoded_rate = soundfile.read(tmp_path / "a.wav")
    assert (decoded_rate, len(sound), soundfile.info(tmp_path / "a.wav").subtype) == (rate, len(original), "PCM_16")
    expected = codec.decode(codec.encode(audio.load(clip, 8000)[0][None]))[0]
    assert np.abs(soundfile.read(tmp_path / "a.wav", dtype="int16")[0].astype(int) - audio.to_int16(expected)).max() <= 1
    assert rms(tmp_path / "a.wav") > 1e-4


def test_stages_of_the_command_line_are_counted_from_one(command, model_folder, codec, example_clips, tmp_path):
    codes = codec.encode(audio.load(example_clips[0], 8000)[0][None])
    model = ("--model", model_folder, "--device", "cpu")
    assert command("encode", example_clips[0], tmp_path / "a.vqa", *model) == (0, "", "")
    for text, stages in (("2", (0, 1)), ("2-2", (1,)), ("1-2,4", (0, 1, 3)), ("4,1", (0, 3)), (None, (0, 1, 2, 3))):
        chosen = () if text is None else ("--stages", text)
        assert command("decode", tmp_path / "a.vqa", tmp_path / "a.wav", *chosen, *model) == (0, "", "")
        assert command("reconstruct", example_clips[0], tmp_path / "b.flac", *chosen, *model) == (0, "", "")
        expected = audio.to_int16(codec.decode(codes, stages)[0])
        for name in ("a.wav", "b.flac"):
            assert np.array_equal(soundfile.read(tmp_path / name, dtype="int16")[0], expected)
    assert command("encode", example_clips[0], tmp_path / "a.vqa", "--stages", 2, *model) == (0, "", "")
    assert torch.equal(vqa.read_vqa(tmp_path / "a.vqa", codec).ids, codes.first(2).ids)


def test_stages_are_parsed():
    assert parse_stages(None, 8) is None
    assert parse_stages("8", 8) == tuple(range(8))
    assert parse_stages("1-4,7", 8) == (0, 1, 2, 3, 6)
    assert parse_stages(" 7, 1 - 2,2", 8) == (0, 1, 6)
    assert parse_stages("7-", 8) == (6, 7) and parse_stages("1,5-", 8) == (0, 4, 5, 6, 7)
    assert parse_stages("3", 8, alone="stage") == (2,) and parse_stages("3", 8) == (0, 1, 2)
    for text in ("", "0", "9", "1-9", "0-1", "4-1", "a", "1,,2", "-1", "9-", "1.5", "1-999999999999", "٣"):
        with pytest.raises(InputError):
            parse_stages(text, 8)


def test_a_file_of_several_clips_decodes_to_numbered_files(command, codec, model_folder, tmp_path):
    codes = codec.encode(torch.randn(2, 1, 4000) * 0.1, torch.tensor([4000, 1000]))
    vqa.write_vqa(tmp_path / "a.vqa", codes, codec)
    assert command("decode", tmp_path / "a.vqa", tmp_path / "a.wav", "--model", model_folder, "--device", "cpu")[0] == 0
    assert [len(soundfile.read(tmp_path / f"a-{n}.wav")[0]) for n in (1, 2)] == [4000, 1000]
    assert not (tmp_path / "a.wav").exists()


def test_info_tells_of_audio_codes_and_models(command, codec, model_folder, example_clips, tmp_path):
    code, out, err = command("info", example_clips[0])
    assert (code, err) == (0, "") and "8000 Hz" in out and f"{soundfile.info(example_clips[0]).duration:.3f} s" in out
    vqa.write_vqa(tmp_path / "a.vqa", codec.encode(torch.randn(1, 1, 4000) * 0.1), codec)
    code, out, _ = command("info", tmp_path / "a.vqa")
    assert code == 0 and codec.fingerprint in out and "0.500 s" in out and "1000 bit/s" in out
    code, out, _ = command("info", model_folder)
    assert code == 0 and codec.fingerprint in out and "codecs.waveform" in out and "4 (1 x 1 of 32 codewords)" in out


def test_help_comes_without_pytorch(environment):
    script = "import sys; from vqaudio.cli import main; code = main(sys.argv[1:]); sys.exit(code or 'torch' in sys.modules)"
    for arguments in ([], ["--help"], ["train"], ["--version"]):
        done = subprocess.run([sys.executable, "-c", script, *arguments], env=environment, capture_output=True, text=True)
        assert done.returncode == 0 and "vqaudio" in done.stdout and done.stderr == ""


@pytest.mark.parametrize("name", [*COMMANDS, *RECIPE_COMMANDS])
def test_every_command_has_help(name, capsys):
    with pytest.raises(SystemExit) as caught:
        main([*name.split(), "--help"])
    assert caught.value.code == 0 and f"vqaudio {name}" in capsys.readouterr().out


def test_ctrl_c_while_writing_leaves_nothing_and_says_130(command, model_folder, example_clips, tmp_path, monkeypatch):
    def interrupted(path, data):
        path.open("wb").write(bytes(data)[:10])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", interrupted)
    for arguments in (("reconstruct", example_clips[0], tmp_path / "a.wav"), ("encode", example_clips[0], tmp_path / "a.vqa")):
        assert command(*arguments, "--model", model_folder, "--device", "cpu") == (130, "", "vqaudio: stopped.\n")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_gets_one_line_and_leaves_nothing(shell, model_folder, example_clips, tmp_path):
    """A limit on file sizes stands for the full disk."""
    limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))}
    for arguments in (("reconstruct", example_clips[0], tmp_path / "a.wav"), ("encode", example_clips[0], tmp_path / "a.vqa")):
        done = shell(*arguments, "--model", model_folder, "--device", "cpu", **limit)
        assert done.returncode == 2
        assert done.stderr == f"vqaudio: {arguments[2]}: File too large.\n"
    assert not list(tmp_path.iterdir())


def test_ten_minutes_take_bounded_memory(environment, model_folder, tmp_path):
    """Stereo at 48 kHz: 230 MB as floats. What comes on top of PyTorch and the model is counted."""
    with soundfile.SoundFile(tmp_path / "long.wav", "w", 48000, 2, "PCM_16") as file:
        rng = np.random.default_rng(0)
        for _ in range(60):
            file.write(rng.integers(-3000, 3000, (480_000, 2)).astype(np.int16))
    script = """if True:
        import resource, sys
        import vqaudio, torch
        from vqaudio.cli import main
        peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        vqaudio.reconstruct(vqaudio.load(sys.argv[1]), torch.randn(1, 1, 200_000) * 0.1)
        before = peak()
        main(["encode", "long.wav", "a.vqa", "--model", sys.argv[1], "--device", "cpu"])
        main(["decode", "a.vqa", "a.wav", "--model", sys.argv[1], "--device", "cpu"])
        print(before, peak())
    """
    done = subprocess.run(
        [sys.executable, "-c", script, str(model_folder)], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stderr == ""
    before, peak = map(float, done.stdout.split())
    assert peak - before < 170, "an hour would not fit in 1.5 GB"
    assert soundfile.info(tmp_path / "a.wav").frames == 600 * 8000


def train(shell_or_popen, data: Path, out: Path, *more: str):
    return shell_or_popen("train", "codec", "--data", data, "--out", out, *TINY, *more)


STEPS = ("--loop.steps", "30", "--loop.log-every", "1", "--loop.checkpoint-every", "3", "--loop.validate-every", "10")


def test_a_killed_run_resumes_to_the_bit(shell, environment, tiny_dataset, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    done = train(shell, tiny_dataset, whole, *STEPS)
    assert done.returncode == 0, done.stderr
    assert train_until_checkpoint(environment, tiny_dataset, killed, STEPS, signal.SIGKILL)[0] == -signal.SIGKILL
    assert 3 <= torch.load(killed / "checkpoint.pt", weights_only=True)["step"] < 30

    refused = train(shell, tiny_dataset, killed, *STEPS)
    assert refused.returncode == 2 and "continue it with --resume" in refused.stderr
    done = train(shell, tiny_dataset, killed, *STEPS, "--resume")
    assert done.returncode == 0, done.stderr
    states = [torch.load(folder / "checkpoint.pt", weights_only=True) for folder in (whole, killed)]
    compare(*states)
    for name in ("last", "best"):
        one, other = ((folder / name / "model.safetensors").read_bytes() for folder in (whole, killed))
        assert one == other
    rows = [[line.split(",")[0] for line in (folder / "metrics.csv").read_text().splitlines()] for folder in (whole, killed)]
    assert rows[0] == rows[1] == ["step", *map(str, range(1, 31))]
    assert hub.load(killed / "best").spec.rows == 2


def train_until_checkpoint(environment, data: Path, out: Path, steps: tuple[str, ...], number: int) -> tuple[int, str]:
    """Train, and send this signal as soon as there is a checkpoint: (exit code, stderr)."""
    process = train(
        lambda *arguments: subprocess.Popen(
            [sys.executable, "-m", "vqaudio", *map(str, arguments)], env=environment, stderr=subprocess.PIPE, text=True
        ),
        data, out, *steps,
    )  # fmt: skip
    while not (out / "checkpoint.pt").exists() and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(number)
    return process.wait(), process.stderr.read()


def test_ctrl_c_ends_training_after_the_step_in_hand(environment, tiny_dataset, tmp_path):
    steps = ("--loop.steps", "3000", "--loop.log-every", "1", "--loop.checkpoint-every", "3", "--loop.validate-every", "3000")
    code, errors = train_until_checkpoint(environment, tiny_dataset, tmp_path, steps, signal.SIGINT)
    done = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"]
    assert code == 130 and f"vqaudio: stopped after step {done}; the same command with --resume goes on" in errors
    assert (tmp_path / "metrics.csv").read_text().splitlines()[-1].startswith(f"{done},")
    assert not list(tmp_path.glob("**/*.tmp"))


def compare(one, other, where: str = "state") -> None:
    """Equal to the bit, tensor by tensor."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            compare(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for i, pair in enumerate(zip(one, other, strict=True)):
            compare(*pair, f"{where}.{i}")
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other), where
    else:
        assert one == other, where


def test_two_processes_train_one_codebook(environment, tiny_dataset, tmp_path):
    """The command line under torchrun for two steps; each process keeps its codec at the end."""
    script = tmp_path / "ranks.py"
    script.write_text("""if True:
        import sys, torch
        from vqaudio.cli import main
        from vqaudio.training import loop
        fit = loop.fit
        def keeping_fit(task, config, folder, worker, resume=False, *facts):
            result = fit(task, config, folder, worker, resume, *facts)
            torch.save((worker.world, task.modules["codec"].state_dict()), folder / f"rank{worker.rank}.pt")
            return result
        loop.fit = keeping_fit
        sys.exit(main(sys.argv[1:]))
    """)
    steps = ("--loop.steps", "2", "--loop.log-every", "1", "--loop.checkpoint-every", "1", "--loop.validate-every", "2")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    done = train(
        lambda *arguments: subprocess.run(
            [*launch, *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=300
        ),
        tiny_dataset, tmp_path / "run", *steps,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (world, one), (_, other) = (torch.load(tmp_path / "run" / f"rank{n}.pt", weights_only=True) for n in (0, 1))
    assert world == 2
    compare(one, other)
    masses = [value for name, value in one.items() if name.endswith("mass")]
    assert masses and all(float(mass.sum()) > 0 for mass in masses)
    exported = hub.load(tmp_path / "run" / "last").state_dict()
    for name, value in one.items():
        assert "codewords" not in name or torch.equal(exported[name], value.half().float())


def test_a_blur_changes_its_span_only_and_is_replayed(command, model_folder, codec, example_clips, tmp_path):
    clip, models = example_clips[0], ("--model", model_folder, "--device", "cpu")
    span = ("--from", "0.1", "--to", "0.2", "--stages", "2-", "--radius", "2", "--seed", "1", "--recipe", tmp_path / "r.json")
    assert command("blur", clip, tmp_path / "a.wav", *span, *models) == (0, "", "")
    assert command("reconstruct", clip, tmp_path / "plain.wav", *models)[0] == 0
    blurred, plain = (soundfile.read(tmp_path / name)[0] for name in ("a.wav", "plain.wav"))
    far = round((0.2 + (codec.context + 1) / codec.spec.frame_rate) * 8000)
    assert len(blurred) == len(plain) and (blurred != plain).any() and abs(blurred[far:] - plain[far:]).max(initial=0) < 1e-3
    assert "the same ids" in command("replay", tmp_path / "r.json", "--target", tmp_path / "b.wav", "--device", "cpu")[1]
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
    assert command("smear", clip, tmp_path / "s.wav", *span[:-1], tmp_path / "s.json", *models) == (0, "", "")
    assert (tmp_path / "s.wav").read_bytes() == (tmp_path / "a.wav").read_bytes(), "without a prior, a blur is a smear"
    assert "the same ids" in command("replay", tmp_path / "s.json", "--target", tmp_path / "b.wav", "--device", "cpu")[1]
    assert command("blur", clip, tmp_path / "whole.wav", "--seed", "1", *models) == (0, "", "")
    for wrong, said in ((("--radius", "99"), "radius"), (("--strength", "2"), "strength"), (("--from", "99"), "The clip ends")):
        code, _, err = command("blur", clip, tmp_path / "c.wav", *wrong, "--seed", "1", *models)
        assert code == 2 and said in err and err.count("\n") == 1 and not (tmp_path / "c.wav").exists()


def test_a_blur_by_a_prior_is_replayed(command, example_clips, tmp_path):
    options = ("--model", "fsdd-8khz", "--radius", "1", "--strength", "0.5", "--seed", "1", "--device", "cpu")
    blur = ("blur", example_clips[0], tmp_path / "a.wav", *options)
    assert command(*blur, "--prior", "naive-bayes", "--recipe", tmp_path / "r.json") == (0, "", "")
    assert "the same ids" in command("replay", tmp_path / "r.json", "--target", tmp_path / "b.wav", "--device", "cpu")[1]
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
    assert command(*blur)[0] == 0 and (tmp_path / "a.wav").read_bytes() != (tmp_path / "b.wav").read_bytes()
    code, _, err = command(*blur, "--prior", "autoregressive")
    assert code == 2 and "cannot blur" in err and err.count("\n") == 1
