"""Critics: rank several samples of a prior by a classifier, and keep the best.

This is classifier-based rejection sampling as in VQ-VAE-2 (Razavi et al. 2019): a clip that a classifier of real recordings
does not recognise is rarely a good example of its class. The classifier is a judge (`vqaudio.judges`) in the folder `critic`
of the prior; it must not be one of the judges that evaluate the prior.
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
from vqaudio.labels import normalised
from vqaudio.prior import Critic, Labels, Prior

FOLDER = "critic"


def critic_for(codec: Codec, prior: Prior, labels: Labels | None) -> Critic | None:
    """The `critic` argument of `prior.fill` for new clips with these labels.

    Returns:
        A function from candidates (Codes of B clips) to scores [B] in nats; None if the prior has no critic, or no label is of
        the kind that the critic classifies.

    Raises:
        InputError: the model in the folder `critic` cannot be loaded, or is no judge of the codec's sounds.
    """
    judge = critic_of(prior, codec.device)
    if judge is None:
        return None
    if judge.config.sample_rate != codec.sample_rate:
        raise InputError(f"The critic of {prior.name} works at {judge.config.sample_rate:,} Hz, not {codec.sample_rate:,}.")
    wanted = normalised(labels).get(judge.config.target)
    values = [wanted] if wanted is None or isinstance(wanted, str) else wanted
    return functools.partial(_log_probs, codec, judge, wanted) if set(values) & set(judge.config.classes) else None


def critic_of(prior: Prior, device: torch.device | str = "cpu") -> Judge | None:
    """The judge in the prior's folder, on a device; None without one.

    None also for a prior with a single candidate.

    Raises:
        InputError: the model cannot be loaded, or is no judge.
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
def _log_probs(codec: Codec, judge: Judge, wanted, candidates: Codes) -> Tensor:
    """The judge's log-probability [B], in nats, of the label wanted: one value, or one for each n clips; 0 if it is open."""
    log_probs = judge(codec.decode(candidates), candidates.lengths.to(judge.device)).log_softmax(-1).cpu()
    n = len(log_probs)
    values = [wanted] * n if isinstance(wanted, str) else [v for v in wanted for _ in range(n // len(wanted))]
    classes = judge.config.classes
    known = torch.tensor([value in classes for value in values])
    chosen = torch.tensor([classes.index(value) if value in classes else 0 for value in values])
    return torch.where(known, log_probs.gather(1, chosen[:, None])[:, 0], 0.0)
