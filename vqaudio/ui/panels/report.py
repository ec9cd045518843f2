"""The report on a recording, as HTML. All text is escaped: anybody can choose a file's name."""

import math
from html import escape

from vqaudio.audio import InputReport


def of_sound(facts_of_file: InputReport) -> str:
    """The facts of a sound, then remarks on them."""
    peak_db = 20 * math.log10(facts_of_file.peak) if facts_of_file.peak > 0 else -math.inf
    channels = {1: "mono", 2: "stereo"}.get(facts_of_file.channels, f"{facts_of_file.channels} channels")
    facts = {
        "Length": f"{facts_of_file.duration_s:.2f} s",
        "Recorded": f"at {facts_of_file.sample_rate_hz:,} Hz, {channels}",
        "Peak": "silent" if math.isinf(peak_db) else f"{peak_db:.1f} dBFS",
        "Clipping": "none" if facts_of_file.clipped_share == 0 else f"{100 * facts_of_file.clipped_share:.2g} % of the samples",
        "Silence cut": "none" if facts_of_file.trimmed_s == 0 else f"{facts_of_file.trimmed_s:.2f} s",
    }
    listed = "".join(f"<dt>{name}</dt><dd>{value.replace('-', '&minus;')}</dd>" for name, value in facts.items())
    remarks = [s for s in facts_of_file.sentences if not s.startswith(("The recording lasts", "The loudest sample is"))]
    return _page("Your recording", f'<dl class="vq-facts">{listed}</dl>{_lines(remarks)}')


def of_codes(sentences: tuple[str, ...]) -> str:
    return _page("Your codes", _lines(sentences))


def limits(sentence: str) -> str:
    """What the model was trained for, to stand under a report."""
    return f'<div class="vq-report"><p class="vq-limits">{escape(sentence)}</p></div>'




def _lines(sentences) -> str:
    return "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)


def _page(title: str, body: str) -> str:
    return f'<div class="vq-report"><h3>{title}</h3>{body}</div>'
