"""What was opened, in words, as HTML. All text is escaped: a file's name is its maker's."""

import math
from html import escape

from vqaudio.audio import InputReport

NOTHING_YET = """<div class="vq-report"><h3>What you gave</h3><p>Nothing yet. Record a word, upload a sound file of up to
60 seconds, or press an example.</p></div>"""


def of_sound(told: InputReport) -> str:
    """The facts of a sound, then what is worth knowing about them."""
    peak_db = 20 * math.log10(told.peak) if told.peak > 0 else -math.inf
    channels = {1: "mono", 2: "stereo"}.get(told.channels, f"{told.channels} channels")
    facts = {
        "Length": f"{told.duration_s:.2f} s",
        "Recorded": f"at {told.sample_rate_hz:,} Hz, {channels}",
        "Peak": "silent" if math.isinf(peak_db) else f"{peak_db:.1f} dBFS",
        "Clipping": "none" if told.clipped_share == 0 else f"{100 * told.clipped_share:.2g} % of the samples",
        "Silence cut": "none" if told.trimmed_s == 0 else f"{told.trimmed_s:.2f} s",
    }
    listed = "".join(f"<dt>{name}</dt><dd>{value.replace('-', '&minus;')}</dd>" for name, value in facts.items())
    remarks = [s for s in told.sentences if not s.startswith(("The recording lasts", "The loudest sample is"))]
    return _page("What you gave", f'<dl class="vq-facts">{listed}</dl>{_lines(remarks)}')


def of_codes(sentences: tuple[str, ...]) -> str:
    return _page("What you opened", _lines(sentences))


def limits(sentence: str, spent: str) -> str:
    """What the model can do, and what opening the clip took, to stand under a report."""
    took = f'<p class="vq-spent">Opening it took {escape(spent)}.</p>'
    return f'<div class="vq-report"><p class="vq-limits">{escape(sentence)}</p>{took}</div>'


def refusal(sentence: str) -> str:
    return _page("This cannot be opened", f'<p class="vq-refused" role="alert">{escape(sentence)}</p>')


def _lines(sentences) -> str:
    return "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)


def _page(title: str, body: str) -> str:
    return f'<div class="vq-report"><h3>{title}</h3>{body}</div>'
