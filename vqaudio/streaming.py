"""Live sound through a codec, in blocks of any size.

    encoder, decoder = StreamingEncoder(codec, level_db=-26), StreamingDecoder(codec)
    for block in microphone:                                        # [B, 1, n] at codec.sample_rate, any n
        play(decoder.push(encoder.push(block)))
    play(decoder.push(encoder.finish())), play(decoder.finish())

The concatenated results equal those of `codec.encode(audio, level_db=-26)` and `codec.decode` on the whole: the same ids, and the
same audio up to rounding (1e-4 of full scale). A column is final once the codec's look-ahead after it has arrived
(`Codec.look_ahead`), so the delay of both is `Codec.delay_s`. Memory is bounded, however long the stream.
"""

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor

from vqaudio.codec import Codec, Step
from vqaudio.codes import Codes
from vqaudio.errors import InputError


class StreamingEncoder:
    """Encodes audio block by block.

    Args:
        codec: any; several streams may share it.
        level_db: [B], or one number for all: the active level of the sound, dB re full scale. A stream's true level is known
            only at its end; `vqaudio.audio.active_level_db` of its start will do. None only for a codec without level
            normalisation.
        beam: as in `Codec.encode`.

    Raises:
        InputError: no level, or one out of range.
    """

    def __init__(self, codec: Codec, level_db: Tensor | float | None, beam: int = 1):
        if codec.reference_level_db is None:
            level_db = None
        elif level_db is None:
            raise InputError("Give the level of the sound (level_db): a stream's own is known only at its end.")
        else:
            codec.checked_level(level_db, torch.as_tensor(level_db).numel())
        self.codec, self.level_db, self.beam = codec, level_db, beam
        self._begin()

    def _begin(self) -> None:
        self._chain, self._rest, self._level = _Chain(self.codec.encoder_steps()), None, None

    @torch.no_grad()
    def push(self, audio: Tensor) -> Codes:
        """Encode the next block of audio [B, 1, n], n >= 0.

        Returns the columns, 0 or more, that are final now.

        Raises:
            InputError: not [B, 1, n], another B than before, NaN or infinite samples. Such a block is ignored.
        """
        audio = torch.as_tensor(audio)
        if audio.shape[1:] != (1, 0):  # an empty block is allowed
            audio, _ = self.codec.checked(audio)
        if self._rest is None:
            self._rest = torch.zeros(len(audio), 1, 0, device=next(self.codec.parameters()).device)
            self._level = None if self.level_db is None else self.codec.checked_level(self.level_db, len(audio))
        if len(audio) != len(self._rest):
            raise InputError(f"This stream started with blocks [{len(self._rest)}, 1, n]; this one is {list(audio.shape)}.")
        audio = torch.cat([self._rest, audio.to(self._rest)], dim=-1)
        whole = audio.shape[-1] // self.codec.hop * self.codec.hop
        self._rest = audio[..., whole:].clone()
        return self._quantised(self._latents(audio[..., :whole]))

    @torch.no_grad()
    def finish(self) -> Codes:
        """Encode the rest of the stream, and reset the encoder.

        Raises:
            InputError: no sound was pushed.
        """
        if self._rest is None:
            raise InputError("The stream is empty: there is nothing to encode.")
        missing = -self._rest.shape[-1] % self.codec.hop
        codes = self._quantised(self._latents(torch.nn.functional.pad(self._rest, (0, missing)), last=True))
        self._begin()
        return replace(codes, lengths=codes.lengths - missing)

    def _latents(self, audio: Tensor, last: bool = False) -> Tensor | None:
        normal = audio * self.codec.gain(self._level, -1)
        return self._chain.push(normal, self.codec.block * self.codec.hop, last)

    def _quantised(self, latents: Tensor | None) -> Codes:
        batch = len(self._rest)
        if latents is None:
            ids = torch.zeros(batch, self.codec.spec.rows, 0, dtype=torch.int64, device=self._rest.device)
        else:
            ids = self.codec.quantise(latents, self.beam)
        lengths = torch.full((batch,), ids.shape[-1] * self.codec.hop, device=ids.device)
        valid = torch.ones(batch, ids.shape[-1], dtype=torch.bool, device=ids.device)
        return Codes(ids, self.codec.spec, lengths, valid, self._level)


