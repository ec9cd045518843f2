"""What the base of all codecs promises: lengths, levels, stages, and long clips in blocks."""

from dataclasses import replace

import pytest
import torch

import vqaudio
from vqaudio import hub
from vqaudio.codecs.spectrogram import SpectrogramCodec
from vqaudio.codecs.waveform import wave_path
from vqaudio.errors import InputError


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
    torch.zeros(1, 1, 0), torch.zeros(8000), torch.zeros(1, 2, 8000), torch.full((1, 1, 9), float("nan")),
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
