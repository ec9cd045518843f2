"""The losses are blind to padding and hear what they should; the adversary too; a judge learns."""

from dataclasses import replace

import pytest
import torch

from vqaudio import hub
from vqaudio.data.datasets import fsdd
from vqaudio.errors import InputError
from vqaudio.training.codec_task import CodecTraining, GeneratorObjective, has_fast_bfloat16, reduced_precision
from vqaudio.training.discriminators import Discriminators
from vqaudio.training.gradients import gradient_norms
from vqaudio.training.loop import LoopConfig, Worker, fit, schedule
from vqaudio.training.losses import LoudnessLoss, SpectralLoss
from vqaudio.training.picture_task import PictureTraining
from vqaudio.training.recipes import CodecRecipe
from vqaudio.training.setup import initial_model


@pytest.fixture
def tone():
    time = torch.arange(4000) / 8000
    return (0.14 * torch.sin(2 * torch.pi * 440 * time))[None, None]


def noisy(clip, amount, seed=0):
    return clip + amount * torch.randn(clip.shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("loss", [lambda *a: sum(SpectralLoss(8000)(*a).values()), LoudnessLoss(8000, -20.0)])
def test_a_loss_is_least_for_equal_sounds_and_grows_with_noise(loss, tone):
    lengths = torch.tensor([4000])
    values = [float(loss(tone, noisy(tone, amount), lengths)) for amount in (0.0, 0.01, 0.1)]
    assert values[0] < 0.01 and values[0] < values[1] < values[2]


@pytest.mark.parametrize("loss", [lambda *a: sum(SpectralLoss(8000)(*a).values()), LoudnessLoss(8000, -20.0)])
def test_padding_changes_no_loss(loss, tone):
    decoded = noisy(tone, 0.05)
    longer = [torch.nn.functional.pad(clip, (0, 4000)) for clip in (tone, decoded)]
    alone = loss(tone, decoded, torch.tensor([4000]))
    padded = loss(*longer, torch.tensor([4000]))
    torch.testing.assert_close(alone, padded, rtol=2e-2, atol=1e-3)


def test_loudness_minds_added_noise_more_than_missing_sound(tone):
    both = noisy(tone, 0.02)
    lengths = torch.tensor([4000])
    loss = LoudnessLoss(8000, -20.0)
    assert loss(tone, both, lengths) > loss(both, tone, lengths)


def test_loudness_has_finite_gradients_in_silence():
    decoded = torch.zeros(1, 1, 4000, requires_grad=True)
    LoudnessLoss(8000, -20.0)(torch.zeros(1, 1, 4000), decoded, torch.tensor([4000])).backward()
    assert torch.isfinite(decoded.grad).all()


def test_the_adversary_does_not_hear_padding(tone):
    torch.manual_seed(0)
    adversary = Discriminators(periods=(2, 3), windows=(128,), channels=4)
    fake, lengths = noisy(tone, 0.1), torch.tensor([2000])
    tail = torch.cat([tone[..., :2600], torch.randn(1, 1, 1400)], -1)
    other = torch.cat([fake[..., :2600], torch.randn(1, 1, 1400)], -1)
    torch.testing.assert_close(adversary(tone, fake, lengths), adversary(tail, other, lengths), rtol=0.05, atol=0.05)


def test_each_turn_trains_its_own_network_only(codec, tone):
    adversary = Discriminators(periods=(2,), windows=(128,), channels=4).requires_grad_(False)
    objective = GeneratorObjective(codec.train(), CodecTraining(precision="float32"), adversary)
    loss, terms, decoded = objective(tone[..., :3200], torch.tensor([3200]), True)
    loss.backward()
    assert all(p.grad is None for p in adversary.parameters())
    assert codec.head[1].weight.grad.abs().sum() > 0 and codec.stem.weight.grad.abs().sum() > 0
    assert terms["adversarial"] > 0 and decoded.shape == (1, 1, 3200)
    codec.zero_grad()
    adversary.requires_grad_(True)
    adversary(tone[..., :3200], decoded, torch.tensor([3200])).backward()
    assert codec.head[1].weight.grad is None and any(p.grad.abs().sum() > 0 for p in adversary.parameters())


def test_every_number_of_stages_is_trained(codec):
    torch.manual_seed(0)
    objective = GeneratorObjective(codec, CodecTraining(prefix_share=1.0), None)
    assert set(objective._random_prefixes(200, torch.device("cpu")).tolist()) == {1, 2, 3, 4}
    objective = GeneratorObjective(codec, CodecTraining(prefix_share=0.0), None)
    assert set(objective._random_prefixes(20, torch.device("cpu")).tolist()) == {4}


def test_a_decoder_may_start_from_a_codec_whose_codewords_then_stay(model_folder, picture_folder):
    trained = hub.load(model_folder)
    recipe = CodecRecipe(start_from=str(model_folder), codec=replace(trained.config, codebook_update="fixed"))
    started = initial_model(recipe)
    audio = torch.randn(1, 1, 4000, generator=torch.Generator().manual_seed(0))
    codes = started.eval().encode(audio)
    assert torch.equal(codes.ids, trained.encode(audio).ids) and torch.equal(started.decode(codes), trained.decode(codes))
    with pytest.raises(InputError, match="another shape"):
        initial_model(replace(recipe, codec=replace(recipe.codec, latent_dim=9)))
    with pytest.raises(InputError, match="another shape"):
        initial_model(replace(recipe, start_from=str(picture_folder)))


def test_codewords_that_were_kept_without_their_averages_go_on_from_where_they_are(model_folder, tmp_path):
    kept = replace(hub.load(model_folder).config, codebook_update="fixed")
    initial_model(CodecRecipe(start_from=str(model_folder), codec=kept)).save_pretrained(tmp_path / "fixed")
    started = initial_model(CodecRecipe(start_from=str(tmp_path / "fixed"), codec=replace(kept, codebook_update="ema")))
    codebook, before = started.rvq.codebooks[0], hub.load(model_folder).rvq.codebooks[0].codewords
    far = before[3] + 1
    codebook.update(far[None], torch.tensor([3]), torch.nn.functional.one_hot(torch.tensor(3), len(before)))
    moved = (codebook.codewords - before).norm(dim=1)
    assert moved[3] == pytest.approx(0.01 * float((far - before[3]).norm()), rel=0.02)  # by 1 - decay, not onto the one vector
    torch.testing.assert_close(moved[torch.arange(len(before)) != 3], torch.zeros(len(before) - 1), atol=1e-5, rtol=0)


def test_a_codec_may_start_from_one_with_other_stages_whose_codebooks_then_begin_anew(wave_folder):
    trained = hub.load(wave_folder)
    started = initial_model(CodecRecipe(start_from=str(wave_folder), codec=replace(trained.config, network_stages=2)))
    assert [len(codebook.codewords[0]) for codebook in started.rvq.codebooks] == [2, 2, 8, 8]
    assert torch.equal(started.wave_in.weight, trained.wave_in.weight)
    assert not torch.equal(started.rvq.codebooks[3].codewords, trained.rvq.codebooks[3].codewords)
    codes = started.eval().encode(torch.randn(1, 1, 4000, generator=torch.Generator().manual_seed(0)))
    assert (started.rvq.decode(codes.first(2).ids)[:, :6] == 0).all()  # the wave's numbers come after the network's


def test_the_precision_is_the_faster_one_or_what_was_asked_for():
    cpu = torch.device("cpu")
    for name, short in (("bfloat16", True), ("float32", False), ("auto", has_fast_bfloat16(cpu))):
        with reduced_precision(name, cpu):
            product = torch.ones(2, 2) @ torch.ones(2, 2)
        assert product.dtype == (torch.bfloat16 if short else torch.float32)
    with pytest.raises(InputError, match="precision"):
        reduced_precision("half", cpu)


def test_the_learning_rate_rises_then_falls():
    shares = [schedule(step, 1000, warmup=100) for step in (0, 99, 100, 550, 999)]
    assert shares[0] < shares[1] == pytest.approx(1.0) and shares[2] == pytest.approx(1.0)
    assert 0.4 < shares[3] < 0.6 and shares[4] < 0.02


def test_the_gradients_of_the_parts_make_up_the_whole(codec, tone):
    objective = GeneratorObjective(codec.train(), CodecTraining(precision="float32"), None)
    names = set(gradient_norms(codec))
    objective(tone[..., :3200], torch.tensor([3200]), False)[0].backward()
    parts = gradient_norms(codec)
    assert set(parts) == names == {"gradient_encoder", "gradient_quantiser", "gradient_decoder", "gradient_head"}
    whole = torch.nn.utils.clip_grad_norm_(codec.parameters(), 1e9)
    assert all(value > 0 for value in parts.values())
    torch.testing.assert_close(torch.stack(list(parts.values())).norm(), whole)


def test_parts_that_do_not_learn_have_no_gradient(codec, tone):
    codec.freeze_encoder()
    assert set(gradient_norms(codec)) == {"gradient_quantiser", "gradient_decoder", "gradient_head"}
    codec.from_latent.requires_grad_(False)
    assert set(gradient_norms(codec)) == {"gradient_decoder", "gradient_head"}


def test_what_lies_below_the_floor_counts_as_silence(tone):
    lengths = torch.tensor([tone.shape[-1]])
    hum = 1e-6 * tone
    deep, shallow = (SpectralLoss(8000, floor=floor)(0 * hum, hum, lengths)["mel"] for floor in (1e-8, 1e-2))
    assert deep > 0.1 and shallow == 0


def test_a_picture_codec_is_trained_and_its_gradients_are_recorded(picture_folder, tiny_dataset, tmp_path):
    trained, worker = hub.load(picture_folder), Worker(torch.device("cpu"))
    codec = type(trained)(trained.config)
    before = {name: value.clone() for name, value in codec.named_parameters()}
    train, validation = (fsdd.load_split(part, tiny_dataset) for part in ("train", "validation"))
    task = PictureTraining(batch_size=2, crop_s=0.2, workers=1).task(codec, train, validation, 0, worker)
    result = fit(task, LoopConfig(steps=2, log_every=1), tmp_path / "run", worker)
    assert result["mel_l1"] > 0 and any(not torch.equal(before[name], p) for name, p in codec.named_parameters())
    columns = (tmp_path / "run" / "metrics.csv").read_text().splitlines()[0].split(",")
    assert {"train_picture", "train_gradient_norm", "validation_mel_l1"} <= set(columns)
