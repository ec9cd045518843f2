"""One person's clip: its codes, their sound, and their edits."""

import hashlib
import math
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from vqaudio.analysis import colours
from vqaudio.codec import Codec
from vqaudio.codes import Codes
from vqaudio.errors import InputError
from vqaudio.evaluation.metrics import mel_l1, si_sdr
from vqaudio.timed_labels import TimedLabel
from vqaudio.ui import verbs
from vqaudio.ui.clip import pictures, sounds

MAX_UNDO = 1000
MAX_UNDO_BYTES = 8 * 2**20  # of one clip: seven times all cells of a minute


@dataclass(frozen=True)
class Change:
    """One change of cells: places in the flattened [K, T], old and new codes."""

    places: Tensor
    before: Tensor
    after: Tensor

    @property
    def n_bytes(self) -> int:
        return self.places.nbytes + self.before.nbytes + self.after.nbytes


@dataclass(frozen=True)
class Origin:
    """Where a clip comes from.

    Args:
        path: the recording's file.
        example: the name of the example that it is; empty for any other clip.
        speaker: who is heard in it, where the model knows that speaker.
        phones: of the recording.
        trimmed: silence was cut from both ends.
        generated: a prior made it.
    """

    path: Path | None = None
    example: str = ""
    speaker: str = ""
    phones: tuple[TimedLabel, ...] = ()
    trimmed: bool = False
    generated: bool = False