class StreamingDecoder:
    """Decodes codes block by block.

    Args:
        codec: any whose decoder needs no labels and no noise; several streams may share it.
        stages: stages to sum, counted from 0; None for all that the codes have. It may change between two blocks
            (`decoder.stages = (0, 1)`), for the columns after them; within `Codec.context` of the change, the sound is a
            transition between both.

    Raises:
        InputError: the codec's decoder is conditioned on labels, or samples.
    """

    def __init__(self, codec: Codec, stages: tuple[int, ...] | None = None):
        if codec.decoder_labels or codec.noise_channels:
            raise InputError(f"The codec {codec.name!r} decodes whole clips only: its decoder needs labels or noise.")
        self.codec, self.stages = codec, stages
        self._begin()

    def _begin(self) -> None:
        self._chain, self._chosen, self._kind, self._level = None, None, None, None
        self._samples = self._played = 0

    @torch.no_grad()
    def push(self, codes: Codes) -> Tensor:
        """Decode the next columns, 0 or more.

        Returns the audio [B, 1, 0 or more] that is final now.

        Raises:
            InputError: codes of another codec, shape or level than before, clips of several lengths, a stage that does not
                exist, or codes after a block that ended within a column. Such codes are ignored.
        """
        kind = self._checked_kind(codes)
        chosen = self.codec.checked_stages(self.stages, len(codes.spec.stages))
        if self._kind is None:
            self._kind, self._level = kind, codes.level_db
            self._chain = _Chain(self.codec.decoder_steps(chosen))
        elif chosen != self._chosen:
            self._chain.exchange(self.codec.decoder_steps(chosen))
        self._chosen = chosen
        self._samples += int(codes.lengths[0])
        ids = codes.ids.to(next(self.codec.parameters()).device)
        return self._playable(self._chain.push(ids, self.codec.block))

    @torch.no_grad()
    def finish(self) -> Tensor:
        """Decode the rest of the stream, and reset the decoder.

        Raises:
            InputError: no codes were pushed.
        """
        if self._kind is None:
            raise InputError("The stream is empty: there is nothing to decode.")
        audio = self._playable(self._chain.push(None, self.codec.block, last=True))
        self._begin()
        return audio

    def _playable(self, normal: Tensor | None) -> Tensor:
        """Restore the level of level-normalised audio, and cut it to the encoded length."""
        if normal is None:
            return torch.zeros(self._kind[0], 1, 0, device=next(self.codec.parameters()).device)
        audio = (normal * self.codec.gain(self._level, 1))[..., : self._samples - self._played]
        self._played += audio.shape[-1]
        return audio

    def _checked_kind(self, codes: Codes) -> tuple:
        """The properties that all codes of a stream share: batch size, spec and levels."""
        self.codec.check_spec(codes.spec)
        if codes.columns:
            self.codec.check_codes(codes)
        kind = len(codes), codes.spec, None if codes.level_db is None else tuple(codes.level_db.tolist())
        if self._kind not in (None, kind):
            raise InputError("All blocks of a stream have the same stages, level and number of clips; this one differs.")
        if len(set(codes.lengths.tolist())) > 1 or not codes.valid.all():
            raise InputError("Clips that are streamed as a batch have one length.")
        if codes.columns and self._samples % self.codec.hop:
            raise InputError("The stream ended within a column: call `finish` before the next one begins.")
        return kind


class _Chain:
    """The steps of a codec's encoder or decoder in sequence, each with the context that it needs."""

    def __init__(self, steps: list[Step]):
        self.windows = [_Window(step) for step in steps]

    def push(self, x: Tensor | None, block: int, last: bool = False) -> Tensor | None:
        """Push x [B, ..., n], or None for nothing; returns the final results, or None.

        At most `block` numbers are processed at a time, to bound memory.
        """
        parts = [None] if x is None else list(x.split(block, dim=-1))
        done = [self._through(part, last and i == len(parts)) for i, part in enumerate(parts, 1)]
        done = [part for part in done if part is not None]
        return torch.cat(done, dim=-1) if done else None

    def _through(self, x: Tensor | None, last: bool) -> Tensor | None:
        for window in self.windows:
            x = window.push(x, last)
        return x

    def exchange(self, steps: list[Step]) -> None:
        """Continue with other steps of the same reach."""
        for window, step in zip(self.windows, steps, strict=True):
            if not window.step.carries:
                window.step = step


class _Window:
    """One step, and the columns of its input that later columns depend on.

    Attributes:
        kept: [B, ..., columns * width], from the start of the stream or at least `before` columns before the first that is
            not final; None for no columns.
        done: number of columns of `kept` that are final.
    """

    def __init__(self, step: Step):
        self.step, self.kept, self.done = step, None, 0

    def push(self, x: Tensor | None, last: bool) -> Tensor | None:
        """Push new columns, or None; returns the final results, or None.

        `last`: there are no more columns.
        """
        window = self.kept if x is None else x if self.kept is None else torch.cat([self.kept, x], dim=-1)
        columns = 0 if window is None else window.shape[-1] // self.step.width
        final = columns if last else columns - self.step.after
        if final <= self.done:
            self.kept = window
            return None
        y = self.step.run(window, torch.ones(len(window), 1, columns, device=window.device))
        width, done = y.shape[-1] // columns, self.done
        start = max(0, final - self.step.before)
        # A copy: a view would keep the whole window in memory.
        self.kept = window[..., start * self.step.width :].clone() if start < columns else None
        self.done = final - start
        return y[..., done * width : final * width]


def joined(parts: Iterable[Codes]) -> Codes:
    """Join the blocks from an encoder to the codes of the whole stream.

    Raises:
        InputError: there are no columns.
    """
    parts = [part for part in parts if part.columns]
    if not parts:
        raise InputError("The stream is empty: there are no codes.")
    ids, valid = torch.cat([part.ids for part in parts], -1), torch.cat([part.valid for part in parts], -1)
    return replace(parts[0], ids=ids, valid=valid, lengths=sum(part.lengths for part in parts))
