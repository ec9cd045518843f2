"""Files of timed labels: festvox's .lab and Praat's .TextGrid (also of MFA).

A file is checked against its clip: its labels follow one another without gaps or overlaps, up to the clip's end.
"""

import re
from collections.abc import Collection, Iterable
from pathlib import Path

from vqaudio.errors import InputError
from vqaudio.files import replace_file
from vqaudio.timed_labels import TimedLabel

SILENCE = "sil"  # the phone of an interval without text
AT_END_S = 0.1  # labels may end this much before or after their clip
TOUCHING_S = 1e-4  # neighbours may be this far apart: files round their times
LARGEST = 20_000_000  # bytes
_NUMBER = r"(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)"
_TOKEN = re.compile(rf'"((?:[^"]|"")*)"|{_NUMBER}(?=\s|$)|(<exists>|<absent>)')


def read_labels(path: Path, duration_s: float, known: Collection[str] | None = None) -> tuple[TimedLabel, ...]:
    """Read the labels of a clip from a .lab or .TextGrid file.

    Args:
        duration_s: length of the clip.
        known: the phone set; None for any.

    Returns:
        Labels of kind "phone" or "word", or of the kind that a TextGrid's tier is called, one kind after the other in time.

    Raises:
        InputError: a file that cannot be read or is of another format, labels out of order, overlapping, with gaps, or of
            another length than the clip, or a phone that is not in the set.
    """
    path = Path(path)
    text = _text_of(path)
    if path.suffix.lower() == ".textgrid":
        tiers = _textgrid(path, text)
    elif path.suffix.lower() == ".lab":
        tiers = {"phone": _lab(path, text)}
    else:
        raise InputError(f"{path} should end in .lab or .TextGrid: these are the label files that can be read.")
    for labels in tiers.values():
        _check(path, labels, duration_s)
    unknown = sorted({label.value for label in tiers.get("phone", ())} - set(known)) if known is not None else []
    if unknown:
        raise InputError(f"{path} has phones that are not in the phone set: {', '.join(unknown[:5])}. Known: {' '.join(known)}.")
    return tuple(label for labels in tiers.values() for label in labels)


def label_file_of(recording: Path) -> Path | None:
    """Find the label file of a recording; None without one.

    It is beside the recording, or in a folder `lab` beside the recording's own.
    """
    recording = Path(recording)
    for folder in (recording.parent, recording.parent.parent / "lab"):
        for ending in (".TextGrid", ".lab"):
            if (path := folder / f"{recording.stem}{ending}").is_file():
                return path
    return None


