"""The contract of codecs: audio [B, 1, N] -> `Codes` -> audio of the same length.

A codec states its shape (`spec`, `sample_rate`, `hop`) and its reach (`context`), and converts a block of audio to latents,
latents to ids, and back. This module splits long clips into overlapping blocks for all codecs; `streaming` handles live audio.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vqaudio import ranges
from vqaudio.audio import active_level_db, float_samples
from vqaudio.codes import LEVELS_DB, Codes, CodeSpec
from vqaudio.errors import InputError
from vqaudio.hub import fingerprint, priors_of
from vqaudio.labels import Labels, label_ids
from vqaudio.model import Model
from vqaudio.progress import bar
from vqaudio.randomness import Generators, generators_of
from vqaudio.waveforms import Audio, as_batch


@dataclass(frozen=True)
class Reconstruction:
    """The output of calling a codec: sound, codes and losses.

    Attributes:
        audio: [B, 1, N] at the codec's sample rate.
        codes: all stages.
        losses: scalars. "commitment" is the mean squared distance of the latents to the codewords, over stages and dimensions;
            "waveform" the mean absolute difference of the samples.
    """

    audio: Tensor
    codes: Codes
    losses: dict[str, Tensor]


@dataclass(frozen=True)
class Step:
    """A part of encoding or decoding that depends on a bounded time.

    `streaming` computes it block by block.

    Attributes:
        run: (x [B, ..., T * width], columns [B, 1, T], 1 where a column is real) -> [B, ..., T * any width].
        before, after: columns before and after a column that its result depends on. The ends of x are the ends of the clip.
        width: numbers along the last axis of x that make one column.
        carries: whether `run` continues from the end of its last call. Then it is called once for each column, in order, with
            before = after = 0; when the steps of a running stream are exchanged, this one is kept.
    """

    run: Callable[[Tensor, Tensor], Tensor]
    before: int
    after: int
    width: int = 1
    carries: bool = False


def run_steps(steps: Sequence[Step], x: Tensor, valid: Tensor) -> Tensor:
    """Run steps one after the other on x [B, ..., T * width], valid [B, T]."""
    columns = valid[:, None].float()
    for step in steps:
        x = step.run(x, columns)
    return x


class Codec(Model, tags=["audio", "residual-vector-quantization"]):
    """Base class of all codecs.

    A subclass sets in `__init__`:
        spec: CodeSpec of its codes.
        sample_rate: Hz.
        hop: audio samples a column.
        context: columns on either side that a column's ids or audio can depend on.
        look_ahead: how many of those come after it: for its ids, and for its audio.
        reference_level_db: the level that clips are brought to before encoding; None for no level normalisation.
    and, if its decoder needs more than ids:
        decoder_labels: for each kind of label that conditions the decoder, such as a speaker, its values.
        noise_channels: normally distributed numbers a column that the decoder samples with.
    It implements `latents`, `quantise` and `synthesise`, and `training_pass` to be trained. A codec that also splits them into
    bounded steps (`encoder_steps`, `decoder_steps`) streams in a fraction of the time.
    """

    spec: CodeSpec
    sample_rate: int
    hop: int
    context: int
    look_ahead: tuple[int, int]
    reference_level_db: float | None
    decoder_labels: Mapping[str, tuple[str, ...]] = {}
    noise_channels = 0
    block = 512  # columns encoded or decoded at a time

    def latents(self, audio: Tensor, valid: Tensor) -> Tensor:
        """Level-normalised audio [B, 1, T * hop], valid [B, T] -> latents [B, D, T]."""
        raise NotImplementedError

    def quantise(self, latents: Tensor, beam: int) -> Tensor:
        """Latents [B, D, T] -> ids [B, K, T]."""
        raise NotImplementedError

    def synthesise(self, ids: Tensor, valid: Tensor, stages: tuple[int, ...], **conditions: Tensor) -> Tensor:
        """Synthesise level-normalised audio, or the input of `whole`.

        Args:
            conditions: `labels` int [B, kinds] for a codec with `decoder_labels`, where the number of a kind's values stands
                for an open label; `noise` [B, noise_channels, T] for a codec with `noise_channels`. Other codecs get neither.
        """
        raise NotImplementedError

    def whole(self, parts: Tensor, valid: Tensor) -> Tensor:
        """Turn the output of `synthesise` for a whole clip into audio [B, 1, T * hop].

        For a codec whose sound depends on everything before it: its `synthesise` returns the part that depends on a bounded
        time, [B, ..., T * any width]. valid is [B, T].
        """
        return parts

    def encoder_steps(self) -> list[Step]:
        """Consecutive steps from level-normalised audio [B, 1, T * hop] to latents."""
        return [Step(lambda x, columns: self.latents(x, columns[:, 0] > 0), self.context, self.look_ahead[0], self.hop)]

    def decoder_steps(self, stages: tuple[int, ...]) -> list[Step]:
        """Consecutive steps from ids [B, K, T] to level-normalised audio [B, 1, T * hop]."""
        return [Step(lambda x, columns: self.synthesise(x, columns[:, 0] > 0, stages), self.context, self.look_ahead[1])]

    def band_edges_hz(self, stage: int) -> tuple[float, ...]:
        """Edges of a stage's bands in Hz: bands + 1 rising numbers.

        By default the bands are equal parts of 0 Hz to half the sample rate.
        """
        bands = self.spec.stages[stage].bands
        return tuple(self.sample_rate / 2 * i / bands for i in range(bands + 1))

    # The quantiser, for evaluation, training and priors. These defaults fit a codec whose `rvq` quantises the latents.

    def codewords(self, stage: int) -> Tensor:
        """The vectors [V, D] of a stage's indices; stages count from 0."""
        device = next(self.parameters()).device
        return self.rvq.vectors_of(torch.arange(self.spec.stages[stage].vocab, device=device), stage)

    @torch.no_grad()
    def residual_norms(self, latents: Tensor, ids: Tensor) -> Tensor:
        """Norm of the residual after each stage.

        Latents [B, D, T], ids [B, K, T] -> Euclidean distances [B, K, T].
        """
        norms = []
        for j in range(ids.shape[1]):
            latents = latents - self.rvq.vectors_of(ids[:, j], j).movedim(-1, 1)
            norms.append(latents.norm(dim=1))
        return torch.stack(norms, 1)

    def final_stages(self) -> tuple[int, ...]:
        """The stages after which nothing more of a vector is coded, counted from 0."""
        return (len(self.spec.stages) - 1,)

    def quantiser_loss(self, result) -> Tensor:
        """The quantiser's term of the training loss, from a forward pass's `Quantised`."""
        return self.rvq.loss(result)

    def freeze_codebooks(self) -> None:
        """Keep the codebooks fixed in training mode."""
        self.rvq.eval()

    @property
    def delay_s(self) -> float:
        """Delay in seconds of live encoding and decoding.

        The look-ahead of both, and the column being filled.
        """
        return (sum(self.look_ahead) + 1) / self.spec.frame_rate

    @property
    def encoder_fingerprint(self) -> str:
        """A hash of everything that determines the codes.

        Training the decoder alone does not change it. Priors refer to it.
        """
        if not self._encoding_parts():
            return self.fingerprint
        parts = nn.ModuleList(self._encoding_parts())
        parts.config = self._encoding_config()
        return fingerprint(parts)

    def priors(self) -> list[str]:
        """The names of this codec's priors, for `vqaudio.load`; masked ones first."""
        return priors_of(self)

    def freeze_encoder(self) -> None:
        """Exclude the encoder and the quantisers from training."""
        for part in self._encoding_parts():
            part.requires_grad_(False)

    def drop_encoder_gradients(self) -> None:
        """Let the next optimiser step leave the encoder and the quantisers as they are."""
        for part in self._encoding_parts():
            for parameter in part.parameters():
                parameter.grad = None

    def _encoding_parts(self) -> list[nn.Module]:
        """Modules that determine the codes; none if a codec does not tell them from the decoder."""
        return []

    def _encoding_config(self):
        """The configuration, without settings that do not affect the codes."""
        return self.config

    # Names of other libraries.

    @property
    def hop_length(self) -> int:
        """Audio samples a column; the same as `hop`."""
        return self.hop

    @property
    def frame_rate(self) -> float:
        """Columns a second."""
        return self.spec.frame_rate

    @property
    def n_codebooks(self) -> int:
        """Number of stages; each has one codebook."""
        return len(self.spec.stages)

    @property
    def codebook_size(self) -> int:
        """Codewords of a stage, of the largest if they differ."""
        return max(stage.vocab for stage in self.spec.stages)

    @property
    def bits_per_second(self) -> float:
        """Bit rate of all stages together, bit/s."""
        return self.spec.bits_per_second

    @property
    def quantizer(self) -> nn.Module:
        """The quantiser: a `ResidualVQ`, or a list of them."""
        return self.rvq

    @torch.no_grad()
    def forward(self, audio: Audio, lengths: Tensor | None = None, *, sample_rate: int | None = None) -> Reconstruction:
        """Encode and decode audio, without gradients; `training_pass` has them.

        Args:
            audio, lengths, sample_rate: see `encode`.

        Raises:
            InputError: those of `encode`.
        """
        audio, lengths, level_db = self._measured(audio, lengths, None, sample_rate)
        codes, latents = self.encode_with_latents(audio, lengths, level_db=level_db)
        decoded = self.decode(codes)
        cells = codes.valid[:, None].expand(codes.ids.shape)
        squares = self.residual_norms(latents, codes.ids).square()[cells].mean() / latents.shape[1]
        samples = torch.arange(decoded.shape[-1], device=decoded.device)[None, None] < codes.lengths[:, None, None]
        difference = (decoded - audio[..., : decoded.shape[-1]])[samples].abs().mean()
        return Reconstruction(decoded, codes, {"commitment": squares, "waveform": difference})

    def reconstruct(
        self, audio: Audio, stages: int | Sequence[int] | None = None, labels: Labels | None = None,
        generator: Generators | None = None, *, sample_rate: int | None = None,
    ) -> Tensor:
        """Encode and decode audio; see `encode` and `decode`.

        Returns:
            [B, 1, N] float32 at the codec's sample rate.
        """
        return self.decode(self.encode(audio, sample_rate=sample_rate), stages, labels, generator)

    def codes(
        self, ids: Tensor, lengths: Tensor | Sequence[int] | None = None, level_db: Tensor | float | None = None
    ) -> Codes:
        """Make codes from ids, such as those of a model of your own.

        Args:
            ids: integers [B, K, T] or [K, T], a tensor or an array, of all stages or the first few.
            lengths: [B] samples of each clip; None for all columns.
            level_db: [B] or one number: the level of each clip; None for the codec's reference level.

        Raises:
            InputError: another number of rows, an index outside its codebook, or a length that does not fit.
        """
        ids = torch.as_tensor(ids).to(self.device)
        ids = ids[None] if ids.ndim == 2 else ids
        n = next((n for n in range(1, self.n_codebooks + 1) if self.spec.offsets[n] == ids.shape[1]), 0) if ids.ndim == 3 else 0
        if n == 0 or ids.dtype.is_floating_point or ids.dtype == torch.bool or 0 in ids.shape:
            raise InputError(f"The codec {self.name!r} has integer ids [B, {self.spec.rows}, T]; these are {list(ids.shape)}.")
        lengths = [ids.shape[-1] * self.hop] * len(ids) if lengths is None else lengths
        lengths = torch.as_tensor(lengths, device=self.device).reshape(-1)
        if len(lengths) != len(ids) or int(lengths.min()) < 1 or int(lengths.max()) > ids.shape[-1] * self.hop:
            raise InputError(f"Give one length a clip, from 1 to {ids.shape[-1] * self.hop} samples.")
        columns = torch.arange(ids.shape[-1], device=self.device)
        valid = columns[None] < ((lengths + self.hop - 1) // self.hop)[:, None]
        level = self.reference_level_db if level_db is None else level_db
        level = None if self.reference_level_db is None else self.checked_level(level, len(ids))
        codes = Codes(ids * valid[:, None], self.spec.first(n), lengths, valid, level)
        self.check_codes(codes)
        return codes

    @torch.no_grad()
    def encode(
        self, audio: Audio, lengths: Tensor | Sequence[int] | None = None, beam: int = 1,
        level_db: Tensor | float | None = None, *, sample_rate: int | None = None, stages: int | None = None,
    ) -> Codes:
        """Encode audio to codes.

        Args:
            audio: [B, 1, N], [N], [1, N] or [channels, N], floats in [-1, 1] or integers at full scale, as a tensor or an array;
                a path; or a list of these with one clip each. Channels are mixed to mono.
            lengths: [B] samples of each clip; samples after them are padding. None for all N.
            beam: paths kept by the search for codewords, 1 to 64; 1 is greedy.
            level_db: [B], or one number for all: the active level of each clip, dB re full scale, -120 to 40. None measures it
                over the whole clip, which a stream cannot do. Ignored by a codec without level normalisation.
            sample_rate: Hz of the samples, which are resampled; None if they are at the codec's.
            stages: keep only this many stages, from the first; None for all.

        Returns:
            Codes with T = ceil(max(lengths) / hop) columns; lengths are in samples at the codec's rate.

        Raises:
            InputError: the audio is empty, has another shape or type, or holds NaN, infinite samples or samples far beyond full
                scale; a number out of range.
        """
        if stages is not None:
            self.check_first(stages)
        audio, lengths, level_db = self._measured(audio, lengths, level_db, sample_rate)
        ids = [ids for ids, _ in self._encoded(audio, lengths, level_db, beam)]
        codes = self._codes(ids, lengths, level_db)
        return codes if stages is None else codes.first(stages)

    def check_first(self, n: int) -> None:
        """Raise InputError unless n is a number of stages of this codec."""
        if not isinstance(n, int) or not 1 <= n <= self.n_codebooks:
            raise InputError(f"The codec {self.name!r} can keep its first 1 to {self.n_codebooks} stages; not {ranges.shown(n)}.")

    @torch.no_grad()
    def encode_with_latents(
        self, audio: Audio, lengths: Tensor | None = None, beam: int = 1, level_db: Tensor | float | None = None
    ) -> tuple[Codes, Tensor]:
        """Encode audio, and also return the latents [B, D, T]; see `encode`."""
        ranges.check_value("beam", beam, ranges.Beam)
        audio, lengths, level_db = self._measured(audio, lengths, level_db)
        ids, latents = zip(*self._encoded(audio, lengths, level_db, beam))
        return self._codes(ids, lengths, level_db), torch.cat(latents, dim=-1)

    def _measured(self, audio: Audio, lengths, level_db: Tensor | float | None, sample_rate: int | None = None):
        """Audio and lengths, checked, and each clip's level [B]; None for a codec without level normalisation."""
        audio, lengths = self.checked(*as_batch(audio, self.sample_rate, lengths, sample_rate))
        if self.reference_level_db is None:
            level_db = None
        elif level_db is None:
            level_db = active_level_db(audio, lengths, self.sample_rate)
        else:
            level_db = self.checked_level(level_db, len(audio))
        return audio, lengths, level_db

    def _encoded(self, audio: Tensor, lengths: Tensor, level_db: Tensor | None, beam: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Ids [B, K, T] and latents [B, D, T] of each block of columns; only one block is held at its level."""
        valid, gain = self.valid_columns(lengths), self.gain(level_db, -1)
        for block, before, after in self._blocks(valid.shape[1]):
            start, stop = block.start * self.hop, block.stop * self.hop
            part = nn.functional.pad(audio[..., start:stop], (0, max(0, stop - audio.shape[-1])))
            part = self._zeroed_after(part * gain, (lengths - start).clamp_min(0))
            latents = self.latents(part, valid[:, block])
            latents = self._checked_finite(latents[..., before : latents.shape[-1] - after])
            yield self.quantise(latents, beam), latents

    def _codes(self, ids: Sequence[Tensor], lengths: Tensor, level_db: Tensor | None) -> Codes:
        valid = self.valid_columns(lengths)
        return Codes(torch.cat(tuple(ids), dim=-1) * valid[:, None], self.spec, lengths, valid, level_db)

    @torch.no_grad()
    def decode(
        self, codes: Codes, stages: int | Sequence[int] | None = None, labels: Labels | None = None,
        generator: Generators | None = None,
    ) -> Tensor:
        """Decode codes to audio.

        Args:
            codes: from this codec, or their first n stages (`codes.first(n)`).
            stages: a number of stages, from the first; or the stages to sum, counted from 0, any subset; None for all that the
                codes have.
            labels: for each kind in `decoder_labels` one value, or one a clip, such as {"speaker": "vctk-p239"}; a kind that is
                missing is left open.
            generator: CPU generator for all randomness of a decoder that samples, one for all clips or one a clip; None for a
                fresh one. Other decoders ignore it.

        Returns:
            [B, 1, N] float32 with N = max(codes.lengths); zero after each clip's length.

        Raises:
            InputError: codes of another shape, an index out of range, a stage that does not exist, or a label that this codec's
                decoder does not know.
        """
        self.check_codes(codes)
        chosen = self.checked_stages(stages, len(codes.spec.stages))
        device = next(self.parameters()).device
        ids, valid, lengths = codes.ids.to(device), codes.valid.to(device), codes.lengths.to(device)
        conditions = {name: part.to(device) for name, part in self._conditions(codes, labels, generator).items()}
        parts = None
        for block, before, after in self._blocks(codes.columns):
            here = {name: part[..., block] if name == "noise" else part for name, part in conditions.items()}
            sound = self.synthesise(ids[..., block], valid[:, block], chosen, **here)
            width = sound.shape[-1] // (block.stop - block.start)
            sound = sound[..., before * width : sound.shape[-1] - after * width]
            if parts is None:  # one array, and not a list of parts, which would need twice the memory to join
                parts = sound.new_empty(*sound.shape[:-1], codes.columns * width)
            start = (block.start + before) * width
            parts[..., start : start + sound.shape[-1]] = sound
        audio = self._checked_finite(self.whole(parts, valid)[..., : int(lengths.max())])
        return self._zeroed_after(audio.mul_(self.gain(codes.level_db, 1)), lengths)

    def _conditions(self, codes: Codes, labels: Labels | None, generator: Generators | None) -> dict[str, Tensor]:
        """The decoder's inputs besides ids; see `synthesise`."""
        conditions = {}
        if self.decoder_labels:
            conditions["labels"] = label_ids(self.decoder_labels, labels, len(codes))
        elif labels:
            raise InputError(f"The codec {self.name!r} decodes without labels: its decoder is not conditioned on any.")
        if self.noise_channels:
            conditions["noise"] = self._noise(codes, generators_of(generator, len(codes)))
        return conditions

    def _noise(self, codes: Codes, generators: list[torch.Generator]) -> Tensor:
        """[B, noise_channels, T], drawn where the generators are, so that a seed gives the same noise on every device."""
        if len(generators) == 1:
            return torch.randn(len(codes), self.noise_channels, codes.columns, generator=generators[0])
        noise = torch.zeros(len(codes), self.noise_channels, codes.columns)
        for clip, columns, one in zip(noise, codes.valid.sum(1).tolist(), generators, strict=True):
            clip[:, :columns] = torch.randn(self.noise_channels, columns, generator=one)
        return noise

    def check_codes(self, codes: Codes) -> None:
        """Raise InputError unless codes fit this codec: stages, lengths, level and range."""
        if not isinstance(codes, Codes):
            raise InputError("Decode what `encode` returned. To make codes from ids, use `codec.codes(ids)`.")
        self.check_precision()
        self.check_spec(codes.spec)
        if codes.columns == 0 or int(codes.lengths.max()) > codes.columns * self.hop or int(codes.lengths.min()) < 1:
            raise InputError("The codes' lengths do not fit their number of columns.")
        if codes.level_db is not None:
            self.checked_level(codes.level_db, len(codes))
        codes.check_range()

    def check_spec(self, spec: CodeSpec) -> None:
        """Raise InputError unless a spec has this codec's frame rate and (first) stages."""
        n = len(spec.stages)
        if n > len(self.spec.stages) or spec != self.spec.first(n):
            raise InputError(f"These codes were not made by the codec {self.name!r}: their stages or frame rate differ.")

    def valid_columns(self, lengths: Tensor) -> Tensor:
        """[B] samples -> bool [B, T], True in the columns that hold any of the clip."""
        columns = (lengths + self.hop - 1) // self.hop
        return torch.arange(int(columns.max()), device=lengths.device)[None] < columns[:, None]

    def checked(self, audio: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Check audio for `encode`, and move it to the codec's device.

        Returns float32 [B, 1, N] and lengths [B].
        """
        self.check_precision()
        audio = float_samples(audio).to(next(self.parameters()).device)
        if audio.ndim != 3 or audio.shape[1] != 1:
            raise InputError(f"Audio is [batch, 1, samples] at {self.sample_rate} Hz; this is {list(audio.shape)}.")
        if 0 in audio.shape:
            raise InputError("The clip is empty: there is nothing to encode.")
        lengths = torch.full((len(audio),), audio.shape[-1]) if lengths is None else torch.as_tensor(lengths).reshape(-1)
        if len(lengths) != len(audio) or int(lengths.min()) < 1 or int(lengths.max()) > audio.shape[-1]:
            raise InputError("Give one length a clip, from 1 to the number of samples.")
        return audio, lengths.to(audio.device)

    def checked_level(self, level_db: Tensor | float, batch: int) -> Tensor:
        """Levels [B] on the codec's device.

        Raises InputError for another shape, or a level outside -120 to 40 dB.
        """
        level_db = torch.as_tensor(level_db, dtype=torch.float32, device=next(self.parameters()).device).reshape(-1)
        if len(level_db) not in (1, batch) or not ((level_db >= LEVELS_DB[0]) & (level_db <= LEVELS_DB[1])).all():
            raise InputError(f"Give one level, or one a clip, from {LEVELS_DB[0]:g} to {LEVELS_DB[1]:g} dB re full scale.")
        return level_db.expand(batch)

    @staticmethod
    def checked_stages(stages: int | Sequence[int] | None, n: int) -> tuple[int, ...]:
        """The stages in use, sorted, counted from 0.

        None stands for all n, an integer for the first. Raises InputError.
        """
        stages = range(n) if stages is None else range(stages) if isinstance(stages, int) else stages
        chosen = tuple(sorted(set(stages)))
        if not chosen or not 0 <= chosen[0] <= chosen[-1] < n:
            raise InputError(f"Choose at least one of the stages 1 to {n}.")
        return chosen

    def gain(self, level_db: Tensor | None, sign: int) -> Tensor | float:
        """The gain [B, 1, 1] to the reference level (sign -1) or back (sign 1)."""
        if level_db is None or self.reference_level_db is None:
            return 1.0
        level_db = level_db.to(next(self.parameters()).device)
        return 10 ** (sign * (level_db - self.reference_level_db) / 20)[:, None, None]

    def _blocks(self, columns: int):
        """Slices of columns with their context, and the columns of context before and after."""
        with bar("coding", columns, " columns") as progress:
            for start in range(0, columns, self.block):
                stop = min(start + self.block, columns)
                first, last = max(0, start - self.context), min(columns, stop + self.context)
                yield slice(first, last), start - first, last - stop
                progress.update(stop - start)

    def _checked_finite(self, x: Tensor) -> Tensor:
        if not x.isfinite().all():
            raise InputError(f"The codec {self.name!r} is damaged: its weights are infinite, NaN or far too large.")
        return x

    @staticmethod
    def _zeroed_after(audio: Tensor, lengths: Tensor) -> Tensor:
        """Zero, in place, the samples after each clip's length: a mask over an hour of audio would be larger than the audio."""
        for clip, length in zip(audio, lengths.tolist()):
            clip[:, length:] = 0
        return audio
