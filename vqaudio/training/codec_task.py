"""Codec training: spectral losses, the quantiser's loss and, later, an adversary."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import torch
from torch import Tensor, nn

from vqaudio import ranges
from vqaudio.codec import Codec
from vqaudio.data.batches import Augmentation, PrefetchedBatches, in_order, training_batches
from vqaudio.data.clips import Split
from vqaudio.errors import InputError
from vqaudio.evaluation.metrics import mel_l1, si_sdr
from vqaudio.training.discriminators import Discriminators
from vqaudio.training.gradients import gradient_norms
from vqaudio.training.loop import Worker
from vqaudio.training.losses import LoudnessLoss, SpectralLoss, WaveformLoss


@dataclass(frozen=True)
class CodecTrainingBase:
    """Batches and settings that all codec training shares."""

    batch_size: ranges.BatchSize = 64
    """Crops per step, over all processes."""
    crop_s: ranges.CropSeconds = 0.64
    """Seconds of a crop."""
    learning_rate: ranges.LearningRate = 5e-4
    quantiser: ranges.Weight = 1.0
    """Weight of the quantiser's own loss."""
    precision: ranges.Precision = "auto"
    """Precision of matrix products in training: bfloat16, float32, or auto for the faster one here. The quantiser, STFTs and
    losses use float32."""
    decoder_only: bool = False
    """Freeze the encoder and the codebooks: the codes, and any prior over them, stay valid."""
    decoder_first: ranges.Steps = 0
    """Number of first steps that leave the encoder and the codebooks as they are, for a run that starts from a trained codec."""
    prefix_share: ranges.Share = 0.5
    """Share of clips in a batch that use a random prefix of the stages: quantiser dropout."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    workers: ranges.Workers = 0
    """Processes that prepare batches ahead, for a GPU; with 0 each batch is made when its step begins. With shards, each process
    reads separate chunks."""


@dataclass(frozen=True)
class CodecTraining(CodecTrainingBase):
    """Batches and loss weights of waveform codec training."""

    discriminator_learning_rate: ranges.LearningRate = 2e-4
    mel: ranges.Weight = 15.0
    """Weight of the log-mel loss."""
    linear: ranges.Weight = 3.0
    """Weight of the log-magnitude loss on all bins."""
    floor: ranges.Floor = 1e-4
    """Mel magnitudes below this, for a clip at the reference level, count as silence in the spectral losses."""
    complex: ranges.Weight = 1.0
    """Weight of the compressed complex STFT loss; 0 leaves it out."""
    waveform: ranges.Weight = 0.0
    """Weight of the waveform loss: full for a clip decoded from all stages, zero for one decoded from a quarter of them."""
    loudness: ranges.Weight = 1.0
    """Weight of the loudness loss, in points of PESQ."""
    adversarial: ranges.Weight = 1.0
    feature_matching: ranges.Weight = 2.0
    adversary_from: ranges.Steps | None = 1000
    """Step at which the adversary starts; None for never."""
    discriminator_channels: Annotated[int, ranges.Range(1, 1024)] = 32
    discriminator_windows: Annotated[tuple[Annotated[int, ranges.Range(16, 16_384)], ...], ranges.Items(0, 16)] = (128, 256, 512)
    """STFT windows of the spectral discriminators, in samples; none leaves those on the wave's periods, a tenth of the time."""
    unquantised_share: ranges.Share = 0.0
    """Share of clips in a batch that skip quantisation (Défossez et al. 2024, "Moshi", section 3.3.2). Without it the encoder
    uses only a few dimensions, because those below the quantisation noise get no gradient."""
    unquantised_steps: ranges.Steps = 0
    """Number of first steps in which no clip is quantised."""

    def task(self, codec: Codec, train: Split, validation: Split, seed: int, worker: Worker) -> "CodecTask":
        return CodecTask(codec, self, train, validation, seed, worker)


