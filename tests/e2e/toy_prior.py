"""A prior with nothing to learn, for tests of the app: each codeword is as likely as any other, but a label shifts them.

It has the interface of `vqaudio.prior`, keeps its law, and takes as long as it is told to.
"""

import math
import time
from dataclasses import replace

import torch
from torch.nn import functional as F

from vqaudio.codes import Codes, together
from vqaudio.errors import InputError
from vqaudio.sampling import Sampling


class ToyPrior:
    likelihood, sees_right, folder = "exact", True, None
    labels = {"digit": tuple("0123456789"), "speaker": ("george", "theo")}  # noqa: RUF012

    def __init__(self, codec, name="toy", pause_s=0.0, codec_name=None):
        self.spec, self.name, self.pause_s = codec.spec, name, pause_s
        self.codec_name = codec_name or codec.name

    def check_codec(self, codec):
        if codec.name != self.codec_name:
            raise InputError("another codec")

    def check_likelihood(self):
        pass

    def default_sampling(self, generating=True):
        return Sampling(temperature=1.0 if generating else 0.9, top_p=1.0, steps=4, guidance=1.5)

    def fill(self, codes, mask, labels=None, *, sampling=None, generator=None, on_step=None, critic=None, **settings):
        vocab = torch.tensor(self.spec.vocab_of_row)[:, None]
        generators = generator if isinstance(generator, list) else [generator] * len(codes)
        if len(codes) == 1:
            codes = codes.repeated(len(generators), codes.ids.repeat_interleave(len(generators), 0))
            mask = mask.expand(codes.ids.shape)
        columns = codes.valid.sum(1).tolist()
        shapes = [(self.spec.rows, n) for n in columns]
        drawn = [(torch.rand(shape, generator=g) * vocab).long() for shape, g in zip(shapes, generators)]
        drawn = torch.stack([F.pad(ids, (0, codes.columns - ids.shape[1])) for ids in drawn])
        total = Sampling(**settings).over(sampling or Sampling()).steps or 4
        ids = torch.where(mask, -1, codes.ids)
        for done in range(1, total + 1):
            time.sleep(self.pause_s)
            upto = torch.zeros_like(mask)
            upto[:, :, : math.ceil(codes.columns * done / total)] = True
            ids = torch.where(mask & upto, drawn, ids)
            if on_step:
                on_step(done, total, ids)
        return replace(codes, ids=ids)

    def log_prob(self, codes, labels=None):
        vocab = torch.tensor(self.spec.vocab_of_row)[None, :, None].expand(codes.ids.shape)
        return -vocab.double().log()

    def blank(self, labels=None, seconds=None, generator=None):
        generators = generator if isinstance(generator, list) else [generator]
        return together([self.one_blank(seconds, g) for g in generators])

    def one_blank(self, seconds, generator):
        seconds = seconds or 0.3 + 0.3 * float(torch.rand((), generator=generator))
        columns = round(seconds * self.spec.frame_rate)
        samples = round(columns / self.spec.frame_rate * 8000)
        return Codes(torch.zeros(1, self.spec.rows, columns, dtype=torch.long), self.spec, torch.tensor([samples]),
                     torch.ones(1, columns, dtype=torch.bool), torch.tensor([-25.0]))
