"""The verdict on how well a model fits a clip: its rules, its record, and the shipped models."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

import vqaudio
from vqaudio import hub
from vqaudio.analysis import fit as fits
from vqaudio.analysis.fit import Reference, Scores
from vqaudio.audio import load as load_audio
from vqaudio.errors import InputError
from vqaudio.ui.clip.workbench import Workbench
from vqaudio.ui.panels import examples, fit

GOOD = Scores(level_change_db=-1.0, mel_distance=0.14, si_sdr_db=3.0, spectral_change=0.1)
REFERENCE = Reference(
    "model", "vqaudio fit", "fsdd", 100, 1000, list(fits.PERCENTILES),
    level_change_db=[-4.0, -3.0, -2.0, -1.0, -0.5, 0.0, 1.0], mel_distance=[0.1, 0.11, 0.12, 0.14, 0.16, 0.2, 0.25],
    si_sdr_db=[-9.0, -5.0, 0.0, 3.0, 6.0, 9.0, 12.0], spectral_change=[0.05, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2],
)  # fmt: skip
VOICE, NOTES, DIGITS = "voice-16khz", "notes-16khz", "fsdd-8khz"
CLIPS = {
    "sentence": "voice/p239_152.flac", "drink": "voice/spoken-command-959e462a.flac", "seven": "7_jackson_0.wav",
    "cello": "notes/cello_3_D.flac", "bass": "notes/bass_3_E.flac", "clarinet": "notes/clarinet_4_A.flac",
}  # fmt: skip


@pytest.mark.parametrize("changes, verdict, reason", [
    ({}, "fits", None),
    ({"si_sdr_db": 30.0, "mel_distance": 0.02}, "fits", None),
    ({"level_change_db": -2.9}, "fits", None),
    ({"level_change_db": -3.5}, "approximate", "it comes back 3.5 dB softer"),
    ({"level_change_db": 3.2}, "outside", "it comes back 3.2 dB louder"),
    ({"mel_distance": 0.21}, "approximate", "its spectrum is further off than in 95 of 100 test clips"),
    ({"mel_distance": 0.26}, "outside", "its spectrum is further off than in 99 of 100 test clips"),
    ({"si_sdr_db": -29.5}, "approximate", "its waveform is further off than in 95 of 100 test clips"),
    ({"spectral_change": 0.3}, "approximate", "it changes faster than almost all training clips"),
    ({"spectral_change": 0.01, "si_sdr_db": -6.0}, "outside", "it changes more slowly than almost all training clips"),
])  # fmt: skip
def test_the_verdict_follows_from_the_reconstruction(changes, verdict, reason):
    found = fits.fit(replace(GOOD, **changes), REFERENCE)
    assert found.verdict == verdict and (reason in found.reasons if reason else not found.reasons)


def test_a_reconstruction_that_is_the_original_is_perfect_and_the_worst_reason_comes_first():
    tone = 0.3 * torch.sin(2 * torch.pi * 440 * torch.arange(16000) / 16000)
    same = fits.scores(tone, tone, 16000)
    assert same.level_change_db == 0 and same.mel_distance == 0 and same.si_sdr_db > 60 and same.spectral_change < 0.05
    softer = fits.scores(tone, tone / 10, 16000)
    assert softer.level_change_db == pytest.approx(-20, abs=0.01) and softer.si_sdr_db > 60
    found = fits.fit(replace(GOOD, level_change_db=-3.5, mel_distance=0.3), REFERENCE)
    assert [reason.split()[1] for reason in found.reasons] == ["spectrum", "comes"]


def test_the_record_comes_back_from_its_file_and_damage_is_a_sentence(tmp_path):
    assert fits.load(tmp_path) is None
    fits.save(REFERENCE, tmp_path)
    assert fits.load(tmp_path) == REFERENCE and len((tmp_path / fits.FILE).read_text().splitlines()) == 12
    good = json.loads((tmp_path / fits.FILE).read_text())
    for changes in ({"mel_distance": [1.0]}, {"mel_distance": "x"}, {"si_sdr_db": good["si_sdr_db"][::-1]}, {"more": 1}):
        (tmp_path / fits.FILE).write_text(json.dumps(good | changes))
        with pytest.raises(InputError, match="`vqaudio fit` rebuilds it"):
            fits.load(tmp_path)


def test_the_command_measures_the_own_data_of_a_codec(command, model_folder, example_clips, tmp_path):
    folder, data = tmp_path / "small", tmp_path / "data"
    hub.save_compact(hub.load(model_folder), folder)
    data.mkdir()
    for clip in example_clips:  # FSDD's test part is takes 0 to 4, its training part those from 10 on
        shutil.copy(clip, data)
        shutil.copy(clip, data / f"{clip.stem[:-1]}10.wav")
    code, out, err = command("fit", "--model", folder, "--data", data)
    assert code == 0, err
    found, codec = fits.load(folder), hub.load(folder)
    assert found.model == codec.fingerprint and found.dataset == "fsdd" and found.test_clips > 1 and found.training_clips > 1
    assert "mel_distance: " in out and str(folder / fits.FILE) in out and str(tmp_path) not in found.command
    assert fit.reference_of(codec) == found
    fits.save(replace(found, model="other weights"), folder)
    assert fit.reference_of(hub.load(folder)) is None, "a record of other weights is no record"
    (folder / fits.FILE).write_text("{}")
    assert fit.reference_of(hub.load(folder)) is None, "a damaged record stops no clip from opening"


def opened(codec, path) -> Workbench:
    return Workbench.from_audio(codec, load_audio(path, codec.sample_rate)[0], "a clip")


@pytest.fixture(scope="module")
def shipped():
    return {name: vqaudio.load(name) for name in (VOICE, NOTES, DIGITS)}


@pytest.mark.parametrize("model, clip, verdict", [
    (VOICE, "sentence", "fits"), (VOICE, "drink", "fits"), (VOICE, "seven", "fits"), (DIGITS, "seven", "fits"),
    (NOTES, "cello", "fits"), (NOTES, "bass", "fits"), (NOTES, "drink", "outside"), (NOTES, "seven", "outside"),
    (NOTES, "sentence", "approximate"), (VOICE, "clarinet", "outside"), (DIGITS, "clarinet", "outside"),
    (DIGITS, "sentence", "outside"),
])  # fmt: skip
def test_the_shipped_models_on_the_shipped_clips(shipped, model, clip, verdict):
    bench = opened(shipped[model], examples.FOLDER / CLIPS[clip])
    found = fit.judge(bench)
    assert found.verdict == verdict, found
    html = fit.view(bench)
    assert f'data-verdict="{verdict}"' in html and fit.TITLES[verdict] in html and html.count('role="img"') == 3


@pytest.mark.parametrize("model", [VOICE, NOTES, DIGITS])
def test_the_shipped_records_are_of_the_shipped_weights_and_most_test_clips_fit(shipped, model):
    reference = fit.reference_of(shipped[model])
    assert reference is not None and reference.test_clips > 100
    median = Scores(*(reference.at(name, 50) for name in Scores.__dataclass_fields__))
    assert fits.fit(median, reference).verdict == "fits"


@pytest.mark.parametrize("level", [0, 3e-5])
def test_a_silent_clip_gets_no_verdict(shipped, level, tmp_path):
    noise = level * np.random.default_rng(0).normal(size=16000)
    soundfile.write(tmp_path / "silent.wav", noise, 16000, subtype="FLOAT")
    bench = opened(shipped[VOICE], tmp_path / "silent.wav")
    assert fit.judge(bench) is None
    html = fit.view(bench)
    assert "no verdict" in html and not re.search("Fits|Approximate|Outside", html)


def test_a_long_clip_is_judged_by_its_middle(shipped, tmp_path):
    sentence = load_audio(examples.FOLDER / CLIPS["sentence"], 16000)[0][0].numpy()
    soundfile.write(tmp_path / "long.wav", np.tile(sentence, 8), 16000)
    bench = opened(shipped[VOICE], tmp_path / "long.wav")
    assert bench.n_samples > 20 * 16000 and fit.judge(bench).verdict == "fits"


def test_codes_without_an_original_get_no_verdict(shipped):
    codec = shipped[DIGITS]
    assert fit.view(Workbench(codec, codec.encode(torch.zeros(1, 1, 8000)), "codes")) == ""
