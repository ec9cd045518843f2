"""The Codebooks view's figures: what was found out about a codec (`vqaudio explore`), drawn, and to be taken home."""

from base64 import b64encode
from collections.abc import Iterator
from functools import cache
from html import escape

from vqaudio.analysis.exploration import Exploration
from vqaudio.codec import Codec
from vqaudio.errors import InputError
from vqaudio.ui import facts, models

NOT_YET = "Nothing more was found out about {model} yet: <code>vqaudio explore --model {model}</code> does that."
TAKE_SVG = "this.href = this.closest('section').querySelector('img').src"
TAKE_PNG = (  # drawn by the browser, twice as large as the SVG says it is
    "const i = this.closest('section').querySelector('img'), c = document.createElement('canvas');"
    "c.width = 2 * i.naturalWidth; c.height = 2 * i.naturalHeight;"
    "c.getContext('2d').drawImage(i, 0, 0, c.width, c.height); this.href = c.toDataURL('image/png')"
)
MAP = (
    "{columns:,} columns of the {part} clips were encoded; of these, {shown:,} latent vectors are drawn, so that neighbours stay "
    "neighbours. Crosses are the first stage's codewords. Only nearness means something: neither axis has a unit."
)
DISTANCES = (
    "After each stage, how far the sum of the codewords so far still is from the latent vector. What the last one leaves is lost."
)
KNOWS = (
    "Left: the normalised mutual information of an index and its clip's label, beside what as many indices would seem to know of "
    "labels dealt out at random. Right: how many clips a linear probe gets right that is told only how often each of a stage's "
    "codewords occurs in them; it learned from {learned}."
)
LEARNED = {"train": "the training clips", "folds": "the other clips of the same part"}
TRAINING = (
    "What the run wrote into its metrics.csv: the losses, the scores on the validation clips, how many codewords of each stage "
    "are in even use (perplexity), and how large the gradients were, by part of the network."
)


def view(model: str | None = None) -> str:
    """The figures of a model as HTML; a sentence where nothing was found out."""
    try:
        codec = models.codec(model)
        known = facts.exploration(codec)
    except InputError as error:
        return f'<p class="vq-note">{escape(str(error))}</p>'
    if known is None:
        return f'<p class="vq-note">{NOT_YET.format(model=escape(codec.name))}</p>'
    return _page(codec)


@cache
def _page(codec: Codec) -> str:
    parts = "".join(_shown(f"{codec.name}-{name}", *rest) for name, *rest in _figures(facts.exploration(codec)))
    return f'<div class="vq-figures">{parts}</div>'


def _figures(known: Exploration) -> Iterator[tuple]:
    """(name, title, caption, SVG) of all that can be drawn."""
    from vqaudio import plots  # Matplotlib, which nothing else in the app needs

    for name, title, said, figure in _drawn(plots, known):
        yield name, title, said, plots.picture(figure, "svg")


def _drawn(plots, known: Exploration) -> Iterator[tuple]:
    shown = len(known.map.x)
    said = MAP.format(columns=known.columns, part=known.part, shown=shown)
    yield "map", "A map of the latents", said, plots.map_figure(known.map, known.values)
    yield "distances", "Distances to the codewords", DISTANCES, plots.distances_figure(known.distances)
    if known.knows:
        learned = LEARNED[next(iter(known.knows.values())).learned_from]
        yield "knows", "What each stage knows", KNOWS.format(learned=learned), plots.knowledge_figure(known.knows)
    for i, curves in enumerate(known.training):
        title = "How it was trained" + (f", run {i + 1} of {len(known.training)}" if len(known.training) > 1 else "")
        yield f"training-{i + 1}", title, TRAINING, plots.training_figure(curves)


def _shown(name: str, title: str, caption: str, svg: bytes) -> str:
    """A figure with its title, its caption and two links, which take what is shown: it is sent once."""
    name = escape(name)
    return (
        f'<section class="vq-figure"><h3>{title}</h3><p class="vq-note">{escape(caption)}</p>'
        f'<div><img alt="{title}: {escape(caption)}" src="data:image/svg+xml;base64,{b64encode(svg).decode()}"></div>'
        f'<p><a href="#" onclick="{TAKE_SVG}" download="{name}.svg">Save as SVG</a>'
        f'<a href="#" onclick="{TAKE_PNG}" download="{name}.png">Save as PNG</a></p></section>'
    )
