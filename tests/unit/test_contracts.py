"""The contracts of codecs and priors, on a toy codec whose decoder is conditioned and samples, and on toy priors."""

import pytest
import torch
from torch import nn

import vqaudio
from vqaudio import masks
from vqaudio.codec import Codec
from vqaudio.codes import Codes, CodeSpec, Stage, together
from vqaudio.errors import InputError
from vqaudio.prior import LIKELIHOODS, Prior, PriorConfig
from vqaudio.randomness import seeded
from vqaudio.sampling import Sampling
from vqaudio.streaming import StreamingDecoder
from vqaudio.timed_labels import TimedLabel

SPEC, HOP = CodeSpec((Stage(1, 1, 8),), 100.0), 10
SPEAKERS = {"speaker": ("ann", "bob")}


class Plain(Codec):
    """Each index is a level; the decoder needs nothing but ids."""

    spec, sample_rate, hop, context, look_ahead, reference_level_db, name = SPEC, 1000, HOP, 1, (1, 1), None, "toy"
    encoder_fingerprint = "0"

    def __init__(self):
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(1))

    def latents(self, audio, valid):
        return audio.unflatten(-1, (-1, HOP)).mean(-1)

    def quantise(self, latents, beam):
        return (latents * 8).long().clamp(0, 7)

    def synthesise(self, ids, valid, stages):
        return (ids / 8).repeat_interleave(HOP, -1)


class Voices(Plain):
    """A decoder that is conditioned on a speaker, and that samples: each adds to the level."""

    decoder_labels, noise_channels, block = SPEAKERS, 2, 4

    def synthesise(self, ids, valid, stages, *, labels, noise):
        assert labels.shape == (len(ids), 1) and noise.shape == (len(ids), 2, ids.shape[-1])
        return super().synthesise(ids, valid, stages) + labels[..., None] + 0.01 * noise[:, :1].repeat_interleave(HOP, -1)


class Toy(Prior):
    """Fills cells with random ids; every id is equally likely."""

    summary, likelihood, sees_right = "A toy.", "exact", False

    def _sample(self, gap, sampling, noise, report):
        return torch.where(gap.hole, noise.for_ids(slice(0, gap.ids.shape[-1]), 8).argmax(-1)[:, None], gap.ids)

    def _log_prob(self, ids, valid, labels):
        return torch.full(ids.shape, -2.0)


@pytest.fixture
def codes() -> Codes:
    ids = torch.arange(30).view(2, 1, 15) % 8
    valid = torch.arange(15)[None] < torch.tensor([[15], [6]])
    return Codes(ids * valid[:, None], SPEC, torch.tensor([150, 55]), valid)


@pytest.fixture
def prior() -> Toy:
    config = PriorConfig(
        stages=((1, 1, 8),), frame_rate=100.0, hop=HOP, has_level=False, label_kinds=("speaker",),
        label_values=(("ann", "bob"),), codec_fingerprint="0", n_examples=1,
    )
    toy = Toy(config)
    toy.remember(torch.tensor([150]), torch.tensor([[0]]), None)
    return toy


def test_a_plain_codec_refuses_labels_and_ignores_a_generator(codes):
    codec = Plain()
    assert torch.equal(codec.decode(codes, generator=seeded(1, 1)[0]), codec.decode(codes))
    with pytest.raises(InputError, match="^The codec 'toy' decodes without labels: its decoder is not conditioned on any.$"):
        codec.decode(codes, labels={"speaker": "ann"})


def test_a_conditioned_decoder_gets_one_label_a_clip(codes):
    codec = Voices()
    draw = lambda **labels: codec.decode(codes, labels=labels, generator=seeded(1, 2))  # noqa: E731
    ann, both, neither = draw(speaker="ann"), draw(speaker=["ann", "bob"]), draw()
    assert torch.equal(both[0], ann[0]) and torch.allclose(both[1, :, :55], ann[1, :, :55] + 1)
    assert torch.allclose(neither[0], ann[0] + 2), "an open label has an id of its own"
    for wrong in ({"mood": "good"}, {"speaker": "eve"}, {"speaker": ["ann"]}):
        with pytest.raises(InputError):
            codec.decode(codes, labels=wrong)


def test_a_decoder_that_samples_repeats_a_seed_and_does_not_see_blocks(codes):
    codec, whole = Voices(), Voices()
    whole.block = 512
    once = codec.decode(codes, generator=torch.Generator().manual_seed(1))
    assert torch.equal(once, codec.decode(codes, generator=torch.Generator().manual_seed(1)))
    assert torch.equal(once, whole.decode(codes, generator=torch.Generator().manual_seed(1)))
    assert not torch.equal(once, codec.decode(codes, generator=torch.Generator().manual_seed(2)))
    assert not torch.equal(codec.decode(codes), codec.decode(codes)), "without a generator, a fresh one"


def test_with_a_generator_a_clip_a_batch_sounds_like_its_clips(codes):
    codec = Voices()
    batch = codec.decode(codes, generator=seeded(5, 2))
    for b, generator in enumerate(seeded(5, 2)):
        alone = codec.decode(codes.clip(b), generator=generator)
        assert torch.equal(batch[b : b + 1, :, : alone.shape[-1]], alone)
    with pytest.raises(InputError, match="one generator for all clips, or one a clip"):
        codec.decode(codes, generator=seeded(1, 3))


def test_a_conditioned_decoder_is_not_streamed():
    StreamingDecoder(Plain())
    with pytest.raises(InputError, match="decodes whole clips only"):
        StreamingDecoder(Voices())


