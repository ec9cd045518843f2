"""The spectrogram codec: magnitudes in a coarse and a fine map of codes.

A VQ-VAE-2 (Razavi et al. 2019, "Generating Diverse High-Fidelity Images with VQ-VAE-2") as used by NOTONO (Bazin et al. 2020,
"Spectrogram Inpainting for Interactive Generation of Instrument Sounds"): the top map has few bands and long steps, the bottom
map more bands and shorter steps, and codes the residual of the top map's prediction. Each level is a residual quantiser of one
or several stages. Bands are equal parts of the mel axis; a cell of the bottom map is a patch of the picture. No phase is coded:
`spectra` reconstructs one.
"""

import math
from dataclasses import dataclass, replace
from typing import Annotated

import torch
from torch import Tensor, nn

from vqaudio import ranges
from vqaudio.codec import Step, run_steps
from vqaudio.codes import CodeSpec, Stage, check_density
from vqaudio.errors import InputError
from vqaudio.magnitudes import MagnitudeCodec
from vqaudio.nn import grids, spectra
from vqaudio.nn.convnext import GridBlock, PerBand
from vqaudio.nn.rvq import Quantised, ResidualVQ, Update

LN_10 = math.log(10)
MOST_PIXELS = 2**22  # entries of the matrix from STFT bins to rows
AT_FLOOR = 0.1  # a decoded log10 magnitude this close to the floor counts as below it


