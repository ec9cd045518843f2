"""The waveform codec: STFT frames -> ConvNeXt encoder -> residual VQ -> ConvNeXt decoder -> inverse STFT.

The decoder's head is that of Vocos (Siuzdak 2023, "Vocos: Closing the gap between time-domain and Fourier-based neural
vocoders", section 3.3): a log-magnitude and a phase a bin. All layers are convolutions over a bounded time, so that a long
clip decodes in blocks to the same sound, and a live one as it comes.
"""

import math
from dataclasses import dataclass, field
from typing import Annotated, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqaudio import ranges
from vqaudio.codec import Codec, Step
from vqaudio.codes import CodeSpec, Stage, check_density
from vqaudio.errors import InputError
from vqaudio.hub import fingerprint
from vqaudio.nn.convnext import ChannelNorm, ConvNeXtBlock
from vqaudio.nn.rvq import Quantised, ResidualVQ, Update
from vqaudio.nn.spectra import analysis, margins

COMPANDING = 0.7  # the wave's latents are divided by the column's RMS to this power; the decoder multiplies them by it again
TYPICAL_RMS = 0.1
PARTS = {  # by top-level module
    "encoder": ("stem", "stem_norm", "encoder", "wave_in"), "quantiser": ("to_latent", "rvq", "from_latent"),
    "decoder": ("decoder", "to_frames", "frames"), "head": ("head", "wave_gain", "wave_out"),
}
WAVE_SCALE = 0.25 * TYPICAL_RMS**COMPANDING  # of the wave's latents, so that they are no larger than the network's


@dataclass(frozen=True)
class WaveformConfig:
    """The shape of a waveform codec."""

    module: ranges.Name = "codecs.waveform"
    """Where the model's class lives; written to config.json."""
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
    """How the head gives a bin's phase: "angle" (as Vocos), or "vector": a complex number that the magnitude multiplies. That
    can follow the wave itself; the angle, which wraps, never learned to."""
    wave_dims: Annotated[int, ranges.Range(0, 8192)] = field(default=0, metadata={"later": True})
    """Numbers of the latent vector that begin as the lowest MDCT coefficients of the column, which a linear path takes from the
    wave to the latents and from the latents to the sound; 0 for no such path."""
    network_stages: Annotated[int, ranges.Range(0, 64)] = field(default=0, metadata={"later": True})
    """So many of the first stages code the network's own numbers of the latent vector alone, not the wave's: what a sound is
    comes first, how its wave runs after it. Of no effect without a wave path."""
    kernel: ranges.Kernel = 7
    """Columns, or frames, that a block's convolution sees."""
    look_ahead: Annotated[int, ranges.Range(0, 254)] = field(default=3, metadata={"later": True})
    """Of those, how many lie after the one that it computes: what a live encoder or decoder has to wait for."""
    n_stages: ranges.Stages = 8
    vocab: ranges.Vocab = 256
    """Codewords a stage."""
    decay: ranges.Share = 0.99
    """Of the codebooks' moving average."""
    beta: ranges.Weight = 0.25
    """Weight of the commitment loss."""
    codebook_update: Update = "ema"
    """ema, gradient, or fixed: as they are, without the moving averages, for a codec whose decoder alone is trained on."""
    lookup_dim: ranges.Width | None = None
    """Dimensions of an L2-normalised look-up; None compares the latents themselves."""
    restart_below: ranges.Share = 0.05
    """Share of the mean mass under which a codeword is restarted."""
    restart_every: ranges.Steps = 20
    """Training steps between two looks for dead codewords; 0 for never."""
    reference_level_db: ranges.Decibels | None = -20.0
    """Active level, dB re full scale, that clips are brought to; None leaves the level in the codes."""

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
            raise InputError("Stages of the network alone need a latent_dim larger than wave_dims.")


