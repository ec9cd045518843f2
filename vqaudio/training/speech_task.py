"""Training of a speech codec on features kept in memory.

The losses are of log-mel, of its cepstra, and of the quantiser.

Two hours of speech are 720,000 frames of 119 numbers, 340 MB: they are computed once, and a step costs the network alone.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
import torchaudio
from torch import Tensor, nn
from torch.nn import functional as F

from vqaudio import ranges
from vqaudio.analysis import phones
from vqaudio.codecs.speech import FRAMES, SpeechCodec
from vqaudio.data.batches import at_level
from vqaudio.data.clips import Clip, Split
from vqaudio.data.seeds import torch_generator
from vqaudio.errors import InputError
from vqaudio.features import N_CEPSTRA, N_MELS, Statistics
from vqaudio.progress import bar
from vqaudio.training.codec_task import CodecTask
from vqaudio.training.loop import Worker

BATCH_OF_VALIDATION = 16


@dataclass(frozen=True)
class SpeechTraining:
    """The weights of a speech codec's training losses, and its batches."""

    batch_size: ranges.BatchSize = 24
    """Crops a step, over all processes."""
    crop_s: ranges.CropSeconds = 1.28
    """Seconds of a crop."""
    learning_rate: ranges.LearningRate = 2e-3
    mel: ranges.Weight = 0.5
    """Weight of the L1 of normalised log-mel bands."""
    cepstral: ranges.Weight = 1.0
    """Weight of the squared error of 13 normalised cepstra: the shape of the spectrum rather than its level."""
    cepstral_frames: Annotated[int, ranges.Range(1, 99)] = 5
    """Frames over which those cepstra are averaged, an odd number: phones last longer than a code."""
    quantiser: ranges.Weight = 1.0
    """Weight of the quantiser's own loss."""
    unquantised_steps: ranges.Steps = 50
    """Steps before the codebook starts, by k-means on the latents of a batch."""
    open_share: ranges.Share = 0.1
    """Share of crops that are decoded without a speaker, so that a label may be left open."""
    decoder_only: bool = False
    """Leave the encoder and the codebook as they are: the codes, and any prior over them, stay valid."""

    def check_together(self) -> None:
        if self.cepstral_frames % 2 == 0:
            raise InputError(f"cepstral_frames is odd, as many before a frame as after it; not {self.cepstral_frames}.")

    def task(self, codec: SpeechCodec, train: Split, validation: Split, seed: int, worker: Worker) -> "SpeechTask":
        return SpeechTask(codec, self, train, validation, seed, worker)


