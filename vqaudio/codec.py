"""What every codec must do: audio [B, 1, N] -> `Codes` -> audio of the same length.

A codec names its shape (`spec`, `sample_rate`, `hop`) and its reach (`context`), and turns a whole block of audio into
latents, latents into ids, and back. Long clips are done here, in overlapping blocks, once for all codecs; endless ones in
`streaming`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vqaudio import ranges
from vqaudio.audio import active_level_db, float_samples
from vqaudio.codes import LEVELS_DB, Codes, CodeSpec
from vqaudio.errors import InputError
from vqaudio.model import Model
from vqaudio.progress import bar


@dataclass(frozen=True)
class Step:
    """A part of encoding or decoding that sees a bounded time: what `streaming` computes block by block.

    Attributes:
        run: (x [B, ..., T * width], columns [B, 1, T], 1 where a column is real) -> [B, ..., T * any width].
        before, after: columns before and after a column that its result depends on. What lies beyond the ends of x counts
            as the ends of the clip.
        width: numbers along the last axis of x that make one column.
        carries: whether `run` goes on from where its last call ended. Then it is given each column once, in order, and
            before = after = 0; where the steps of a running stream are exchanged, this one stays.
    """

    run: Callable[[Tensor, Tensor], Tensor]
    before: int
    after: int
    width: int = 1
    carries: bool = False


class Codec(Model, tags=["audio", "residual-vector-quantization"]):
    """Base of all codecs.

    A subclass sets in `__init__`:
        spec: CodeSpec of its codes.
        sample_rate: Hz.
        hop: audio samples a column.
        context: columns on either side that a column's ids or audio can depend on.
        look_ahead: of those, how many come after it: for its ids, and for its audio.
        reference_level_db: the level that clips are brought to before encoding, or None to leave the level in the codes.
    and implements `latents`, `quantise` and `synthesise`. One that can tell of the steps in these (`encoder_steps`,
    `decoder_steps`) streams in a fraction of the time.
    """

    spec: CodeSpec
    sample_rate: int
    hop: int
    context: int
    look_ahead: tuple[int, int]
    reference_level_db: float | None
    block = 512  # columns encoded or decoded at a time

    def latents(self, audio: Tensor, valid: Tensor) -> Tensor:
        """Level-normalised audio [B, 1, T * hop], valid [B, T] -> latents [B, D, T]."""
        raise NotImplementedError

    def quantise(self, latents: Tensor, beam: int) -> Tensor:
        """Latents [B, D, T] -> ids [B, K, T]."""
        raise NotImplementedError

    def synthesise(self, ids: Tensor, valid: Tensor, stages: tuple[int, ...]) -> Tensor:
        """Ids [B, K, T] and the stages in use -> level-normalised audio [B, 1, T * hop], or what `whole` makes it of."""
        raise NotImplementedError

    def whole(self, parts: Tensor, valid: Tensor) -> Tensor:
        """What `synthesise` gave of a whole clip [B, ..., T * any width], valid [B, T] -> level-normalised audio [B, 1, T * hop].

        For a codec whose sound depends on all that came before: then `synthesise` gives what depends on a bounded time only.
        """
        return parts

    def encoder_steps(self) -> list[Step]:
        """Steps from level-normalised audio [B, 1, T * hop] to latents [B, D, T], one after the other."""
        return [Step(lambda x, columns: self.latents(x, columns[:, 0] > 0), self.context, self.look_ahead[0], self.hop)]

    def decoder_steps(self, stages: tuple[int, ...]) -> list[Step]:
        """Steps from ids [B, K, T] and the stages in use to level-normalised audio [B, 1, T * hop]."""
        return [Step(lambda x, columns: self.synthesise(x, columns[:, 0] > 0, stages), self.context, self.look_ahead[1])]

    def band_edges_hz(self, stage: int) -> tuple[float, ...]:
        """Where the bands of a stage (from 0) lie: bands + 1 rising numbers, the lowest band first.

        Equal shares of 0 Hz to half the sample rate, unless a codec says otherwise.
        """
        bands = self.spec.stages[stage].bands
        return tuple(self.sample_rate / 2 * i / bands for i in range(bands + 1))

    # What evaluation, training and priors ask of the quantiser. As it stands here, for a codec whose `rvq` quantises the latents.

    def codewords(self, stage: int) -> Tensor:
        """The vectors [V, D] that a stage's indices stand for."""
        device = next(self.parameters()).device
        return self.rvq.vectors_of(torch.arange(self.spec.stages[stage].vocab, device=device), stage)

    @torch.no_grad()
    def left_over(self, latents: Tensor, ids: Tensor) -> Tensor:
        """How far the vector behind each cell is from its codewords, down to that stage: latents [B, D, T], ids [B, K, T] ->
        Euclidean distances [B, K, T]."""
        left = []
        for j in range(ids.shape[1]):
            latents = latents - self.rvq.vectors_of(ids[:, j], j).movedim(-1, 1)
            left.append(latents.norm(dim=1))
        return torch.stack(left, 1)

    def final_stages(self) -> tuple[int, ...]:
        """The stages behind which nothing more of a vector is coded."""
        return (len(self.spec.stages) - 1,)

    def quantiser_loss(self, result) -> Tensor:
        """What a training loss adds for what the quantiser gave."""
        return self.rvq.loss(result)

    def freeze_codebooks(self) -> None:
        """Let the codebooks take no step in training mode."""
        self.rvq.eval()

    @property
    def delay_s(self) -> float:
        """Seconds by which a live decoder behind a live encoder lags: the look-ahead of both, and the column that is filling."""
        return (sum(self.look_ahead) + 1) / self.spec.frame_rate

    @property
    def encoder_fingerprint(self) -> str:
        """A hash of what determines the codes: it stays when only the decoder is trained on. Priors refer to it."""
        return self.fingerprint

    @torch.no_grad()
    def encode(
        self, audio: Tensor, lengths: Tensor | None = None, beam: int = 1, level_db: Tensor | float | None = None
    ) -> Codes:
        """Encode audio [B, 1, N] in [-1, 1] at `sample_rate`.

        Args:
            lengths: [B] samples of each clip; what lies behind is padding. None: all N.
            beam: paths kept by the search for codewords, 1 to 64; 1 is greedy.
            level_db: [B], or one number for all: the active level of each clip, dB re full scale, where it is known or
                was settled before the end could be heard, as in a stream. None: measured over the whole clip. A codec
                that leaves the level in the codes does not need it.

        Returns:
            Codes with T = ceil(max(lengths) / hop) columns.

        Raises:
            InputError: the shape is not [B, 1, N], the audio is empty, or it holds integers, NaN or infinite samples,
                or some beyond full scale by far; a level outside -120 to 40 dB.
        """
        audio, lengths, level_db = self._measured(audio, lengths, level_db)
        ids = [ids for ids, _ in self._encoded(audio, lengths, level_db, beam)]
        return self._codes(ids, lengths, level_db)

    @torch.no_grad()
    def encode_with_latents(
        self, audio: Tensor, lengths: Tensor | None = None, beam: int = 1, level_db: Tensor | float | None = None
    ) -> tuple[Codes, Tensor]:
        """As `encode`, and the latents [B, D, T] that were quantised."""
        ranges.check_value("beam", beam, ranges.Beam)
        audio, lengths, level_db = self._measured(audio, lengths, level_db)
        ids, latents = zip(*self._encoded(audio, lengths, level_db, beam))
        return self._codes(ids, lengths, level_db), torch.cat(latents, dim=-1)

    def _measured(self, audio: Tensor, lengths: Tensor | None, level_db: Tensor | float | None):
        """Audio and lengths, checked, and the level [B] of each clip, or None for a codec that leaves it in the codes."""
        audio, lengths = self.checked(audio, lengths)
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
            part = self._zeroed_behind(part * gain, (lengths - start).clamp_min(0))
            latents = self.latents(part, valid[:, block])
            latents = self._checked_finite(latents[..., before : latents.shape[-1] - after])
            yield self.quantise(latents, beam), latents

    def _codes(self, ids: Sequence[Tensor], lengths: Tensor, level_db: Tensor | None) -> Codes:
        valid = self.valid_columns(lengths)
        return Codes(torch.cat(tuple(ids), dim=-1) * valid[:, None], self.spec, lengths, valid, level_db)

    @torch.no_grad()
    def decode(self, codes: Codes, stages: tuple[int, ...] | None = None) -> Tensor:
        """Decode to audio [B, 1, N], N = max(codes.lengths); behind each clip's length it is zero.

        Args:
            codes: of this codec, or of its first n stages (`codes.first(n)`).
            stages: which stages to sum, counted from 0, any subset; None for all that the codes have.

        Raises:
            InputError: codes of another shape, an index out of range, or a stage that is not there.
        """
        self.check_codes(codes)
        chosen = self.checked_stages(stages, len(codes.spec.stages))
        device = next(self.parameters()).device
        ids, valid, lengths = codes.ids.to(device), codes.valid.to(device), codes.lengths.to(device)
        parts = None
        for block, before, after in self._blocks(codes.columns):
            sound = self.synthesise(ids[..., block], valid[:, block], chosen)
            width = sound.shape[-1] // (block.stop - block.start)
            sound = sound[..., before * width : sound.shape[-1] - after * width]
            if parts is None:  # one array, and not a list of parts, which would be there twice when it is joined
                parts = sound.new_empty(*sound.shape[:-1], codes.columns * width)
            start = (block.start + before) * width
            parts[..., start : start + sound.shape[-1]] = sound
        audio = self._checked_finite(self.whole(parts, valid)[..., : int(lengths.max())])
        return self._zeroed_behind(audio.mul_(self.gain(codes.level_db, 1)), lengths)

    def check_codes(self, codes: Codes) -> None:
        """Raise InputError unless these codes have this codec's shape, whole or a prefix of its stages."""
        self.check_precision()
        self.check_spec(codes.spec)
        if codes.columns == 0 or int(codes.lengths.max()) > codes.columns * self.hop or int(codes.lengths.min()) < 1:
            raise InputError("The codes' lengths do not fit their number of columns.")
        if codes.level_db is not None:
            self.checked_level(codes.level_db, len(codes))
        codes.check_range()

    def check_spec(self, spec: CodeSpec) -> None:
        """Raise InputError unless these are the stages and the frame rate of this codec, or of its first stages."""
        n = len(spec.stages)
        if n > len(self.spec.stages) or spec != self.spec.first(n):
            raise InputError(f"These codes were not made by the codec {self.name!r}: their stages or frame rate differ.")

    def valid_columns(self, lengths: Tensor) -> Tensor:
        """[B] samples -> bool [B, T]: which columns hold any of the clip."""
        columns = (lengths + self.hop - 1) // self.hop
        return torch.arange(int(columns.max()), device=lengths.device)[None] < columns[:, None]

    def checked(self, audio: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Audio float32 [B, 1, N] and lengths [B] on the codec's device, or the InputErrors of `encode`."""
        self.check_precision()
        audio = float_samples(audio).to(next(self.parameters()).device)
        if audio.ndim != 3 or audio.shape[1] != 1:
            raise InputError(f"Audio is [batch, 1, samples] at {self.sample_rate} Hz; this is {list(audio.shape)}.")
        if 0 in audio.shape:
            raise InputError("The clip is empty: there is nothing to encode.")
        lengths = torch.full((len(audio),), audio.shape[-1]) if lengths is None else torch.as_tensor(lengths)
        if len(lengths) != len(audio) or int(lengths.min()) < 1 or int(lengths.max()) > audio.shape[-1]:
            raise InputError("Give one length a clip, from 1 to the number of samples.")
        return audio, lengths.to(audio.device)

    def checked_level(self, level_db: Tensor | float, batch: int) -> Tensor:
        """[B] on the codec's device, or InputError."""
        level_db = torch.as_tensor(level_db, dtype=torch.float32, device=next(self.parameters()).device).reshape(-1)
        if len(level_db) not in (1, batch) or not ((level_db >= LEVELS_DB[0]) & (level_db <= LEVELS_DB[1])).all():
            raise InputError(f"Give one level, or one a clip, from {LEVELS_DB[0]:g} to {LEVELS_DB[1]:g} dB re full scale.")
        return level_db.expand(batch)

    @staticmethod
    def checked_stages(stages, n: int) -> tuple[int, ...]:
        """The stages in use, in order, counted from 0; None stands for all n. InputError if one is not there."""
        chosen = tuple(range(n)) if stages is None else tuple(sorted(set(stages)))
        if not chosen or not 0 <= chosen[0] <= chosen[-1] < n:
            raise InputError(f"Choose at least one of the stages 1 to {n}.")
        return chosen

    def gain(self, level_db: Tensor | None, sign: int) -> Tensor | float:
        """The factor [B, 1, 1] that takes a clip to the reference level (sign -1) or back (sign 1)."""
        if level_db is None or self.reference_level_db is None:
            return 1.0
        level_db = level_db.to(next(self.parameters()).device)
        return 10 ** (sign * (level_db - self.reference_level_db) / 20)[:, None, None]

    def _blocks(self, columns: int):
        """Slices of columns with their context, and how many columns of context lie before and after."""
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
    def _zeroed_behind(audio: Tensor, lengths: Tensor) -> Tensor:
        """Zero, in place, what lies behind each clip's length: a mask over an hour of samples would take more than the hour."""
        for clip, length in zip(audio, lengths.tolist()):
            clip[:, length:] = 0
        return audio
