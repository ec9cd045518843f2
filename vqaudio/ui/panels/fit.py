"""The verdict on how well a model fits a clip, as HTML."""

from functools import cache
from html import escape

from vqaudio.analysis import fit as fits
from vqaudio.analysis.fit import Fit, Reference
from vqaudio.codec import Codec
from vqaudio.errors import InputError
from vqaudio.ui import verbs
from vqaudio.ui.clip.workbench import Workbench

LONGEST_S = 10.0  # of a longer clip, the middle is judged
TITLES = {"fits": "Fits", "approximate": "Approximate", "outside": "Outside of what this model was trained on"}
FITS = "This clip comes back about as faithfully as the model's own test clips."
SILENT = "The clip is silent, so there is no verdict on how well the model fits it."
NOT_MEASURED = "How well this model fits a clip was not measured: `vqaudio fit` does that."
MEASURES = (
    ("level_change_db", "Level", lambda value: f"{value:+.1f} dB".replace("-", "\u2212")),
    ("mel_distance", "Mel distance", lambda value: f"{value:.3f}"),
    ("si_sdr_db", "SI-SDR", lambda value: f"{value:.1f} dB".replace("-", "\u2212")),
)


@cache
def reference_of(codec: Codec) -> Reference | None:
    """The scores of a codec's own data; None if missing, damaged or of other weights."""
    try:
        found = fits.load(codec.folder) if codec.folder else None
    except InputError:  # a damaged record must not stop a clip from opening
        return None
    return found if found is not None and found.model == codec.fingerprint else None


def judge(bench: Workbench) -> Fit | None:
    """Judge a clip as it was encoded.

    Returns:
        None without an original or a reference, and for a silent clip.
    """
    reference = reference_of(bench.codec)
    if reference is None or bench.original is None or fits.is_silent(bench.original):
        return None
    rate, n = bench.codec.sample_rate, round(LONGEST_S * bench.codec.sample_rate)
    if len(bench.original) <= n:
        original, decoded = bench.original, bench.sound(tuple(range(bench.n_stages)))
    else:
        start = (len(bench.original) - n) // 2
        original = bench.original[start : start + n]
        codes, _ = verbs.encode(bench.codec, original[None])
        decoded = verbs.decode(bench.codec, codes, None)
    return fits.fit(fits.scores(original, decoded, rate), reference)


def view(bench: Workbench) -> str:
    """The verdict with its reasons and measures; empty for a clip without an original."""
    if bench.original is None:
        return ""
    if fits.is_silent(bench.original):
        return _section("", SILENT)
    found = judge(bench)
    if found is None:
        return _section("", NOT_MEASURED)
    words = FITS if found.verdict == "fits" else f"{_sentence(found.reasons)}."
    return _section(TITLES[found.verdict], words, found.verdict, _strips(found, reference_of(bench.codec)))


def _sentence(reasons: list[str]) -> str:
    joined = ", and ".join([", ".join(reasons[:-1]), reasons[-1]]) if len(reasons) > 1 else reasons[0]
    return joined[0].upper() + joined[1:]


def _section(title: str, words: str, verdict: str = "none", picture: str = "") -> str:
    strong = f"<strong>{title}.</strong> " if title else ""
    return f'<div class="vq-report vq-near" data-verdict="{verdict}"><p>{strong}{escape(words)}</p>{picture}</div>'


def _strips(found: Fit, reference: Reference) -> str:
    rows = "".join(_strip(name, title, text, getattr(found.scores, name), reference) for name, title, text in MEASURES)
    legend = "<small>Bars: nine in ten of the model's test clips. <em>This clip</em> is marked.</small>"
    return f'<div class="vq-strip">{rows}<span></span>{legend}</div>'


def _strip(name: str, title: str, text, value: float, reference: Reference) -> str:
    """A bar over nine in ten of the test clips, with a mark where this clip is."""
    low, middle, high = (reference.at(name, percentile) for percentile in (5, 50, 95))
    left, right = min(value, reference.at(name, 1)), max(value, reference.at(name, 99))
    margin = 0.04 * (right - left)
    place = lambda x: 100 * (x - left + margin) / (right - left + 2 * margin or 1)  # noqa: E731
    label = f"{title} {text(value)}; test clips {text(low)} to {text(high)}"
    return (
        f'<span>{title} {text(value)}</span><i role="img" aria-label="{label}" title="{label}">'
        f'<b style="left:{place(low):.1f}%;width:{place(high) - place(low):.1f}%"></b>'
        f'<u style="left:{place(middle):.1f}%"></u><em style="left:{place(value):.1f}%"></em></i>'
    )
