"""A made-up codec for tests of the page: codes of any shape, and a sound that follows from them."""

import torch

from vqaudio.codec import Codec
from vqaudio.codes import Codes, CodeSpec


class Tones(Codec):
    """Each stage is a tone, as loud in a column as the mean of its indices there."""

    context, reference_level_db, name, fingerprint, encoder_fingerprint = 0, None, "tones", "0" * 32, "0" * 32

    def __init__(self, spec: CodeSpec, sample_rate: int):
        super().__init__()
        self.spec, self.sample_rate, self.hop = spec, sample_rate, round(sample_rate / spec.frame_rate)
        self.anchor = torch.nn.Parameter(torch.zeros(1))

    def synthesise(self, ids, valid, stages):
        time = torch.arange(ids.shape[-1] * self.hop) / self.sample_rate
        sound = torch.zeros_like(time)[None]
        for j in stages:
            loudness = ids[:, self.spec.rows_of(j)].float().mean(1) / self.spec.stages[j].vocab
            tone = torch.sin(2 * torch.pi * 400 * (j + 1) * time)
            sound = sound + 0.2 * loudness.repeat_interleave(self.hop, -1) * tone
        return sound[:, None]

    def ramp(self, columns: int, missing: int = 0) -> Codes:
        """Codes in which each cell has another index than its neighbours; `missing` samples lack at the end."""
        vocab = torch.tensor(self.spec.vocab_of_row)[None, :, None]
        ids = (torch.arange(self.spec.rows)[None, :, None] * 5 + torch.arange(columns)[None, None] * 3) % vocab
        lengths = torch.tensor([columns * self.hop - missing])
        return Codes(ids, self.spec, lengths, torch.ones(1, columns, dtype=torch.bool))
