"""Notes of a prior, and the instrument for samplers that is made of them."""

import io
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from vqaudio import sfz
from vqaudio.errors import InputError
from vqaudio.pitches import hz_of, key_of, name_of

sys.path.append(str(Path(__file__).resolve().parents[1] / "e2e"))
from toy_notes import PITCHES, BandTones, NotePrior


@pytest.fixture(scope="module")
def codec():
    return BandTones()


@pytest.fixture
def prior(codec):
    return NotePrior(codec)


def test_names_and_keys_are_the_same_note():
    for text, key in [("C4", 60), ("A4", 69), ("As4", 70), ("A#4", 70), ("Bb4", 70), ("c-1", 0), ("G9", 127), ("61", 61)]:
        assert key_of(text) == key
    assert all(key_of(name_of(key)) == key for key in range(128))
    assert hz_of(69) == 440 and hz_of(57) == 220
    for text in ("H4", "C", "G#9", "128", "", "4C", "C44"):
        with pytest.raises(InputError, match="A note is written as C4"):
            key_of(text)


def test_a_note_is_the_same_again_and_other_notes_are_others(codec, prior):
    one, again = (sfz.note(codec, prior, 60, {"instrument": "flute"}, seed=3) for _ in range(2))
    assert torch.equal(one.sound, again.sound)
    assert prior.made[0] == {"instrument": "flute", "pitch": "C4"}
    low = sfz.note(codec, prior, 48, {"instrument": "flute"}, seed=3)
    assert not torch.equal(low.sound[:1000], one.sound[:1000])


def test_a_note_begins_at_once_and_has_the_level_of_all_notes():
    rate = 16000
    tone = 0.02 * torch.sin(torch.arange(rate) * 0.3)
    sound = sfz.onset(torch.cat([torch.zeros(4000), tone]), rate)
    assert abs(len(sound) - rate) <= 0.006 * rate
    assert float(20 * sfz.level(sound, rate)[200:].square().mean().sqrt().log10()) == pytest.approx(sfz.LEVEL_DB, abs=0.5)
    click = torch.zeros(rate)
    click[::400] = 1.0
    assert float(sfz.level(click, rate).max()) <= sfz.PEAK + 1e-6, "no sample is raised beyond full scale"
    silent = torch.zeros(rate)
    assert torch.equal(sfz.level(sfz.onset(silent, rate), rate), silent)


@pytest.mark.parametrize("ask, sentence", [
    (lambda c, p: sfz.note(c, p, 100), "There is no note E7 here: notes knows C2 to C6"),
    (lambda c, p: sfz.notes(c, p, 30, 60), "There is no note F#1 here"),
    (lambda c, p: sfz.notes(c, p, 60, 59), "The lowest note, C4, is above the highest, B3"),
    (lambda c, p: sfz.notes(c, p, 60, 62, {"instrument": "kazoo"}), "There is no instrument 'kazoo'; known are cello, flute"),
    (lambda c, p: sfz.notes(c, p, 60, 62, {"mood": "good"}), "There is no label 'mood'; known are instrument, pitch"),
])  # fmt: skip
def test_what_the_prior_does_not_know_is_told_with_what_it_knows(codec, prior, ask, sentence):
    with pytest.raises(InputError, match=sentence):
        ask(codec, prior)
    assert prior.made == [], "nothing is generated before it is refused"


def test_a_prior_without_pitch_says_so(codec):
    from toy_prior import ToyPrior

    with pytest.raises(InputError, match="does not know notes"):
        sfz.note(codec, ToyPrior(codec), 60)


def test_keys_without_a_note_play_the_nearest():
    made = [sfz.Note(key, torch.zeros(10), 0) for key in (60, 61, 65)]
    regions = [line.split() for line in sfz.text_of(made, "a test").splitlines() if line.startswith("<region>")]
    spans = [tuple(int(opcode.split("=")[1]) for opcode in region[1:4]) for region in regions]
    assert spans == [(60, 60, 60), (61, 63, 61), (64, 65, 65)]
    assert sfz.spans([60, 61, 65]) == "C4 to C#4, F4"


def test_the_zip_holds_a_wav_for_each_region(codec, prior):
    made = list(sfz.notes(codec, prior, key_of("C3"), key_of("C4"), {"instrument": "flute"}, seed=1))
    archive = zipfile.ZipFile(io.BytesIO(sfz.sampler(made, codec.sample_rate, "a flute / no. 1", "made\nin a test")))
    assert archive.testzip() is None and len(archive.namelist()) == 14
    text = archive.read("a-flute-no-1/a-flute-no-1.sfz").decode()
    assert text.startswith("// made in a test\n") and "#" not in text
    named = [line.split("sample=")[1] for line in text.splitlines() if "sample=" in line]
    assert sorted(f"a-flute-no-1/{path}" for path in named) == sorted(n for n in archive.namelist() if n.endswith(".wav"))
    for path, note in zip(named, made):
        samples, rate = soundfile.read(io.BytesIO(archive.read(f"a-flute-no-1/{path}")), dtype="int16")
        assert rate == 16000 and len(samples) == len(note.sound)
        assert np.abs(samples / 32768 - note.sound.numpy()).max() < 1 / 32768


def test_a_sampler_opens_it_and_plays_the_note_of_the_key(codec, prior, tmp_path):
    pysfizz = pytest.importorskip("pysfizz")
    made = list(sfz.notes(codec, prior, key_of("C3"), key_of("C5"), {"instrument": "flute"}))
    zipfile.ZipFile(io.BytesIO(sfz.sampler(made, codec.sample_rate, "flute", "a test"))).extractall(tmp_path)
    instrument, synth = tmp_path / "flute" / "flute.sfz", pysfizz.Synth(sample_rate=16000)
    # else this player reads while it plays, and is silent where a busy machine is late
    instrument.write_text("<control> hint_ram_based=1\n" + instrument.read_text())
    assert synth.load_sfz_file(str(instrument))
    for note in (made[0], made[-1]):
        assert likeness(synth.render_note(note.key, 127, 1.0, 1.2), note.sound.numpy()) > 0.95


def likeness(rendered, wanted: np.ndarray) -> float:
    """The correlation of what a sampler plays with the sound that it was given, at the delay where it is largest."""
    heard = np.asarray(rendered)
    heard = heard.mean(0 if heard.shape[0] == 2 else -1) if heard.ndim == 2 else heard
    n = min(len(heard), len(wanted), 14000)
    lag = np.correlate(heard[1000 : n - 1000], wanted[2000 : n - 2000], "valid").argmax() - 1000
    return float(np.corrcoef(heard[2000 + lag : n - 2000 + lag], wanted[2000 : n - 2000])[0, 1])


def test_every_pitch_of_the_toy_is_a_key(prior):
    assert list(sfz.keys_of(prior)) == list(range(36, 85)) and list(sfz.keys_of(prior).values()) == list(PITCHES)
