"""A made-up codec with bands, and a prior of notes for it: nothing to train, and a sound that follows from the codes.

Each band is a tone at its middle. The coarse map has one loudness for two bands and a whole column; the fine one corrects it
for each band and half a column.
"""

import math
from dataclasses import replace

import torch
from toy_prior import ToyPrior

from vqaudio.codec import Codec
from vqaudio.codes import Codes, CodeSpec, Stage
from vqaudio.pitches import hz_of, key_of, name_of
from vqaudio.prior import Prior

EDGES = (100, 200, 400, 700, 1200, 2000, 3200, 5000, 8000)
RATE, HOP, WORDS = 16000, 640, 16
SPEC = CodeSpec((Stage(4, 1, WORDS), Stage(8, 2, WORDS)), RATE / HOP)
STEP_DB, FLOOR_DB = 4.0, -66.0  # a tone at -66 dB or below is not heard
PITCHES = tuple(name_of(key).replace("#", "s") for key in range(36, 85))


class BandTones(Codec):
    context, look_ahead, reference_level_db, name, fingerprint, encoder_fingerprint = 0, (0, 0), None, "tones", "1" * 32, "1" * 32

    def __init__(self):
        super().__init__()
        self.spec, self.sample_rate, self.hop, self.folder = SPEC, RATE, HOP, None
        self.anchor = torch.nn.Parameter(torch.zeros(1))

    def band_edges_hz(self, stage):
        return EDGES[:: 2 if stage == 0 else 1]

    def latents(self, audio, valid):
        """The level of each of the eight bands in each half column: [B, 16, T]."""
        halves = audio[:, 0].unflatten(-1, (-1, HOP // 2))
        power = torch.fft.rfft(halves * torch.hann_window(HOP // 2)).abs().square() / (HOP / 8) ** 2
        hz = torch.linspace(0, RATE / 2, power.shape[-1])
        levels = [10 * (power[..., (hz >= a) & (hz < b)].sum(-1) / 2 + 1e-12).log10() for a, b in zip(EDGES, EDGES[1:])]
        return torch.stack(levels, 1).unflatten(-1, (-1, 2)).transpose(2, 3).flatten(1, 2)

    def quantise(self, latents, beam):
        levels = latents.unflatten(1, (8, 2))
        coarse = levels.unflatten(1, (4, 2)).amax((2, 3))
        top = ((coarse - FLOOR_DB) / STEP_DB).round().clamp(0, WORDS - 1)
        rest = levels - (top * STEP_DB + FLOOR_DB).repeat_interleave(2, 1)[:, :, None]
        fine = (rest / STEP_DB + WORDS - 1).round().clamp(0, WORDS - 1)
        return torch.cat([top, fine.flatten(1, 2)], dim=1).long()

    def synthesise(self, ids, valid, stages):
        levels = torch.zeros(len(ids), 8, 2, ids.shape[-1])
        levels = levels + ids[:, :4].repeat_interleave(2, 1)[:, :, None] * STEP_DB if 0 in stages else levels + 8 * STEP_DB
        if 1 in stages:
            levels = levels + (ids[:, 4:].unflatten(1, (8, 2)) - (WORDS - 1)) * STEP_DB
        loud = torch.where(levels <= 0, 0, 10 ** ((levels + FLOOR_DB) / 20)).transpose(2, 3).flatten(2)
        loud = loud.repeat_interleave(HOP // 2, -1)
        middles = torch.tensor([math.sqrt(a * b) for a, b in zip(EDGES, EDGES[1:])])
        time = torch.arange(loud.shape[-1]) / RATE
        return (loud * torch.sin(2 * torch.pi * middles[:, None] * time)).sum(1, keepdim=True) * math.sqrt(2)


class NotePrior(ToyPrior):
    """A note is loud in the band of its pitch and fades; cells of a hole in a clip are drawn anew."""

    labels = {"instrument": ("cello", "flute"), "pitch": PITCHES}  # noqa: RUF012
    label_ids = Prior.label_ids

    def __init__(self, codec, name="notes", pause_s=0.0):
        super().__init__(codec, name, pause_s)
        self.made = []

    def fill(self, codes, mask, labels=None, **settings):
        filled = super().fill(codes, mask, labels, **settings)
        if not (labels and "pitch" in labels and bool(mask.all())):
            return filled
        self.made.append(dict(labels))
        hz = hz_of(key_of(labels["pitch"]))
        band = next(i for i in range(8) if hz < EDGES[i + 1])
        ids = torch.zeros_like(codes.ids)
        fade = (torch.linspace(14, 8, codes.columns) - (2 if labels.get("instrument") == "cello" else 0)).round().long()
        ids[:, band // 2] = fade
        ids[:, 4 + 2 * band : 6 + 2 * band] = WORDS - 1
        return replace(filled, ids=ids)

    def one_blank(self, seconds, generator):
        columns = round((seconds or 1.0) * self.spec.frame_rate)
        valid = torch.ones(1, columns, dtype=torch.bool)
        return Codes(torch.zeros(1, self.spec.rows, columns, dtype=torch.long), self.spec, torch.tensor([columns * HOP]), valid)
