"""Streaming equals the whole file, however the sound is cut into blocks."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.streaming import Opaque
from vqaudio import hub
from vqaudio.codecs.waveform import WaveformCodec, WaveformConfig
from vqaudio.streaming import StreamingDecoder, StreamingEncoder, joined

HOP = WaveformConfig().hop


@pytest.fixture(scope="module", params=[3, 1, 0, "opaque", "wave", "picture"])
def codec(request, model_folder, wave_folder, picture_folder):
    """Small codecs that look so many columns ahead in each block; one tells nothing of its steps, one takes the wave too, and one
    has a phase to carry."""
    if request.param in ("wave", "picture"):
        return hub.load(wave_folder if request.param == "wave" else picture_folder)
    whole = hub.load(model_folder)
    if request.param == "opaque":
        return Opaque(whole)
    changed = WaveformCodec(replace(whole.config, look_ahead=request.param)).eval()
    changed.load_state_dict(whole.state_dict())
    return changed


@st.composite
def cut_audio(draw):
    """Sound [B, 1, N], cut into blocks of any sizes, some of them empty."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    audio = torch.randn(draw(st.integers(1, 2)), 1, draw(st.integers(1, 24 * HOP)), generator=generator) * 0.1
    sizes, left = [], audio.shape[-1]
    kinds = st.one_of(st.integers(0, 3), st.integers(0, 3 * HOP), st.integers(0, 20 * HOP), st.just(HOP))
    while left and len(sizes) < 30:
        sizes.append(min(left, draw(kinds)))
        left -= sizes[-1]
    return audio, list(audio.split([*sizes, left], dim=-1))


def encoded(codec, blocks, level_db):
    encoder = StreamingEncoder(codec, level_db)
    return [*(encoder.push(block) for block in blocks), encoder.finish()]


@given(cut=cut_audio(), level_db=st.floats(-60, 0), data=st.data())
@settings(max_examples=15)
def test_a_stream_is_the_whole_file(codec, cut, level_db, data):
    audio, blocks = cut
    parts = encoded(codec, blocks, level_db)
    codes, whole = joined(parts), codec.encode(audio, level_db=level_db)
    for name in ("ids", "lengths", "valid", "level_db"):
        assert torch.equal(getattr(codes, name), getattr(whole, name)), name

    n = len(codec.spec.stages)
    stages = tuple(data.draw(st.sets(st.integers(0, n - 1), min_size=1)))
    decoder = StreamingDecoder(codec, stages)
    sound = torch.cat([*(decoder.push(part) for part in parts), decoder.finish()], dim=-1)
    torch.testing.assert_close(sound, codec.decode(whole, stages), atol=1e-4, rtol=0)


@given(cut=cut_audio())
@settings(max_examples=10)
def test_what_is_final_waits_for_the_look_ahead_and_no_longer(codec, cut):
    _, blocks = cut
    encoder, decoder = StreamingEncoder(codec, -20), StreamingDecoder(codec)
    samples = columns = played = 0
    for block in blocks:
        codes = encoder.push(block)
        samples, columns = samples + block.shape[-1], columns + codes.columns
        played += decoder.push(codes).shape[-1]
        assert columns == max(0, samples // HOP - codec.look_ahead[0])
        assert played == max(0, columns - codec.look_ahead[1]) * HOP
        assert samples - played <= codec.delay_s * codec.sample_rate