@dataclass(frozen=True)
class SpectrogramConfig:
    """The shape of a spectrogram codec."""

    module: ranges.Name = "codecs.spectrogram"
    """Module of the model's class; written to config.json."""
    sample_rate: ranges.SampleRate = 16_000
    """Hz."""
    hop: ranges.Hop = 2048
    """Audio samples a column."""
    frames_per_column: Annotated[int, ranges.Range(1, 256)] = 8
    """STFT frames in a column."""
    n_fft: ranges.WindowSize = 1024
    """Samples of an STFT window."""
    rows: Annotated[int, ranges.Range(1, 4096)] = 512
    """Rows of the picture, evenly spaced on the mel scale."""
    floor: ranges.Floor = 0.01
    """STFT magnitudes are clamped to this, at the reference level: 71 dB below a sine of that level."""
    under_floor: ranges.Share = 0.00125
    """Decoded magnitude below the floor: the median of such magnitudes in the training notes."""
    top_bands: ranges.Bands = 4
    top_steps: Annotated[int, ranges.Range(1, 64)] = 1
    """Sub-columns of a column in the top map."""
    top_stages: ranges.Stages = 2
    """Residual stages of the top map."""
    bottom_bands: ranges.Bands = 8
    bottom_steps: Annotated[int, ranges.Range(1, 64)] = 2
    """Sub-columns of a column in the bottom map."""
    bottom_stages: ranges.Stages = 1
    """Residual stages of the bottom map."""
    vocab: ranges.Vocab = 512
    """Codewords a stage."""
    latent_dim: ranges.Width = 32
    """Dimensions of a quantised vector, in both maps."""
    channels: ranges.Width = 128
    """Of the network on the bottom map's grid."""
    top_channels: ranges.Width = 160
    """Of the network on the top map's grid."""
    encoder_blocks: ranges.Depth = 2
    """Blocks on the bottom map's grid, before it is quantised."""
    top_blocks: ranges.Depth = 1
    """Blocks on the top map's grid, before it is quantised."""
    decoder_blocks: ranges.Depth = 4
    """Blocks on the bottom map's grid, before the picture."""
    kernel: ranges.Kernel = 5
    """Sub-columns that a block's convolution sees, in three bands."""
    refinements: Annotated[int, ranges.Range(0, 64)] = 2
    """Griffin-Lim iterations after the phase from the picture's peaks."""
    decay: ranges.Share = 0.99
    """Of the codebooks' moving average."""
    beta: ranges.Weight = 0.25
    """Weight of the commitment loss."""
    codebook_update: Update = "ema"
    """ema, gradient, or fixed: no updates and no moving averages, to continue training of the decoder alone."""
    restart_below: ranges.Share = 0.2
    """Share of the mean mass below which a codeword is restarted."""
    restart_every: ranges.Steps = 20
    """Training steps between two checks for dead codewords; 0 for never."""
    reference_level_db: ranges.Decibels | None = -20.0
    """Active level, dB re full scale, that clips are normalised to; None for no level normalisation."""

    def check_together(self) -> None:
        wholes = {
            "hop by frames_per_column": (self.hop, self.frames_per_column),
            "rows by bottom_bands": (self.rows, self.bottom_bands),
            "frames_per_column by bottom_steps": (self.frames_per_column, self.bottom_steps),
            "bottom_bands by top_bands": (self.bottom_bands, self.top_bands),
            "bottom_steps by top_steps": (self.bottom_steps, self.top_steps),
        }
        for what, (whole, part) in wholes.items():
            if whole % part:
                raise InputError(f"A spectrogram codec divides its {what}: {part} does not divide {whole}.")
        rows = self.top_bands * self.top_steps * self.top_stages
        check_density(rows + self.bottom_bands * self.bottom_steps * self.bottom_stages, self.sample_rate / self.hop)
        if self.kernel % 2 == 0:
            raise InputError(f"kernel is odd, since a block sees as much before as after; not {self.kernel}.")
        if self.n_fft % 2:
            raise InputError(f"n_fft is even, since the highest bin is half the sample rate; not {self.n_fft}.")
        if self.rows * (self.n_fft // 2 + 1) > MOST_PIXELS:
            raise InputError(f"rows times n_fft / 2 is at most {MOST_PIXELS}; not {self.rows} times {self.n_fft // 2}.")
        if self.n_fft < self.hop // self.frames_per_column:
            raise InputError(f"n_fft is at least hop / frames_per_column, so that windows leave no gap; not {self.n_fft}.")


class SpectrogramCodec(MagnitudeCodec):
    """The spectrogram codec; see the module.

    Pictures are log10 magnitudes [B, rows, T * frames_per_column]; grids are [B, C, bands, T * steps].
    """

    def __init__(self, config: SpectrogramConfig):
        super().__init__(config)
        c = config
        self.sample_rate, self.hop, self.frame_hop = c.sample_rate, c.hop, c.hop // c.frames_per_column
        self.reference_level_db = c.reference_level_db
        top, bottom = Stage(c.top_bands, c.top_steps, c.vocab), Stage(c.bottom_bands, c.bottom_steps, c.vocab)
        self.spec = CodeSpec((top,) * c.top_stages + (bottom,) * c.bottom_stages, c.sample_rate / c.hop)
        self.patch = c.rows // c.bottom_bands, c.frames_per_column // c.bottom_steps
        self.ratio = c.bottom_bands // c.top_bands, c.bottom_steps // c.top_steps
        pixels, merged = self.patch[0] * self.patch[1], self.ratio[0] * self.ratio[1]
        self.stem = PerBand(c.bottom_bands, pixels, c.channels)
        # Linear paths from the picture to the vectors and back, initialised as principal components by `start_from`.
        self.linear_bottom = PerBand(c.bottom_bands, pixels, c.latent_dim, zero=True)
        self.linear_top = PerBand(c.top_bands, merged * c.latent_dim, c.latent_dim, zero=True)
        self.linear_expected = PerBand(c.top_bands, c.latent_dim, merged * c.latent_dim, zero=True)
        self.linear_picture = PerBand(c.bottom_bands, c.latent_dim, pixels, zero=True)
        self.encoder = nn.ModuleList(GridBlock(c.channels, c.kernel) for _ in range(c.encoder_blocks))
        self.to_top = nn.Linear(merged * c.channels, c.top_channels)
        self.top = nn.ModuleList(GridBlock(c.top_channels, c.kernel) for _ in range(c.top_blocks))
        self.top_latent, self.bottom_latent = (
            nn.Sequential(nn.LayerNorm(channels), PerBand(bands, channels, c.latent_dim, zero=True))
            for bands, channels in ((c.top_bands, c.top_channels), (c.bottom_bands, c.channels))
        )
        self.expected = nn.Sequential(  # predicts the bottom map's vectors from their cell in the top map
            PerBand(c.top_bands, c.latent_dim, c.top_channels), nn.GELU(),
            PerBand(c.top_bands, c.top_channels, merged * c.latent_dim, zero=True),
        )
        settings = {
            "decay": c.decay, "beta": c.beta, "update": c.codebook_update, "restart_below": c.restart_below,
            "restart_every": c.restart_every,
        }
        self.quantisers = nn.ModuleList(
            ResidualVQ(c.latent_dim, stages, c.vocab, **settings) for stages in (c.top_stages, c.bottom_stages)
        )
        self.from_top = PerBand(c.top_bands, c.latent_dim, merged * c.channels)
        self.from_bottom = PerBand(c.bottom_bands, c.latent_dim, c.channels)
        self.decoder = nn.ModuleList(GridBlock(c.channels, c.kernel) for _ in range(c.decoder_blocks))
        self.head = nn.Sequential(nn.LayerNorm(c.channels), PerBand(c.bottom_bands, c.channels, pixels, zero=True))
        axis = spectra.MelAxis(c.rows, c.n_fft // 2 + 1, c.sample_rate)
        for name, value in (("pool", axis.pool), ("lower", axis.lower), ("share", axis.share)):
            self.register_buffer(name, value, persistent=False)
        self.register_buffer("window", torch.hann_window(c.n_fft), persistent=False)
        encoding, decoding = self.encoder_steps(), self.decoder_steps(())
        self.look_ahead = tuple(sum(step.after for step in steps) for steps in (encoding, decoding))
        self.context = max(self.look_ahead)

    # --- the contract ----------------------------------------------------------------------------------------------

    def latents(self, audio: Tensor, valid: Tensor) -> Tensor:
        """[B, D, T]: the vectors of the top map, then of the bottom map, in rows.

        Those of the bottom map are before their prediction is subtracted.
        """
        return run_steps(self.encoder_steps(), audio, valid)

    def quantise(self, latents: Tensor, beam: int) -> Tensor:
        top, bottom = self._maps(latents)
        top_ids = self.quantisers[0].encode(top, beam=beam)
        bottom = bottom - self._expectation(self.quantisers[0].decode(top_ids))
        return self._packed(top_ids, self.quantisers[1].encode(bottom, beam=beam))

    def synthesise(self, ids: Tensor, valid: Tensor, stages: tuple[int, ...]) -> Tensor:
        """Decode ids [B, K, T] to the picture, the input of `whole`."""
        return run_steps(self._picture_steps(stages), ids, valid)

    def encoder_steps(self) -> list[Step]:
        overlap = -(-self.config.n_fft // (2 * self.hop))
        reach = sum(self._reach(block, self.config.top_steps) for block in self.top)
        return [
            Step(self._encoder_input, overlap, overlap, self.hop),
            *self._block_steps(self.encoder),
            Step(self._latents_from, reach, reach, self.config.bottom_steps),
        ]

    def decoder_steps(self, stages: tuple[int, ...]) -> list[Step]:
        """As `Codec.decoder_steps`; the steps of one call carry the phase of one stream."""
        frames, reach, state = self.config.frames_per_column, self._sound_reach, [None]

        def phased(picture: Tensor, _: Tensor) -> Tensor:
            spectrum, state[0] = self._spectrum(picture, state[0])
            return spectrum

        return [
            *self._picture_steps(stages),
            Step(phased, 0, 0, frames, carries=True),
            Step(lambda spectrum, columns: self._sound(spectrum, columns[:, 0] > 0), reach, reach, frames),
        ]

    def band_edges_hz(self, stage: int) -> tuple[float, ...]:
        return spectra.band_edges_hz(self.spec.stages[stage].bands, self.sample_rate)

    def _encoding_config(self) -> SpectrogramConfig:
        return replace(self.config, decoder_blocks=0, refinements=0, under_floor=0.0)

    @property
    def quantizer(self) -> nn.ModuleList:
        return self.quantisers

    def freeze_codebooks(self) -> None:
        self.quantisers.eval()

    def codewords(self, stage: int) -> Tensor:
        level, j = self._level(stage)
        quantiser = self.quantisers[level]
        return quantiser.vectors_of(torch.arange(self.config.vocab, device=self.window.device), j)

    @torch.no_grad()
    def residual_norms(self, latents: Tensor, ids: Tensor) -> Tensor:
        maps, norms = list(self._maps(latents)), []
        maps[1] = maps[1] - self._expectation(self.quantisers[0].decode(self._unpacked(ids)[0]))
        for level, (quantiser, grid) in enumerate(zip(self.quantisers, self._unpacked(ids))):
            for j in range(grid.shape[1]):
                maps[level] = maps[level] - quantiser.vectors_of(grid[:, j], j).movedim(-1, 1)
                norms.append(grids.to_rows(maps[level].norm(dim=1), self._stage(level).steps))
        return torch.cat(norms, 1)

    def final_stages(self) -> tuple[int, ...]:
        return self.config.top_stages - 1, len(self.spec.stages) - 1

    def quantiser_loss(self, result: Quantised) -> Tensor:
        return self.quantisers[0].loss(result)

    # --- training --------------------------------------------------------------------------------------------------

    def training_pass(self, audio: Tensor, valid: Tensor, n_stages: Tensor | None = None) -> tuple[Tensor, Tensor, Quantised]:
        """One training pass: both pictures and the quantisers' output.

        Args:
            audio: level-normalised, [B, 1, T * hop].
            valid: bool [B, T].
            n_stages: int [B]; clip b is decoded from its first n_stages[b] stages. None for all.
        """
        c = self.config
        top, bottom = self._maps(self.latents(audio, valid))
        if n_stages is None:
            n_stages = torch.full((len(audio),), len(self.spec.stages), device=audio.device)
        levels = []
        for level, own in enumerate((n_stages.clamp(max=c.top_stages), (n_stages - c.top_stages).clamp(min=0))):
            grid = bottom - self._expectation(levels[0].quantised) if level else top
            cells = valid.repeat_interleave(self._stage(level).steps, -1)[:, None].expand(-1, grid.shape[2], -1)
            levels.append(self.quantisers[level](grid, cells, own))
        below = levels[1].quantised * (n_stages > c.top_stages)[:, None, None, None]  # 0, without a gradient
        picture = run_steps(self._after_vectors(), self._decoder_input(levels[0].quantised, below), valid)
        return self.picture(audio), picture, _merged(*levels)

    @torch.no_grad()
    def start_from(self, audio: Tensor) -> None:
        """Initialise the linear paths by principal components, and run k-means.

        Without the network, the two levels then reconstruct the picture's largest components. With random initialisation,
        hundreds of steps are spent on this.

        Args:
            audio: level-normalised, [B, 1, T * hop].
        """
        d = self.config.latent_dim
        grid = self._patches(self.picture(audio))
        patches = grid.transpose(0, 1).flatten(1, 2)
        mean, components, spread = grids.principal(patches, d)
        self.linear_bottom.set(components / spread, -mean @ components / spread)
        self.linear_picture.set(components.transpose(1, 2) * spread, mean)
        bottom = grids.merge(self.linear_bottom(grid), self.ratio).transpose(0, 1).flatten(1, 2)
        mean, components, spread = grids.principal(bottom, d)
        self.linear_top.set(components / spread, -mean @ components / spread)
        self.linear_expected.set(components.transpose(1, 2) * spread, mean)
        self.quantisers.train()
        top, bottom = self._maps(self.latents(audio, torch.ones(len(audio), audio.shape[-1] // self.hop, dtype=torch.bool)))
        self.quantisers[1](bottom - self._expectation(self.quantisers[0](top).quantised))

    @property
    def is_new(self) -> bool:
        """Whether the codec is neither initialised (`start_from`) nor trained."""
        return not bool(self.linear_picture.weight.any())

    def picture(self, audio: Tensor) -> Tensor:
        """Audio [B, 1, T * hop] -> log10 magnitudes, at least log10(floor).

        [B, rows, T * frames_per_column].
        """
        spectrum = spectra.analysis(audio[:, 0], self.window, self.frame_hop)
        return self.pool @ spectrum.abs().clamp_min(self.config.floor).log10()

    # --- parts -----------------------------------------------------------------------------------------------------

    def _encoding_parts(self) -> list[nn.Module]:
        return [
            self.stem, self.encoder, self.to_top, self.top, self.top_latent, self.bottom_latent, self.expected, self.quantisers,
            self.linear_bottom, self.linear_top, self.linear_expected,
        ]

    def _level(self, stage: int) -> tuple[int, int]:
        return (0, stage) if stage < self.config.top_stages else (1, stage - self.config.top_stages)

    def _stage(self, level: int) -> Stage:
        return self.spec.stages[-1 if level else 0]

    def _reach(self, block: GridBlock, steps: int) -> int:
        """Columns on either side that a block sees on a grid with `steps` steps a column."""
        return -(-(block.kernel // 2) // steps)

    def _block_steps(self, blocks: nn.ModuleList) -> list[Step]:
        """The blocks, applied to the first channels of a bottom grid; the others belong to the linear paths."""
        channels, steps = self.config.channels, self.config.bottom_steps

        def beside(block):
            return lambda x, columns: torch.cat([self._on_grid(block, x[:, :channels], columns, steps), x[:, channels:]], 1)

        reaches = [self._reach(block, steps) for block in blocks]
        return [Step(beside(block), reach, reach, steps) for block, reach in zip(blocks, reaches)]

    @staticmethod
    def _on_grid(block: GridBlock, x: Tensor, columns: Tensor, steps: int) -> Tensor:
        return block(x, columns.repeat_interleave(steps, -1)[:, :, None])

    def _patches(self, picture: Tensor) -> Tensor:
        """[B, rows, T * frames_per_column] -> [B, bands, T * steps, pixels] of the bottom grid."""
        batch, _, frames = picture.shape
        patches = picture.view(batch, self.config.bottom_bands, self.patch[0], frames // self.patch[1], self.patch[1])
        return patches.transpose(2, 3).flatten(3)

    def _encoder_input(self, audio: Tensor, _: Tensor) -> Tensor:
        """Audio [B, 1, T * hop] -> the bottom grid [B, C + D, bands, T * steps], a patch a cell."""
        patches = self._patches(self.picture(audio))
        return torch.cat([self.stem(patches), self.linear_bottom(patches)], -1).movedim(-1, 1)

    def _latents_from(self, x: Tensor, columns: Tensor) -> Tensor:
        """The bottom grid [B, C + D, bands, T * steps] -> latents [B, D, T]."""
        x, linear = x.movedim(1, -1).split([self.config.channels, self.config.latent_dim], -1)
        bottom = linear + self.bottom_latent(x)
        top = self.to_top(grids.merge(x, self.ratio)).movedim(-1, 1)
        for block in self.top:
            top = self._on_grid(block, top, columns, self.config.top_steps)
        top = self.linear_top(grids.merge(linear, self.ratio)) + self.top_latent(top.movedim(1, -1))
        maps = top, bottom
        rows = [grids.to_columns(part.movedim(-1, 1), self._stage(level).steps) for level, part in enumerate(maps)]
        return torch.cat(rows, 1) * columns

    def _maps(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Latents [B, D, T] -> the two grids [B, latent_dim, bands, T * steps]."""
        d = self.config.latent_dim
        parts = latents.split([d * self._stage(level).rows for level in (0, 1)], 1)
        return tuple(grids.to_grid(part, d, self._stage(level)) for level, part in enumerate(parts))

    def _expectation(self, top: Tensor) -> Tensor:
        """Predict the bottom map's vectors from the top map's [B, D, bands, steps], column by column."""
        top = top.movedim(1, -1)
        return grids.split(self.linear_expected(top) + self.expected(top), self.ratio).movedim(-1, 1)

    def _packed(self, *levels: Tensor) -> Tensor:
        """Ids [B, stages, bands, T * steps] of the two levels -> [B, K, T]."""
        parts = [(part, self._stage(level).steps) for level, ids in enumerate(levels) for part in ids.unbind(1)]
        return torch.cat([grids.to_rows(part, steps) for part, steps in parts], 1)

    def _unpacked(self, ids: Tensor) -> list[Tensor]:
        """The inverse of `_packed`, for any prefix of the stages: an absent level is [B, 0, bands, T * steps]."""
        levels = ([], [])
        for j, stage in enumerate(self.spec.stages):
            if self.spec.offsets[j] < ids.shape[1]:
                levels[self._level(j)[0]].append(grids.to_grid(ids[:, self.spec.rows_of(j)], 1, stage)[:, 0])
        none = ids.new_zeros(len(ids), 0, self._stage(1).bands, ids.shape[-1] * self._stage(1).steps)
        return [torch.stack(level, 1) if level else none for level in levels]

    def _picture_steps(self, stages: tuple[int, ...]) -> list[Step]:
        """From ids [B, K, T] to the picture."""
        return [Step(lambda ids, _: self._vectors_in(ids, stages), 0, 0), *self._after_vectors()]

    def _after_vectors(self) -> list[Step]:
        return [*self._block_steps(self.decoder), Step(self._pictured, 0, 0, self.config.bottom_steps)]

    def _vectors_in(self, ids: Tensor, stages: tuple[int, ...]) -> Tensor:
        chosen = [[self._level(stage)[1] for stage in stages if self._level(stage)[0] == level] for level in (0, 1)]
        vectors = [quantiser.decode(grid, own) for quantiser, grid, own in zip(self.quantisers, self._unpacked(ids), chosen)]
        return self._decoder_input(*vectors)

    def _decoder_input(self, top: Tensor, bottom: Tensor) -> Tensor:
        """The two maps' vectors [B, D, bands, T * steps] -> the decoder's grid [B, C + D, bands, T * steps]."""
        whole = (bottom + self._expectation(top)).movedim(1, -1)
        x = grids.split(self.from_top(top.movedim(1, -1)), self.ratio) + self.from_bottom(whole)
        return torch.cat([x, whole], -1).movedim(-1, 1)

    def _pictured(self, x: Tensor, _: Tensor) -> Tensor:
        """The decoder's grid [B, C + D, bands, T * steps] -> the picture."""
        x, linear = x.movedim(1, -1).split([self.config.channels, self.config.latent_dim], -1)
        x = self.head(x) + self.linear_picture(linear)
        batch, bands, steps, _ = x.shape
        x = x.view(batch, bands, steps, *self.patch).transpose(2, 3)
        return x.reshape(batch, self.config.rows, steps * self.patch[1])

    @property
    def iterations(self) -> int:
        return self.config.refinements

    def _spectrum(self, picture: Tensor, state) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """A picture -> a complex STFT [B, bins, frames] whose phases continue from `state`, and the new state."""
        c, share = self.config, self.share[:, None]
        log10 = (picture[:, self.lower] * (1 - share) + picture[:, self.lower + 1] * share).clamp(max=4.0)
        phases, state = spectra.phases(*spectra.peaks(log10 * LN_10), self.frame_hop, state)
        above_floor = log10 > math.log10(c.floor) + AT_FLOOR
        return torch.polar(torch.where(above_floor, 10**log10, c.under_floor), phases), state


def _merged(top: Quantised, bottom: Quantised) -> Quantised:
    """Merge the losses and statistics of the two levels, without vectors and ids, whose shapes differ."""
    empty = top.quantised.new_zeros(0)
    return Quantised(
        empty, empty.long(), (top.commitment_loss + bottom.commitment_loss) / 2, (top.codebook_loss + bottom.codebook_loss) / 2,
        torch.cat([top.perplexity, bottom.perplexity]), torch.cat([top.usage, bottom.usage]),
    )


MODEL, CONFIG = SpectrogramCodec, SpectrogramConfig
