"""A figure of the Codebooks view, with controls and links that save it."""

import json
from collections.abc import Sequence
from html import escape

from vqaudio.ui.panels import charts

SAVE_SVG = (
    "this.href = 'data:image/svg+xml;charset=utf-8,'"
    " + encodeURIComponent(new XMLSerializer().serializeToString(this.closest('section').querySelector('svg')))"
)
SAVE_PNG = (  # drawn by the browser, at twice the size of the viewBox
    "event.preventDefault(); const s = this.closest('section').querySelector('svg'), b = s.viewBox.baseVal, i = new Image();"
    "const name = this.download;"
    "i.onload = () => { const c = document.createElement('canvas'); c.width = 2 * b.width; c.height = 2 * b.height;"
    "const g = c.getContext('2d'); g.fillStyle = '#fff'; g.fillRect(0, 0, c.width, c.height);"
    "g.drawImage(i, 0, 0, c.width, c.height);"
    "const a = document.createElement('a'); a.href = c.toDataURL('image/png'); a.download = name; a.click(); };"
    "const k = s.cloneNode(true); k.setAttribute('width', b.width); k.setAttribute('height', b.height);"
    "i.src = 'data:image/svg+xml;charset=utf-8,' + encodeURIComponent(new XMLSerializer().serializeToString(k))"
)
HIGHLIGHT = (
    "const [kind, label] = JSON.parse(this.value);"
    "for (const g of this.closest('section').querySelectorAll('g')) { g.style.display = g.dataset.kind === kind ? '' : 'none';"
    "for (const p of g.querySelectorAll('.dots')) { const on = p.dataset.label === label; p.classList.toggle('hot', on);"
    "p.setAttribute('stroke-width', on ? 6 : 4); if (on) g.append(p); } }"
)


def figure(name: str, title: str, caption: str, body: str, size: tuple[int, int], controls: str = "") -> str:
    """A figure with its title, caption, and links that save it.

    Args:
        name: of the saved files.
        body: of the SVG, whose size this is.
        controls: HTML above the SVG.
    """
    name, title, caption = escape(name), escape(title), escape(caption)
    return (
        f'<section class="cb-figure"><h3>{title}</h3><p class="vq-note">{caption}</p>{controls}'
        f'<div>{charts.svg(body, *size, f"{title}: {caption}")}</div>'
        f'<p><a href="#" onclick="{escape(SAVE_SVG)}" download="{name}.svg">Save as SVG</a>'
        f'<a href="#" onclick="{escape(SAVE_PNG)}" download="{name}.png">Save as PNG</a></p></section>'
    )


def layers(bodies: dict[str, str]) -> str:
    """Drawings of which a chooser shows one; the first one at the start."""
    return "".join(
        f'<g data-kind="{escape(kind)}" style="display:{"none" if i else ""}">{body}</g>'
        for i, (kind, body) in enumerate(bodies.items())
    )


def chooser(label: str, kinds: Sequence[str]) -> str:
    """A select of the layers."""
    return select(label, "".join(option(kind, "", kind) for kind in kinds))


def select(label: str, options: str) -> str:
    """A labelled select whose options are made by `option`; empty without options."""
    chosen = f'<select onchange="{escape(HIGHLIGHT)}">{options}</select>'
    return f'<label class="cb-choose">{label} {chosen}</label>' if options else ""


def option(kind: str, label: str, text: str) -> str:
    """Shows the layer of a kind, and makes the dots of a label stand out."""
    return f'<option value="{escape(json.dumps([kind, label]))}">{escape(text)}</option>'
