"""The Codebooks view: how each stage uses its codewords over the dataset."""

from html import escape
from pathlib import Path

from torch import Tensor

from vqaudio.analysis.codebooks import CodebookStatistics, StageHealth, health
from vqaudio.errors import InputError
from vqaudio.ui import facts, models

STYLE = (Path(__file__).parent / "codebooks.css").read_text()
INTRO = (
    "Each panel is one stage's codebook: how often each codeword occurs in the test clips, the most frequent first. The dashed "
    "line is even use. An evenly used codebook carries all the bits it costs; one with a few tall bars carries fewer."
)
TERMS = (
    ("Bits carried", "the entropy of a stage's indices."),
    ("Perplexity", "how many equally frequent codewords would carry as much."),
    ("Dead", "codewords that never occur in these clips."),
)


def view(model: str | None = None) -> str:
    """The view of a model as HTML; a sentence if it was not measured."""
    return f"<style>{STYLE}</style>{_content(model)}"


def _content(model: str | None) -> str:
    try:
        codec = models.codec(model)
        known = facts.statistics(codec)
    except InputError as error:
        return f'<p class="vq-note">{escape(str(error))}</p>'
    if known is None:
        return f'<p class="vq-note">The codebooks of {escape(codec.name)} were not measured yet.</p>'
    return page(known)


def page(known: CodebookStatistics) -> str:
    """The measured view: one panel a stage, and a table of their numbers."""
    stages = [health(counts) for counts in known.test_counts]
    columns = int(known.test_counts[0].sum())
    carried, paid = sum(s.entropy_bits for s in stages), sum(_cost_bits(counts) for counts in known.test_counts)
    terms = "".join(f"<div><dt>{name}</dt> <dd>{meaning}</dd></div>" for name, meaning in TERMS)
    panels = "".join(_panel(j, counts, stages[j]) for j, counts in enumerate(known.test_counts))
    return (
        f'<div class="cb-page"><p class="vq-note">{INTRO}</p>'
        f'<p class="vq-total">Over {columns:,} columns of the test set, a column costs <b>{paid:.0f} bits</b> and carries '
        f"<b>{carried:.1f}</b> ({carried / paid:.0%}), each stage taken alone.</p>"
        f'<div class="cb-books">{panels}</div><dl class="cb-terms">{terms}</dl></div>'
    )


def _cost_bits(counts: Tensor) -> int:
    return (len(counts) - 1).bit_length()


def _panel(j: int, counts: Tensor, stage: StageHealth) -> str:
    cost = _cost_bits(counts)
    numbers = (
        ("Bits carried", f"{stage.entropy_bits:.2f} <small>of {cost}</small>"),
        ("Perplexity", f"{stage.perplexity:.0f} <small>of {len(counts)}</small>"),
        ("Dead", f"{stage.dead}"),
    )
    cells = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in numbers)
    return f'<section class="cb-book"><h3>Stage {j + 1}</h3>{_histogram(counts, stage)}<dl>{cells}</dl></section>'


def _histogram(counts: Tensor, stage: StageHealth, width: int = 256, height: int = 72) -> str:
    """Counts [V] as bars, the most frequent first, and a line at even use."""
    ordered = counts.sort(descending=True).values
    share = ordered.double() / max(1, int(counts.sum()))
    top = max(float(share[0]), 2 / len(counts))
    bar = width / len(counts)
    steps = "".join(f"H{(i + 1) * bar:.2f}V{height * (1 - float(s) / top):.2f}" for i, s in enumerate([*share[1:].tolist(), 0.0]))
    outline = f"M0 {height}V{height * (1 - float(share[0]) / top):.2f}{steps}V{height}Z"
    even = height * (1 - 1 / (len(counts) * top))
    label = f"Usage of {len(counts)} codewords: perplexity {stage.perplexity:.0f}, {stage.dead} dead"
    return (
        f'<svg viewBox="0 0 {width} {height}" preserveAspectRatio="none" role="img" aria-label="{label}">'
        f'<path d="{outline}"/><line x1="0" x2="{width}" y1="{even:.2f}" y2="{even:.2f}"/></svg>'
    )
