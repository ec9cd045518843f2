"""Your own sounds, end to end: a folder of recordings, a codec and a prior in two commands, and a new sound."""

import resource
import shutil

import pytest
import soundfile

from vqaudio.data.datasets.folder import part_of

SMALL_CODEC = (
    *("--codec.encoder-channels", "16", "--codec.encoder-blocks", "1", "--codec.latent-dim", "8", "--codec.wave-dims", "4"),
    *("--codec.decoder-channels", "16", "--codec.decoder-blocks", "1", "--codec.frame-channels", "16"),
    *("--codec.n-stages", "2", "--codec.frame-blocks", "1", "--codec.vocab", "16"),
    *("--loop.device", "cpu", "--training.batch-size", "4"),
)
SMALL_PRIOR = ("--prior.dim", "16", "--prior.layers", "1", "--prior.heads", "2", "--loop.device", "cpu")
STEPS = ("--loop.steps", "3", "--loop.log-every", "1", "--loop.validate-every", "3", "--loop.checkpoint-every", "1")
ONE_VARIANT = ("--training.shifts", "0", "--training.speeds", "1.0", "--training.batch-size", "4")


@pytest.fixture
def sounds(example_clips, tmp_path):
    """Twelve real recordings in two sub-folders, and one file that is not audio."""
    root = tmp_path / "моё"
    for i in range(12):
        place = root / ("низкие" if i % 2 else "high")
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(example_clips[i % len(example_clips)], place / f"запись {i}.wav")
    broken = next(name for name in (f"broken {i}.mp3" for i in range(100)) if part_of(name) == "train")
    (root / broken).write_bytes(b"no sound")
    return root


def test_two_commands_train_a_codec_and_a_prior_on_a_folder(command, sounds, other_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = command("train", "codec", "--recipe", "folder", "--data", sounds, *SMALL_CODEC, *STEPS)
    assert code == 0 and "runs/folder/best: the last validation gave mel_l1" in out
    assert "skipped 1 of" in err and "broken" in err and "Traceback" not in err
    code, out, err = command(
        "train", "prior", "--recipe", "folder-masked", "--data", sounds, *SMALL_PRIOR, *STEPS, *ONE_VARIANT
    )
    assert code == 0 and "runs/folder-masked/best: the last validation gave bits" in out
    models = ("--model", "runs/folder/best", "--prior", "runs/folder-masked/best", "--device", "cpu")
    assert command("generate", "new.wav", "--labels", "label=низкие", "--seed", 1, *models)[0] == 0
    assert soundfile.info("new.wav").samplerate == 16_000 and soundfile.info("new.wav").frames > 1000
    source = next(sounds.rglob("*.wav"))
    assert command("inpaint", source, "filled.wav", "--from", "0.05", "--to", "0.15", "--seed", 1, *models)[0] == 0
    assert abs(soundfile.info("filled.wav").duration - soundfile.info(source).duration) < 1e-3
    code, _, err = command("generate", "another.wav", "--model", other_folder, *models[2:])
    assert code == 2 and err.count("\n") == 1 and "is another codec" in err


def test_a_disk_that_fills_during_training_leaves_no_half_written_checkpoint(shell, command, sounds, tmp_path):
    """Simulates the full disk with a limit on file sizes."""
    arguments = ("train", "codec", "--recipe", "folder", "--data", sounds, "--out", tmp_path / "run", *SMALL_CODEC, *STEPS)
    done = shell(*arguments, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)))
    assert done.returncode == 2 and "checkpoint.pt: the disk is full" in done.stderr and "Traceback" not in done.stderr
    assert not list((tmp_path / "run").glob("*checkpoint*"))
    assert command(*arguments)[0] == 0 and (tmp_path / "run" / "checkpoint.pt").stat().st_size > 200_000


def test_bad_folders_get_one_line(command, sounds, tmp_path):
    (tmp_path / "empty").mkdir()
    for data, said in ((tmp_path / "empty", "holds no audio"), (tmp_path / "none", "There is no folder")):
        code, out, err = command("train", "codec", "--recipe", "folder", "--data", data)
        assert (code, out, err.count("\n")) == (2, "", 1) and said in err
    code, out, err = command("train", "codec", "--recipe", "folder")
    assert code == 2 and "with --data" in err
    code, out, err = command("train", "codec", "--recipe", "folder", "--data", sounds, "--codec.latent-dim", "8")
    assert code == 2 and "wave_dims is at most latent_dim, 8" in err
    code, out, err = command("train", "codec", "--dataset", "batches")
    assert code == 2 and "There is no dataset 'batches'" in err


def test_a_dataset_at_another_rate_than_the_codec_is_refused(command, tiny_dataset):
    code, _, err = command("train", "codec", "--dataset", "fsdd", "--codec.sample-rate", "16000", "--data", tiny_dataset)
    assert code == 2 and err.count("\n") == 1 and "at 8,000 Hz, and this model works at 16,000 Hz" in err
