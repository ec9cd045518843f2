"""A small speech codec and a small dataset of two speakers with phones, for tests."""

from pathlib import Path

import torch

from vqaudio import audio, hub
from vqaudio.codecs.speech import SpeechCodec, SpeechConfig

SPEAKERS = ("festvox-ru", "vctk-p239")
SMALL_SPEECH = SpeechConfig(
    channels=16, residual_layers=1, latent_dim=16, vocab=16, speakers=SPEAKERS, speaker_dim=4, decoder_channels=16,
    column_layers=1, frame_layers=1, griffin_lim=2,
)
PHONES = {"pau": 0.0, "aa": 300.0, "s": 3000.0, "ii": 800.0}  # Hz of the tone that stands for it


def small_codec(seed: int = 0, config: SpeechConfig = SMALL_SPEECH) -> SpeechCodec:
    """A codec that was never trained, whose speakers differ and whose codewords spread the ids."""
    torch.manual_seed(seed)
    codec = SpeechCodec(config)
    codec.set_statistics("mel", torch.full((80,), -4.0), torch.full((80,), 3.0))
    codec.speaker.weight.data.mul_(3)
    codec.rvq.codebooks[0].codewords.mul_(20)
    return codec.eval()


def save_small(folder: Path, seed: int = 0) -> Path:
    hub.save_compact(small_codec(seed), folder)
    return folder


def sentence(order: list[str], rate: int = 16_000) -> tuple[torch.Tensor, list[tuple[str, float, float]]]:
    """A tone of 0.2 s for each phone, [N], and (phone, start, end) in seconds."""
    t = torch.arange(rate // 5) / rate
    generator = torch.Generator().manual_seed(len(order))
    parts = [0.3 * torch.sin(2 * torch.pi * PHONES[phone] * t) for phone in order]
    noise = 0.001 * torch.randn(len(order) * len(t), generator=generator)
    return torch.cat(parts) + noise, [(phone, 0.2 * i, 0.2 * (i + 1)) for i, phone in enumerate(order)]


def write_voices(base: Path, n: int = 30) -> Path:
    """Sentences of festvox-ru, with labels, and of vctk-p239, in the layouts of the datasets."""
    order = list(PHONES)
    (base / "festvox-ru" / "wav").mkdir(parents=True)
    (base / "festvox-ru" / "lab").mkdir()
    (base / "vctk-p239").mkdir()
    for i in range(n):
        phones = ["pau", *(order[(i + k * (1 + i % 3)) % 4] for k in range(4)), "pau"]
        wave, labels = sentence(phones)
        audio.save(base / "festvox-ru" / "wav" / f"ru_{i:04d}.wav", wave[None], 16_000)
        lines = "".join(f"{end:.5f} 125 {phone}\n" for phone, _, end in labels)
        (base / "festvox-ru" / "lab" / f"ru_{i:04d}.lab").write_text("#\n" + lines)
        audio.save(base / "vctk-p239" / f"p239_{i:03d}.flac", sentence(phones[::-1])[0][None], 16_000)
    return base
