"""The waveform codec: STFT -> ConvNeXt -> residual VQ -> ConvNeXt -> inverse STFT.

The decoder's head is that of Vocos (Siuzdak 2023, "Vocos: Closing the gap between time-domain and Fourier-based neural
vocoders", section 3.3): a log-magnitude and a phase a bin. All layers are convolutions over a bounded time, so that a long
clip decodes in blocks to the same sound, and a live one block by block.
"""

import math
from dataclasses import dataclass, field
from typing import Annotated, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqaudio import ranges
from vqaudio.codec import Codec, Step, run_steps
from vqaudio.codes import CodeSpec, Stage, check_density
from vqaudio.errors import InputError
from vqaudio.nn.convnext import ChannelNorm, ConvNeXtBlock
from vqaudio.nn.rvq import Quantised, ResidualVQ, Update
from vqaudio.nn.spectra import analysis, margins, overlap_add

COMPANDING = 0.7  # the encoder divides the wave path's latents by the column's RMS to this power; the decoder multiplies
TYPICAL_RMS = 0.1
PARTS = {  # by top-level module
    "encoder": ("stem", "stem_norm", "encoder", "wave_in"), "quantiser": ("to_latent", "rvq", "from_latent"),
    "decoder": ("decoder", "to_frames", "frames"), "head": ("head", "wave_gain", "wave_out"),
}
WAVE_SCALE = 0.25 * TYPICAL_RMS**COMPANDING  # of the wave path's latents, so that they are no larger than the network's


@dataclass(frozen=True)
class WaveformConfig:
    """The shape of a waveform codec."""

    module: ranges.Name = "codecs.waveform"
    """Module of the model's class; written to config.json."""
    sample_rate: ranges.SampleRate = 8000
    """Hz."""
    hop: ranges.Hop = 160
    """Audio samples a column."""
    frames_per_column: Annotated[int, ranges.Range(1, 256)] = 2
    """STFT frames in a column, in and out."""
    n_fft: ranges.WindowSize = 320
    """Samples of an STFT window."""
    encoder_channels: ranges.Width = 256
    encoder_blocks: ranges.Depth = 4
    """ConvNeXt blocks at the column rate."""
    latent_dim: ranges.Width = 64
    """Numbers in the vector that is quantised."""
    decoder_channels: ranges.Width = 288
    decoder_blocks: ranges.Depth = 4
    """ConvNeXt blocks at the column rate."""
    frame_channels: ranges.Width = 192
    frame_blocks: ranges.Depth = 2
    """ConvNeXt blocks at the frame rate, before the head."""
    phase: Literal["angle", "vector"] = field(default="angle", metadata={"later": True})
    """The head's phase of a bin: "angle", as in Vocos, or "vector", a complex number that the magnitude multiplies. A vector can
    follow the wave itself; an angle, which wraps, never learned to."""
    wave_dims: Annotated[int, ranges.Range(0, 8192)] = field(default=0, metadata={"later": True})
    """Latent dimensions that are initialised as the lowest MDCT coefficients of the column, with a linear path from the wave to
    the latents and from the latents to the sound; 0 for no such path."""
    network_stages: Annotated[int, ranges.Range(0, 64)] = field(default=0, metadata={"later": True})
    """Number of the first stages that code only the network's latent dimensions and not those of the wave path, so that content
    comes before waveform. No effect without a wave path."""
    kernel: ranges.Kernel = 7
    """Columns, or frames, that a block's convolution sees."""
    look_ahead: Annotated[int, ranges.Range(0, 254)] = field(default=3, metadata={"later": True})
    """How many of those come after the one computed: a live encoder or decoder has to wait for them."""
    n_stages: ranges.Stages = 8
    vocab: ranges.Vocab = 256
    """Codewords a stage."""
    decay: ranges.Share = 0.99
    """Of the codebooks' moving average."""
    beta: ranges.Weight = 0.25
    """Weight of the commitment loss."""
    codebook_update: Update = "ema"
    """ema, gradient, or fixed: no updates and no moving averages, to continue training of the decoder alone."""
    lookup_dim: ranges.Width | None = None
    """Dimensions of an L2-normalised look-up; None compares the latents themselves."""
    restart_below: ranges.Share = 0.05
    """Share of the mean mass below which a codeword is restarted."""
    restart_every: ranges.Steps = 20
    """Training steps between two checks for dead codewords; 0 for never."""
    reference_level_db: ranges.Decibels | None = -20.0
    """Active level, dB re full scale, that clips are normalised to; None for no level normalisation."""

    def check_together(self) -> None:
        check_density(self.n_stages, self.sample_rate / self.hop)
        if self.hop % self.frames_per_column:
            fitting = ", ".join(str(n) for n in range(1, 17) if self.hop % n == 0)
            raise InputError(f"frames_per_column divides hop, {self.hop}; {self.frames_per_column} does not. Choose {fitting}.")
        if self.n_fft < self.hop // self.frames_per_column:
            raise InputError(f"n_fft is at least hop / frames_per_column, so that windows leave no gap; not {self.n_fft}.")
        if self.look_ahead >= self.kernel:
            raise InputError(f"look_ahead is less than kernel, {self.kernel}; not {self.look_ahead}.")
        if self.wave_dims > self.latent_dim:
            raise InputError(f"wave_dims is at most latent_dim, {self.latent_dim}; not {self.wave_dims}.")
        if self.network_stages and self.wave_dims == self.latent_dim:
            raise InputError("network_stages needs a latent_dim larger than wave_dims.")


