"""Judge training: cross-entropy on whole original clips."""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from vqaudio import ranges
from vqaudio.data.batches import Augmentation, in_order, training_batches
from vqaudio.data.clips import Split
from vqaudio.judges import Judge
from vqaudio.training.loop import Worker


@dataclass(frozen=True)
class JudgeTraining:
    """Batches and augmentation of judge training."""

    batch_size: ranges.BatchSize = 32
    crop_s: ranges.CropSeconds = 1.0
    """Longest crop in seconds."""
    learning_rate: ranges.LearningRate = 2e-3
    noise_db: ranges.Decibels = -30.0
    """Level of the loudest added white noise, in dB relative to the clip's."""
    tilt: ranges.Share = 0.1
    """Each clip is filtered by 1 + a z^-1, with a random a from -tilt to tilt."""
    augmentation: Augmentation = field(default_factory=lambda: Augmentation(speeds=(1.0,)))


class JudgeObjective(nn.Module):
    """The judge's loss, as a module for DDP."""

    def __init__(self, judge: Judge, settings: JudgeTraining):
        super().__init__()
        self.judge, self.settings = judge, settings

    def forward(self, audio: Tensor, lengths: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """Clips [B, 1, N] and their classes [B] -> (loss, share of correct answers)."""
        tilt = self.settings.tilt * (2 * torch.rand(len(audio), 1, 1, device=audio.device) - 1)
        audio = audio + tilt * nn.functional.pad(audio, (1, -1))
        loudest = 10 ** ((self.settings.noise_db - 20) / 20)
        noise = torch.randn_like(audio) * torch.rand(len(audio), 1, 1, device=audio.device) * loudest
        logits = self.judge(audio + noise, lengths)
        return nn.functional.cross_entropy(logits, wanted, label_smoothing=0.05), (logits.argmax(-1) == wanted).float().mean()


class JudgeTask:
    """Train a judge; see `training.loop.Task`."""

    def __init__(self, judge: Judge, settings: JudgeTraining, train: Split, validation: Split, seed: int, worker: Worker):
        self.judge, self.validation, self.worker = judge, validation, worker
        crop = round(settings.crop_s * train.sample_rate)
        self.batches = training_batches(
            train, settings.batch_size, crop, seed, settings.augmentation, -20.0, worker.rank, worker.world
        )
        self.objective = worker.wrap(JudgeObjective(judge, settings))
        self.modules = {"judge": judge}
        self.optimisers = {"judge": torch.optim.AdamW(judge.parameters(), weight_decay=0.01)}
        self.learning_rates = {"judge": settings.learning_rate}

    def train_step(self, step: int) -> dict[str, Tensor]:
        self.judge.train()
        batch = self.batches.batch(step)
        loss, right = self.objective(
            *(part.to(self.worker.device) for part in (batch.audio, batch.lengths, batch.labels[self.judge.config.target]))
        )
        self.optimisers["judge"].zero_grad(set_to_none=True)
        loss.backward()
        self.optimisers["judge"].step()
        return {"loss": loss, "accuracy": right}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Compute cross-entropy and accuracy on the validation clips."""
        self.judge.eval()
        loss = right = 0.0
        for batch in in_order(self.validation, 50):
            wanted = batch.labels[self.judge.config.target].to(self.worker.device)
            logits = self.judge(batch.audio.to(self.worker.device), batch.lengths.to(self.worker.device))
            loss += float(nn.functional.cross_entropy(logits, wanted, reduction="sum"))
            right += int((logits.argmax(-1) == wanted).sum())
        return {"loss": loss / len(self.validation), "accuracy": right / len(self.validation)}

    def sounds(self) -> dict[str, tuple[Tensor, int]]:
        return {}

    def export(self, folder: Path) -> None:
        self.judge.save_pretrained(folder)
