"""Figures and a table of a speech codec's codewords and phones.

`vqaudio phones measure` measures them.
"""

from html import escape

import numpy as np

from vqaudio.analysis.phone_record import PhoneRecord
from vqaudio.codec import Codec
from vqaudio.errors import InputError
from vqaudio.ui import facts
from vqaudio.ui.panels import charts, figure

BIGRAMS = (
    "How likely the name of a column comes one frame of 10 ms after that of a row; the stronger, the likelier. Without repeats, "
    "frames that stay the same are left out. Codewords are in the order of their phones."
)
MAPPING = "The phones of each codeword's frames in the training part. Point at a column for its numbers."
NAMES = {
    "nmi": "NMI", "ami": "AMI", "ari": "ARI", "homogeneity": "Homogeneity", "completeness": "Completeness",
    "v_measure": "V-measure", "pnmi": "PNMI", "phone_purity": "Phone purity", "cluster_purity": "Cluster purity",
}
MEASURED = (
    "Over {clips:,} test clips of {dataset} ({frames:,} frames of 10 ms, silence included); 1 is perfect. Guessing each frame's "
    "phone from its codeword is right in {accuracy:.0f} % of them."
)
SIZE = 540, 400
NAMED = 3  # phones in the tip of a codeword


def view(codec: Codec) -> str:
    """The figures and the table as HTML.

    Empty for a model that was not measured, a sentence for a damaged record.
    """
    try:
        known = facts.phones(codec)
    except InputError as error:
        return f'<p class="vq-note">{escape(str(error))}</p>'
    if known is None:
        return ""
    return (
        f'<div class="cb-figures cb-phones"><div class="cb-wide">{_bigrams(codec, known)}{_mapping(codec, known)}{_table(known)}'
        f"</div></div>"
    )


def _order(known: PhoneRecord) -> list[int]:
    """The codewords by their phones, and the surest of each phone first; those that never occur are last."""
    named = known.code_phones()
    used, unused = ([code for code, phone in enumerate(named) if (phone is not None) == wanted] for wanted in (True, False))
    return sorted(used, key=lambda code: (named[code][0], -named[code][1])) + unused


def _bigrams(codec: Codec, known: PhoneRecord) -> str:
    order = _order(known)
    codes = np.array(known.code_bigrams)[np.ix_(order, order)]
    tables = {"codewords": (codes, [str(code) for code in order]), "phones": (np.array(known.phone_bigrams), known.phones)}
    drawn = {}
    for kind, (counts, names) in tables.items():
        drawn[f"{kind}, without repeats"] = charts.matrix(_shares(counts * (1 - np.eye(len(counts))), 1), names, names, SIZE)
        drawn[kind] = charts.matrix(_shares(counts, 1), names, names, SIZE)
    name = f"{codec.name}-bigrams"
    return figure.figure(name, "What follows what", BIGRAMS, figure.layers(drawn), SIZE, figure.chooser("Show", [*drawn]))


def _mapping(codec: Codec, known: PhoneRecord) -> str:
    order, shares = _order(known), _shares(np.array(known.together), 0)
    rows = [i for i in range(len(known.phones)) if shares[i].max() >= 0.1]
    tips = [_tip(known, code, shares[:, code]) for code in order]
    names = [known.phones[i] for i in rows]
    body = charts.matrix(shares[np.ix_(rows, order)], names, [str(code) for code in order], SIZE, tips)
    return figure.figure(f"{codec.name}-phones", "Codewords and phones", MAPPING, body, SIZE)


def _tip(known: PhoneRecord, code: int, shares: np.ndarray) -> str:
    best = [i for i in np.argsort(-shares, kind="stable")[:NAMED] if shares[i] > 0]
    named = ", ".join(f"{known.phones[i]} {100 * shares[i]:.0f} %" for i in best)
    return f"Code {code}: mostly {named}" if named else f"Code {code} never occurs"


def _shares(counts: np.ndarray, axis: int) -> np.ndarray:
    """Counts over their sums along an axis; 0 where there are none."""
    return counts / counts.sum(axis, keepdims=True).clip(min=1)


def _table(known: PhoneRecord) -> str:
    said = MEASURED.format(
        clips=known.test_clips, dataset=known.dataset, frames=known.test_frames, accuracy=100 * known.accuracy
    )
    names = [*next(iter(known.metrics.values()))]
    head = "".join(f'<th scope="col">{escape(row)}</th>' for row in known.metrics)
    rows = "".join(
        f'<tr><th scope="row">{escape(NAMES.get(name, name))}</th>'
        + "".join(f"<td>{values[name]:.3f}</td>" for values in known.metrics.values()) + "</tr>"
        for name in names
    )
    return (
        f'<section class="cb-figure"><h3>How much a codeword says about the phone</h3><p class="vq-note">{escape(said)}</p>'
        f'<table class="cb-metrics"><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table></section>'
    )
