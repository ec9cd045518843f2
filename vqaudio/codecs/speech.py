"""The speech codec: one codeword every 20 ms, decoded as a chosen speaker.

Its one small codebook has room for what is said, and not for who says it: the decoder gets the speaker as a label. The encoder,
the time jitter and the shape of the decoder follow Chorowski et al. 2019, "Unsupervised speech representation learning using
WaveNet autoencoders" (section III), after van den Oord et al. 2017, "Neural Discrete Representation Learning". The decoder is
deconvolutional and predicts log-mel bands. Its sound comes from Griffin and Lim's iterations (1984), which start from the phases
of the picture's peaks (`nn.spectra`): no vocoder is trained.

Beside the encoder's network runs a linear path, which begins as the mean of the 13 cepstra over 60 ms. K-means on these finds
phones, so training starts there, not at random.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torchaudio
from torch import Tensor, nn
from torch.nn import functional as F

from vqaudio import ranges
from vqaudio.codes import CodeSpec, Stage
from vqaudio.errors import InputError
from vqaudio.features import FLOOR, N_CEPSTRA, N_MELS, Features
from vqaudio.magnitudes import MagnitudeCodec
from vqaudio.nn import spectra
from vqaudio.nn.convnext import ChannelNorm
from vqaudio.nn.rvq import Quantised, ResidualVQ, Update

FRAMES = 2  # a column: 20 ms
STRIDED_KERNEL = 4  # of the layers between frames and columns: a column's two frames and one more on either side
LINEAR_KERNEL = 6  # frames of the linear path: 60 ms
LOUDEST = 12.0  # natural logarithm of a mel band's power: no sound within full scale has more


@dataclass(frozen=True)
class SpeechConfig:
    """The shape of a speech codec."""

    module: ranges.Name = "codecs.speech"
    """Where the model's class lives; written to config.json."""
    sample_rate: ranges.SampleRate = 16_000
    """Hz."""
    features: Literal["mfcc39", "logmel"] = "mfcc39"
    """What the encoder sees."""
    normalise: bool = True
    """Whether features are normalised by their mean and deviation in the training data."""
    channels: ranges.Width = 128
    """Of the encoder."""
    residual_layers: ranges.Depth = 4
    """Of the encoder, at the rate of the codes."""
    latent_dim: ranges.Width = 64
    """Numbers in the vector that is quantised."""
    vocab: ranges.Vocab = 44
    """Codewords."""
    jitter: ranges.Share = 0.12
    """Probability, in training, that a code is replaced by its left or right neighbour."""
    speakers: Annotated[tuple[ranges.Name, ...], ranges.Items(0, 10_000)] = ()
    """Speakers that the decoder knows; training fills them in."""
    speaker_dim: ranges.Width = 32
    """Numbers of a speaker's embedding."""
    decoder_channels: ranges.Width = 128
    column_layers: ranges.Depth = 3
    """Residual layers of the decoder at the rate of the codes."""
    frame_layers: ranges.Depth = 2
    """Residual layers of the decoder at the rate of the features."""
    griffin_lim: Annotated[int, ranges.Range(0, 64)] = 12
    """Iterations that turn log-mel bands into sound."""
    decay: ranges.Share = 0.99
    """Of the codebook's moving average."""
    beta: ranges.Weight = 0.25
    """Weight of the commitment loss."""
    codebook_update: Update = "ema"
    """ema, gradient, or fixed, for a codec whose decoder alone is trained on."""
    restart_below: ranges.Share = 0.05
    """Share of the mean mass under which a codeword is restarted."""
    restart_every: ranges.Steps = 20
    """Training steps between two looks for dead codewords; 0 for never."""
    reference_level_db: ranges.Decibels | None = -20.0
    """Active level, dB re full scale, that clips are brought to; None for no level normalisation."""

    def check_together(self) -> None:
        Features(self.features, self.sample_rate)
        if len(set(self.speakers)) != len(self.speakers):
            raise InputError("speakers has a name twice.")


class Residual(nn.Module):
    """A residual layer: x [B, C, T] -> x + relu(conv(norm(x) + bias)).

    `condition` [B, S, 1] gives the bias, if there is one.
    """

    def __init__(self, channels: int, condition_dim: int = 0):
        super().__init__()
        self.norm, self.conv = ChannelNorm(channels), nn.Conv1d(channels, channels, 3, padding=1)
        self.condition = nn.Conv1d(condition_dim, channels, 1, bias=False) if condition_dim else None

    def forward(self, x: Tensor, valid: Tensor, condition: Tensor | None = None) -> Tensor:
        """Run the layer; valid [B, 1, T] is 1 in real columns.

        The convolution sees zeros elsewhere, as beyond a clip's ends.
        """
        h = self.norm(x)
        if self.condition is not None:
            h = h + self.condition(condition)
        return x + F.relu(self.conv(h * valid))