def test_generate_passes_the_decoders_labels_and_the_generator_on(prior):
    labels = {"speaker": ["ann", "bob"]}
    sound, codes = vqaudio.generate(Voices(), prior, labels, seconds=0.1, generator=seeded(1, 2))
    again, _ = vqaudio.generate(Voices(), prior, labels, seconds=0.1, generator=seeded(1, 2))
    assert torch.equal(sound, again) and sound[1].mean() > sound[0].mean() + 0.4
    plain, _ = vqaudio.generate(Plain(), prior, labels, seconds=0.1, generator=seeded(1, 2))
    assert torch.equal(plain, Plain().decode(codes)), "a codec without decoder labels gets none"
    inpainted, _ = vqaudio.inpaint(Voices(), prior, codes, codes.region(0, 0.05), labels, seeded(1, 2))
    assert inpainted[1].mean() > inpainted[0].mean() + 0.4


def test_reconstruct_in_another_voice():
    audio = torch.full((1, 1, 100), 0.5)
    assert float(vqaudio.reconstruct(Voices(), audio, labels={"speaker": "bob"}).mean()) == pytest.approx(1.5, abs=0.05)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_only_a_prior_with_a_likelihood_scores_codes(prior, codes, likelihood):
    prior.likelihood = likelihood
    if likelihood == "none":
        with pytest.raises(InputError, match="cannot score codes: it has no likelihood"):
            prior.log_prob(codes)
        assert prior.fill(codes, codes.region(0, 0.05)).ids.shape == codes.ids.shape
    else:
        assert prior.log_prob(codes).sum() == -2.0 * 21


def test_sampling_is_one_object_and_keywords_win(prior, codes):
    prior.config = PriorConfig(**vars(prior.config) | {"temperature": 0.7, "top_p": 0.9})
    seen = []
    prior._sample = lambda gap, sampling, noise, report: seen.append(sampling) or gap.ids
    prior.fill(codes, codes.region(0, 0.05), sampling=Sampling(temperature=2.0, top_k=3), top_k=5)
    assert seen == [Sampling(2.0, 5, 0.9, None, 1.0)]
    with pytest.raises(InputError, match="top_k is 0"):
        prior.fill(codes, codes.region(0, 0.05), sampling=Sampling(top_k=0))
    with pytest.raises(TypeError, match="temprature"):
        prior.fill(codes, codes.region(0, 0.05), temprature=1.0)


LABELS = ((TimedLabel("phone", "S", 0.0, 0.1), TimedLabel("word", "seven", 0.0, 0.15)), (TimedLabel("note", "C4", 0.01, 0.06),))


def labelled(codes: Codes) -> Codes:
    return Codes(codes.ids, codes.spec, codes.lengths, codes.valid, timed_labels=LABELS)


def test_timed_labels_stay_with_their_clips(codes, prior):
    codes = labelled(codes)
    assert codes.first(1).timed_labels == codes.to("cpu").timed_labels == LABELS
    assert [codes.clip(b).timed_labels for b in (0, 1)] == [LABELS[:1], LABELS[1:]]
    assert codes.repeated(2, codes.ids.repeat_interleave(2, 0)).timed_labels == (LABELS[0], LABELS[0], LABELS[1], LABELS[1])
    assert together([codes.clip(1), codes.clip(0)]).timed_labels == (LABELS[1], LABELS[0])
    assert together([codes, labelled(codes).first(1)]).timed_labels == LABELS + LABELS
    assert prior.fill(codes, codes.region(0, 0.05)).timed_labels == LABELS
    assert len(prior.fill(codes.clip(1), codes.clip(1).region(0, 0.05), generator=seeded(1, 3)).timed_labels) == 3


def test_timed_labels_lie_inside_their_clip(codes):
    with pytest.raises(InputError, match="for each of the 2 clips"):
        Codes(codes.ids, codes.spec, codes.lengths, codes.valid, timed_labels=LABELS[:1])
    with pytest.raises(InputError, match="'S' ends at 0.1 s, but the clip ends at 0.06 s"):
        Codes(codes.ids, codes.spec, codes.lengths, codes.valid, timed_labels=LABELS[::-1])
    assert together([codes.clip(0), labelled(codes).clip(1)]).timed_labels is None


def test_a_mask_is_checked_in_one_place(codes):
    whole = torch.ones_like(codes.ids, dtype=torch.bool)
    assert masks.covers(whole, codes) and torch.equal(masks.cells(codes, whole), codes.valid[:, None])
    assert masks.span_of(codes.region(0.03, 0.05)) == slice(3, 5)
    for wrong in (whole.float(), whole[:1], None):
        with pytest.raises(InputError, match="bool matrix of the codes' shape"):
            masks.check(codes, wrong)
    with pytest.raises(InputError, match="there is nothing to fill"):
        masks.check_selected(codes, ~whole, "fill")


@pytest.mark.parametrize("stages,bands", [(None, None), ("1", "1"), ([0], [0])])
def test_rectangles_are_text_from_1_or_numbers_from_0(codes, stages, bands):
    found = masks.from_json([{"start_s": 0.02, "end_s": None, "stages": stages, "bands": bands}], codes)
    assert torch.equal(found, codes.region(0.02, None))
    matrix = masks.from_json(codes.region(0.02, 0.04)[0].int().tolist(), codes)
    assert torch.equal(matrix & codes.valid[:, None], codes.region(0.02, 0.04))