class Workbench:
    """One open clip.

    Args:
        codec: encoded the clip and decodes it.
        codes: of one clip.
        title: a short name to show and to call downloads by.
        original: [N] at the codec's rate; None where only the codes are known (an opened .vqa file).
        latents: [D, T] that were quantised to the codes; None with no original.
        origin: where the clip comes from.

    Attributes:
        report: the facts of the recording, as HTML.
    """

    def __init__(
        self, codec: Codec, codes: Codes, title: str, original: Tensor | None = None, latents: Tensor | None = None,
        origin: Origin = Origin(),
    ):  # fmt: skip
        if len(codes) != 1:
            raise InputError(f"Codes of one clip can be opened here; this file holds {len(codes)}.")
        self.codec, self.codes, self.title, self.origin = codec, codes, title, origin
        self.original, self.latents, self.report = original, latents, ""
        self.first_ids = self.ids
        self._lock = threading.RLock()
        self._qualities: dict[tuple, dict[str, float] | None] = {}
        self._undo: list[Change] = []
        self._redo: list[Change] = []

    @classmethod
    def from_audio(cls, codec: Codec, audio: Tensor, title: str) -> "Workbench":
        """Encode audio [1, N]."""
        codes, latents = verbs.encode(codec, audio)
        return cls(codec, codes, title, audio[0], latents[0])

    @property
    def n_stages(self) -> int:
        return len(self.codes.spec.stages)

    @property
    def ids(self) -> Tensor:
        """The indices, int [K, T]."""
        return self.codes.ids[0]

    @property
    def n_samples(self) -> int:
        return int(self.codes.lengths[0])

    @property
    def n_bytes(self) -> int:
        """The size of this clip; decoded sounds are counted by their cache."""
        changes = sum(change.n_bytes for change in [*self._undo, *self._redo])
        latents = 0 if self.latents is None else 4 * self.latents.numel()
        return changes + latents + 8 * self.ids.numel() + 4 * self.n_samples

    @property
    def version(self) -> str:
        """A hash of the indices: the same indices, however reached, have the same version."""
        return hashlib.sha256(self.ids.numpy().tobytes()).hexdigest()[:16]

    @property
    def n_edits(self) -> int:
        return len(self._undo)

    @property
    def n_redo(self) -> int:
        return len(self._redo)

    # --- sound -----------------------------------------------------------------------------------------------------

    def sound(self, stages: tuple[int, ...], speaker: str = "") -> Tensor:
        """Decode some stages, numbered from 0: [N].

        Each is decoded once for each version of the indices and each speaker.

        Raises InputError for a speaker that the codec does not know.
        """
        stages = tuple(sorted(set(stages)))
        spoken = (self.known_speaker(speaker),) if speaker else ()
        with self._lock:
            key = (self._sound_key, self.version, stages, speaker)
            return sounds.cache.get(key, lambda: verbs.decode(self.codec, self.codes, stages, *spoken))

    @property
    def speakers(self) -> tuple[str, ...]:
        """The speakers in whose voices the codes can be decoded."""
        return self.codec.decoder_labels.get("speaker", ())

    def known_speaker(self, name: str) -> str:
        """The same name. Raises InputError unless the codec knows that speaker."""
        if name in self.speakers:
            return name
        if not self.speakers:
            raise InputError(f"{self.codec.name} knows no speakers. Leave the speaker out.")
        raise InputError(f"There is no speaker {name!r}; {self.codec.name} knows {', '.join(self.speakers)}.")

    @property
    def _sound_key(self) -> tuple:
        """What the sound depends on besides the indices; clips of one recording share their decoded sounds."""
        level = None if self.codes.level_db is None else float(self.codes.level_db[0])
        return id(self.codec), self.n_samples, self.codes.columns, level

    @property
    def contributions_db(self) -> list[float] | None:
        """The energy of each stage's codewords, dB re the strongest stage.

        None for a codec without vectors. For a generated clip, whose codes may not be known yet, it is the average over the
        codebook.
        """
        powers = []
        for j in range(self.n_stages):
            words = colours.codewords(self.codec, j)
            if words is None:
                return None
            used = words if self.origin.generated else words[self.codes.stage(j)[0].flatten()]
            powers.append(float(used.square().sum(1).mean()) + 1e-12)
        return [10 * math.log10(power / max(powers)) for power in powers]

    def take(self, codes: Codes) -> None:
        """Take the codes that a prior has generated for this clip."""
        self.codes, self.first_ids = codes, codes.ids[0]

    def added(self, n: int, speaker: str = "") -> Tensor:
        """The sound of the first n stages minus that of the first n - 1."""
        whole = self.sound(tuple(range(n)), speaker)
        return whole - self.sound(tuple(range(n - 1)), speaker) if n > 1 else whole

    def bits_per_second(self, stages: tuple[int, ...]) -> float:
        spec = self.codes.spec
        return sum(spec.stages[j].rows * spec.stages[j].bits for j in set(stages)) * spec.frame_rate

    def quality(self, stages: tuple[int, ...], speaker: str = "") -> dict[str, float] | None:
        """SI-SDR (dB) and mel-L1 of some stages.

        None without an original that sounds, and in another speaker's voice, which is not meant to be like the original.
        """
        if self.original is None or pictures.level_db(self.original) is None or speaker not in ("", self.origin.speaker):
            return None
        with self._lock:
            key = (self.version, stages, speaker)
            if key not in self._qualities:
                sound = self.sound(stages, speaker)
                values = {
                    "si_sdr_db": si_sdr(self.original, sound),
                    "mel_l1": mel_l1(self.original, sound, self.codec.sample_rate),
                }
                self._qualities[key] = values if all(math.isfinite(value) for value in values.values()) else None
            return self._qualities[key]

    @cached_property
    def top_db(self) -> float:
        """The loudest cell of the clip's spectrogram: white in all of its pictures."""
        reference = self.original if self.original is not None else self.sound(tuple(range(self.n_stages)))
        return max(-60.0, float(pictures.spectrogram_db(reference, self.codec.sample_rate).max()))

    def picture(self, sound: Tensor) -> Tensor:
        """The spectrogram of [N] as uint8 [bins, frames]."""
        return pictures.shades(pictures.spectrogram_db(sound, self.codec.sample_rate), self.top_db)

    # --- cells -----------------------------------------------------------------------------------------------------

    def check_cell(self, row: int, column: int) -> int:
        """The index in a cell. Raises InputError if there is no such cell."""
        if not (0 <= row < self.ids.shape[0] and 0 <= column < self.ids.shape[1]):
            raise InputError(f"There is no cell in row {row + 1}, column {column + 1}.")
        return int(self.ids[row, column])

    @property
    def knows_vectors(self) -> bool:
        """Whether each stage's input is known: an original, and one vector a column."""
        return self.latents is not None and getattr(self.codec, "rvq", None) is not None and self.ids.shape[0] == self.n_stages

    def nearest(self, row: int, column: int) -> tuple[list[int], list[float]] | None:
        """All codewords of a cell's stage and their distances, nearest first.

        None for a codec without vectors.

        Where vectors are known, the distance is to the residual of the stages above; else to the codeword in the cell.
        """
        index = self.check_cell(row, column)
        if not self.knows_vectors:
            words = colours.codewords(self.codec, next(j for j in range(self.n_stages) if row < self.codes.spec.offsets[j + 1]))
            if words is None:
                return None
            distances, order = torch.linalg.vector_norm(words - words[index], dim=1).sort(stable=True)
            return order.tolist(), distances.tolist()
        with torch.inference_mode():
            words, distances = self.codec.rvq.nearest_words(
                self.latents[:, column], self.ids[:, column], row, self.codes.spec.stages[row].vocab
            )
        return words.tolist(), distances.tolist()

    def swap(self, row: int, column: int, index: int) -> None:
        """Put a codeword into a cell."""
        self.put([(row, column, index)])

    def put(self, cells: Iterable[tuple[int, int, int]]) -> None:
        """Write (row, column, index) cells as one change.

        Raises:
            InputError: a cell or codeword does not exist; nothing was written.
        """
        with self._lock:
            ids, vocab = self.ids.clone(), self.codes.spec.vocab_of_row
            for row, column, index in cells:
                self.check_cell(row, column)
                if not 0 <= index < vocab[row]:
                    raise InputError(f"This stage's codewords are 0 to {vocab[row] - 1}; there is no {index}.")
                ids[row, column] = index
            self.write(ids)

    def write(self, ids: Tensor, mask: Tensor | None = None) -> None:
        """Take indices [K, T] where the mask is True, as one change."""
        with self._lock:
            ids = ids if mask is None else torch.where(mask, ids, self.ids)
            places = (ids != self.ids).flatten().nonzero()[:, 0]
            if not len(places):
                return
            change = Change(places, self.ids.flatten()[places], ids.flatten()[places])
            self._undo.append(change)
            while len(self._undo) > MAX_UNDO or (len(self._undo) > 1 and sum(c.n_bytes for c in self._undo) > MAX_UNDO_BYTES):
                del self._undo[0]
            self._redo = []
            self._apply(places, change.after)

    def undo(self) -> tuple[int, int] | None:
        """Undo the last change.

        Returns:
            The row and column of its first cell; None if there was no change.
        """
        with self._lock:
            if not self._undo:
                return None
            change = self._undo.pop()
            self._redo.append(change)
            return self._apply(change.places, change.before)

    def redo(self) -> tuple[int, int] | None:
        """Redo the change that was undone last; returns as `undo` does."""
        with self._lock:
            if not self._redo:
                return None
            change = self._redo.pop()
            self._undo.append(change)
            return self._apply(change.places, change.after)

    def _apply(self, places: Tensor, indices: Tensor) -> tuple[int, int]:
        ids = self.codes.ids.clone()
        ids.view(-1)[places] = indices
        self.codes = replace(self.codes, ids=ids)
        return divmod(int(places[0]), self.codes.columns)