def reduced_precision(name: str, device: torch.device):
    """Run matrix products in reduced precision: a context.

    Args:
        name: "bfloat16", "float32" or "auto".
        device: where they run.

    Raises:
        InputError: another name.
    """
    if name not in ("auto", "bfloat16", "float32"):
        raise InputError(f"The precision is auto, bfloat16 or float32; not {name!r}.")
    short = has_fast_bfloat16(device) if name == "auto" else name == "bfloat16"
    return torch.autocast(device.type, torch.bfloat16, enabled=short)


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is faster than float32 here."""
    if device.type != "cpu":
        return device.type == "cuda" and torch.cuda.is_bf16_supported()
    return any(getattr(torch.cpu, f"_is_{name}_supported", bool)() for name in ("amx_tile", "avx512_bf16"))


class GeneratorObjective(nn.Module):
    """The codec's loss, as a module for DDP; borrows the adversary."""

    def __init__(self, codec: Codec, settings: CodecTraining, adversary: nn.Module | None):
        super().__init__()
        self.codec, self.settings = codec, settings
        terms = tuple(name for name in ("mel", "linear", "complex") if getattr(settings, name) > 0)
        self.spectral = SpectralLoss(codec.sample_rate, terms, settings.floor)
        level_db = -20.0 if codec.reference_level_db is None else codec.reference_level_db
        self.loudness = LoudnessLoss(codec.sample_rate, level_db)
        self.waveform = WaveformLoss(codec.sample_rate)
        self._adversary = [adversary]

    def forward(
        self, audio: Tensor, lengths: Tensor, adversarial: bool, unquantised: float = 0.0
    ) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Compute the codec's loss.

        Args:
            audio: [B, 1, T * hop] in [-1, 1].
            lengths: [B] samples.
            adversarial: whether to add the adversary's losses.
            unquantised: share of clips to leave unquantised.

        Returns:
            loss, its terms, and the reconstruction [B, 1, T * hop] cut to each clip's length.
        """
        s, codec = self.settings, self.codec
        columns = torch.arange(audio.shape[-1] // codec.hop, device=audio.device)[None] * codec.hop
        valid = columns < lengths[:, None]
        prefixes = self._random_prefixes(len(audio), audio.device)
        prefixes = torch.where(torch.rand(len(audio), device=audio.device) < unquantised, 0, prefixes)
        with reduced_precision(s.precision, audio.device):
            decoded, quantised = codec.training_pass(audio, valid, prefixes)
        decoded = decoded * (torch.arange(audio.shape[-1], device=audio.device)[None] < lengths[:, None])[:, None]
        terms = self.spectral(audio, decoded, lengths) | {"loudness": self.loudness(audio, decoded, lengths)}
        if s.waveform > 0:
            share = torch.where(prefixes == 0, 1.0, prefixes / len(codec.spec.stages))
            terms["waveform"] = self.waveform(audio, decoded, ((share - 0.25) / 0.75).clamp_min(0))
        loss = sum(getattr(s, name) * value for name, value in terms.items()) + s.quantiser * codec.quantiser_loss(quantised)
        terms["commitment"] = quantised.commitment_loss
        terms |= {f"perplexity_{j + 1}": value for j, value in enumerate(quantised.perplexity)}
        terms["adversarial"] = terms["feature_matching"] = loss.new_zeros(())
        if adversarial:
            with reduced_precision(s.precision, audio.device):
                terms["adversarial"], terms["feature_matching"] = self._adversary[0].judge(audio, decoded, lengths)
            loss = loss + s.adversarial * terms["adversarial"] + s.feature_matching * terms["feature_matching"]
        return loss, {"loss": loss, **terms}, decoded

    def _random_prefixes(self, n: int, device: torch.device) -> Tensor:
        """Stages per clip: all of them, or for `prefix_share` of the clips a random number from 1."""
        k = len(self.codec.spec.stages)
        prefix = torch.randint(1, k + 1, (n,), device=device)
        return torch.where(torch.rand(n, device=device) < self.settings.prefix_share, prefix, k)


class CodecTask:
    """Train a codec; see `training.loop.Task`."""

    def __init__(self, codec: Codec, settings: CodecTraining, train: Split, validation: Split, seed: int, worker: Worker):
        self._begin(codec, settings, train, validation, seed, worker)
        adversary = None
        if settings.adversary_from is not None:
            widths = {"windows": settings.discriminator_windows, "channels": settings.discriminator_channels}
            adversary = Discriminators(**widths).to(worker.device)
        objective = GeneratorObjective(codec, settings, adversary)
        self.generator = worker.wrap(objective)
        self.discriminator = adversary and worker.wrap(adversary)
        self.modules = {"codec": codec} | ({"discriminators": adversary} if adversary else {})
        self.learning_rates = {"codec": settings.learning_rate, "discriminators": settings.discriminator_learning_rate}
        fused = worker.device.type == "cuda"
        self.optimisers = {
            name: torch.optim.AdamW(
                [p for p in module.parameters() if p.requires_grad], betas=(0.8, 0.99), weight_decay=0.01, fused=fused
            )
            for name, module in self.modules.items()
        }

    def _begin(self, codec: Codec, settings, train: Split, validation: Split, seed: int, worker: Worker) -> None:
        """Set up what all codec training shares: the batches, and the encoder if it is frozen."""
        self.codec, self.settings, self.validation, self.worker = codec, settings, validation, worker
        crop = round(settings.crop_s * codec.spec.frame_rate) * codec.hop
        self.batches = training_batches(
            train, settings.batch_size, crop, seed, settings.augmentation, codec.reference_level_db, worker.rank, worker.world
        )
        if settings.workers:
            self.batches = PrefetchedBatches(self.batches, settings.workers)
        torch.manual_seed(seed)
        if settings.decoder_only:
            codec.freeze_encoder()

    def _optimise_codec(self, objective: nn.Module) -> None:
        """Train the codec by one objective, without an adversary."""
        self.objective = self.worker.wrap(objective)
        self.modules, self.learning_rates = {"codec": self.codec}, {"codec": self.settings.learning_rate}
        trained = [p for p in self.codec.parameters() if p.requires_grad]
        self.optimisers = {"codec": torch.optim.AdamW(trained, betas=(0.9, 0.98), weight_decay=0.01)}

    def _begin_step(self, step: int) -> None:
        """Set the parts that this step trains to training mode."""
        self.codec.train()
        self.keeps_encoder = step < getattr(self.settings, "decoder_first", 0)
        if self.settings.decoder_only or self.keeps_encoder:
            self.codec.freeze_codebooks()

    def train_step(self, step: int) -> dict[str, Tensor]:
        self._begin_step(step)
        batch = self.batches.batch(step)
        audio, lengths = (part.to(self.worker.device, non_blocking=True) for part in (batch.audio, batch.lengths))
        adversarial = self.discriminator is not None and step >= self.settings.adversary_from
        if self.discriminator is not None:
            self.modules["discriminators"].requires_grad_(False)
        unquantised = 1.0 if step < self.settings.unquantised_steps else self.settings.unquantised_share
        loss, terms, decoded = self.generator(audio, lengths, adversarial, unquantised)
        terms |= self._descend("codec", loss)
        terms["discriminator"] = loss.new_zeros(())
        if adversarial:
            self.modules["discriminators"].requires_grad_(True)
            with reduced_precision(self.settings.precision, audio.device):
                terms["discriminator"] = self.discriminator(audio, decoded.detach(), lengths)
            self._descend("discriminators", terms["discriminator"])
        return terms

    def _descend(self, name: str, loss: Tensor) -> dict[str, Tensor]:
        """Take one optimiser step; returns the gradient norms before clipping."""
        self.optimisers[name].zero_grad(set_to_none=True)
        loss.backward()
        parts = gradient_norms(self.codec) if name == "codec" else {}
        if name == "codec" and self.keeps_encoder:
            self.codec.drop_encoder_gradients()
        norm = nn.utils.clip_grad_norm_(self.modules[name].parameters(), 10.0)
        self.optimisers[name].step()
        return {"gradient_norm": norm, **parts}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Compute mel-L1 (mean over all, half and a quarter of the stages) and SI-SDR."""
        self.codec.eval()
        k = len(self.codec.spec.stages)
        scores: dict[str, list[float]] = {}
        for batch in in_order(self.validation, 50):
            codes = self.codec.encode(batch.audio.to(self.worker.device), batch.lengths)
            for n in sorted({k, max(1, k // 2), max(1, k // 4)}, reverse=True):
                decoded = self.codec.decode(codes.first(n))[:, 0]
                originals = batch.audio[:, 0].to(decoded.device)
                for original, sound, length in zip(originals, decoded, batch.lengths.tolist()):
                    pair = original[:length], sound[:length]
                    scores.setdefault(f"mel_l1_{n}", []).append(mel_l1(*pair, self.codec.sample_rate))
                    scores.setdefault(f"si_sdr_{n}", []).append(si_sdr(*pair))
        means = {name: sum(values) / len(values) for name, values in scores.items()}
        mel = [value for name, value in means.items() if name.startswith("mel")]
        return {"mel_l1": sum(mel) / len(mel), **means}

    @torch.no_grad()
    def sounds(self) -> dict[str, tuple[Tensor, int]]:
        """Return three validation clips and their reconstructions."""
        self.codec.eval()
        examples = {}
        for clip in self.validation.clips[:: max(1, len(self.validation) // 3)][:3]:
            decoded = self.codec.decode(self.codec.encode(clip.audio[None, None].to(self.worker.device)))
            examples[f"{clip.name}-original"] = (clip.audio[None], self.codec.sample_rate)
            examples[f"{clip.name}-decoded"] = (decoded[0].cpu(), self.codec.sample_rate)
        return examples

    def export(self, folder: Path) -> None:
        self.codec.save_pretrained(folder)
