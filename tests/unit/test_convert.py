"""Voice conversion: the command and the endpoint say a sentence in a known voice, as long as it was."""

import gradio as gr
import pytest
import soundfile
import torch

from tests.speaking import save_small, sentence
from vqaudio import audio
from vqaudio.ui import models
from vqaudio.ui.api import convert


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_small(tmp_path_factory.mktemp("convert") / "small-speech")


@pytest.fixture
def clip(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    path = tmp_path / "in.wav"
    audio.save(path, sentence(["pau", "aa", "s", "ii"])[0][None, :12_345], 16_000)
    return path


@pytest.fixture
def served(monkeypatch, model):
    monkeypatch.setenv("VQAUDIO_MODEL", str(model))
    models._codec.cache_clear()
    yield
    models._codec.cache_clear()


def test_convert_keeps_the_length_and_speakers_differ(command, clip, model, tmp_path):
    sounds = []
    for speaker in ("festvox-ru", "vctk-p239"):
        out = tmp_path / f"{speaker}.wav"
        code, _, error = command("convert", clip, out, "--speaker", speaker, "--model", model, "--device", "cpu")
        assert code == 0, error
        sounds.append(torch.from_numpy(soundfile.read(out, dtype="float32")[0]))
    assert len(sounds[0]) == len(sounds[1]) == 12_345 and not torch.equal(*sounds)


def test_an_unknown_speaker_and_a_codec_without_speakers(command, clip, model, model_folder, tmp_path):
    known, without = "known are festvox-ru, vctk-p239", "decodes without labels"
    for speaker, codec, message in (("nobody", model, known), ("theo", model_folder, without)):
        code, _, error = command("convert", clip, tmp_path / "out.wav", "--speaker", speaker, "--model", codec, "--device", "cpu")
        assert code == 2 and message in error and error.count("\n") == 1
    assert not (tmp_path / "out.wav").exists()


def test_the_endpoint_converts(served, clip):
    rate, sound = convert.convert(str(clip), "vctk-p239")
    assert rate == 16_000 and len(sound) == 12_345 and sound.dtype.name == "int16"


@pytest.mark.parametrize("speaker", [None, "", "nobody", 7, "\0", "x" * 5000])
def test_the_endpoint_answers_junk_with_a_sentence(served, clip, speaker):
    with pytest.raises(gr.Error) as caught:
        convert.convert(str(clip), speaker)
    assert "Something went wrong" not in caught.value.message and "\n" not in caught.value.message


def test_without_a_speech_codec_there_is_a_sentence(monkeypatch, clip, model_folder):
    monkeypatch.setenv("VQAUDIO_MODEL", str(model_folder))
    monkeypatch.setattr(models, "loadable", lambda: [models.codec(str(model_folder.name))])
    models._codec.cache_clear()
    with pytest.raises(gr.Error, match="No model here knows speakers"):
        convert.convert(str(clip), "vctk-p239")
    models._codec.cache_clear()


def test_conversions_are_scored_against_both_voices(monkeypatch, model, tmp_path):
    import vqaudio
    from tests.speaking import write_voices
    from vqaudio.data import load_split
    from vqaudio.evaluation import conversion

    codec, voices_folder = vqaudio.load(model), write_voices(tmp_path)
    train, test = (load_split("speech", part, voices_folder, 16_000) for part in ("train", "test"))
    voices = {"festvox-ru": torch.tensor([1.0, 0.0]), "vctk-p239": torch.tensor([0.0, 1.0])}
    heard = {id(clip.audio): voices[clip.labels["speaker"]] for clip in train.clips}
    monkeypatch.setattr(conversion, "speaker_embedding", lambda sound: heard.get(id(sound), torch.tensor([0.6, 0.8])))
    scores = conversion.evaluate(codec, train, test, n=3)
    assert scores.conversions == 3 and 0 <= scores.codes_kept <= 1 and 0 <= scores.codes_kept_unconverted <= 1
    to_first = [clip.labels["speaker"] == "vctk-p239" for clip in conversion._in_turn(test, tuple(voices), 3)]
    assert to_first == [False, True, False] and scores.nearer_target == pytest.approx(2 / 3)  # 0.8 to vctk-p239, 0.6 to the other
    assert scores.to_target == pytest.approx((0.8 + 0.6 + 0.8) / 3) and scores.to_source == pytest.approx((0.6 + 0.8 + 0.6) / 3)


def test_scoring_needs_two_known_speakers(model_folder, tmp_path):
    import vqaudio
    from tests.speaking import write_voices
    from vqaudio.data import load_split
    from vqaudio.errors import InputError
    from vqaudio.evaluation import conversion

    split = load_split("speech", "test", write_voices(tmp_path), 16_000)
    with pytest.raises(InputError, match="Conversion needs two speakers"):
        conversion.evaluate(vqaudio.load(model_folder), split, split)