class WaveformCodec(Codec):
    """See the module. Time runs in columns of `hop` samples; a column holds `frames_per_column` STFT frames.

    Attributes:
        look_ahead: columns after a column that its ids (first) and its audio (second) depend on.
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
        """The linear path; at first the network leaves it its numbers, and adds next to no sound of its own."""
        self.wave_in, self.wave_out = wave_path(c.latent_dim, c.wave_dims, c.hop)
        self.wave_gain = nn.Conv1d(c.decoder_channels, c.latent_dim, 1)  # of each number: what is mostly noise is turned down
        with torch.no_grad():
            self.to_latent[1].weight[: c.wave_dims] = 0
            self.to_latent[1].bias[: c.wave_dims] = 0
            self.wave_gain.weight.zero_()
            self.wave_gain.bias.fill_(math.log(TYPICAL_RMS**COMPANDING))
            self.head[1].bias[:bins] = -2

    def forward(self, audio: Tensor, valid: Tensor, n_stages: Tensor | None = None) -> tuple[Tensor, Quantised]:
        """One training pass: level-normalised audio [B, 1, T * hop], valid [B, T] -> its reconstruction, what was quantised.

        Clip b is decoded from its first n_stages[b] stages, or from its latents as they are where that is 0; None for all stages.
        """
        latents = self.latents(audio, valid)
        used = None if n_stages is None else torch.where(n_stages == 0, self.config.n_stages, n_stages)
        quantised = self.rvq(latents, valid, used)
        heard = quantised.quantised
        if n_stages is not None:
            heard = torch.where((n_stages == 0)[:, None, None], latents, heard)
        return _through(self._sound_steps(), heard, valid), quantised

    def part_of(self, parameter: str) -> str:
        module = super().part_of(parameter)
        return next((part for part, modules in PARTS.items() if module in modules), module)

    @property
    def encoder_fingerprint(self) -> str:
        parts = nn.ModuleList(self._encoding_parts())
        parts.config = self.config
        return fingerprint(parts)

    def freeze_encoder(self) -> None:
        """Let no gradient reach the encoder or the quantiser."""
        for part in self._encoding_parts():
            part.requires_grad_(False)

    def _encoding_parts(self) -> list[nn.Module]:
        wave = [self.wave_in] if self.config.wave_dims else []
        return [self.stem, self.stem_norm, self.encoder, self.to_latent, self.rvq, *wave]

    def latents(self, audio: Tensor, valid: Tensor) -> Tensor:
        return _through(self.encoder_steps(), audio, valid)

    def quantise(self, latents: Tensor, beam: int) -> Tensor:
        return self.rvq.encode(latents, beam=beam)

    def synthesise(self, ids: Tensor, valid: Tensor, stages: tuple[int, ...]) -> Tensor:
        return _through(self.decoder_steps(stages), ids, valid)

    def encoder_steps(self) -> list[Step]:
        channels = self.config.encoder_channels
        return [
            Step(self._stemmed, self._overlap, self._overlap, self.hop),
            *(Step(self._beside(block, channels), *block.padding) for block in self.encoder),
            Step(self._finished_latents, 0, 0),
        ]

    def decoder_steps(self, stages: tuple[int, ...]) -> list[Step]:
        return [Step(lambda ids, _: self.rvq.decode(ids, stages), 0, 0), *self._sound_steps()]

    def _sound_steps(self) -> list[Step]:
        """From latents [B, D, T] to audio [B, 1, T * hop]."""
        c = self.config
        reaches = c.kernel - 1 - c.look_ahead, c.look_ahead
        before, after = (-(-c.frame_blocks * reach // c.frames_per_column) + self._overlap for reach in reaches)
        return [
            Step(self._begun_sound, 0, 0),
            *(Step(self._beside(block, c.decoder_channels), *block.padding) for block in self.decoder),
            Step(self._sound, before, after),
        ]

    def _beside(self, block: nn.Module, channels: int):
        """The block on the first channels; behind them travels what takes the linear path."""
        if not self.config.wave_dims:
            return block
        return lambda x, columns: torch.cat([block(x[:, :channels], columns), x[:, channels:]], dim=1)

    @property
    def _overlap(self) -> int:
        """Columns on either side that a column's STFT windows, and its window of the wave path, reach into."""
        reach = max(self.config.n_fft - self.frame_hop, self.hop if self.config.wave_dims else 0)
        return -(-reach // (2 * self.hop))

    def _stemmed(self, audio: Tensor, _: Tensor) -> Tensor:
        """Audio [B, 1, T * hop] -> the encoder's input [B, C, T], and the wave's own latents behind it."""
        x = self.stem_norm(self.stem(self._features(audio)))
        if not self.config.wave_dims:
            return x
        wave = F.pad(audio, margins(2 * self.hop, self.hop))
        power = F.avg_pool1d(wave.square(), 2 * self.hop, self.hop)
        return torch.cat([x, self.wave_in(wave) * (power + 1e-8) ** (-COMPANDING / 2)], dim=1)

    def _finished_latents(self, x: Tensor, columns: Tensor) -> Tensor:
        latents = self.to_latent(x[:, : self.config.encoder_channels])
        if self.config.wave_dims:
            latents = latents + x[:, self.config.encoder_channels :]
        return latents * columns

    def _begun_sound(self, latents: Tensor, _: Tensor) -> Tensor:
        x = self.from_latent(latents)
        return torch.cat([x, latents], dim=1) if self.config.wave_dims else x

    def _features(self, audio: Tensor) -> Tensor:
        """[B, 1, T * hop] -> [B, 3 * bins * frames_per_column, T]: log magnitude, and the complex STFT compressed to |X|^0.3."""
        spectrum = analysis(audio[:, 0], self.window, self.frame_hop)
        magnitude = spectrum.abs().clamp_min(1e-3)
        compressed = spectrum * magnitude**-0.7
        features = torch.cat([magnitude.log(), compressed.real, compressed.imag], dim=1)
        batch, channels, frames = features.shape
        folded = features.view(batch, channels, frames // self.config.frames_per_column, self.config.frames_per_column)
        return folded.transpose(2, 3).flatten(1, 2)

    def _sound(self, x: Tensor, columns: Tensor) -> Tensor:
        """What the decoder's blocks made of the columns [B, C, T] -> audio [B, 1, T * hop]."""
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
        """[B, 2 or 3 * bins, F] -> [B, 1, F * frame_hop] by windowed overlap-add, divided by the windows' summed squares."""
        log_magnitude, *phase = head.chunk(head.shape[1] // (self.config.n_fft // 2 + 1), dim=1)
        magnitude = log_magnitude.clamp(max=6.0).exp()
        spectrum = magnitude * torch.complex(*phase) if self.config.phase == "vector" else torch.polar(magnitude, *phase)
        waves = torch.fft.irfft(spectrum, n=self.config.n_fft, dim=1) * frames
        squares = (self.window.square()[None, :, None] * frames).expand_as(waves)
        sound, weight = (self._overlap_add(part) for part in (waves * self.window[None, :, None], squares))
        return sound / weight.clamp_min(0.1)

    def _overlap_add(self, waves: Tensor) -> Tensor:
        n = waves.shape[-1] * self.frame_hop
        before, after = margins(self.config.n_fft, self.frame_hop)
        summed = F.fold(waves, (1, before + n + after), (1, self.config.n_fft), stride=(1, self.frame_hop))
        return summed[:, :, 0, before : before + n]


def _through(steps: list[Step], x: Tensor, valid: Tensor) -> Tensor:
    columns = valid[:, None].float()
    for step in steps:
        x = step.run(x, columns)
    return x


def _stage_dims(c: WaveformConfig) -> tuple[int, ...]:
    """How many numbers of the latent vector, counted from the last, each stage codes: the wave's are the first."""
    early = min(c.network_stages, c.n_stages)
    return (c.latent_dim - c.wave_dims,) * early + (c.latent_dim,) * (c.n_stages - early)


def wave_path(latent_dim: int, wave_dims: int, hop: int) -> tuple[nn.Conv1d, nn.ConvTranspose1d]:
    """Linear maps from a wave [B, 1, T * hop + hop] to latents [B, latent_dim, T], and back.

    The first `wave_dims` latents begin as the lowest coefficients of an MDCT with a sine window (Princen and Bradley 1986):
    without quantiser and network, the two would give back what lies below wave_dims / (2 * hop) of the sampling rate. All of it
    is trained on. From a random beginning, networks of this size did not come to follow the wave at all.
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
