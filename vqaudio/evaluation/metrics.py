"""Metrics between a decoded clip and its original, as in the README's table."""

import math
from functools import cache, lru_cache

import torch
import torchaudio
from torch import Tensor


def mel_l1(reference: Tensor, decoded: Tensor, sample_rate: int) -> float:
    """Mean absolute difference of log10 mel magnitudes of two clips [N].

    64 HTK bands at 8 kHz, 80 above; n_fft = window = 64 ms, hop a quarter of it, periodic Hann, centred with reflection,
    magnitudes clamped at 1e-5.
    """
    n_fft = 512 if sample_rate <= 8000 else 1024
    bands = 64 if sample_rate <= 8000 else 80
    mel = torchaudio.functional.melscale_fbanks(n_fft // 2 + 1, 0.0, sample_rate / 2, bands, sample_rate).to(reference.device)
    logs = [(mel.T @ magnitudes(clip, n_fft)).clamp_min(1e-5).log10() for clip in (reference, decoded)]
    return float((logs[0] - logs[1]).abs().mean())


def mr_stft(reference: Tensor, decoded: Tensor) -> float:
    """Multi-resolution STFT distance of two clips [N].

    Mean over n_fft 128 to 1024 of spectral convergence plus the L1 of natural-log magnitudes clamped at 1e-4.
    """
    total = 0.0
    for n_fft in (128, 256, 512, 1024):
        a, b = magnitudes(reference, n_fft), magnitudes(decoded, n_fft)
        convergence = (a - b).norm() / a.norm().clamp_min(1e-9)
        total += float(convergence + (a.clamp_min(1e-4).log() - b.clamp_min(1e-4).log()).abs().mean())
    return total / 4


def si_sdr(reference: Tensor, decoded: Tensor) -> float:
    """Scale-invariant signal-to-distortion ratio of two zero-mean clips [N], dB.

    Le Roux et al. 2019.
    """
    reference, decoded = reference - reference.mean(), decoded - decoded.mean()
    target = reference * (reference @ decoded) / (reference @ reference).clamp_min(1e-12)
    return float(10 * (target.square().sum().clamp_min(1e-12) / (decoded - target).square().sum().clamp_min(1e-12)).log10())


def log_spectral_distance(reference: Tensor, decoded: Tensor) -> float:
    """Log-spectral distance of two clips [N], dB.

    The root mean square, over the bins of a frame, of the difference of log magnitudes; a mean over frames. n_fft 1024, hop a
    quarter of it, magnitudes clamped at 1e-4.
    """
    a, b = (20 * magnitudes(clip, 1024).clamp_min(1e-4).log10() for clip in (reference, decoded))
    return float((a - b).square().mean(0).sqrt().mean())


@lru_cache(maxsize=2000)  # every row of a table needs the originals' pitch
def pitch_hz(clip: Tensor, sample_rate: int) -> float | None:
    """Estimate the pitch of a note [N] in Hz; None if no frame is voiced.

    The median of pYIN (Mauch and Dixon 2014) over voiced frames within 20 dB of the loudest. From 26 Hz (below A 0) to 2.8 kHz
    (above E 7), in windows of 128 ms.
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
    """Distance of two pitches in cents; infinite if either is None."""
    return abs(1200 * math.log2(a_hz / b_hz)) if a_hz and b_hz else math.inf


def magnitudes(clip: Tensor, n_fft: int) -> Tensor:
    """STFT magnitudes of [N]: [n_fft / 2 + 1, frames], hop n_fft / 4."""
    if len(clip) <= n_fft // 2:
        clip = torch.nn.functional.pad(clip, (0, n_fft // 2 + 1 - len(clip)))
    window = torch.hann_window(n_fft, device=clip.device)
    return torch.stft(clip, n_fft, n_fft // 4, window=window, center=True, pad_mode="reflect", return_complex=True).abs()


def joined(clips: list[Tensor], sample_rate: int) -> Tensor:
    """Concatenate clips [N] with 0.25 s of zeros before, between and after them."""
    gap = torch.zeros(sample_rate // 4)
    return torch.cat([gap, *(part for clip in clips for part in (clip.cpu(), gap))])


def pesq(reference: Tensor, decoded: Tensor, sample_rate: int) -> float:
    """PESQ (ITU-T P.862): narrow-band at 8 kHz, wide-band at 16 kHz."""
    from pesq import pesq as compute

    mode = "nb" if sample_rate == 8000 else "wb"
    return float(compute(sample_rate, reference.cpu().numpy(), decoded.cpu().numpy(), mode))


def estoi(reference: Tensor, decoded: Tensor, sample_rate: int) -> float:
    """Extended short-time objective intelligibility, 0 to 1 (Jensen and Taal 2016).

    Needs the extra `evaluation`.
    """
    from pystoi import stoi

    return float(stoi(reference.cpu().numpy(), decoded.cpu().numpy(), sample_rate, extended=True))


def speaker_similarity(reference: Tensor, decoded: Tensor) -> float:
    """Cosine similarity of the speaker embeddings of two clips [N] at 16 kHz.

    Embeddings of resemblyzer (generalised end-to-end loss; Wan et al. 2018), of the unmodified sound with its pauses. Needs the
    extra `evaluation`.
    """
    return float(speaker_embedding(reference) @ speaker_embedding(decoded))


def speaker_embedding(clip: Tensor) -> Tensor:
    """Embed the speaker of a clip [N] at 16 kHz as a unit vector [256].

    See `speaker_similarity`.
    """
    return torch.from_numpy(_voice_encoder().embed_utterance(clip.cpu().numpy()))


@cache
def _voice_encoder():
    from resemblyzer import VoiceEncoder

    return VoiceEncoder("cpu", verbose=False)


def dnsmos(clip: Tensor) -> float:
    """Overall quality of a clip [N] at 16 kHz, 1 to 5, as DNSMOS P.835 predicts it.

    Reddy et al. 2022; needs no reference, but the extra `evaluation`.
    """
    from speechmos import dnsmos as model

    return float(model.run(clip.cpu().clamp(-1, 1).numpy(), sr=16_000)["ovrl_mos"])
