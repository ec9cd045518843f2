"""The record of a model's codewords and phones: phones.json.

`vqaudio phones measure` writes it beside the weights, for the app.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from vqaudio.analysis import phones, units
from vqaudio.analysis.phones import Utterance
from vqaudio.codec import Codec
from vqaudio.data.clips import Clip
from vqaudio.errors import InputError
from vqaudio.files import replace_file
from vqaudio.json_files import expected_in, read_json
from vqaudio.ranges import check

FILE = "phones.json"
MOST_CODES = 1024  # their bigrams are drawn and kept as a square


@dataclass(frozen=True)
class PhoneRecord:
    """Codes and phones over frames of 10 ms.

    Attributes:
        encoder: fingerprint of what makes the codes.
        command: that made the record.
        dataset: of the utterances.
        training_clips, test_clips, test_frames: how much was measured.
        phones: their names.
        together: [phones, codes], frames of the training part with both.
        accuracy: share of the test part's frames whose phone is the most frequent one of their code in the training part.
        metrics: measures of the test part, by units: the model, k-means on MFCC-39, and random codes.
        phone_bigrams: [phones, phones], how often in the test part the frame after a row's phone has a column's.
        code_bigrams: [codes, codes], the same for codes.
    """

    encoder: str
    command: str
    dataset: str
    training_clips: int
    test_clips: int
    test_frames: int
    phones: list[str]
    together: list[list[int]]
    accuracy: float
    metrics: dict[str, dict[str, float]]
    phone_bigrams: list[list[int]]
    code_bigrams: list[list[int]]

    def check_together(self) -> None:
        """Raise InputError if a table has another shape, or negative counts."""
        n, v = len(self.phones), len(self.code_bigrams)
        for table, rows, columns in ((self.together, n, v), (self.phone_bigrams, n, n), (self.code_bigrams, v, v)):
            if len(table) != rows or any(len(row) != columns or min(row, default=0) < 0 for row in table):
                raise InputError("its tables are incomplete.")
        names = [set(values) for values in self.metrics.values()]
        if not names or not names[0] or any(one != names[0] for one in names):
            raise InputError("its metrics are incomplete.")

    def code_phones(self) -> list[tuple[str, float] | None]:
        """Each code's most frequent phone and the share of its frames.

        None for a code that never occurred.
        """
        table = np.array(self.together)
        totals = table.sum(0)
        return [
            (self.phones[int(column.argmax())], round(float(column.max() / total), 4)) if total else None
            for column, total in zip(table.T, totals)
        ]


def measure(
    codec: Codec, name: str, train: Sequence[Clip], test: Sequence[Clip], dataset: str, command: str, seed: int = 0
) -> PhoneRecord:
    """Compare a codec's first stage with the phones of labelled clips.

    Args:
        name: of the model, in the table of metrics.
        train: the codewords' phones and the centres of k-means are learned from these.
        test: everything else is measured on these.
        seed: of k-means and of the random codes.

    Raises:
        InputError: too many codewords, or several codes a column.
    """
    vocab = codec.spec.stages[0].vocab
    if vocab > MOST_CODES:
        raise InputError(f"The first stage has {vocab:,} codewords; at most {MOST_CODES:,} can be recorded.")
    learned, found = (units.of_codec(codec, clips) for clips in (train, test))
    kmeans = units.KMeansUnits(train, vocab, codec.sample_rate, seed).of(test)
    rows = {name: found, f"k-means on MFCC-39, {vocab}": kmeans, "random": units.at_random(found, vocab, seed)}
    metrics = {row: phones.scores(*phones.all_frames(one)) for row, one in rows.items()}
    phones_seen, codes_seen = phones.all_frames(learned)
    mapped = phones.mapping(phones_seen, codes_seen)
    names = sorted({*phones_seen.tolist(), *(label.value for one in found for label in one.labels if label.kind == phones.KIND)})
    frames = [one.frames() for one in found]
    return PhoneRecord(
        codec.encoder_fingerprint, command, dataset, len(train), len(test), sum(len(one) for one, _ in frames), names,
        _together(learned, names, vocab), phones.accuracy(mapped, *phones.all_frames(found)),
        {row: {key: round(value, 4) for key, value in one.items()} for row, one in metrics.items()},
        _bigrams([[names.index(phone) for phone in one.tolist()] for one, _ in frames], len(names)),
        _bigrams([codes.tolist() for _, codes in frames], vocab),
    )


def _together(utterances: Sequence[Utterance], names: list[str], vocab: int) -> list[list[int]]:
    table, known_phones, known_codes = phones.contingency(*phones.all_frames(utterances))
    whole = np.zeros((len(names), vocab), dtype=int)
    whole[np.ix_([names.index(phone) for phone in known_phones], known_codes)] = table
    return whole.tolist()


def _bigrams(sequences: list[list[int]], n: int) -> list[list[int]]:
    counts = np.zeros((n, n), dtype=int)
    for sequence in sequences:
        np.add.at(counts, (sequence[:-1], sequence[1:]), 1)
    return counts.tolist()


def save(record: PhoneRecord, folder: Path) -> None:
    """Write phones.json beside a model's weights, a row of each table on one line."""
    def lines(value) -> str:
        if isinstance(value, list) and value and isinstance(value[0], list):
            return "[\n  " + ",\n  ".join(json.dumps(row, separators=(",", ":")) for row in value) + "\n ]"
        return json.dumps(value, ensure_ascii=False)

    text = ",\n".join(f" {json.dumps(key)}: {lines(value)}" for key, value in asdict(record).items())
    replace_file(folder / FILE, lambda path: path.write_text(f"{{\n{text}\n}}\n"))


def load(folder: Path) -> PhoneRecord | None:
    """Read phones.json; None if there is none. Raises InputError if it is damaged."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        with expected_in(path):
            found = PhoneRecord(**read_json(path))
            check(found)
            return found
    except InputError as error:
        raise InputError(f"{error} `vqaudio phones measure` rebuilds it.") from None