@dataclass
class Frames:
    """Features of a split's clips, normalised, one clip after the other.

    Attributes:
        features: [frames, dim]; log_mel: [frames, 80].
        starts: int [clips], each clip's first frame; sizes: int [clips], its frames, an even number.
        speakers: int [clips].
    """

    features: Tensor
    log_mel: Tensor
    starts: Tensor
    sizes: Tensor
    speakers: Tensor

    def crops(self, clips: Tensor, starts: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
        """Cut crops of `size` frames from frame `starts` [B] of clips [B].

        Returns features and log-mel [B, dim, size], and valid [B, size].
        """
        places = torch.arange(size)[None]
        valid = starts[:, None] + places < self.sizes[clips, None]
        rows = (self.starts[clips, None] + starts[:, None] + places).clamp(max=len(self.features) - 1)
        found = (torch.where(valid[..., None], part[rows], 0.0).transpose(1, 2) for part in (self.features, self.log_mel))
        return *found, valid


class SpeechBatches:
    """Random crops; a batch is a function of the seed and the step."""

    def __init__(self, frames: Frames, batch_size: int, columns: int, seed: int, rank: int = 0, world: int = 1):
        if batch_size % world:
            raise InputError(f"The batch size {batch_size} is not a multiple of the {world} processes.")
        self.frames, self.batch_size, self.columns, self.seed = frames, batch_size, columns, seed
        self.rank, self.world = rank, world

    def batch(self, step: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return this step's features, log-mel, valid [B, T] and speakers [B].

        Features are [B, dim, T * 2] and log-mel [B, 80, T * 2].
        """
        generator, frames = torch_generator(self.seed, step), self.frames
        clips = torch.multinomial(frames.sizes.double(), self.batch_size, replacement=True, generator=generator)
        spare = (frames.sizes[clips] // FRAMES - self.columns).clamp_min(0)
        starts = (torch.rand(self.batch_size, generator=generator) * (spare + 1)).long() * FRAMES
        clips, starts = clips[self.rank :: self.world], starts[self.rank :: self.world]
        features, log_mel, valid = frames.crops(clips, starts, self.columns * FRAMES)
        return features, log_mel, valid[:, ::FRAMES], frames.speakers[clips]


class SpeechObjective(nn.Module):
    """forward returns the loss."""

    def __init__(self, codec: SpeechCodec, settings: SpeechTraining, cepstral_deviation: Tensor):
        super().__init__()
        self.codec, self.settings = codec, settings
        dct = torchaudio.functional.create_dct(N_CEPSTRA, N_MELS, "ortho").T
        to_cepstra = dct * codec.mel_deviation.cpu().T / cepstral_deviation[:, None]  # of normalised log-mel bands
        self.register_buffer("to_cepstra", to_cepstra, persistent=False)

    def forward(
        self, features: Tensor, log_mel: Tensor, valid: Tensor, speakers: Tensor, quantise: bool
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """A batch of `SpeechBatches` -> (loss, its terms)."""
        s, codec = self.settings, self.codec
        predicted, result = codec.training_pass(features, valid, speakers, quantise)
        frames = valid.repeat_interleave(FRAMES, -1)[:, None].float()
        error = (predicted - log_mel) * frames
        n = frames.sum().clamp_min(1)
        smooth = F.avg_pool1d(error, s.cepstral_frames, 1, s.cepstral_frames // 2)
        terms = {
            "mel": error.abs().sum() / (n * N_MELS),
            "cepstral": (self.to_cepstra @ smooth).square().sum() / (n * N_CEPSTRA),
        }
        loss = s.mel * terms["mel"] + s.cepstral * terms["cepstral"]
        terms["commitment"] = terms["perplexity"] = loss.new_zeros(())
        if result is not None:
            loss = loss + s.quantiser * codec.quantiser_loss(result)
            terms |= {"commitment": result.commitment_loss, "perplexity": result.perplexity[0]}
        return loss, {"loss": loss, **terms}


class SpeechTask(CodecTask):
    """Trains a speech codec; see `training.loop.Task`."""

    def __init__(
        self, codec: SpeechCodec, settings: SpeechTraining, train: Split, validation: Split, seed: int, worker: Worker
    ):
        self.codec, self.settings, self.validation, self.worker = codec, settings, validation, worker
        frames, deviation = frames_of(codec, train)
        columns = max(1, round(settings.crop_s * codec.spec.frame_rate))
        self.batches = SpeechBatches(frames, settings.batch_size, columns, seed, worker.rank, worker.world)
        self.unseen = _normalise(codec, *_features_of(codec, validation))
        torch.manual_seed(seed)
        if settings.decoder_only:
            codec.freeze_encoder()
        self._optimise_codec(SpeechObjective(codec, settings, deviation))

    def train_step(self, step: int) -> dict[str, Tensor]:
        self._begin_step(step)
        features, log_mel, valid, speakers = (part.to(self.worker.device) for part in self.batches.batch(step))
        is_open = torch.rand(len(speakers), device=speakers.device) < self.settings.open_share
        speakers = torch.where(is_open, len(self.codec.config.speakers), speakers)
        quantise = self.settings.decoder_only or step >= self.settings.unquantised_steps
        loss, terms = self.objective(features, log_mel, valid, speakers, quantise)
        return terms | self._descend("codec", loss)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Score the validation clips: 1 - NMI of codes and phones, and the log-mel error.

        NMI is over the clips with phones.
        """
        self.codec.eval()
        ids, error, cells = self._ids_and_error()
        scores = {"mel_l1": error / cells}
        pairs = [
            phones.frame_pairs(clip.timed_labels, one, self.codec.spec.frame_rate)
            for clip, one in zip(self.validation.clips, ids) if clip.timed_labels
        ]  # fmt: skip
        if pairs:
            labels, codes = (np.concatenate(parts) for parts in zip(*pairs))
            scores = {"nmi_missing": 1 - phones.nmi(labels, codes)} | scores
        return scores

    def _ids_and_error(self) -> tuple[list[Tensor], float, int]:
        """The codes [T] of each validation clip, and the summed absolute error of normalised bands with their number."""
        frames, found, error, cells = self.unseen, [], 0.0, 0
        for clips in torch.arange(len(frames.sizes)).split(BATCH_OF_VALIDATION):
            size = int(frames.sizes[clips].max())
            features, log_mel, valid = frames.crops(clips, torch.zeros_like(clips), size)
            columns = valid[:, ::FRAMES]
            device = self.worker.device
            latents = self.codec.latents_of(features.to(device), columns.to(device))
            ids = self.codec.quantise(latents, 1)
            mel = self.codec.mel_of(self.codec.rvq.decode(ids, (0,)), columns.to(device), frames.speakers[clips].to(device))
            wrong = (self.codec.normalised(mel, "mel").cpu() - log_mel).abs() * valid[:, None]
            error, cells = error + float(wrong.sum()), cells + int(valid.sum()) * N_MELS
            found += [one[0, mask].cpu() for one, mask in zip(ids, columns)]
        return found, error, cells


def frames_of(codec: SpeechCodec, train: Split) -> tuple[Frames, Tensor]:
    """Return the training frames and the deviation [13] of their cepstra.

    A new codec takes their mean and deviation.
    """
    features, log_mel, starts, sizes, speakers = _features_of(codec, train)
    if bool((codec.mel_deviation == 1).all()):
        for name, values in (("feature", features), ("mel", log_mel)):
            found = Statistics()
            for start, size in zip(starts.tolist(), sizes.tolist()):
                found = found + Statistics.of(values[start : start + size].T)
            codec.set_statistics(name, found.mean, found.deviation)
    dct = torchaudio.functional.create_dct(N_CEPSTRA, N_MELS, "ortho")
    deviation = (log_mel @ dct).double().std(0).float()
    return _normalise(codec, features, log_mel, starts, sizes, speakers), deviation


def _normalise(codec: SpeechCodec, features: Tensor, log_mel: Tensor, *rest: Tensor) -> Frames:
    with torch.no_grad():
        parts = (codec.normalised(part.T.to(codec.device)[None], name)[0].T.cpu().contiguous()
                 for part, name in ((features, "feature"), (log_mel, "mel")))  # fmt: skip
        return Frames(*parts, *rest)


@torch.no_grad()
def _features_of(codec: SpeechCodec, split: Split) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Features and log-mel of all clips at the reference level, [frames, dim], and the other fields of `Frames`."""
    features, log_mel, sizes, speakers = [], [], [], []
    with bar("features", len(split), " clips") as progress:
        for clip in split.clips:
            audio = at_level(clip.audio, codec.reference_level_db, codec.sample_rate)
            audio = F.pad(audio, (0, -len(audio) % codec.hop)).to(codec.device)[None]
            features.append(codec.features(audio)[0].T.cpu())
            log_mel.append(codec.log_mel(audio)[0].T.cpu())
            sizes.append(len(log_mel[-1]))
            speakers.append(_speaker_of(codec, clip))
            progress.update(1)
    sizes = torch.tensor(sizes)
    return torch.cat(features), torch.cat(log_mel), sizes.cumsum(0) - sizes, sizes, torch.tensor(speakers)


def _speaker_of(codec: SpeechCodec, clip: Clip) -> int:
    known, speaker = codec.config.speakers, clip.labels.get("speaker")
    return known.index(speaker) if speaker in known else len(known)
