"""How well a codec fits a clip: its reconstruction, compared with the test clips'.

`vqaudio fit` measures the reference once over a dataset and keeps it beside the weights (fit.json).
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

import torch
import torchaudio
from torch import Tensor

from vqaudio.codec import Codec
from vqaudio.data.clips import Split
from vqaudio.errors import InputError
from vqaudio.evaluation.metrics import magnitudes, si_sdr
from vqaudio.files import replace_file
from vqaudio.json_files import expected_in, read_json
from vqaudio.progress import bar
from vqaudio.ranges import check

FILE = "fit.json"
PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
SILENT_DB = -80.0  # dBFS: a softer clip gets no verdict
AUDIBLE_DB = 3.0  # a change of level that anybody notices
ACTIVE_DB = 40.0  # below a clip's loudest frame, frames count as silent
RANGE_DB = 60.0  # below a clip's loudest cell, changes of its spectrum do not count

Verdict = Literal["fits", "approximate", "outside"]


@dataclass(frozen=True)
class Scores:
    """One clip and its reconstruction from all stages.

    Attributes:
        level_change_db: of the reconstruction, relative to the original.
        mel_distance: mean absolute difference of the log10 mel magnitudes, over the frames that are not silent.
        si_sdr_db: scale-invariant signal-to-distortion ratio.
        spectral_change: mean absolute difference of the original's log10 mel magnitudes from one frame to the next, which
            tells speech (fast) from a held note (slow).
    """

    level_change_db: float
    mel_distance: float
    si_sdr_db: float
    spectral_change: float


@dataclass(frozen=True)
class Reference:
    """The percentiles (PERCENTILES) of the scores of a codec's own data.

    The reconstruction is measured on the test clips, the spectral change on the training clips.

    Attributes:
        model: fingerprint of the measured codec.
        command: that made the record.
        dataset: module of vqaudio.data.
        test_clips, training_clips: number of measured clips.
    """

    model: str
    command: str
    dataset: str
    test_clips: int
    training_clips: int
    percentiles: list[int]
    level_change_db: list[float]
    mel_distance: list[float]
    si_sdr_db: list[float]
    spectral_change: list[float]

    def check_together(self) -> None:
        """Raise InputError if a list of percentiles has another length or order."""
        lists = [getattr(self, field.name) for field in fields(Scores)]
        if tuple(self.percentiles) != PERCENTILES or any(len(one) != len(PERCENTILES) or one != sorted(one) for one in lists):
            raise InputError("its percentiles are incomplete or out of order.")

    def at(self, name: str, percentile: int) -> float:
        """A percentile of a score, by the name of its field."""
        return getattr(self, name)[PERCENTILES.index(percentile)]


@dataclass(frozen=True)
class Fit:
    """A verdict, its reasons (clauses, worst first), and the scores."""

    verdict: Verdict
    reasons: list[str]
    scores: Scores


def level_db(sound: Tensor) -> float:
    """The RMS level of sound [N] in dBFS, at least -120."""
    return float(10 * sound.double().square().mean().clamp_min(1e-12).log10())


def is_silent(sound: Tensor) -> bool:
    """Whether sound [N] is too soft for a verdict."""
    return level_db(sound) < SILENT_DB


def scores(original: Tensor, decoded: Tensor, sample_rate: int) -> Scores:
    """Compare a clip [N] with its reconstruction [N]."""
    mel = _mel(original, sample_rate)
    active = _active(mel)
    logs = [part.clamp_min(1e-5).log10() for part in (mel, _mel(decoded, sample_rate))]
    return Scores(
        level_db(decoded) - level_db(original), float((logs[0] - logs[1])[:, active].abs().mean()),
        si_sdr(original, decoded), _spectral_change(mel, active),
    )


def _mel(sound: Tensor, sample_rate: int) -> Tensor:
    """Mel magnitudes [bands, frames], as in `evaluation.metrics.mel_l1`."""
    n_fft, bands = (512, 64) if sample_rate <= 8000 else (1024, 80)
    banks = torchaudio.functional.melscale_fbanks(n_fft // 2 + 1, 0.0, sample_rate / 2, bands, sample_rate)
    return banks.T @ magnitudes(sound, n_fft)


def _active(mel: Tensor) -> Tensor:
    """The frames that are not silent: bool [frames]."""
    power = mel.square().sum(0)
    return power > power.max() * 10 ** (-ACTIVE_DB / 10)


def _spectral_change(mel: Tensor, active: Tensor) -> float:
    logs = mel.clamp_min(float(mel.max()) * 10 ** (-RANGE_DB / 20)).log10()
    changes = logs.diff().abs()[:, active[1:]]
    return float(changes.mean()) if changes.numel() else 0.0


def fit(found: Scores, reference: Reference) -> Fit:
    """Judge a clip that is not silent.

    Reconstruction decides. A mel distance above the 99th percentile of the test clips, or an audible change of level beyond the
    1st or 99th, puts the clip outside of what the model was trained on; a mel distance above the 95th, an SI-SDR below the 5th,
    or any audible change of level makes it an approximation. (SI-SDR alone never puts a clip outside: codecs that do not model
    phase score low on their own test clips.) A spectrum that changes faster or more slowly than in the training clips makes the
    verdict one step worse.
    """
    points: list[tuple[int, str]] = [_level(found, reference), _mel_points(found, reference), _sdr(found, reference)]
    worst = max(point for point, _ in points)
    foreign = _foreign(found, reference)
    step = min(2, worst + bool(foreign))
    reasons = [reason for point, reason in sorted(points, key=lambda pair: -pair[0]) if point]
    return Fit(("fits", "approximate", "outside")[step], reasons + [foreign] * bool(foreign), found)


def _level(found: Scores, reference: Reference) -> tuple[int, str]:
    change, name = found.level_change_db, "level_change_db"
    rare = not reference.at(name, 1) <= change <= reference.at(name, 99)
    audible = abs(change) >= AUDIBLE_DB
    return audible * (1 + rare), f"it comes back {abs(change):.1f} dB {'softer' if change < 0 else 'louder'}"


def _mel_points(found: Scores, reference: Reference) -> tuple[int, str]:
    beyond = [p for p in (95, 99) if found.mel_distance > reference.at("mel_distance", p)]
    return len(beyond), f"its spectrum is further off than in {max(beyond, default=0)} of 100 test clips"


def _sdr(found: Scores, reference: Reference) -> tuple[int, str]:
    beyond = found.si_sdr_db < reference.at("si_sdr_db", 5)
    return int(beyond), "its waveform is further off than in 95 of 100 test clips"


def _foreign(found: Scores, reference: Reference) -> str:
    change, name = found.spectral_change, "spectral_change"
    if change > reference.at(name, 99):
        return "it changes faster than almost all training clips"
    return "it changes more slowly than almost all training clips" if change < reference.at(name, 1) else ""


@torch.inference_mode()
def measure(codec: Codec, train: Split, test: Split, dataset: str, command: str) -> Reference:
    """Score a codec's own data."""
    found = []
    with bar("reconstructing", len(test), " clips") as progress:
        for sound in _sounds(test):
            found.append(scores(sound, codec.decode(codec.encode(sound[None, None]))[0, 0], codec.sample_rate))
            progress.update()
    changes = [_spectral_change(mel, _active(mel)) for mel in (_mel(sound, codec.sample_rate) for sound in _sounds(train))]
    columns = {field.name: [getattr(one, field.name) for one in found] for field in fields(Scores)} | {"spectral_change": changes}
    lists = {name: _percentiles(values) for name, values in columns.items()}
    return Reference(codec.fingerprint, command, dataset, len(found), len(changes), list(PERCENTILES), **lists)


def _sounds(split: Split) -> Iterable[Tensor]:
    """The clips [N] that are not silent."""
    return [clip.audio for clip in split.clips if not is_silent(clip.audio)]


def _percentiles(values: list[float]) -> list[float]:
    shares = torch.tensor(PERCENTILES, dtype=torch.float64) / 100
    return [round(value, 4) for value in torch.tensor(values, dtype=torch.float64).quantile(shares).tolist()]


def save(reference: Reference, folder: Path) -> None:
    """Write fit.json beside a model's weights."""
    lines = ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in asdict(reference).items())
    replace_file(folder / FILE, lambda path: path.write_text(f"{{\n{lines}\n}}\n"))


def load(folder: Path) -> Reference | None:
    """Read fit.json; None if there is none. Raises InputError if it is damaged."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        with expected_in(path):
            found = Reference(**read_json(path))
            check(found)
            return found
    except InputError as error:
        raise InputError(f"{error} `vqaudio fit` rebuilds it.") from None
