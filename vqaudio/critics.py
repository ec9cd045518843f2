"""A critic listens to several new clips of a prior, and the one is kept in which it hears the labels that were asked for.

Rejection by a classifier, as VQ-VAE-2 has it (Razavi et al. 2019, "Classifier Based Rejection Sampling"): what a classifier of
real recordings cannot tell is rarely a good example of its class. The classifier here is a judge (`vqaudio.judges`)
in the folder `critic` of a prior's own; it must not be one that the prior is measured with.
"""

import functools
from pathlib import Path

import torch
from torch import Tensor

from vqaudio import hub
from vqaudio.codec import Codec
from vqaudio.codes import Codes
from vqaudio.errors import InputError
from vqaudio.judges import Judge
from vqaudio.prior import Critic, Labels, Prior

FOLDER = "critic"


def critic_for(codec: Codec, prior: Prior, labels: Labels | None) -> Critic | None:
    """What `prior.fill` asks which of its candidates is the best, for new clips with these labels.

    None where the prior has no critic, or was not told what the critic listens for.

    Raises:
        InputError: what lies in the folder `critic` cannot be loaded, or is no judge of the codec's sounds.
    """
    judge = critic_of(prior, codec.device)
    if judge is None:
        return None
    if judge.config.sample_rate != codec.sample_rate:
        raise InputError(f"The critic of {prior.name} listens at {judge.config.sample_rate:,} Hz, not {codec.sample_rate:,}.")
    wanted = (labels or {}).get(judge.config.target)
    told = [wanted] if wanted is None or isinstance(wanted, str) else wanted
    return functools.partial(_sureness, codec, judge, wanted) if set(told) & set(judge.config.classes) else None


def critic_of(prior: Prior, device: torch.device | str = "cpu") -> Judge | None:
    """The judge in the prior's folder, on a device; None where there is none, or the prior draws one candidate only.

    Raises:
        InputError: what is there cannot be loaded, or is no judge.
    """
    folder = prior.folder and prior.folder / FOLDER
    if not folder or not (folder / "config.json").is_file() or prior.config.candidates == 1:
        return None
    return _judge(folder, str(device))


@functools.cache
def _judge(folder: Path, device: str) -> Judge:
    judge = hub.load(folder)
    if not isinstance(judge, Judge):
        raise InputError(f"{folder} holds no judge.")
    return judge.to(device)


@torch.no_grad()
def _sureness(codec: Codec, judge: Judge, wanted, candidates: Codes) -> Tensor:
    """How sure the judge is, in nats and [B], that each of these clips is what was wanted: one value, or one for each n clips."""
    said = judge(codec.decode(candidates), candidates.lengths.to(judge.device)).log_softmax(-1).cpu()
    values = [wanted] * len(said) if isinstance(wanted, str) else [v for v in wanted for _ in range(len(said) // len(wanted))]
    classes = judge.config.classes
    told = torch.tensor([value in classes for value in values])
    chosen = torch.tensor([classes.index(value) if value in classes else 0 for value in values])
    return torch.where(told, said.gather(1, chosen[:, None])[:, 0], 0.0)
