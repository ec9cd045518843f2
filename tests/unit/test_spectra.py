"""Magnitude pictures and their inverse: what a phase that was made up may cost."""

import math
from pathlib import Path

import pytest
import torch

from vqaudio.data.datasets import philharmonia
from vqaudio.evaluation import metrics
from vqaudio.nn import spectra

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
WINDOW, HOP = torch.hann_window(1024), 256
FRAMES = 64


def everywhere(frames: int = FRAMES) -> torch.Tensor:
    return torch.ones(1, 1, frames)


def tone(hz: float, n: int = FRAMES * HOP) -> torch.Tensor:
    return 0.3 * torch.sin(2 * torch.pi * hz * torch.arange(n) / 16_000)[None]


def inverted(magnitude: torch.Tensor, iterations: int = 0) -> torch.Tensor:
    """The sound of magnitudes [B, bins, T], by the picture's inverse."""
    found, _ = spectra.phases(*spectra.peaks(magnitude.clamp_min(1e-5).log()), HOP)
    spectrum = torch.polar(magnitude, found)
    for _ in range(iterations):
        spectrum = spectra.refined(spectrum, WINDOW, HOP, everywhere(magnitude.shape[-1]))
    return spectra.synthesis(spectrum, WINDOW, HOP, everywhere(magnitude.shape[-1]))


def strongest_hz(sound: torch.Tensor) -> float:
    """The place of the highest peak of a long spectrum, between its bins."""
    n = 16 * sound.shape[-1]
    power = torch.fft.rfft(sound[0] * torch.hann_window(sound.shape[-1]), n=n).abs().log()
    at = int(power.argmax())
    below, here, above = power[at - 1 : at + 2].tolist()
    return (at + 0.5 * (above - below) / (2 * here - below - above)) * 16_000 / n


def test_the_stft_gives_the_sound_back():
    sound = torch.randn(2, FRAMES * HOP, generator=torch.Generator().manual_seed(0))
    spectrum = spectra.analysis(sound, WINDOW, HOP)
    assert spectrum.shape == (2, 513, FRAMES)
    back = spectra.synthesis(spectrum, WINDOW, HOP, everywhere())
    torch.testing.assert_close(back[:, 512:-512], sound[:, 512:-512], atol=1e-5, rtol=0)


@pytest.mark.parametrize("hz", [55.0, 110.3, 440.0, 1234.5, 5001.7])
def test_a_tone_comes_back_at_its_pitch_and_level_from_its_magnitudes_alone(hz):
    sound = inverted(spectra.analysis(tone(hz), WINDOW, HOP).abs())[:, 2048:-2048]
    assert metrics.cents_apart(strongest_hz(sound), hz) < 5
    assert float(sound.square().mean().sqrt()) == pytest.approx(0.3 / math.sqrt(2), rel=0.05)


def test_two_tones_stay_two():
    both = tone(400) + tone(700)
    power = torch.fft.rfft(inverted(spectra.analysis(both, WINDOW, HOP).abs())[0] * torch.hann_window(FRAMES * HOP)).abs()
    hz = torch.linspace(0, 8000, len(power))
    near = [float(power[(hz - wanted).abs() < 10].max()) for wanted in (400, 700)]
    assert min(near) > 0.5 * max(near) and float(power[(hz > 450) & (hz < 650)].max()) < 0.05 * min(near)


def test_instantaneous_frequencies_are_those_of_the_tone():
    found = spectra.frequencies(spectra.analysis(tone(440.5), WINDOW, HOP), HOP)[0, 28, 8:-8]
    torch.testing.assert_close(found * 16_000 / (2 * torch.pi), torch.full_like(found, 440.5), atol=0.05, rtol=0)


def test_phases_go_on_where_they_were_left():
    found = spectra.peaks(torch.randn(2, 129, 50, generator=torch.Generator().manual_seed(0)))
    whole, _ = spectra.phases(*found, 64)
    begun, state = spectra.phases(*(part[..., :20] for part in found), 64)
    rest, _ = spectra.phases(*(part[..., 20:] for part in found), 64, state)
    turns = torch.remainder(torch.cat([begun, rest], -1) - whole + 1, 2 * torch.pi) - 1
    assert turns.abs().max() < 1e-4


def test_every_bin_belongs_to_the_nearest_maximum():
    owner, _ = spectra.peaks(torch.tensor([0.0, 1, 0, -1, -2, 0, 3, 0])[None, :, None])
    assert owner[0, :, 0].tolist() == [1, 1, 1, 1, 6, 6, 6, 6]
    flat, _ = spectra.peaks(torch.zeros(1, 5, 1))
    assert flat[0, :, 0].tolist() == [0, 1, 2, 3, 4]


def test_an_iteration_keeps_the_magnitudes_and_brings_the_sounds_own_nearer():
    magnitude = spectra.analysis(tone(300) + tone(1000) * torch.linspace(0, 1, FRAMES * HOP), WINDOW, HOP).abs()

    def inconsistency(iterations):
        return float((spectra.analysis(inverted(magnitude, iterations), WINDOW, HOP).abs() - magnitude).norm())

    spectrum = torch.polar(magnitude, torch.zeros_like(magnitude))
    kept = spectra.refined(spectrum, WINDOW, HOP, everywhere()).abs()
    torch.testing.assert_close(kept, magnitude, atol=1e-3, rtol=1e-3)
    assert inconsistency(4) < inconsistency(0)


def test_padding_is_silent_and_changes_nothing():
    spectrum = spectra.analysis(torch.randn(1, 10 * HOP, generator=torch.Generator().manual_seed(0)), WINDOW, HOP)
    alone = spectra.synthesis(spectrum, WINDOW, HOP, everywhere(10))
    padded = torch.nn.functional.pad(spectrum, (0, 5), value=3.0)
    sound = spectra.synthesis(padded, WINDOW, HOP, torch.tensor([1.0] * 10 + [0.0] * 5)[None, None])
    torch.testing.assert_close(sound[:, : 10 * HOP], alone)
    assert not sound[:, 10 * HOP :].any()


def test_the_mel_axis_keeps_what_is_even_and_where_things_are():
    axis = spectra.MelAxis(512, 513, 16_000)
    torch.testing.assert_close(axis.pool.sum(1), torch.ones(512))
    line = torch.arange(513.0)
    rows = axis.pool @ line
    assert (rows.diff() > 0).all()
    back = rows[axis.lower] * (1 - axis.share) + rows[axis.lower + 1] * axis.share
    assert (back - line)[:-8].abs().max() < 0.1


@pytest.mark.skipif(not (DATA / philharmonia.FOLDER).is_dir(), reason="the Philharmonia's notes are not here")
def test_real_notes_come_back_from_their_magnitudes_at_their_pitch():
    """All of the table in experiments/README.md, on fewer notes: all within 50 cents, 6.5 dB of log-spectral distance."""
    clips = philharmonia.load_split("validation", DATA).clips[::10]
    distances = []
    for clip in clips:
        sound = torch.nn.functional.pad(clip.audio, (0, -len(clip.audio) % HOP))[None]
        back = inverted(spectra.analysis(sound, WINDOW, HOP).abs(), iterations=2)[0, : len(clip.audio)]
        hz = metrics.pitch_hz(clip.audio, 16_000)
        assert hz is None or metrics.cents_apart(hz, metrics.pitch_hz(back, 16_000)) < 50, clip.name
        distances.append(metrics.log_spectral_distance(clip.audio, back))
    assert len(clips) >= 5 and sum(distances) / len(distances) < 6.5
