"""A critic listens to several new clips of a prior, and the one is kept in which it hears the labels that were asked for.

Rejection by a classifier, as VQ-VAE-2 has it (Razavi et al. 2019, section 3.4): what a classifier of real recordings cannot tell
is rarely a good example of its class. The classifier here is a judge (`vqaudio.evaluation.judges`) in the folder `critic` of a
prior's own; it must not be one that the prior is measured with.
"""

import functools
from pathlib import Path

import torch
from torch import Tensor

from vqaudio import hub
from vqaudio.codec import Codec
from vqaudio.codes import Codes
from vqaudio.prior import Critic, Labels, Prior

FOLDER = "critic"


def critic_for(codec: Codec, prior: Prior, labels: Labels | None) -> Critic | None:
    """What `prior.fill` asks which of its candidates is the best, for new clips with these labels.

    None where the prior draws one candidate only, has no critic, or was not told what the critic listens for.
    """
    folder = prior.folder and prior.folder / FOLDER
    if not folder or not (folder / "config.json").is_file() or prior.config.candidates == 1:
        return None
    judge = _judge(folder)
    wanted = (labels or {}).get(judge.config.target)
    return None if wanted is None else functools.partial(_sureness, codec, judge, wanted)


@functools.cache
def _judge(folder: Path):
    return hub.load(folder)


@torch.no_grad()
def _sureness(codec: Codec, judge, wanted, candidates: Codes) -> Tensor:
    """How sure the judge is, in nats and [B], that each of these clips is what was wanted: one value, or one for each n clips."""
    sound = codec.decode(candidates).cpu()
    said = judge(sound, candidates.lengths.cpu()).log_softmax(-1)
    values = [wanted] * len(said) if isinstance(wanted, str) else [v for v in wanted for _ in range(len(said) // len(wanted))]
    classes = judge.config.classes
    told = torch.tensor([value in classes for value in values])
    chosen = torch.tensor([classes.index(value) if value in classes else 0 for value in values])
    return torch.where(told, said.gather(1, chosen[:, None])[:, 0], 0.0)
