"""Bad input works or gives one clear sentence (exit code 2, nothing written)."""

import io

import numpy as np
import pytest
import soundfile
import torch

import vqaudio
from vqaudio import vqa


def wav(samples, rate: int = 8000, subtype: str = "PCM_16") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.asarray(samples, np.float32), rate, format="WAV", subtype=subtype)
    return file.getvalue()


NOISE = np.random.default_rng(0).uniform(-0.3, 0.3, 8000)

REFUSED = {
    "an empty file": (b"", "is empty"),
    "a WAV without samples": (wav([]), "holds no sound"),
    "a text file named .wav": (b"The quick brown fox jumps over the lazy dog.\n" * 50, "not an audio file"),
    "an HTML page named .wav": (b"<!DOCTYPE html><html><body>404</body></html>", "not an audio file"),
    "a header and no more": (wav(NOISE)[:30], "not an audio file"),
    "NaN": (wav([0.1, np.nan, 0.1], subtype="FLOAT"), "NaN or infinite"),
    "infinity": (wav([0.1, np.inf, 0.1], subtype="FLOAT"), "NaN or infinite"),
    "a rate of one": (wav(NOISE, rate=1), "sample rate of 1 Hz"),
    "zeros": (bytes(10_000), "not an audio file"),
}
WORKS = {
    "one sample": (wav([0.1]), 1),
    "silence": (wav(np.zeros(4000)), 4000),
    "a cut file": (wav(NOISE)[:8044], 4000),
    "4 kHz": (wav(NOISE, 4000), 16000),
    "192 kHz": (wav(NOISE, 192000), 333),
    "six channels": (wav(np.repeat(NOISE[:, None], 6, 1)), 8000),
    "8 bit": (wav(NOISE, subtype="PCM_U8"), 8000),
    "24 bit": (wav(NOISE, subtype="PCM_24"), 8000),
    "32 bit": (wav(NOISE, subtype="PCM_32"), 8000),
    "float": (wav(NOISE, subtype="FLOAT"), 8000),
    "ten times full scale": (wav(NOISE * 30, subtype="DOUBLE"), 8000),
}


def assert_one_line(result: tuple[int, str, str], says: str) -> None:
    code, out, err = result
    assert code == 2 and out == ""
    assert err.startswith("vqaudio: ") and err.count("\n") == 1 and says in err


@pytest.mark.parametrize("what", REFUSED)
def test_audio_that_is_refused(what, command, codec, model_folder, tmp_path):
    content, says = REFUSED[what]
    path = tmp_path / "in.wav"
    path.write_bytes(content)
    model = ("--model", model_folder, "--device", "cpu")
    assert_one_line(command("encode", path, tmp_path / "a.vqa", *model), says)
    assert_one_line(command("reconstruct", path, tmp_path / "a.wav", *model), says)
    assert_one_line(command("info", path), says)
    for source in (path, content):
        with pytest.raises(vqaudio.InputError, match=says):
            vqaudio.audio.load(source, 8000)
    with pytest.raises(vqaudio.InputError, match=says):
        vqaudio.reconstruct(codec, path)
    assert [left.name for left in tmp_path.iterdir()] == ["in.wav"]


@pytest.mark.parametrize("what", WORKS)
def test_audio_that_works(what, command, codec, model_folder, tmp_path):
    content, length = WORKS[what]
    (tmp_path / "in.wav").write_bytes(content)
    result = command("reconstruct", tmp_path / "in.wav", tmp_path / "a.wav", "--model", model_folder, "--device", "cpu")
    assert result == (0, "", "")
    assert abs(soundfile.info(tmp_path / "a.wav").frames - length) <= 1
    sound = vqaudio.reconstruct(codec, tmp_path / "in.wav")
    assert abs(sound.shape[-1] - length) <= 1 and torch.isfinite(sound).all()
    assert command("info", tmp_path / "in.wav")[0] == 0


def test_problems_with_a_recording_go_to_stderr(shell, model_folder, tmp_path):
    (tmp_path / "cut.wav").write_bytes(wav(0.1 * NOISE + 0.5)[:8044])
    done = shell("reconstruct", tmp_path / "cut.wav", tmp_path / "out.wav", "--model", model_folder)
    assert (done.returncode, done.stdout) == (0, "")
    said = done.stderr.splitlines()
    assert said[0].endswith("cut.wav: It is incomplete: 0.50 of 1.00 s can be read.")
    assert said[1].endswith("cut.wav: It had a DC offset of 50 % of full scale, which was removed.") and len(said) == 2