def write_textgrid(path: Path, tiers: dict[str, Iterable[TimedLabel]], duration_s: float) -> None:
    """Write Praat's long format: tier name -> consecutive labels."""
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {duration_s!r}"]
    lines += ["tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for i, (name, labels) in enumerate(tiers.items(), 1):
        intervals = list(_filled(labels, duration_s))
        lines += [f"    item [{i}]:", '        class = "IntervalTier"', f"        name = {_quoted(name)}", "        xmin = 0"]
        lines += [f"        xmax = {duration_s!r}", f"        intervals: size = {len(intervals)}"]
        for j, (value, start, end) in enumerate(intervals, 1):
            lines += [f"        intervals [{j}]:", f"            xmin = {start!r}", f"            xmax = {end!r}"]
            lines += [f"            text = {_quoted(value)}"]
    replace_file(Path(path), lambda temporary: temporary.write_text("\n".join(lines) + "\n", encoding="utf-8"))


def _filled(labels: Iterable[TimedLabel], duration_s: float):
    """(value, start, end) of the labels, with empty intervals where there are none."""
    at = 0.0
    for label in labels:
        if label.start_s > at:
            yield "", at, label.start_s
        yield label.value, label.start_s, min(label.end_s, duration_s)
        at = label.end_s
    if at < duration_s:
        yield "", at, duration_s


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _text_of(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST:
            raise InputError(f"{path} is larger than any label file: it has more than {LARGEST:,} bytes.")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"  # Praat writes either
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise InputError(f"{path} is no text in UTF-8 or UTF-16.") from None


def _lab(path: Path, text: str) -> list[TimedLabel]:
    """Lines `end colour phone` after a line `#`; a label begins where the one before it ends."""
    lines = [line.split() for line in text.splitlines()]
    if ["#"] not in lines:
        raise InputError(f"{path} is no festvox label file: it has no line with a single #.")
    labels, start = [], 0.0
    for line in lines[lines.index(["#"]) + 1 :]:
        if not line:
            continue
        if len(line) < 3 or not re.fullmatch(_NUMBER, line[0]):
            raise InputError(f"{path} has a line {' '.join(line)!r}; a label is an end in seconds, a number and a phone.")
        end = float(line[0])
        if end <= start:
            raise InputError(f"{path} is out of order: the phone {line[2]!r} ends at {end:g} s, but begins at {start:g} s.")
        labels.append(TimedLabel("phone", line[2], start, end))
        start = end
    return labels


def _textgrid(path: Path, text: str) -> dict[str, list[TimedLabel]]:
    """The interval tiers of a TextGrid, long or short: in both, the values have one order, and only the words between differ."""
    values = iter([quoted.replace('""', '"') if not (number or flag) else float(number) if number else flag
                   for quoted, number, flag in _TOKEN.findall(_without_indices(text))])  # fmt: skip
    tiers: dict[str, list[TimedLabel]] = {}
    try:
        if next(values) != "ooTextFile" or next(values) != "TextGrid":
            raise InputError(f"{path} is no TextGrid: it does not begin with ooTextFile and TextGrid.")
        next(values), next(values)  # start and end of the whole
        count = _count(next(values)) if next(values) == "<exists>" else 0
        for _ in range(count):
            kind, name, _, _, n = (next(values) for _ in range(5))
            if kind != "IntervalTier":  # points: a time and a mark each
                for _ in range(2 * _count(n)):
                    next(values)
                continue
            rows = [(next(values), next(values), next(values)) for _ in range(_count(n))]
            kind = _kind(str(name))
            if kind in tiers:
                raise InputError(f"{path} has several tiers of {kind}s: keep one speaker's.")
            tiers[kind] = _intervals(path, kind, rows)
    except InputError:
        raise
    except (StopIteration, RuntimeError, ValueError, TypeError):
        raise InputError(f"{path} is a damaged TextGrid: it ends early, or its numbers are out of place.") from None
    if not any(tiers.values()):
        raise InputError(f"{path} is an empty TextGrid: it has no interval with text. Label the clip, or remove the file.")
    return tiers


def _without_indices(text: str) -> str:
    """A TextGrid without `item [3]:` and names of fields, whose numbers are no values; quoted text stays as it is."""
    parts = re.split(r'("(?:[^"]|"")*")', text)
    return "".join(part if i % 2 else re.sub(r"\[\d*\]|!.*", " ", part) for i, part in enumerate(parts))


def _count(value) -> int:
    if not isinstance(value, float) or value != int(value) or not 0 <= value <= 1_000_000:
        raise ValueError(value)
    return int(value)


def _kind(name: str) -> str:
    """MFA names its tiers "words" and "phones", after "SPEAKER - " if there are several speakers."""
    lower = name.lower()
    return "phone" if "phone" in lower else "word" if "word" in lower else name or "label"


def _intervals(path: Path, kind: str, rows: list[tuple]) -> list[TimedLabel]:
    labels, at = [], 0.0
    for start, end, value in rows:
        if not isinstance(start, float) or not isinstance(end, float) or not isinstance(value, str):
            raise ValueError(value)
        if start < at - TOUCHING_S:
            raise InputError(f"{path}: the {kind} {value!r} begins at {start:g} s, before the one before it ends, at {at:g} s.")
        if start > at + TOUCHING_S:
            raise InputError(f"{path}: the {kind}s have no interval from {at:g} to {start:g} s.")
        if end <= start:
            raise InputError(f"{path}: the {kind} {value!r} ends at {end:g} s, but begins at {start:g} s.")
        if value.strip() or kind == "phone":
            labels.append(TimedLabel(kind, value.strip() or SILENCE, max(at, 0.0), end))
        at = end
    return labels if any(label.value != SILENCE for label in labels) else []


def _check(path: Path, labels: list[TimedLabel], duration_s: float) -> None:
    """Raise InputError unless the labels end where the clip does; words may end before it."""
    if not labels:
        return
    end, kind = labels[-1].end_s, labels[-1].kind
    if end > duration_s + AT_END_S or (kind == "phone" and end < duration_s - AT_END_S):
        raise InputError(
            f"{path} is not of this clip: its {kind}s end at {end:g} s, and the clip at {duration_s:g} s. Use its own file."
        )
