"""The spectrogram codec: two maps, and what the shipped one makes of sounds that it was and was not made for."""

from dataclasses import replace

import pytest
import torch

from tests.conftest import SMALL_PICTURE
from vqaudio import hub
from vqaudio.codecs.spectrogram import SpectrogramCodec
from vqaudio.codes import Stage
from vqaudio.errors import InputError
from vqaudio.evaluation import metrics

needs_weights = pytest.mark.skipif(not (hub.WEIGHTS / "notes-16khz").is_dir(), reason="weights/notes-16khz is not here")


@pytest.fixture
def codec(picture_folder):
    return hub.load(picture_folder)


@pytest.fixture(scope="module")
def shipped():
    return hub.load("notes-16khz")


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)) * 0.1


def test_its_codes_have_bands_and_steps_and_each_level_its_stages(codec):
    assert codec.spec.stages == (Stage(2, 1, 32),) * 2 + (Stage(4, 2, 32),) * 2
    codes = codec.encode(noise(1, 1, 1600))
    assert codes.ids.shape == (1, 20, 10) and codes.stage(2).shape == (1, 4, 20)
    assert codes.region(0.02, 0.06, stages=[3], bands=[1]).sum() == 2 * 2


def test_the_bottom_map_codes_what_the_top_map_leaves(codec):
    """Another top map: other ids below, for the same sound."""
    audio = noise(1, 1, 3200)
    valid = torch.ones(1, 20, dtype=torch.bool)
    latents = codec.latents(audio, valid)
    ids = codec.quantise(latents, 1)
    changed = latents.clone()
    changed[:, : 2 * 8] += 5.0  # the top map's vectors: bands x steps x dims
    other = codec.quantise(changed, 1)
    assert (other[:, 4:] != ids[:, 4:]).float().mean() > 0.3


def test_training_and_encoding_choose_the_same_picture(codec):
    audio, valid = noise(2, 1, 3200), torch.ones(2, 20, dtype=torch.bool)
    with torch.no_grad():
        wanted, given, _ = codec.training_pass(audio, valid)
        ids = codec.quantise(codec.latents(audio, valid), 1)
        torch.testing.assert_close(codec.synthesise(ids, valid, (0, 1, 2, 3)), given, atol=1e-4, rtol=1e-4)
    assert wanted.shape == given.shape == (2, 32, 40)


def test_prefixes_in_training_are_those_of_decoding(codec):
    audio, valid = noise(3, 1, 3200), torch.ones(3, 20, dtype=torch.bool)
    with torch.no_grad():
        _, given, _ = codec.training_pass(audio, valid, torch.tensor([1, 2, 3]))
        ids = codec.quantise(codec.latents(audio, valid), 1)
        for b, n in enumerate((1, 2, 3)):
            picture = codec.synthesise(ids[b : b + 1], valid[:1], tuple(range(n)))
            torch.testing.assert_close(picture, given[b : b + 1], atol=1e-4, rtol=1e-4)


def test_what_is_left_over_shrinks_and_the_codewords_are_the_rows(codec):
    codes, latents = codec.encode_with_latents(noise(1, 1, 4800))
    left = codec.residual_norms(latents, codes.ids)
    assert left.shape == codes.ids.shape
    for first, second in ((0, 1), (2, 3)):
        assert left[:, codes.spec.rows_of(second)].mean() < left[:, codes.spec.rows_of(first)].mean()
    assert [codec.codewords(j).shape for j in range(4)] == [(32, 8)] * 4 and codec.final_stages() == (1, 3)


def test_no_gradient_reaches_a_dropped_level(codec):
    codec.train()
    _, given, _ = codec.training_pass(noise(1, 1, 1600), torch.ones(1, 10, dtype=torch.bool), torch.tensor([2]))
    given.sum().backward()
    assert not codec.bottom_latent[1].weight.grad.any() and codec.top_latent[1].weight.grad.any()


def test_padding_moves_no_codebook(codec):
    audio, valid = noise(1, 1, 3200), torch.ones(1, 20, dtype=torch.bool)
    valid[:, 10:] = False
    loud = audio.clone()
    loud[..., 1700:] *= 50  # beyond the last valid column and the window that reaches over its end
    states = []
    for sound in (audio, loud):
        trained = SpectrogramCodec(codec.config).train()
        trained.load_state_dict(codec.state_dict())
        trained.freeze_codebooks()
        trained.quantisers.train()
        torch.manual_seed(0)
        masked = sound.clone()
        masked[..., 1600:] = 0
        trained.training_pass(masked, valid)
        states.append(torch.cat([book.sums.flatten() for q in trained.quantisers for book in q.codebooks]))
    assert torch.equal(*states)


def test_a_new_one_starts_from_principal_components():
    torch.manual_seed(0)
    audio, valid = noise(4, 1, 32 * 160), torch.ones(4, 32, dtype=torch.bool)
    codec = SpectrogramCodec(replace(SMALL_PICTURE, latent_dim=32))
    assert codec.is_new
    codec.start_from(audio)
    assert not codec.is_new
    with torch.no_grad():
        wanted, given, _ = codec.eval().training_pass(audio, valid)
    assert (wanted - given).abs().mean() < 0.5 * (wanted - wanted.mean((0, 2), keepdim=True)).abs().mean()


def test_the_encoders_fingerprint_leaves_out_what_only_the_decoder_uses(codec):
    before = codec.encoder_fingerprint
    with torch.no_grad():
        codec.head[1].weight.add_(1.0)
    assert codec.encoder_fingerprint == before
    with torch.no_grad():
        codec.stem.weight.add_(1.0)
    assert codec.encoder_fingerprint != before


@pytest.mark.parametrize("change", [{"rows": 33}, {"top_bands": 3}, {"bottom_steps": 3}, {"hop": 161}])
def test_parts_that_do_not_divide_are_refused(change):
    with pytest.raises(InputError, match="does not divide"):
        SpectrogramCodec(replace(SMALL_PICTURE, **change))


def tone(hz, seconds=1.0):
    time = torch.arange(round(seconds * 16_000)) / 16_000
    hz = torch.as_tensor(hz, dtype=torch.float64).expand(len(time))
    phase = 2 * torch.pi * (hz / 16_000).cumsum(0)
    return sum(torch.sin(k * phase) / k for k in range(1, 6)).float() * 0.1


@needs_weights
@pytest.mark.parametrize("sound", [
    torch.zeros(16_000), noise(16_000), tone(262) + tone(330) + tone(392), tone(torch.linspace(200, 800, 32_000), 2.0),
    tone(18.0), tone(6000.0), tone(440, 30.0), torch.full((1,), 0.5), torch.ones(5000),
], ids=["silence", "noise", "chord", "glissando", "too low", "too high", "30 s", "one sample", "a constant"])  # fmt: skip
def test_sounds_that_it_was_not_made_for_come_back_finite_as_long_and_no_louder(shipped, sound):
    back = shipped.decode(shipped.encode(sound[None, None]))[0, 0]
    assert len(back) == len(sound) and torch.isfinite(back).all()
    assert back.square().mean().sqrt() <= 2 * sound.square().mean().sqrt() + 1e-3


@needs_weights
@pytest.mark.parametrize("hz", [110.0, 262.0, 440.0, 880.0])
def test_a_note_of_no_instrument_keeps_its_pitch(shipped, hz):
    back = shipped.decode(shipped.encode(tone(hz)[None, None]))[0, 0]
    assert metrics.cents_apart(metrics.pitch_hz(back, 16_000), hz) < 50
