"""What the base of all codecs promises: lengths, levels, stages, and long clips in blocks."""

from dataclasses import replace

import pytest
import torch

import vqaudio
from tests.conftest import SMALL, save_small
from vqaudio import hub
from vqaudio.codecs.spectrogram import SpectrogramCodec
from vqaudio.codecs.waveform import wave_path
from vqaudio.errors import InputError
from vqaudio.nn.spectra import analysis
from vqaudio.streaming import StreamingDecoder, StreamingEncoder, joined
from vqaudio.training.codec_task import CodecTraining, GeneratorObjective


@pytest.fixture(params=["model_folder", "wave_folder", "picture_folder"])
def codec(request):
    """The small codec, one whose latents also take the wave itself, and one of pictures."""
    return hub.load(request.getfixturevalue(request.param))


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)) * 0.1


@pytest.mark.parametrize("block", [16, 50, 64])
def test_encoding_and_decoding_in_blocks_equals_the_whole(codec, block):
    audio = noise(2, 1, 40_000)
    codec.block = 10_000
    whole = codec.encode(audio)
    sound = codec.decode(whole)
    codec.block = block
    assert whole.columns > 3 * block
    assert torch.equal(codec.encode(audio).ids, whole.ids)
    torch.testing.assert_close(codec.decode(whole), sound, atol=1e-4, rtol=0)
    assert sound.abs().max() > 1e-2


def test_without_enough_context_blocks_would_differ(codec):
    """The test above can fail: two columns of context are too few; of pictures, whose columns are long, none are."""
    audio = noise(1, 1, 40_000)
    codec.block = 10_000
    codes = codec.encode(audio)
    sound = codec.decode(codes)
    codec.block, codec.context = 50, 0 if isinstance(codec, SpectrogramCodec) else 2
    assert (codec.decode(codes) - sound).abs().max() > 1e-4


