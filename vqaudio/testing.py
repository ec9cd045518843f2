"""The laws of codecs and priors, as checks for a model of your own.

Each raises AssertionError with the law that is broken. They take seconds for a small, untrained model.
"""

import tempfile
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from vqaudio import hub
from vqaudio.codec import Codec
from vqaudio.codes import Codes
from vqaudio.errors import InputError
from vqaudio.prior import Prior
from vqaudio.randomness import seeded
from vqaudio.streaming import StreamingDecoder, StreamingEncoder, joined

TOLERANCE = 1e-4  # of decoded samples: sums of floats in another order


def check_codec(codec: Codec) -> None:
    """Check a codec: lengths, batches, blocks, streams, reach and files.

    Args:
        codec: in evaluation mode.

    Raises:
        AssertionError: naming the law.
    """
    for check in (_keeps_lengths, _batch_equals_single, _blocks_equal_whole, _stream_equals_whole, _reach, _saves):
        check(codec)


def check_prior(prior: Prior) -> None:
    """Check a prior: kept cells, randomness, batches, scores and files.

    Args:
        prior: in evaluation mode; it may be untrained.

    Raises:
        AssertionError: naming the law.
    """
    for check in (_keeps_cells, _follows_the_generator, _variations_equal_single, _scores, _saves):
        check(prior)


def law(holds: bool | Tensor, words: str) -> None:
    """Raise AssertionError unless a law holds."""
    if not holds:
        raise AssertionError(words)


# Codecs


