"""Speakers in the Studio: the same codes in another voice, and what is refused."""

import pytest
import speaking
import torch

from vqaudio.errors import InputError
from vqaudio.ui.clip import exports, handlers, opening, sounds
from vqaudio.ui.clip.workbench import Origin, Workbench
from vqaudio.ui.panels import examples

FIRST, SECOND = speaking.SPEAKERS


@pytest.fixture(scope="module")
def codec():
    return speaking.small_codec()


@pytest.fixture
def bench(codec):
    bench = Workbench.from_audio(codec, speaking.sentence(["aa", "s", "ii"])[0][None], "a sentence")
    bench.origin = Origin(speaker=SECOND)
    return bench


@pytest.fixture
def token(bench):
    token = handlers.store.put(bench)
    yield token
    handlers.store.drop(token)


def test_each_speaker_has_a_sound_of_the_same_codes(bench, codec):
    sounds.cache.clear()
    spoken = {speaker: bench.sound((0,), speaker) for speaker in ("", FIRST, SECOND)}
    for speaker, sound in spoken.items():
        labels = {"speaker": speaker} if speaker else None
        assert torch.equal(sound, codec.decode(bench.codes, labels=labels)[0, 0]) and len(sound) == bench.n_samples
        assert bench.sound((0,), speaker) is sound, "it is decoded once"
    assert not torch.allclose(spoken[FIRST], spoken[SECOND]) and not torch.allclose(spoken[FIRST], spoken[""])


def test_only_the_clip_s_own_voice_is_compared_with_the_original(bench):
    assert bench.quality((0,), FIRST) is None
    assert bench.quality((0,), SECOND) and bench.quality((0,)) and bench.quality((0,), SECOND) != bench.quality((0,))


def test_the_page_learns_the_speakers_and_hears_the_chosen_one(bench, token):
    described = handlers.describe(token, bench)
    assert (list(described["speakers"]), described["speaker"]) == ([FIRST, SECOND], SECOND)
    one, other = (handlers.decode({"token": token, "stages": [0], "speaker": speaker}) for speaker in (FIRST, SECOND))
    assert one["sound"]["data"] != other["sound"]["data"] and one["version"] == other["version"]
    bench.origin = Origin(speaker="somebody else")
    assert handlers.describe(token, bench)["speaker"] == ""


def test_an_unknown_speaker_is_refused_in_a_sentence(token, model_folder, monkeypatch):
    answer = handlers.decode({"token": token, "stages": [0], "speaker": "nobody"})
    assert answer["error"] == f"There is no speaker 'nobody'; {speaking.small_codec().name} knows {FIRST}, {SECOND}."
    assert handlers.decode({"token": token, "stages": [0], "speaker": 7})["error"].startswith("A speaker is the name of one")
    monkeypatch.setenv("VQAUDIO_MODEL", str(model_folder))
    clip = opening.open_example({})["clip"]
    assert (list(clip["speakers"]), clip["speaker"]) == ([], "")
    assert "knows no speakers" in handlers.decode({"token": clip["token"], "stages": [0], "speaker": FIRST})["error"]


def test_a_download_holds_the_chosen_voice(bench):
    name, _, data = exports.make(bench, "wav", (0,), FIRST)
    assert name == f"a-sentence-stages-1-{FIRST}.wav" and data != exports.make(bench, "wav", (0,))[2]
    with pytest.raises(InputError, match="There is no speaker"):
        exports.make(bench, "wav", (0,), "nobody")


def test_an_example_says_who_speaks_and_has_phones(tmp_path, monkeypatch):
    folder = speaking.write_voices(tmp_path, 2) / "festvox-ru" / "wav"
    for name in ("ru_0000", "ru_0001"):
        (folder / f"{name}.lab").write_text((folder.parent / "lab" / f"{name}.lab").read_text())
    (folder / "ru_0001.lab").write_text("damaged")
    (folder / "examples.json").write_text(
        '{"credit": "", "clips": {"ru_0000.wav": "a", "ru_0001.wav": "b"}, "speakers": {"ru_0000.wav": "festvox-ru"}}'
    )
    monkeypatch.setattr(examples, "all_clips", lambda: {"": examples.clips_in(folder)})
    whole, damaged = folder / "ru_0000.wav", folder / "ru_0001.wav"
    assert (examples.speaker_of(whole), examples.speaker_of(damaged)) == (FIRST, "")
    assert examples.phones_of(whole, 1.2)[0].value == "pau" and examples.phones_of(damaged, 1.2) == ()
    assert examples.phones_of(tmp_path / "ru_0000.wav", 1.2) == (), "only examples"