def test_names_of_missing_files(command, model_folder, example_clips, tmp_path):
    model, clip = ("--model", model_folder, "--device", "cpu"), example_clips[0]
    (tmp_path / "folder.wav").mkdir()
    for arguments, says in [
        (("encode", tmp_path / "no.wav", tmp_path / "a.vqa"), "There is no file"),
        (("encode", tmp_path / "folder.wav", tmp_path / "a.vqa"), "is a folder"),
        (("encode", "/dev/zero", tmp_path / "a.vqa"), "not a regular file"),
        (("encode", clip, tmp_path / "no" / "a.vqa"), "there is no folder"),
        (("encode", clip, tmp_path / "a.wav"), "should end in .vqa"),
        (("encode", clip, tmp_path / "a.vqa", "--stages", 9), "stages 1 to 4"),
        (("reconstruct", clip, tmp_path / "a.mp3"), "should end in .wav or .flac"),
        (("reconstruct", clip, tmp_path / "folder.wav"), "is a folder"),
        (("reconstruct", clip, tmp_path / "a.wav", "--stages", "5"), "stages 1 to 4"),
        (("reconstruct", clip, tmp_path / "a.wav", "--stages", "none"), "Stages are a count"),
        (("decode", tmp_path / "no.vqa", tmp_path / "a.wav"), "There is no file"),
        (("decode", clip, tmp_path / "a.wav"), "no .vqa file"),
    ]:
        assert_one_line(command(*arguments, *model), says)
    assert_one_line(command("info", tmp_path / "no"), "no file or model")
    assert_one_line(command("sing"), "Unknown command 'sing'")
    assert_one_line(command("encode", clip, tmp_path / "a.vqa", "--model", "nobody"), "no model 'nobody'")
    assert_one_line(command("encode", clip, tmp_path / "a.vqa", *model[:2], "--device", "abacus"), "no device 'abacus'")
    assert_one_line(command("push", "nobody", "someone/x"), "no model 'nobody'")
    assert_one_line(command("train", "codec", "--recipe", "cake"), "no recipe 'cake'")
    assert_one_line(command("train", "codec", "--data", tmp_path, "--out", tmp_path / "run"), "no FSDD recordings")
    assert_one_line(command("train", "codec", "--dataset", "os", "--data", tmp_path), "no dataset 'os'")
    assert [left.name for left in tmp_path.iterdir()] == ["folder.wav"]


def test_the_output_may_not_be_the_input(command, model_folder, example_clips, tmp_path):
    path, link = tmp_path / "a.wav", tmp_path / "b.wav"
    path.write_bytes(example_clips[0].read_bytes())
    link.symlink_to(path)
    for target in (path, link, tmp_path / "." / "a.wav"):
        assert_one_line(command("reconstruct", path, target, "--model", model_folder), "is also the input")
    assert path.read_bytes() == example_clips[0].read_bytes()


def test_codes_that_are_refused(command, codec, model_folder, other_folder, tmp_path):
    path, target = tmp_path / "a.vqa", tmp_path / "a.wav"
    vqa.write_vqa(path, codec.encode(torch.from_numpy(NOISE).float()[None, None]), codec)
    whole = path.read_bytes()
    altered = bytearray(whole)
    altered[-3] ^= 1
    for content, says in [
        (b"", "is empty"), (b"hello", "no .vqa file"), (b"VQA\x09" + whole[4:], "version 9"),
        (whole[:-1], "truncated or altered"), (bytes(altered), "truncated or altered"), (whole + b"x", "truncated or altered"),
    ]:  # fmt: skip
        path.write_bytes(content)
        assert_one_line(command("decode", path, target, "--model", model_folder), says)
        with pytest.raises(vqaudio.InputError, match=says):
            vqaudio.read_vqa(path, codec)
    path.write_bytes(whole)
    assert_one_line(command("decode", path, target, "--model", other_folder), "made by the model 'small', not by 'other'")
    assert command("decode", path, target, "--model", model_folder) == (0, "", "")


def test_models_that_are_refused(command, model_folder, example_clips, tmp_path):
    for name, content in (("config.json", b"{"), ("config.json", b'{"module": "os"}'), ("model.safetensors", b"\x00" * 100)):
        folder = tmp_path / "model"
        folder.mkdir(exist_ok=True)
        for path in model_folder.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        (folder / name).write_bytes(content)
        assert_one_line(command("encode", example_clips[0], tmp_path / "a.vqa", "--model", folder), name)
        with pytest.raises(vqaudio.InputError, match=name):
            vqaudio.load(folder)
    assert not (tmp_path / "a.vqa").exists()


def test_bad_input_in_a_subprocess(shell, model_folder, tmp_path):
    (tmp_path / "in.wav").write_text("no sound")
    done = shell("encode", tmp_path / "in.wav", tmp_path / "a.vqa", "--model", model_folder)
    assert_one_line((done.returncode, done.stdout, done.stderr), "not an audio file")
