"""How far a decoded clip is from its original. Definitions: the table of peers that the README shows."""

import math
from functools import cache, lru_cache

import torch
import torchaudio
from torch import Tensor


def mel_l1(reference: Tensor, decoded: Tensor, sample_rate: int) -> float:
    """Mean absolute difference of log10 mel magnitudes of two clips [N]; 64 HTK bands at 8 kHz, 80 above.

    n_fft = window = 64 ms, hop a quarter of it, periodic Hann, centred with reflection, magnitudes clamped at 1e-5.
    """
    n_fft = 512 if sample_rate <= 8000 else 1024
    bands = 64 if sample_rate <= 8000 else 80
    mel = torchaudio.functional.melscale_fbanks(n_fft // 2 + 1, 0.0, sample_rate / 2, bands, sample_rate).to(reference.device)
    logs = [(mel.T @ magnitudes(clip, n_fft)).clamp_min(1e-5).log10() for clip in (reference, decoded)]
    return float((logs[0] - logs[1]).abs().mean())


def mr_stft(reference: Tensor, decoded: Tensor) -> float:
    """Mean over n_fft 128 to 1024 of spectral convergence plus the L1 of natural-log magnitudes clamped at 1e-4."""
    total = 0.0
    for n_fft in (128, 256, 512, 1024):
        a, b = magnitudes(reference, n_fft), magnitudes(decoded, n_fft)
        convergence = (a - b).norm() / a.norm().clamp_min(1e-9)
        total += float(convergence + (a.clamp_min(1e-4).log() - b.clamp_min(1e-4).log()).abs().mean())
    return total / 4


def si_sdr(reference: Tensor, decoded: Tensor) -> float:
    """Scale-invariant signal-to-distortion ratio, dB, of two clips [N] with their means taken out (Le Roux et al. 2019)."""
    reference, decoded = reference - reference.mean(), decoded - decoded.mean()
    target = reference * (reference @ decoded) / (reference @ reference).clamp_min(1e-12)
    return float(10 * (target.square().sum().clamp_min(1e-12) / (decoded - target).square().sum().clamp_min(1e-12)).log10())


def log_spectral_distance(reference: Tensor, decoded: Tensor) -> float:
    """dB: the root of the mean square, over the bins of a frame, of the difference of log magnitudes; a mean over frames.

    n_fft 1024, hop a quarter of it, magnitudes clamped at 1e-4.
    """
    a, b = (20 * magnitudes(clip, 1024).clamp_min(1e-4).log10() for clip in (reference, decoded))
    return float((a - b).square().mean(0).sqrt().mean())


@lru_cache(maxsize=2000)  # the originals' are asked for once for every row of a table
def pitch_hz(clip: Tensor, sample_rate: int) -> float | None:
    """The pitch of a note [N]: the median of pYIN (Mauch and Dixon 2014) where it is voiced and within 20 dB of its loudest.

    None where no frame is. From 26 Hz (below A 0) to 2.8 kHz (above E 7), in windows of 128 ms.
    """
    import librosa
    import numpy as np

    sound = np.pad(clip.cpu().numpy(), (0, max(0, 2048 - len(clip))))
    settings = {"frame_length": round(0.128 * sample_rate), "hop_length": round(0.032 * sample_rate)}
    hz, voiced, _ = librosa.pyin(sound, fmin=26.0, fmax=2800.0, sr=sample_rate, resolution=0.2, **settings)
    loudness = librosa.feature.rms(y=sound, **settings)[0][: len(hz)]
    audible = hz[voiced & (loudness >= 0.1 * loudness.max())]
    return float(np.median(audible)) if len(audible) else None


def cents_apart(a_hz: float | None, b_hz: float | None) -> float:
    """How far apart two pitches are, in hundredths of a semitone; infinitely far where one is none."""
    return abs(1200 * math.log2(a_hz / b_hz)) if a_hz and b_hz else math.inf


def magnitudes(clip: Tensor, n_fft: int) -> Tensor:
    """[N] -> [n_fft / 2 + 1, frames], hop n_fft / 4; a clip too short to be reflected is padded with zeros."""
    if len(clip) <= n_fft // 2:
        clip = torch.nn.functional.pad(clip, (0, n_fft // 2 + 1 - len(clip)))
    window = torch.hann_window(n_fft, device=clip.device)
    return torch.stft(clip, n_fft, n_fft // 4, window=window, center=True, pad_mode="reflect", return_complex=True).abs()


def joined(clips: list[Tensor], sample_rate: int) -> Tensor:
    """Clips [N] in a row, with 0.25 s of zeros before, between and after them."""
    gap = torch.zeros(sample_rate // 4)
    return torch.cat([gap, *(part for clip in clips for part in (clip.cpu(), gap))])


def pesq(reference: Tensor, decoded: Tensor, sample_rate: int) -> float:
    """PESQ (ITU-T P.862): narrow-band at 8 kHz, wide-band at 16 kHz. Needs the extra `evaluation`."""
    from pesq import pesq as compute

    mode = "nb" if sample_rate == 8000 else "wb"
    return float(compute(sample_rate, reference.cpu().numpy(), decoded.cpu().numpy(), mode))


def estoi(reference: Tensor, decoded: Tensor, sample_rate: int) -> float:
    """Extended short-time objective intelligibility (Jensen and Taal 2016), 0 to 1. Needs the extra `evaluation`."""
    from pystoi import stoi

    return float(stoi(reference.cpu().numpy(), decoded.cpu().numpy(), sample_rate, extended=True))


def speaker_similarity(reference: Tensor, decoded: Tensor) -> float:
    """Cosine of two voices' embeddings, -1 to 1, of clips [N] at 16 kHz: the same speaker near 1. Needs the extra `evaluation`.

    Embeddings of resemblyzer (generalised end-to-end loss; Wan et al. 2018), of the sound as it is, pauses and all.
    """
    encoder = _voice_encoder()
    a, b = (torch.from_numpy(encoder.embed_utterance(clip.cpu().numpy())) for clip in (reference, decoded))
    return float(a @ b)


@cache
def _voice_encoder():
    from resemblyzer import VoiceEncoder

    return VoiceEncoder("cpu", verbose=False)


def dnsmos(clip: Tensor) -> float:
    """The overall quality, 1 to 5, that DNSMOS P.835 (Reddy et al. 2022) predicts for a clip [N] at 16 kHz.

    Without a reference. Needs the extra `evaluation`.
    """
    from speechmos import dnsmos as model

    return float(model.run(clip.cpu().clamp(-1, 1).numpy(), sr=16_000)["ovrl_mos"])