@pytest.mark.parametrize("n", [1, 159, 160, 161, 8000])
def test_what_decodes_has_the_length_of_what_was_encoded(codec, n):
    codes = codec.encode(noise(1, 1, n))
    assert codes.columns == -(-n // codec.hop)
    assert codec.decode(codes).shape == (1, 1, n)


def test_a_softer_copy_has_the_same_indices_and_decodes_softer(codec):
    loud, soft = codec.encode(noise(1, 1, 8000)), codec.encode(noise(1, 1, 8000) * 0.1)
    assert torch.equal(loud.ids, soft.ids)
    torch.testing.assert_close(codec.decode(soft) * 10, codec.decode(loud), rtol=1e-3, atol=1e-5)


def test_padding_changes_nothing(codec):
    audio = noise(2, 1, 8000)
    audio[1, 0, 3300:] = 7.0
    both = codec.encode(audio, torch.tensor([8000, 3300]))
    alone = codec.encode(audio[1:, :, :3300])
    assert torch.equal(both.clip(1).ids, alone.ids)
    sound = codec.decode(both)
    assert sound[1, 0, 3300:].abs().max() == 0
    torch.testing.assert_close(sound[1:, :, :3300], codec.decode(alone), atol=1e-5, rtol=0)


def test_reconstruct_takes_a_count_or_a_choice_of_stages_or_a_path(codec, example_clips):
    audio = noise(1, 1, 8000)
    codes = codec.encode(audio)
    assert torch.equal(vqaudio.reconstruct(codec, audio), codec.decode(codes))
    assert torch.equal(vqaudio.reconstruct(codec, audio, 2), codec.decode(codes, (0, 1)))
    assert torch.equal(vqaudio.reconstruct(codec, audio, [2]), codec.decode(codes, (2,)))
    assert not torch.equal(vqaudio.reconstruct(codec, audio, [2]), vqaudio.reconstruct(codec, audio, 2))
    clip = vqaudio.audio.load(example_clips[0], 8000)[0]
    assert torch.equal(vqaudio.reconstruct(codec, example_clips[0]), vqaudio.reconstruct(codec, clip[None]))


@pytest.mark.parametrize("stages", [0, 5, -1, [], [4], [-1]])
def test_stages_that_are_not_there(codec, stages):
    with pytest.raises(InputError, match="stages 1 to 4"):
        vqaudio.reconstruct(codec, noise(1, 1, 800), stages)


@pytest.mark.parametrize("audio", [
    torch.zeros(1, 1, 0), torch.zeros(8000, 2), torch.zeros(1, 1, 1, 8000), torch.full((1, 1, 9), float("nan")),
    torch.full((1, 1, 9), float("inf")),
])  # fmt: skip
def test_audio_that_cannot_be_encoded(codec, audio):
    with pytest.raises(InputError):
        codec.encode(audio)


def test_codes_that_cannot_be_decoded(codec):
    codes = codec.encode(noise(1, 1, 800))
    codes = replace(codes, ids=codes.ids.clone())
    codes.ids[0, codes.spec.offsets[3], 2] = 32
    with pytest.raises(InputError, match="Index 32 in stage 4, column 2 is outside 0 to 31"):
        codec.decode(codes)


def test_the_wave_path_begins_as_an_mdct():
    """With all coefficients it gives the wave back; with some, what lies below them."""
    time = torch.arange(1600) / 8000
    low, high = (torch.sin(2 * torch.pi * hz * time)[None, None] for hz in (300, 3000))

    def through(wave, dims):
        analysis, synthesis = wave_path(160, dims, 160)
        with torch.no_grad():
            return synthesis(analysis(torch.nn.functional.pad(wave, (80, 80))))[..., 80:-80]

    inner = slice(160, -160)
    torch.testing.assert_close(through(low + high, 160)[..., inner], (low + high)[..., inner], atol=1e-3, rtol=0)
    torch.testing.assert_close(through(low + high, 40)[..., inner], low[..., inner], atol=0.03, rtol=0)


SHAPES = {
    "44.1 kHz, 20 ms": {"sample_rate": 44_100, "hop": 882, "n_fft": 1764},
    "22.05 kHz, 20 ms": {"sample_rate": 22_050, "hop": 441, "n_fft": 882, "frames_per_column": 3},
    "odd hop, odd n_fft": {"hop": 161, "n_fft": 323, "frames_per_column": 7},
    "odd n_fft": {"hop": 320, "n_fft": 641},
    "no overlap": {"hop": 160, "n_fft": 80},
    "a window of many columns": {"hop": 32, "n_fft": 1024},
    "11.025 kHz": {"sample_rate": 11_025, "hop": 147, "n_fft": 512, "frames_per_column": 1},
    "48 kHz": {"sample_rate": 48_000, "hop": 960, "n_fft": 1920},
}


@pytest.fixture(params=[(shape, wave) for shape in SHAPES.values() for wave in (0, 6)], ids=str)
def shaped(request, tmp_path):
    """Small codecs of every shape, without and with a path for the wave itself."""
    shape, wave_dims = request.param
    phase = {"phase": "vector", "look_ahead": 1} if wave_dims else {}
    return hub.load(save_small(tmp_path / "shaped", 0, replace(SMALL, **shape, **phase, wave_dims=wave_dims)))


def test_a_codec_of_any_shape_keeps_lengths_and_may_work_in_blocks(shaped):
    for n in (1, shaped.hop - 1, shaped.hop, shaped.hop + 1, 40 * shaped.hop + 7):
        codes = shaped.encode(noise(1, 1, n))
        assert codes.columns == -(-n // shaped.hop) and shaped.decode(codes).shape == (1, 1, n)
    whole, sound = codes, shaped.decode(codes)
    shaped.block = 5
    assert torch.equal(shaped.encode(noise(1, 1, n)).ids, whole.ids)
    torch.testing.assert_close(shaped.decode(whole), sound, atol=1e-4, rtol=0)


def test_a_codec_of_any_shape_streams_to_the_same_sound(shaped):
    audio = noise(1, 1, 30 * shaped.hop + 3)
    encoder, decoder = StreamingEncoder(shaped, -20.0), StreamingDecoder(shaped)
    parts = [encoder.push(part) for part in audio.split(3 * shaped.hop + 1, -1)]
    codes = joined([*parts, encoder.finish()])
    whole = shaped.encode(audio, level_db=-20.0)
    assert torch.equal(codes.ids, whole.ids)
    sound = torch.cat([decoder.push(part) for part in (codes,)] + [decoder.finish()], -1)
    torch.testing.assert_close(sound, shaped.decode(whole), atol=1e-4, rtol=0)


def test_a_codec_of_any_shape_is_trained(shaped):
    """A forward and a backward pass with the losses of training."""
    objective = GeneratorObjective(shaped.train(), CodecTraining(adversary_from=None, precision="float32"), None)
    loss, _, decoded = objective(noise(2, 1, 24 * shaped.hop), torch.tensor([24 * shaped.hop, 20 * shaped.hop - 1]), False)
    loss.backward()
    assert loss.isfinite() and decoded.shape == (2, 1, 24 * shaped.hop)


def test_the_frames_of_an_odd_window_are_centred_as_well_as_they_can_be():
    """An impulse in the middle of a hop is in the middle of its frame's window, half a sample aside at most."""
    audio, window = torch.zeros(1, 7 * 4), torch.hann_window(9)
    audio[0, 3 * 7 + 3] = 1
    energy = analysis(audio, window, 7).abs().square().sum(1)[0]
    assert energy.argmax() == 3 and energy[2:].sum() == energy.sum()


@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16, torch.float64])
def test_a_codec_in_another_precision_is_refused_in_a_sentence(codec, precision):
    codes = codec.encode(noise(1, 1, 1600))
    codec.to(precision)
    calls = (
        lambda: codec.encode(noise(1, 1, 1600)), lambda: codec.decode(codes), lambda: StreamingDecoder(codec).push(codes),
        lambda: StreamingEncoder(codec, -20.0).push(noise(1, 1, 1600)),
    )  # fmt: skip
    for call in calls:
        with pytest.raises(InputError, match=r"computes in float32; its weights are \w+16|64. Call .float"):
            call()
    assert torch.equal(codec.float().encode(noise(1, 1, 1600)).ids, codes.ids) or precision != torch.float64


def test_under_autocast_a_codec_encodes_and_decodes(codec):
    with torch.autocast("cpu", torch.bfloat16):
        sound = codec.decode(codec.encode(noise(1, 1, 1600)))
    assert sound.shape == (1, 1, 1600) and sound.isfinite().all()


def test_a_codec_with_weights_that_are_not_finite_makes_no_sound(codec):
    codes = codec.encode(noise(1, 1, 1600))
    for parameter in codec.parameters():
        parameter.data.fill_(torch.nan)
    for call in (lambda: codec.encode(noise(1, 1, 1600)), lambda: codec.decode(codes)):
        with pytest.raises(InputError, match="is damaged: its weights are infinite, NaN or far too large"):
            call()
