"""Streams: what is kept is bounded, stages change on the way, wrong blocks are refused."""

from dataclasses import replace

import pytest
import torch

import vqaudio
from vqaudio.errors import InputError
from vqaudio.streaming import StreamingDecoder, StreamingEncoder, joined


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)) * 0.1


def kept_bytes(stream) -> int:
    """Bytes of memory that a stream keeps."""
    kept = [window.kept for window in stream._chain.windows]
    kept += [getattr(stream, "_rest", None)]
    return sum(tensor.untyped_storage().nbytes() for tensor in kept if tensor is not None)


@pytest.mark.parametrize("block", [160, 800, 20_000])
def test_what_a_stream_keeps_does_not_grow(codec, block):
    encoder, decoder = StreamingEncoder(codec, -20), StreamingDecoder(codec)
    sizes = []
    for part in noise(1, 1, 48_000).split(block, dim=-1):
        decoder.push(encoder.push(part))
        sizes.append(kept_bytes(encoder) + kept_bytes(decoder))
    assert 0 < max(sizes) < 200_000
    assert max(sizes[len(sizes) // 2 :]) <= max(sizes[: len(sizes) // 2 + 1])


def test_a_level_that_is_given_is_kept_and_the_measured_one_changes_nothing(codec):
    audio = noise(2, 1, 8000)
    audio[1] *= 0.1
    measured = codec.encode(audio)
    given = codec.encode(audio, level_db=measured.level_db)
    assert torch.equal(given.ids, measured.ids) and torch.equal(given.level_db, measured.level_db)
    other = codec.encode(audio, level_db=-50)
    assert other.level_db.tolist() == [-50, -50] and not torch.equal(other.ids, measured.ids)
    assert codec.decode(other).shape == audio.shape


@pytest.mark.parametrize("level_db", [float("nan"), float("inf"), -500.0, torch.tensor([-20.0, -20.0, -20.0])])
def test_levels_that_cannot_be(codec, level_db):
    with pytest.raises(InputError, match="one level"):
        codec.encode(noise(2, 1, 800), level_db=level_db)
    with pytest.raises(InputError, match="level"):
        StreamingEncoder(codec, level_db).push(noise(2, 1, 800))


def test_a_stream_needs_a_level_unless_the_codec_leaves_it_in_the_codes(codec):
    with pytest.raises(InputError, match="level_db"):
        StreamingEncoder(codec, None)
    codec.reference_level_db = None
    audio = noise(1, 1, 4000)
    for level_db in (None, -20):
        encoder = StreamingEncoder(codec, level_db)
        codes = joined([encoder.push(audio), encoder.finish()])
        assert codes.level_db is None and torch.equal(codes.ids, codec.encode(audio).ids)


def test_stages_change_between_blocks(codec):
    """Before a change nothing changes; beyond the reach of the codec after it, the new stages alone are in use."""
    audio = noise(1, 1, 160 * 60)
    codes = codec.encode(audio, level_db=-20)
    decoder, parts = StreamingDecoder(codec), []
    for column in range(60):
        if column == 30:
            decoder.stages = (0, 2)
        ids, valid = codes.ids[..., column : column + 1], codes.valid[:, column : column + 1]
        parts.append(decoder.push(replace(codes, ids=ids, valid=valid, lengths=torch.tensor([160]))))
    sound = torch.cat([*parts, decoder.finish()], dim=-1)
    before, after = (30 - codec.look_ahead[1]) * 160, (30 + codec.context) * 160
    every, some = codec.decode(codes), codec.decode(codes, (0, 2))
    torch.testing.assert_close(sound[..., :before], every[..., :before], atol=1e-4, rtol=0)
    torch.testing.assert_close(sound[..., after:], some[..., after:], atol=1e-4, rtol=0)
    assert (every - some).abs().max() > 1e-3


def test_codes_of_fewer_stages_stream_too(codec):
    codes = codec.encode(noise(1, 1, 4000)).first(2)
    decoder = StreamingDecoder(codec)
    sound = torch.cat([decoder.push(codes), decoder.finish()], dim=-1)
    torch.testing.assert_close(sound, codec.decode(codes), atol=1e-4, rtol=0)


def test_a_stream_begins_anew_after_its_end(codec):
    audio = noise(1, 1, 3333)
    encoder, decoder = StreamingEncoder(codec, -20), StreamingDecoder(codec)
    for _ in range(2):
        parts = [encoder.push(audio), encoder.finish()]
        sound = torch.cat([decoder.push(parts[0]), decoder.push(parts[1]), decoder.finish()], dim=-1)
        torch.testing.assert_close(sound, codec.decode(codec.encode(audio, level_db=-20)), atol=1e-4, rtol=0)


def test_a_wrong_block_is_refused_and_the_stream_goes_on(codec):
    audio = noise(1, 1, 8000)
    encoder = StreamingEncoder(codec, -20)
    parts = [encoder.push(audio[..., :3000])]
    for wrong in (torch.full((1, 1, 9), float("nan")), noise(1, 9), noise(2, 1, 9), noise(1, 2, 9)):
        with pytest.raises(InputError):
            encoder.push(wrong)
    parts += [encoder.push(audio[..., 3000:]), encoder.finish()]
    assert torch.equal(joined(parts).ids, codec.encode(audio, level_db=-20).ids)


def test_wrong_codes_are_refused_and_the_stream_goes_on(codec):
    whole = codec.encode(noise(1, 1, 8000), level_db=-20)
    two = codec.encode(noise(2, 1, 8000), torch.tensor([8000, 4000]))
    decoder = StreamingDecoder(codec)
    parts = [decoder.push(whole)]
    too_large = replace(whole, ids=whole.ids + 32)
    for wrong in (two, too_large, whole.first(2), codec.encode(noise(1, 1, 800), level_db=-30)):
        with pytest.raises(InputError):
            decoder.push(wrong)
    decoder.stages = (4,)
    with pytest.raises(InputError, match="stages 1 to 4"):
        decoder.push(whole)
    decoder.stages = None
    parts.append(decoder.push(codec.encode(noise(1, 1, 161), level_db=-20)))
    with pytest.raises(InputError, match="within a column"):
        decoder.push(whole)
    sound = torch.cat([*parts, decoder.finish()], dim=-1)
    assert sound.shape[-1] == 8161 and torch.isfinite(sound).all()


def test_an_empty_stream_is_refused(codec):
    for stream in (StreamingEncoder(codec, -20), StreamingDecoder(codec)):
        with pytest.raises(InputError, match="empty"):
            stream.finish()
    with pytest.raises(InputError, match="empty"):
        joined([])


def test_the_delay_of_the_shipped_codec_is_its_look_ahead():
    """13 columns before the ids, 16 before the audio, and one that fills: measured on the weights, not by the formula."""
    codec = vqaudio.load("fsdd-8khz")
    encoder, decoder = StreamingEncoder(codec, -20), StreamingDecoder(codec)
    waited = 0
    for block in noise(1, 1, 8000).split(160, dim=-1):
        waited += 1
        if decoder.push(encoder.push(block)).shape[-1]:
            break
    assert waited * 160 / 8000 == pytest.approx(codec.delay_s) == pytest.approx(0.6)
