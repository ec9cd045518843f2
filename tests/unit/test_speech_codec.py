"""The speech codec: its laws as a codec, speakers as labels, time jitter, and its training."""

import csv

import pytest
import torch

import vqaudio
from tests.speaking import SMALL_SPEECH, SPEAKERS, save_small, small_codec, write_voices
from vqaudio.codecs.speech import FRAMES, SpeechCodec, SpeechConfig, jittered
from vqaudio.data import load_split
from vqaudio.errors import InputError
from vqaudio.streaming import StreamingDecoder, StreamingEncoder, joined
from vqaudio.training.loop import Worker
from vqaudio.training.speech_task import SpeechBatches, SpeechTraining, frames_of

RATE = 16_000


@pytest.fixture(scope="module")
def codec() -> SpeechCodec:
    return small_codec()


@pytest.fixture(scope="module")
def voices(tmp_path_factory):
    return write_voices(tmp_path_factory.mktemp("voices"))


def noise(seconds: float, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    envelope = torch.rand(1, 1, round(seconds * 20) + 1, generator=generator)
    envelope = torch.nn.functional.interpolate(envelope, round(seconds * RATE), mode="linear")
    return 0.2 * envelope * torch.randn(1, 1, round(seconds * RATE), generator=generator)


def test_a_code_every_twenty_milliseconds(codec):
    codes = codec.encode(noise(1.0))
    assert codes.ids.shape == (1, 1, 50) and codec.spec.bits_per_second == 200 and codes.ids.unique().numel() > 2


@pytest.mark.parametrize("seconds", [0.01, 0.333, 1.0])
def test_decoding_and_conversion_keep_the_length(codec, seconds):
    sound = noise(seconds)
    codes = codec.encode(sound)
    for labels in (None, {"speaker": "vctk-p239"}):
        decoded = codec.decode(codes, labels=labels)
        assert decoded.shape == sound.shape and decoded.isfinite().all()


def test_speakers_are_labels(codec):
    codes = codec.encode(noise(0.5))
    assert codec.labels == {"speaker": SPEAKERS}
    sounds = [codec.decode(codes, labels=labels) for labels in (None, {"speaker": SPEAKERS[0]}, {"speaker": SPEAKERS[1]})]
    assert torch.equal(sounds[0], codec.decode(codes)) and torch.equal(sounds[0], codec.decode(codes, labels={"speaker": None}))
    assert not torch.allclose(sounds[0], sounds[1]) and not torch.allclose(sounds[1], sounds[2])
    both = codec.encode(torch.cat([noise(0.5), noise(0.5)]))
    pair = codec.decode(both, labels={"speaker": list(SPEAKERS)})
    assert torch.allclose(pair[:1], sounds[1], atol=1e-4) and torch.allclose(pair[1:], sounds[2], atol=1e-4)


def test_an_unknown_speaker_is_one_sentence(codec):
    codes = codec.encode(noise(0.2))
    with pytest.raises(InputError, match="no speaker 'nobody'; known are festvox-ru, vctk-p239"):
        codec.decode(codes, labels={"speaker": "nobody"})
    with pytest.raises(InputError, match="no label 'digit'"):
        codec.decode(codes, labels={"digit": "7"})
    without = small_codec(config=SpeechConfig(**vars(SMALL_SPEECH) | {"speakers": ()}))
    with pytest.raises(InputError, match="decodes without labels"):
        without.decode(without.encode(noise(0.2)), labels={"speaker": "vctk-p239"})


def test_a_clip_has_the_same_codes_and_sound_in_any_batch(codec):
    long, short = noise(1.2, 1), noise(0.5, 2)
    batch = torch.cat([long, torch.nn.functional.pad(short, (0, long.shape[-1] - short.shape[-1]))])
    lengths = torch.tensor([long.shape[-1], short.shape[-1]])
    together, alone = codec.encode(batch, lengths), codec.encode(short)
    assert torch.equal(together.clip(1).ids, alone.ids)
    assert torch.allclose(codec.decode(together)[1, :, : short.shape[-1]], codec.decode(alone)[0], atol=1e-4)


def test_blocks_change_nothing(codec):
    sound = noise(2.0, 3)
    whole = codec.encode(sound)
    decoded = codec.decode(whole, labels={"speaker": "festvox-ru"})
    try:
        codec.block = 17
        parts = codec.encode(sound)
        assert torch.equal(parts.ids, whole.ids)
        assert torch.allclose(codec.decode(parts, labels={"speaker": "festvox-ru"}), decoded, atol=1e-3)
    finally:
        del codec.block


def test_a_stream_has_the_codes_of_the_whole_and_decodes_whole_clips_only(codec):
    sound = noise(1.5, 4)
    whole = codec.encode(sound)
    encoder = StreamingEncoder(codec, whole.level_db)
    parts = [*(encoder.push(block) for block in sound.split(1111, -1)), encoder.finish()]
    assert torch.equal(joined(parts).ids, whole.ids)
    with pytest.raises(InputError, match="whole clips only"):
        StreamingDecoder(codec)


def test_jitter_never_crosses_the_end_of_a_clip():
    vectors = torch.arange(40.0).expand(64, 1, 40)
    valid = (torch.arange(40) < torch.randint(1, 41, (64, 1))).expand(64, 40)
    torch.manual_seed(0)
    moved = jittered(vectors, valid, 0.9) - vectors
    assert set(moved.unique().tolist()) == {-1.0, 0.0, 1.0}
    source = (torch.arange(40) + moved[:, 0]).long()
    assert (source >= 0).all() and (source < 40).all()
    assert valid.gather(1, source)[valid].all()


def test_jitter_has_its_probability_and_is_for_training_only(codec):
    vectors, valid = torch.arange(2000.0).expand(8, 1, 2000), torch.ones(8, 2000, dtype=torch.bool)
    torch.manual_seed(0)
    moved = jittered(vectors, valid, 0.12) - vectors
    assert [float((moved == step).float().mean()) for step in (-1, 1)] == pytest.approx([0.06, 0.06], abs=0.005)
    assert torch.equal(jittered(vectors, valid, 0.0), vectors)
    features = torch.randn(1, 39, 40)
    valid, speaker = torch.ones(1, 20, dtype=torch.bool), torch.zeros(1, dtype=torch.long)
    assert torch.equal(*(codec.training_pass(features, valid, speaker)[0] for _ in range(2)))


def test_a_saved_codec_comes_back(tmp_path):
    folder = save_small(tmp_path / "small", seed=5)
    loaded = vqaudio.load(folder)
    assert loaded.config.speakers == SPEAKERS and loaded.labels == {"speaker": SPEAKERS}
    assert torch.equal(loaded.encode(noise(0.4)).ids, vqaudio.load(folder).encode(noise(0.4)).ids)


def test_settings_that_do_not_fit(tmp_path):
    for wrong, message in (
        ({"speakers": ("a", "a")}, "a name twice"), ({"sample_rate": 11_025}, "multiple of 100 Hz"), ({"jitter": 1.5}, "jitter"),
        ({"features": "cqt"}, "features"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            SpeechCodec(SpeechConfig(**vars(SMALL_SPEECH) | wrong))


def task_of(voices, steps_open=0.1):
    train, validation = (load_split("speech", part, voices, RATE) for part in ("train", "validation"))
    settings = SpeechTraining(batch_size=4, crop_s=0.4, unquantised_steps=2, open_share=steps_open)
    return settings.task(small_codec(), train, validation, 0, Worker(torch.device("cpu")))


def test_a_batch_is_a_function_of_the_step_and_holds_the_clips_frames(voices):
    train = load_split("speech", "train", voices, RATE)
    codec = small_codec()
    codec.mel_deviation.fill_(1.0)
    frames, _ = frames_of(codec, train)
    batches = SpeechBatches(frames, 6, 20, seed=1)
    first, again = batches.batch(3), batches.batch(3)
    assert all(torch.equal(a, b) for a, b in zip(first, again))
    shares = [SpeechBatches(frames, 6, 20, 1, rank, 2).batch(3) for rank in range(2)]
    assert torch.equal(torch.stack([shares[i % 2][0][i // 2] for i in range(6)]), first[0])
    log_mel, valid = first[1], first[2]
    assert valid.all() and log_mel.shape == (6, 80, 20 * FRAMES)
    everything = torch.cat([frames.log_mel[s : s + n] for s, n in zip(frames.starts, frames.sizes)])
    assert torch.allclose(everything.mean(0), torch.zeros(80), atol=1e-3)
    assert torch.allclose(everything.std(0, correction=0), torch.ones(80), atol=1e-2)


def test_a_crop_longer_than_its_clip_is_padding_behind_it(voices):
    train = load_split("speech", "train", voices, RATE)
    frames, _ = frames_of(small_codec(), train)
    features, _, valid = frames.crops(torch.tensor([0]), torch.tensor([0]), int(frames.sizes[0]) + 10)
    assert valid.sum() == frames.sizes[0] and (features[..., -10:] == 0).all()


def test_training_lowers_the_loss_and_scores_phones(voices):
    torch.manual_seed(0)
    task = task_of(voices)
    before = task.validate()
    assert set(before) == {"nmi_missing", "mel_l1"} and 0 <= before["nmi_missing"] <= 1
    for group in task.optimisers["codec"].param_groups:
        group["lr"] = 3e-3
    losses = [float(task.train_step(step)["mel"].detach()) for step in range(40)]
    assert sum(losses[-8:]) < 0.8 * sum(losses[:8])
    assert task.validate()["nmi_missing"] < 0.8


def test_the_recipe_trains_and_the_model_decodes_in_a_known_voice(voices, tmp_path, command):
    out = tmp_path / "run"
    small = ("--codec.channels", 8, "--codec.decoder-channels", 8, "--codec.residual-layers", 1, "--codec.griffin-lim", 1)
    code, _, error = command(
        "train", "codec", "--recipe", "speech-16khz", "--data", voices, "--out", out, *small, "--loop.steps", 4,
        "--loop.validate-every", 4, "--training.unquantised-steps", 1, "--training.batch-size", 4, "--loop.device", "cpu",
    )
    assert code == 0, error
    codec = vqaudio.load(out / "best")
    assert codec.labels == {"speaker": SPEAKERS}
    assert codec.decode(codec.encode(noise(0.3)), labels={"speaker": "festvox-ru"}).shape == (1, 1, 4800)
    with (out / "metrics.csv").open() as file:
        row = list(csv.DictReader(file))[-1]
    assert {"train_cepstral", "validation_nmi_missing", "train_gradient_encoder"} <= set(row)