class SpeechCodec(MagnitudeCodec):
    """See the module.

    Attributes:
        labels: {"speaker": names}; see `decode`.
    """

    def __init__(self, config: SpeechConfig):
        super().__init__(config)
        c = config
        self.sample_rate, self.reference_level_db = c.sample_rate, c.reference_level_db
        self.features, self.log_mel = Features(c.features, c.sample_rate), Features("logmel", c.sample_rate)
        self.frame_hop, self.hop = self.features.hop, FRAMES * self.features.hop
        self.spec = CodeSpec((Stage(1, 1, c.vocab),), c.sample_rate / self.hop)
        self.decoder_labels = {"speaker": tuple(c.speakers)} if c.speakers else {}
        for name, dim in (("feature", self.features.dim), ("mel", N_MELS)):
            self.register_buffer(f"{name}_mean", torch.zeros(dim, 1))
            self.register_buffer(f"{name}_deviation", torch.ones(dim, 1))
        self._add_encoder(c)
        self._add_decoder(c)
        self.register_buffer("window", torch.hann_window(self.features.window_size), persistent=False)
        self.register_buffer("inverse_bank", _inverse_bank(self.features.window_size, c.sample_rate), persistent=False)
        encoding = -(-(self.features.reach + 3) // FRAMES) + c.residual_layers
        decoding = self._mel_reach + self._sound_reach
        self.look_ahead, self.context = (encoding, decoding), max(encoding, self._mel_reach)

    def _add_encoder(self, c: SpeechConfig) -> None:
        self.stem = nn.Conv1d(self.features.dim, c.channels, 3, padding=1)
        self.frames = Residual(c.channels)
        self.stride = nn.Conv1d(c.channels, c.channels, STRIDED_KERNEL, FRAMES, padding=1)
        self.encoder = nn.ModuleList(Residual(c.channels) for _ in range(c.residual_layers))
        self.to_latent = nn.Sequential(ChannelNorm(c.channels), nn.Conv1d(c.channels, c.latent_dim, 1))
        self.linear = linear_path(c.features, self.features.dim, c.latent_dim)
        with torch.no_grad():
            self.to_latent[1].weight.mul_(0.1)
        self.rvq = ResidualVQ(
            c.latent_dim, 1, c.vocab, decay=c.decay, beta=c.beta, update=c.codebook_update,
            restart_below=c.restart_below, restart_every=c.restart_every,
        )

    def _add_decoder(self, c: SpeechConfig) -> None:
        self.speaker = nn.Embedding(len(c.speakers) + 1, c.speaker_dim)  # the last one stands for an open label
        self.from_latent = nn.Conv1d(c.latent_dim, c.decoder_channels, 3, padding=1)
        self.columns = nn.ModuleList(Residual(c.decoder_channels, c.speaker_dim) for _ in range(c.column_layers))
        self.upsample = nn.ConvTranspose1d(c.decoder_channels, c.decoder_channels, STRIDED_KERNEL, FRAMES, padding=1)
        self.mel_frames = nn.ModuleList(Residual(c.decoder_channels, c.speaker_dim) for _ in range(c.frame_layers))
        self.head = nn.Sequential(ChannelNorm(c.decoder_channels), nn.Conv1d(c.decoder_channels, N_MELS, 1))

    # --- the contract ----------------------------------------------------------------------------------------------

    @property
    def labels(self) -> dict[str, tuple[str, ...]]:
        """As `decoder_labels`."""
        return dict(self.decoder_labels)

    def latents(self, audio: Tensor, valid: Tensor) -> Tensor:
        return self.latents_of(self.normalised(self.features(audio[:, 0]), "feature"), valid)

    def quantise(self, latents: Tensor, beam: int) -> Tensor:
        return self.rvq.encode(latents, beam=beam)

    def synthesise(self, ids: Tensor, valid: Tensor, stages: tuple[int, ...], labels: Tensor | None = None) -> Tensor:
        """Ids [B, 1, T] and labels [B, 1] -> log-mel bands [B, 80, T * 2].

        `whole` turns them into sound. The logarithm is natural.
        """
        return self.mel_of(self.rvq.decode(ids, stages), valid, None if labels is None else labels[:, 0])

    def _encoding_parts(self) -> list[nn.Module]:
        return [self.stem, self.frames, self.stride, self.encoder, self.to_latent, self.linear, self.rvq]

    # --- training --------------------------------------------------------------------------------------------------

    def training_pass(
        self, features: Tensor, valid: Tensor, speakers: Tensor, quantise: bool = True
    ) -> tuple[Tensor, Quantised | None]:
        """One training pass.

        Args:
            features: normalised features [B, dim, T * 2].
            valid: bool [B, T].
            speakers: int [B]; the number of speakers stands for an open label.
            quantise: False lets the latents reach the decoder as they are, before k-means starts the codebook.

        Returns:
            normalised log-mel bands [B, 80, T * 2], and the quantiser's result.
        """
        latents = self.latents_of(features, valid)
        result = self.rvq(latents, valid) if quantise else None
        vectors = jittered(result.quantised if quantise else latents, valid, self.config.jitter if self.training else 0.0)
        return self._predicted(vectors, valid, speakers), result

    def set_statistics(self, name: str, mean: Tensor, deviation: Tensor) -> None:
        """Keep the mean and deviation [dim] of "feature" or "mel" over the training data."""
        getattr(self, f"{name}_mean").copy_(mean[:, None])
        getattr(self, f"{name}_deviation").copy_(deviation[:, None].clamp_min(1e-5))

    def normalised(self, x: Tensor, name: str) -> Tensor:
        """Standardise features [B, dim, F]; name: "feature" or "mel"."""
        if name == "feature" and not self.config.normalise:
            return x
        return (x - getattr(self, f"{name}_mean")) / getattr(self, f"{name}_deviation")

    def latents_of(self, features: Tensor, valid: Tensor) -> Tensor:
        """Normalised features [B, dim, T * 2], valid [B, T] -> latents [B, D, T]."""
        columns = valid[:, None].float()
        frames = columns.repeat_interleave(FRAMES, -1)
        features = features * frames
        x = self.frames(F.relu(self.stem(features)), frames)
        x = F.relu(self.stride(x * frames))
        for layer in self.encoder:
            x = layer(x, columns)
        return (self.to_latent(x) + self.linear(features)) * columns

    def mel_of(self, vectors: Tensor, valid: Tensor, speakers: Tensor | None) -> Tensor:
        """Vectors [B, D, T], speakers [B] or None -> log-mel bands [B, 80, T * 2]."""
        if speakers is None:
            speakers = torch.full((len(vectors),), len(self.config.speakers), device=vectors.device)
        mel = self._predicted(vectors, valid, speakers) * self.mel_deviation + self.mel_mean
        return mel.clamp(max=LOUDEST)

    def _predicted(self, vectors: Tensor, valid: Tensor, speakers: Tensor) -> Tensor:
        condition = self.speaker(speakers)[..., None]
        columns = valid[:, None].float()
        frames = columns.repeat_interleave(FRAMES, -1)
        x = self.from_latent(vectors * columns)
        for layer in self.columns:
            x = layer(x, columns, condition)
        x = self.upsample(F.relu(x) * columns)
        for layer in self.mel_frames:
            x = layer(x, frames, condition)
        return self.head(x)

    # --- sound -----------------------------------------------------------------------------------------------------

    @property
    def _mel_reach(self) -> int:
        """Columns on either side that a column's mel bands depend on."""
        return 1 + self.config.column_layers + 1 + -(-self.config.frame_layers // FRAMES)

    @property
    def iterations(self) -> int:
        return self.config.griffin_lim

    def _spectrum(self, mel: Tensor, state) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Mel bands [B, 80, F] -> a complex STFT whose phases go on from `state`, and the new state."""
        power = (mel.exp() - FLOOR).clamp_min(0).transpose(1, 2) @ self.inverse_bank.T
        magnitude = power.transpose(1, 2).clamp_min(1e-8).sqrt()
        phases, state = spectra.phases(*spectra.peaks(magnitude.log()), self.frame_hop, state)
        return torch.polar(magnitude, phases), state


def jittered(vectors: Tensor, valid: Tensor, probability: float) -> Tensor:
    """Time jitter: replace columns by their left or right neighbour at random.

    Chorowski et al. 2019, section III-B.

    Vectors [B, D, T] and valid [B, T] -> [B, D, T]. A column whose neighbour is beyond the clip's end stays.
    """
    if probability == 0:
        return vectors
    batch, _, n = vectors.shape
    drawn = torch.rand(batch, n, device=vectors.device)
    step = (drawn < probability / 2).long() - ((drawn >= probability / 2) & (drawn < probability)).long()
    here = torch.arange(n, device=vectors.device)[None].expand(batch, -1)
    wanted = (here + step).clamp(0, n - 1)
    wanted = torch.where(valid.gather(1, wanted), wanted, here)
    return vectors.gather(2, wanted[:, None].expand_as(vectors))


def linear_path(kind: str, dim: int, latent_dim: int) -> nn.Conv1d:
    """A convolution from features [B, dim, T * 2] to latents [B, D, T].

    It is initialised to the mean of the cepstra over its frames.
    """
    path = nn.Conv1d(dim, latent_dim, LINEAR_KERNEL, FRAMES, padding=(LINEAR_KERNEL - FRAMES) // 2, bias=False)
    cepstra = torch.eye(N_CEPSTRA, dim) if kind == "mfcc39" else torchaudio.functional.create_dct(N_CEPSTRA, dim, "ortho").T
    n = min(N_CEPSTRA, latent_dim)
    with torch.no_grad():
        path.weight.zero_()
        path.weight[:n] = cepstra[:n, :, None] / LINEAR_KERNEL
    return path


def _inverse_bank(window_size: int, sample_rate: int) -> Tensor:
    """[bins, 80]: from the power in mel bands to the power in bins of an STFT, smooth and never negative.

    A bin's power is the density of the bands around it, in the proportion in which the bin's frequency is in their triangles.
    """
    bank = Features("logmel", sample_rate).bank
    shares = bank / bank.sum(0).clamp_min(1e-6) / bank.sum(1, keepdim=True)
    fine, coarse = bank.shape[1] - 1, window_size // 2
    return shares.T[(torch.arange(coarse + 1) * fine / coarse).round().long()]


MODEL, CONFIG = SpeechCodec, SpeechConfig
