"""Metrics against hand-made cases and the peers' published table; judges; codebook statistics; the card."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile
import soxr
import torch

from vqaudio.analysis.codebooks import SHARES, health, load_statistics, measure, quantisation_errors, save_statistics
from vqaudio.data.clips import Clip, Split
from vqaudio.data.datasets import fsdd, voice
from vqaudio.errors import InputError
from vqaudio.evaluation import codec_evaluation, metrics
from vqaudio.evaluation.card import write_codec_card
from vqaudio.judges import Judge, JudgeConfig

SHARED = Path(__file__).resolve().parents[3] / "shared"


def test_si_sdr_of_known_noise():
    tone = torch.sin(torch.arange(8000) * 0.1)
    other = torch.cos(torch.arange(8000) * 0.1)
    assert metrics.si_sdr(tone, tone + 0.1 * other) == pytest.approx(20, abs=0.1)
    assert metrics.si_sdr(tone, 0.3 * (tone + 0.1 * other)) == pytest.approx(20, abs=0.1)


def test_mel_l1_of_a_softer_copy_is_its_gain_in_decades():
    noise = 0.3 * torch.randn(8000, generator=torch.Generator().manual_seed(0))
    assert metrics.mel_l1(noise, noise, 8000) == 0
    assert metrics.mel_l1(noise, 0.1 * noise, 8000) == pytest.approx(1.0, abs=1e-3)


def test_a_clip_shorter_than_a_window_has_metrics():
    clip = torch.randn(100, generator=torch.Generator().manual_seed(0))
    assert metrics.mel_l1(clip, clip, 8000) == 0 and metrics.mr_stft(clip, 0.5 * clip) > 0


@pytest.mark.skipif(not (SHARED / "peers/fsdd/lyra_v2_3200").is_dir(), reason="the peers' decoded clips are not here")
def test_the_metrics_agree_with_the_peers_table():
    """The row of Lyra v2 at 3,200 bit/s: 2.74, 0.682, 0.252, 1.352, 2.7."""
    split = fsdd.load_split("test", SHARED / "data/fsdd")
    name, rate, decoded = codec_evaluation.read_peer(SHARED / "peers/fsdd/lyra_v2_3200", split)
    row = codec_evaluation.score(name, rate, split, decoded, [])
    assert [round(value, 3) for value in (row.pesq, row.estoi, row.mel_l1, row.mr_stft)] == [2.737, 0.682, 0.252, 1.352]
    assert row.si_sdr == pytest.approx(2.7, abs=0.01)


def test_a_peers_folder_without_its_files_is_refused(tmp_path):
    split = Split((Clip(torch.zeros(10), "0_theo_0"),), 8000, {})
    with pytest.raises(InputError, match="holds no decoded clips"):
        codec_evaluation.read_peer(tmp_path, split)
    (tmp_path / "meta.json").write_text(json.dumps({"codec": "x", "bits_per_second": 1}))
    soundfile.write(tmp_path / "0_theo_0.flac", torch.zeros(11).numpy(), 8000)
    with pytest.raises(InputError, match="differs in length"):
        codec_evaluation.read_peer(tmp_path, split)


def small_split(n=3):
    generator = torch.Generator().manual_seed(0)
    clips = tuple(
        Clip(0.1 * torch.randn(1500 + 400 * i, generator=generator), f"{i}_theo_0", {"digit": str(i)}) for i in range(n)
    )
    return Split(clips, 8000, {"digit": tuple("0123456789")}, ((0, 1, 2),))


def test_decode_split_keeps_names_and_lengths(codec):
    split = small_split()
    decoded = codec_evaluation.decode_split(codec, split, [4, 1])
    for sounds in decoded.values():
        assert {name: len(sound) for name, sound in sounds.items()} == {clip.name: len(clip.audio) for clip in split.clips}


def test_a_judge_hears_neither_level_nor_padding():
    torch.manual_seed(0)
    judge = Judge(JudgeConfig(classes=tuple("0123456789"))).eval()
    clip = 0.1 * torch.randn(1, 1, 3000)
    alone = judge(clip, torch.tensor([3000]))
    padded = judge(torch.nn.functional.pad(clip * 0.1, (0, 2000)), torch.tensor([3000]))
    torch.testing.assert_close(alone, padded, rtol=1e-2, atol=1e-2)


def test_judged_right_counts(codec):
    class Echo(torch.nn.Module):
        config = JudgeConfig(target="digit")

        def forward(self, audio, lengths):
            return torch.nn.functional.one_hot((lengths - 1500) // 400, 10).float()

    split = small_split()
    decoded = {clip.name: clip.audio for clip in split.clips}
    assert codec_evaluation.judged_right(Echo(), split, decoded) == 1.0
    swapped = replace(split, clips=tuple(replace(clip, labels={"digit": "0"}) for clip in split.clips))
    assert codec_evaluation.judged_right(Echo(), swapped, decoded) == pytest.approx(1 / 3)


def test_health_of_known_counts():
    even, single, none = torch.tensor([5, 5, 5, 5]), torch.tensor([9, 0, 0, 0]), torch.zeros(4, dtype=torch.long)
    assert health(even).perplexity == pytest.approx(4) and health(even).entropy_bits == pytest.approx(2)
    assert (health(single).perplexity, health(single).dead) == (1.0, 3)
    assert health(none).dead == 4 and health(none).entropy_bits == 0


def test_statistics_count_every_index_and_come_back(codec, tmp_path):
    split = small_split()
    statistics = measure(codec, split, split)
    columns = sum(-(-len(clip.audio) // codec.hop) for clip in split.clips)
    assert statistics.train_counts.sum(1).tolist() == [columns] * 4
    assert torch.equal(statistics.train_counts, statistics.test_counts)
    for (stage, word, _), (clip, column) in zip((statistics.examples[..., 0] >= 0).nonzero().tolist(),
                                                statistics.examples[statistics.examples[..., 0] >= 0].tolist()):
        codes = codec.encode(split.clips[clip].audio[None, None])
        assert int(codes.ids[0, stage, column]) == word
    save_statistics(statistics, tmp_path)
    loaded = load_statistics(tmp_path)
    assert torch.equal(loaded.examples, statistics.examples) and loaded.clips == statistics.clips
    alone = [codec.encode_with_latents(clip.audio[None, None]) for clip in split.clips]
    errors = torch.tensor([float(quantisation_errors(codec, *pair)) for pair in alone])
    assert torch.allclose(loaded.train_errors, errors.quantile(SHARES), rtol=1e-3) and loaded.dataset == "fsdd"


def test_statistics_that_are_absent_or_damaged(tmp_path):
    assert load_statistics(tmp_path) is None
    (tmp_path / "codebooks.safetensors").write_bytes(b"no tensors")
    with pytest.raises(InputError, match="damaged"):
        load_statistics(tmp_path)


def test_the_card_says_what_was_not_measured(codec, model_folder):
    write_codec_card(codec, model_folder)
    text = (model_folder / "README.md").read_text()
    assert text.count("Not measured.") == 2 and "Not recorded." in text
    encoder, decoder = codec.look_ahead
    delay_ms = 20 * (encoder + decoder + 1)
    assert f"{delay_ms} ms: look-ahead of {encoder} columns in the encoder and {decoder} in the decoder" in text


@pytest.fixture(scope="module")
def speech_commands():
    if not (SHARED / "data" / voice.TEST_FOLDER).is_dir():
        pytest.skip("../shared/data/speech-commands-300 is not here")
    return voice.load_split("test", SHARED / "data")


def through_8_khz(clip):
    """To 8 kHz and back, each time as 16-bit numbers."""
    for rates in ((16_000, 8000), (8000, 16_000)):
        clip = (torch.from_numpy(soxr.resample(clip.numpy(), *rates)) * 32768).round().clamp(-32768, 32767) / 32768
    return clip


def test_wide_band_figures_are_those_of_the_peers_table(speech_commands):
    """The row "16 kHz to 8 kHz and back" of ../shared/peers/README.md: ESTOI .987, mel-L1 .413."""
    pairs = [(clip.audio, through_8_khz(clip.audio)) for clip in speech_commands.clips]
    pairs = [(a, torch.nn.functional.pad(b, (0, max(0, len(a) - len(b))))[: len(a)]) for a, b in pairs]
    mel = [metrics.mel_l1(a, b, 16_000) for a, b in pairs]
    assert sum(mel) / len(mel) == pytest.approx(0.413, abs=0.005)
    rows = speech_commands.utterances
    joined = [[metrics.joined([pairs[i][side] for i in row], 16_000) for side in (0, 1)] for row in rows[:6]]
    estoi = [metrics.estoi(*sides, 16_000) for sides in joined]
    assert sum(estoi) / len(estoi) == pytest.approx(0.987, abs=0.006)


def test_a_speaker_is_most_like_herself_and_noise_has_a_low_dnsmos(speech_commands):
    voices: dict[str, list] = {}
    for clip in speech_commands.clips:
        voices.setdefault(clip.labels["speaker"], []).append(clip.audio)
    one, other = sorted(voices.values(), key=len)[-2:]
    half = torch.cat(one[::2]), torch.cat(one[1::2])
    same, different = metrics.speaker_similarity(*half), metrics.speaker_similarity(half[0], torch.cat(other))
    assert metrics.speaker_similarity(half[0], half[0]) == pytest.approx(1.0, abs=1e-4)
    assert same > different + 0.1
    noisy = half[0] + 0.1 * torch.randn(len(half[0]), generator=torch.Generator().manual_seed(0))
    assert metrics.dnsmos(half[0][:160_000]) > metrics.dnsmos(noisy[:160_000]) + 0.1


def test_columns_that_no_row_has_are_left_out():
    bare = codec_evaluation.Scores("a", 800, 2.0, 0.5, 0.1, 1.0, 0.0, {})
    assert "DNSMOS" not in codec_evaluation.table([bare]) and "similarity" not in codec_evaluation.table([bare])
    whole = replace(bare, speaker_similarity=0.912, dnsmos=2.34)
    assert codec_evaluation.table([whole]).splitlines()[2].endswith("| 0.912 | 2.34 |")