def _keeps_lengths(codec: Codec) -> None:
    for n in (1, codec.hop - 1 or 1, codec.hop, codec.hop + 1, 7 * codec.hop + 1):
        codes = codec.encode(_noise(codec, n))
        codes.check_range()
        law(codes.columns == -(-n // codec.hop), f"{n} samples are ceil({n} / hop) columns, not {codes.columns}")
        sound = _decoded(codec, codes)
        law(sound.shape == (1, 1, n), f"{n} samples decode to as many; the sound is {list(sound.shape)}")
        law(sound.isfinite().all(), "decoded sound is finite")


def _batch_equals_single(codec: Codec) -> None:
    clips = [_noise(codec, n, seed)[0] for seed, n in enumerate((9 * codec.hop, 5 * codec.hop + 1, 1))]
    batch = codec.encode(clips)
    sound = _decoded(codec, batch)
    for b, clip in enumerate(clips):
        alone = codec.encode(clip)
        law(torch.equal(batch.clip(b).ids, alone.ids), "a clip in a batch has the ids that it has alone")
        here = sound[b : b + 1, :, : clip.shape[-1]]
        law(_close(here, _decoded(codec, alone)), "a clip in a batch sounds as it does alone")
        law(not sound[b, :, clip.shape[-1] :].any(), "a batch is silent after each clip's end")


def _blocks_equal_whole(codec: Codec) -> None:
    audio, size = _noise(codec, 4 * (2 * codec.context + 5) * codec.hop), codec.block
    codes = codec.encode(audio)
    sound = _decoded(codec, codes)
    try:
        codec.block = codec.context + 5
        law(torch.equal(codec.encode(audio).ids, codes.ids), "a clip encoded in blocks has the ids of the whole clip")
        law(_close(_decoded(codec, codes), sound), "a clip decoded in blocks sounds like the whole clip")
    finally:
        codec.block = size


def _stream_equals_whole(codec: Codec) -> None:
    audio = _noise(codec, (2 * codec.context + 11) * codec.hop + 3)
    encoder = StreamingEncoder(codec, -20.0)
    parts = [*(encoder.push(block) for block in audio.split(3 * codec.hop + 1, -1)), encoder.finish()]
    whole = codec.encode(audio, level_db=-20.0)
    law(torch.equal(joined(parts).ids, whole.ids), "a stream has the ids of the whole clip")
    if codec.noise_channels or codec.decoder_labels:  # such a decoder decodes whole clips only
        return
    decoder = StreamingDecoder(codec)
    sound = torch.cat([*(decoder.push(part) for part in parts), decoder.finish()], -1)
    law(_close(sound, codec.decode(whole)), "a stream sounds like the whole clip")


def _reach(codec: Codec) -> None:
    """Change the start of a clip: nothing changes after `context` columns, or for its sound before the change."""
    columns, changed = 2 * codec.context + 8, 2
    audio = _noise(codec, columns * codec.hop)
    other = audio.clone()
    other[..., : changed * codec.hop] = _noise(codec, changed * codec.hop, seed=9)
    one, two = (codec.encode(sound, level_db=-20.0) for sound in (audio, other))
    edge = changed + codec.context
    same = torch.equal(one.ids[..., edge:], two.ids[..., edge:])
    law(same, f"ids depend on at most context = {codec.context} columns on a side")
    mixed = replace(one, ids=torch.cat([one.ids[..., :-changed], two.ids[..., :changed]], -1))
    sounds = [_decoded(codec, codes)[..., : (columns - edge) * codec.hop] for codes in (one, mixed)]
    law(_close(*sounds), f"sound depends on at most context = {codec.context} columns after it")


def _noise(codec: Codec, n: int, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(1, 1, n, generator=torch.Generator().manual_seed(seed)).to(codec.device)


def _decoded(codec: Codec, codes: Codes) -> Tensor:
    """The sound of codes; a decoder that samples draws the same for each clip wherever it is."""
    return codec.decode(codes, generator=[torch.Generator().manual_seed(3) for _ in range(len(codes))])


def _close(one: Tensor, two: Tensor) -> bool:
    return one.shape == two.shape and bool((one - two).abs().max() < TOLERANCE)


# Priors


def _keeps_cells(prior: Prior) -> None:
    codes = _codes(prior, (12, 7, 1))
    mask = (torch.rand(codes.shape, generator=torch.Generator().manual_seed(1)) < 0.5).to(prior.device)
    filled = prior.fill(codes, mask, steps=2, generator=torch.Generator().manual_seed(2))
    written = mask & codes.valid[:, None]
    law(filled.shape == codes.shape and filled.spec == codes.spec, "filled codes have the shape of the codes")
    law(torch.equal(filled.ids[~written], codes.ids[~written]), "cells outside the mask keep their ids")
    filled.check_range()
    nothing = prior.fill(codes, torch.zeros_like(mask))
    law(torch.equal(nothing.ids, codes.ids), "an empty mask changes nothing")


def _follows_the_generator(prior: Prior) -> None:
    codes = _codes(prior, (12,))
    mask = torch.ones_like(codes.ids, dtype=torch.bool)
    before = torch.get_rng_state()
    one, two = (prior.fill(codes, mask, steps=2, generator=torch.Generator().manual_seed(4)) for _ in range(2))
    law(torch.equal(one.ids, two.ids), "the same generator fills the same cells")
    law(torch.equal(before, torch.get_rng_state()), "sampling leaves the global random state alone")


def _variations_equal_single(prior: Prior) -> None:
    codes = _codes(prior, (12,))
    mask = torch.ones_like(codes.ids, dtype=torch.bool)
    together = prior.fill(codes, mask, steps=2, generator=seeded(5, 3))
    for b, generator in enumerate(seeded(5, 3)):
        alone = prior.fill(codes, mask, steps=2, generator=generator)
        law(torch.equal(together.ids[b], alone.ids[0]), "with one generator a clip, each clip comes out as it would alone")


def _scores(prior: Prior) -> None:
    codes = _codes(prior, (12, 7))
    if prior.likelihood == "none":
        law(_refuses(lambda: prior.log_prob(codes)), "a prior without a likelihood refuses to score codes")
        return
    scores = prior.log_prob(codes)
    law(scores.shape == codes.shape and bool((scores <= TOLERANCE).all()), "log-probabilities [B, K, T] are at most 0")
    law(not scores[1, :, 7:].any(), "log-probabilities are 0 in padding")


def _codes(prior: Prior, columns: tuple[int, ...]) -> Codes:
    """Random codes of the prior's spec, with clips of these lengths in columns."""
    generator, most = torch.Generator().manual_seed(0), max(columns)
    rows = [torch.randint(vocab, (len(columns), most), generator=generator) for vocab in prior.spec.vocab_of_row]
    lengths = torch.tensor(columns)
    valid = torch.arange(most)[None] < lengths[:, None]
    level = torch.full((len(columns),), -20.0) if prior.config.has_level else None
    return Codes(torch.stack(rows, 1) * valid[:, None], prior.spec, lengths * prior.config.hop, valid, level).to(prior.device)


def _refuses(call: Callable[[], object]) -> bool:
    try:
        call()
    except InputError:
        return True
    return False


# Both


def _saves(model: Codec | Prior) -> None:
    with tempfile.TemporaryDirectory() as folder:
        hub.save_compact(model, folder)
        again = hub.load(folder)
    law(type(again) is type(model) and again.config == model.config, "a saved model loads as the same class and configuration")
    law(again.fingerprint == model.fingerprint, "a saved model loads with the same weights")
