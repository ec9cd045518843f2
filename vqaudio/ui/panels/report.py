"""The report on a recording, as HTML. All text is escaped: anybody can choose a file's name."""

import math
from html import escape

from vqaudio.analysis.codebooks import CodebookStatistics
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


def nearness(error: float | None, known: CodebookStatistics | None) -> str:
    """How near a clip is to what the model was trained on: a sentence, and a strip that shows where it lies."""
    if error is None:
        return ""
    if known is None or known.train_errors is None:
        return _near("", "How near this is to what the model was trained on was not measured for this model.")
    nearer = float((known.train_errors < error).float().mean())
    usual = float(known.train_errors[50])
    if error > known.train_errors[-1]:
        words = (
            f"This is outside of what the model knows: its sounds lie {error / usual:.1f} times as far from the codewords as a "
            "usual training clip's, further than any training clip's. They come back as the nearest sounds that it has."
        )
    elif nearer > 0.95:
        words = f"It is at the edge of what the model knows: {_share(nearer)} of its training clips are nearer to its codewords."
    elif nearer > 0.75:
        words = f"It is a little further from the codewords than most training clips: {_share(nearer)} of them are nearer."
    else:
        words = "This is as near to the codewords as the model's own training clips are."
    return _near(_strip(error, known), words)


def _share(nearer: float) -> str:
    return f"{100 * nearer:.0f} in 100" if nearer < 0.995 else "nearly all"


def _near(picture: str, words: str) -> str:
    return f'<div class="vq-report vq-near">{picture}<p>{words}</p></div>'


def _strip(error: float, known: CodebookStatistics) -> str:
    """Bars over the middle nine tenths of the training and the test clips, and a line where this clip is."""
    span = 1.08 * max(error, float(known.train_errors[-1]), float(known.test_errors[-1]))

    def bar(name: str, errors) -> str:
        low, middle, high = (100 * float(errors[i]) / span for i in (5, 50, 95))
        return (
            f'<span>{name}</span><i><b style="left:{low:.1f}%;width:{high - low:.1f}%"></b>'
            f'<u style="left:{middle:.1f}%"></u><em style="left:{100 * error / span:.1f}%"></em></i>'
        )

    summary = f"Mean quantisation error {error:.2f}; training clips {known.train_errors[5]:.2f} to {known.train_errors[95]:.2f}"
    bars = bar("Training clips", known.train_errors) + bar("Unseen clips", known.test_errors)
    return (
        f'<div class="vq-strip" role="img" aria-label="{summary}">{bars}<span></span>'
        f"<small>mean quantisation error: <em>this clip {error:.2f}</em>, "
        f"usual training clip {known.train_errors[50]:.2f}</small></div>"
    )


def _lines(sentences) -> str:
    return "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)


def _page(title: str, body: str) -> str:
    return f'<div class="vq-report"><h3>{title}</h3>{body}</div>'