class WaveformCodec(Codec):
    """The waveform codec; see the module.

    A column is `hop` samples and `frames_per_column` STFT frames.
    """

    def __init__(self, config: WaveformConfig):
        super().__init__(config)
        c = config
        self.sample_rate, self.hop = c.sample_rate, c.hop
        self.reference_level_db = c.reference_level_db
        self.spec = CodeSpec((Stage(1, 1, c.vocab),) * c.n_stages, c.sample_rate / c.hop)
        self.frame_hop = c.hop // c.frames_per_column
        bins = c.n_fft // 2 + 1
        self.stem = nn.Conv1d(3 * bins * c.frames_per_column, c.encoder_channels, 1)
        self.stem_norm = ChannelNorm(c.encoder_channels)
        self.encoder = nn.ModuleList(ConvNeXtBlock(c.encoder_channels, c.kernel, c.look_ahead) for _ in range(c.encoder_blocks))
        self.to_latent = nn.Sequential(ChannelNorm(c.encoder_channels), nn.Conv1d(c.encoder_channels, c.latent_dim, 1))
        self.rvq = ResidualVQ(
            c.latent_dim, c.n_stages, c.vocab, decay=c.decay, beta=c.beta, update=c.codebook_update,
            lookup_dim=c.lookup_dim, stage_dims=_stage_dims(c), restart_below=c.restart_below, restart_every=c.restart_every,
        )
        self.from_latent = nn.Sequential(nn.Conv1d(c.latent_dim, c.decoder_channels, 1), ChannelNorm(c.decoder_channels))
        self.decoder = nn.ModuleList(ConvNeXtBlock(c.decoder_channels, c.kernel, c.look_ahead) for _ in range(c.decoder_blocks))
        self.to_frames = nn.Sequential(
            ChannelNorm(c.decoder_channels), nn.Conv1d(c.decoder_channels, c.frame_channels * c.frames_per_column, 1)
        )
        self.frames = nn.ModuleList(ConvNeXtBlock(c.frame_channels, c.kernel, c.look_ahead) for _ in range(c.frame_blocks))
        per_bin = 3 if c.phase == "vector" else 2
        self.head = nn.Sequential(ChannelNorm(c.frame_channels), nn.Conv1d(c.frame_channels, per_bin * bins, 1))
        if c.wave_dims:
            self._add_wave_path(c, bins)
        self.register_buffer("window", torch.hann_window(c.n_fft), persistent=False)
        both = self.encoder_steps(), self.decoder_steps(())
        self.look_ahead = tuple(sum(step.after for step in steps) for steps in both)
        self.context = max(*self.look_ahead, *(sum(step.before for step in steps) for steps in both))

    def _add_wave_path(self, c: WaveformConfig, bins: int) -> None:
        """Add the linear path. Initially the network leaves its dimensions alone and adds almost no sound."""
        self.wave_in, self.wave_out = wave_path(c.latent_dim, c.wave_dims, c.hop)
        self.wave_gain = nn.Conv1d(c.decoder_channels, c.latent_dim, 1)  # attenuates dimensions that are mostly noise
        with torch.no_grad():
            self.to_latent[1].weight[: c.wave_dims] = 0
            self.to_latent[1].bias[: c.wave_dims] = 0
            self.wave_gain.weight.zero_()
            self.wave_gain.bias.fill_(math.log(TYPICAL_RMS**COMPANDING))
            self.head[1].bias[:bins] = -2

    def training_pass(self, audio: Tensor, valid: Tensor, n_stages: Tensor | None = None) -> tuple[Tensor, Quantised]:
        """One training pass: the reconstruction and the quantiser's output.

        Args:
            audio: level-normalised, [B, 1, T * hop].
            valid: bool [B, T].
            n_stages: int [B]; clip b is decoded from its first n_stages[b] stages, or from unquantised latents if that is 0.
                None for all stages.
        """
        latents = self.latents(audio, valid)
        used = None if n_stages is None else torch.where(n_stages == 0, self.config.n_stages, n_stages)
        quantised = self.rvq(latents, valid, used)
        decoded = quantised.quantised
        if n_stages is not None:
            decoded = torch.where((n_stages == 0)[:, None, None], latents, decoded)
        return run_steps(self._sound_steps(), decoded, valid), quantised

    def part_of(self, parameter: str) -> str:
        module = super().part_of(parameter)
        return next((part for part, modules in PARTS.items() if module in modules), module)

    def _encoding_parts(self) -> list[nn.Module]:
        wave = [self.wave_in] if self.config.wave_dims else []
        return [self.stem, self.stem_norm, self.encoder, self.to_latent, self.rvq, *wave]

    def latents(self, audio: Tensor, valid: Tensor) -> Tensor:
        return run_steps(self.encoder_steps(), audio, valid)

    def quantise(self, latents: Tensor, beam: int) -> Tensor:
        return self.rvq.encode(latents, beam=beam)

    def synthesise(self, ids: Tensor, valid: Tensor, stages: tuple[int, ...]) -> Tensor:
        return run_steps(self.decoder_steps(stages), ids, valid)

    def encoder_steps(self) -> list[Step]:
        channels = self.config.encoder_channels
        return [
            Step(self._encoder_input, self._overlap, self._overlap, self.hop),
            *(Step(self._beside(block, channels), *block.padding) for block in self.encoder),
            Step(self._latents_from, 0, 0),
        ]

    def decoder_steps(self, stages: tuple[int, ...]) -> list[Step]:
        return [Step(lambda ids, _: self.rvq.decode(ids, stages), 0, 0), *self._sound_steps()]

    def _sound_steps(self) -> list[Step]:
        """From latents [B, D, T] to audio [B, 1, T * hop]."""
        c = self.config
        reaches = c.kernel - 1 - c.look_ahead, c.look_ahead
        before, after = (-(-c.frame_blocks * reach // c.frames_per_column) + self._overlap for reach in reaches)
        return [
            Step(self._sound_input, 0, 0),
            *(Step(self._beside(block, c.decoder_channels), *block.padding) for block in self.decoder),
            Step(self._sound, before, after),
        ]

    def _beside(self, block: nn.Module, channels: int):
        """Apply the block to the first channels only; the others belong to the linear path."""
        if not self.config.wave_dims:
            return block
        return lambda x, columns: torch.cat([block(x[:, :channels], columns), x[:, channels:]], dim=1)

    @property
    def _overlap(self) -> int:
        """Columns on either side that a column's STFT windows and wave path window overlap."""
        reach = max(self.config.n_fft - self.frame_hop, self.hop if self.config.wave_dims else 0)
        return -(-reach // (2 * self.hop))

    def _encoder_input(self, audio: Tensor, _: Tensor) -> Tensor:
        """Audio [B, 1, T * hop] -> the encoder's input [B, C, T], then the wave path's latents as further channels."""
        x = self.stem_norm(self.stem(self._features(audio)))
        if not self.config.wave_dims:
            return x
        wave = F.pad(audio, margins(2 * self.hop, self.hop))
        power = F.avg_pool1d(wave.square(), 2 * self.hop, self.hop)
        return torch.cat([x, self.wave_in(wave) * (power + 1e-8) ** (-COMPANDING / 2)], dim=1)

    def _latents_from(self, x: Tensor, columns: Tensor) -> Tensor:
        latents = self.to_latent(x[:, : self.config.encoder_channels])
        if self.config.wave_dims:
            latents = latents + x[:, self.config.encoder_channels :]
        return latents * columns

    def _sound_input(self, latents: Tensor, _: Tensor) -> Tensor:
        x = self.from_latent(latents)
        return torch.cat([x, latents], dim=1) if self.config.wave_dims else x

    def _features(self, audio: Tensor) -> Tensor:
        """[B, 1, T * hop] -> [B, 3 * bins * frames_per_column, T]: log magnitude, and complex STFT compressed to |X|^0.3."""
        spectrum = analysis(audio[:, 0], self.window, self.frame_hop)
        magnitude = spectrum.abs().clamp_min(1e-3)
        compressed = spectrum * magnitude**-0.7
        features = torch.cat([magnitude.log(), compressed.real, compressed.imag], dim=1)
        batch, channels, frames = features.shape
        folded = features.view(batch, channels, frames // self.config.frames_per_column, self.config.frames_per_column)
        return folded.transpose(2, 3).flatten(1, 2)

    def _sound(self, x: Tensor, columns: Tensor) -> Tensor:
        """The output of the decoder's blocks [B, C, T] -> audio [B, 1, T * hop]."""
        x, latents = x[:, : self.config.decoder_channels], x[:, self.config.decoder_channels :]
        gain = self.wave_gain(x).float().clamp(max=4.0).exp() if self.config.wave_dims else None
        x = self.to_frames(x)
        batch, _, n = x.shape
        per_column = self.config.frames_per_column
        x = x.view(batch, self.config.frame_channels, per_column, n).transpose(2, 3).flatten(2)
        frames = columns.repeat_interleave(per_column, dim=-1)
        for block in self.frames:
            x = block(x, frames)
        with torch.autocast(x.device.type, enabled=False):
            sound = self._inverse_stft(self.head(x.float()) * frames, frames)
            if self.config.wave_dims:
                before, after = margins(2 * self.hop, self.hop)
                sound = sound + self.wave_out(latents.float() * gain * columns)[..., before:-after]
            return sound

    def _inverse_stft(self, head: Tensor, frames: Tensor) -> Tensor:
        """The head's output [B, 2 or 3 * bins, F], frames [B, 1, F] -> audio [B, 1, F * frame_hop]."""
        log_magnitude, *phase = head.chunk(head.shape[1] // (self.config.n_fft // 2 + 1), dim=1)
        magnitude = log_magnitude.clamp(max=6.0).exp()
        spectrum = magnitude * torch.complex(*phase) if self.config.phase == "vector" else torch.polar(magnitude, *phase)
        return overlap_add(spectrum, self.window, self.frame_hop, frames)[:, None]


def _stage_dims(c: WaveformConfig) -> tuple[int, ...]:
    """For each stage the number of latent dimensions that it codes, from the last; the wave path has the first."""
    early = min(c.network_stages, c.n_stages)
    return (c.latent_dim - c.wave_dims,) * early + (c.latent_dim,) * (c.n_stages - early)


def wave_path(latent_dim: int, wave_dims: int, hop: int) -> tuple[nn.Conv1d, nn.ConvTranspose1d]:
    """Linear maps from a wave to latents [B, latent_dim, T], and back.

    The wave is [B, 1, T * hop + hop].

    The first `wave_dims` latents are initialised as the lowest coefficients of an MDCT with a sine window (Princen and Bradley
    1986): without quantiser and network, the two reconstruct everything below wave_dims / (2 * hop) of the sample rate. All
    weights are trained. With random initialisation, networks of this size did not learn to follow the wave.
    """
    analysis = nn.Conv1d(1, latent_dim, 2 * hop, stride=hop, bias=False)
    synthesis = nn.ConvTranspose1d(latent_dim, 1, 2 * hop, stride=hop, bias=False)
    n, k = torch.arange(2 * hop) + 0.5, torch.arange(wave_dims)[:, None] + 0.5
    basis = torch.sin(torch.pi * n / (2 * hop)) * torch.cos(torch.pi / hop * (n + hop / 2) * k)
    with torch.no_grad():
        for layer, scale in ((analysis, WAVE_SCALE), (synthesis, 2 / hop / WAVE_SCALE)):
            layer.weight.zero_()
            layer.weight.view(latent_dim, -1)[:wave_dims] = scale * basis
    return analysis, synthesis


MODEL, CONFIG = WaveformCodec, WaveformConfig
