"""STFT and inverse STFT, and phases for pictures of magnitudes.

A frame is `n_fft` samples under a periodic Hann window, `hop` apart; frame t is centred on sample (t + 1/2) * hop. A partial
of frequency w (radians a sample) at a frame's centre with phase p gives, in the bins k of the window's main lobe, the phase
p - pi k: inverting a picture needs one phase for each peak, which advances with the peak's frequency. This is the single-pass
inversion of Beauregard, Harish and Wyse 2015, "Single Pass Spectrogram Inversion", with the identity phase locking of Laroche
and Dolson 1999, as cumulative sums over time.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

QUIET = 1e-7
FLAT = 0.05  # curvature of a log magnitude (per bin squared) below which a peak is no partial; a Hann window has 1.4


def margins(n_fft: int, hop: int) -> tuple[int, int]:
    """Samples by which windows extend before the first hop and after the last.

    If their sum is odd, there is one more after it.
    """
    before = (n_fft - hop) // 2
    return before, n_fft - hop - before


def analysis(audio: Tensor, window: Tensor, hop: int) -> Tensor:
    """STFT: audio [B, N] -> complex [B, n_fft / 2 + 1, N / hop], zero-padded.

    N is a multiple of hop.
    """
    padded = F.pad(audio, margins(len(window), hop))
    return torch.stft(padded, len(window), hop, window=window, center=False, return_complex=True)


def synthesis(spectrum: Tensor, window: Tensor, hop: int, inside: Tensor) -> Tensor:
    """Inverse STFT: complex [B, bins, T] -> audio [B, T * hop].

    It is silent where inside [B, 1, T] is 0, in padding.
    """
    return overlap_add(spectrum, window, hop, inside) * inside[:, 0].repeat_interleave(hop, -1)


def overlap_add(spectrum: Tensor, window: Tensor, hop: int, inside: Tensor) -> Tensor:
    """As `synthesis`, but the last real frames fade out into the padding.

    Windowed overlap-add, divided by the sum of the squared windows. Frames where inside [B, 1, T] is 0 are left out.
    """
    n_fft, frames = len(window), spectrum.shape[-1]
    windowed = torch.fft.irfft(spectrum, n=n_fft, dim=1) * window[None, :, None] * inside
    squares = window.square()[None, :, None] * inside
    before, after = margins(n_fft, hop)
    total = before + frames * hop + after
    added = (F.fold(part, (1, total), (1, n_fft), stride=(1, hop))[:, 0, 0] for part in (windowed, squares))
    sound, weight = (part[:, before : before + frames * hop] for part in added)
    return sound / weight.clamp_min(0.1)


def frequencies(spectrum: Tensor, hop: int) -> Tensor:
    """Instantaneous frequency of a complex STFT [B, bins, T], in radians a sample.

    It follows from the phase step from frame t - 1 to t: the bin's centre frequency, plus the rest wrapped to -pi to pi. At the
    first frame it is the bin's centre frequency.
    """
    n = 2 * (spectrum.shape[1] - 1)
    own = 2 * torch.pi / n * torch.arange(spectrum.shape[1], device=spectrum.device)[:, None]
    step = (spectrum[..., 1:] * spectrum[..., :-1].conj()).angle() - own * hop
    rest = torch.remainder(step + torch.pi, 2 * torch.pi) - torch.pi
    return own + F.pad(rest, (1, 0)) / hop


def peaks(log_magnitude: Tensor) -> tuple[Tensor, Tensor]:
    """Assign each bin of log pictures [B, bins, T] to a peak, with its frequency.

    The pictures are natural logarithms.

    Returns:
        owner: int [B, bins, T], the bin of the nearest local maximum.
        frequency: [B, bins, T] radians a sample: the top of the parabola through a bin and its two neighbours.
    """
    bins = log_magnitude.shape[1]
    padded = F.pad(log_magnitude.transpose(1, 2), (1, 1), mode="replicate").transpose(1, 2)
    below, here, above = padded[:, :-2], padded[:, 1:-1], padded[:, 2:]
    curve = (2 * here - below - above).clamp_min(FLAT)
    offset = (0.5 * (above - below) / curve).clamp(-0.5, 0.5)
    at = torch.arange(bins, device=here.device)[:, None]
    is_peak = (here > below) & (here >= above)
    left = torch.where(is_peak, at, -bins).cummax(1).values
    right = torch.where(is_peak, at, 3 * bins).flip(1).cummin(1).values.flip(1)
    owner = torch.where(at - left <= right - at, left, right)
    owner = torch.where((owner >= 0) & (owner < bins), owner, at)  # without a maximum each bin is its own peak
    return owner, (at + offset) * (torch.pi / (bins - 1))


def phases(owner: Tensor, frequency: Tensor, hop: int, before: tuple[Tensor, Tensor] | None = None):
    """The phase of each bin: its peak's frequency summed over time.

    It alternates by pi from bin to bin.

    Args:
        owner, frequency: from `peaks`, [B, bins, T].
        hop: samples between frames.
        before: the state returned for the frames before these; None at the start.

    Returns:
        phases [B, bins, T] in radians, and the state for the next call.
    """
    own = frequency.gather(1, owner)
    if before is None:
        before = first_phases(own.shape[1], own.device).expand(len(own), -1), own[..., 0]
    start, last = before
    steps = 0.5 * hop * (own + torch.cat([last[..., None], own[..., :-1]], -1))
    # In double precision: single precision would lose the phase in a sum over minutes.
    sums = _double(start)[..., None] + _double(steps).cumsum(-1)
    sums = torch.remainder(sums, 2 * torch.pi).float().to(own.device)
    alternating = torch.pi * (torch.arange(own.shape[1], device=own.device) % 2)[:, None]
    return sums.gather(1, owner) + alternating, (sums[..., -1], own[..., -1])


def first_phases(bins: int, device=None) -> Tensor:
    """Initial phases [bins] (Schroeder 1970), for a low crest factor."""
    k = torch.arange(bins, dtype=torch.float64)
    return torch.remainder(torch.pi * k * k / bins, 2 * torch.pi).float().to(device)


def _double(x: Tensor) -> Tensor:
    """x in double precision; on the CPU for MPS, which has none."""
    return (x.cpu() if x.device.type == "mps" else x).double()


def refined(spectrum: Tensor, window: Tensor, hop: int, inside: Tensor) -> Tensor:
    """One iteration of Griffin and Lim 1984.

    Keep the magnitudes, take the phase of the resynthesised sound.
    """
    resynthesised = analysis(synthesis(spectrum, window, hop, inside), window, hop)
    return resynthesised * (spectrum.abs() / resynthesised.abs().clamp_min(QUIET))


class MelAxis:
    """The frequency axis of a picture: rows evenly spaced on HTK's mel scale.

    They go from 0 Hz to half the sample rate.

    A row is a triangular average of log magnitudes, at least one bin wide on either side; the inverse interpolates between rows.
    Nothing is lost where rows are closer together than bins.

    Attributes:
        pool: [rows, bins], from bins to rows.
        lower: int [bins], the row below each bin.
        share: [bins], the position of the bin between that row and the next one, 0 to 1.
    """

    def __init__(self, rows: int, bins: int, sample_rate: int):
        top = _mel(torch.tensor(sample_rate / 2))
        position = _hz(torch.linspace(0, float(top), rows)) / (sample_rate / 2) * (bins - 1)
        width = torch.gradient(position)[0].clamp_min(1.0)
        pool = (1 - (torch.arange(bins)[None] - position[:, None]).abs() / width[:, None]).clamp_min(0)
        self.pool = pool / pool.sum(1, keepdim=True)
        row = _mel(torch.arange(bins) / (bins - 1) * (sample_rate / 2)) / top * (rows - 1)
        self.lower = row.floor().long().clamp(max=rows - 2)
        self.share = row - self.lower


def band_edges_hz(bands: int, sample_rate: int) -> tuple[float, ...]:
    """Edges of equal parts of the mel axis: bands + 1 frequencies in Hz.

    From 0 to half the sample rate.
    """
    top = _mel(torch.tensor(sample_rate / 2, dtype=torch.float64))
    return tuple(_hz(torch.linspace(0, float(top), bands + 1, dtype=torch.float64)).tolist())


def _mel(hz: Tensor) -> Tensor:
    return 2595 * torch.log10(1 + hz / 700)


def _hz(mel: Tensor) -> Tensor:
    return 700 * (10 ** (mel / 2595) - 1)
