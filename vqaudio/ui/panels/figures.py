"""The figures of the Codebooks view, from what `vqaudio explore` measured, as SVG."""

from functools import cache
from html import escape

from vqaudio.analysis.exploration import Distances, Exploration, Map
from vqaudio.analysis.knowledge import Knowledge
from vqaudio.analysis.training_curves import TrainingCurves
from vqaudio.codec import Codec
from vqaudio.errors import InputError
from vqaudio.pitches import word
from vqaudio.ui import facts, models
from vqaudio.ui.panels import charts, figure, phone_figures

NOT_YET = "The latents of {model} were not explored yet: <code>vqaudio explore --model {model}</code> does that."
MAP = "{shown:,} of {columns:,} columns of the {part} clips, by UMAP: neighbours stay neighbours, the axes have no unit.{crosses}"
DISTANCES = (
    "How far the latent vectors are from the sum of their codewords so far. Line: median; band: nine in ten cells. What is left "
    "after the last stage is lost."
)
KNOWS = (
    "How much each stage reveals of a clip's {kind}. Bars: normalised mutual information of code and label; dashed: with "
    "shuffled labels, the part that is chance."
)
PROBES = (
    "Clips whose {kind} a linear probe gets right from how often each codeword of one stage occurs. Solid line: from all stages; "
    "dashed: from the mean latent vector; dotted: always guessing the most frequent. It was trained on {learned}."
)
LEARNED = {"train": "the training clips", "folds": "other clips of the same part"}
NO_LABEL = "no label"
MAP_SIZE, CHART_SIZE = (540, 290), (420, 210)


def view(model: str | None = None) -> str:
    """The figures of a model as HTML; a sentence if it was not explored."""
    try:
        codec = models.codec(model)
        known = facts.exploration(codec)
    except InputError as error:
        return f'<p class="vq-note">{escape(str(error))}</p>'
    if known is None:
        return f'<p class="vq-note">{NOT_YET.format(model=escape(codec.name))}</p>{phone_figures.view(codec)}{_card(codec, [])}'
    return _page(codec)


@cache
def _page(codec: Codec) -> str:
    known = facts.exploration(codec)
    wide = _map(codec, known) + _distances(codec, known.distances)
    small = "".join(_knowledge(codec, kind, one) for kind, one in known.knows.items())
    return (
        f'<div class="cb-figures"><div class="cb-wide">{wide}</div><div class="cb-small">{small}</div></div>'
        f"{phone_figures.view(codec)}{_card(codec, known.training)}"
    )


def _map(codec: Codec, known: Exploration) -> str:
    flat, crosses = known.map, list(zip(known.map.words_x, known.map.words_y))
    grouped = {kind: _groups(flat, kind, names) for kind, names in known.values.items() if kind in flat.labels}
    drawn = grouped or {"": {NO_LABEL: list(zip(flat.x, flat.y))}}
    layers = {kind: charts.scatter(groups, crosses, *MAP_SIZE, next(iter(groups))) for kind, groups in drawn.items()}
    ending = " Crosses: the codewords of stage 1." if crosses else ""
    said = MAP.format(shown=len(flat.x), columns=known.columns, part=known.part, crosses=ending)
    return figure.figure(f"{codec.name}-map", "Map of the latents", said, figure.layers(layers), MAP_SIZE, _chooser(grouped))


def _groups(flat: Map, kind: str, names: list[str]) -> dict[str, list[tuple[float, float]]]:
    groups: dict[str, list] = {name: [] for name in [*names, NO_LABEL]}
    for x, y, position in zip(flat.x, flat.y, flat.labels[kind]):
        groups[[*names, NO_LABEL][position]].append((x, y))
    return {name: points for name, points in groups.items() if points}


def _chooser(grouped: dict[str, dict]) -> str:
    """A select of the labels: the columns of the chosen one stand out."""
    options = "".join(
        f'<optgroup label="{escape(kind)}">'
        + "".join(figure.option(kind, name, f"{kind} {word(kind, name)}") for name in groups)
        + "</optgroup>"
        for kind, groups in grouped.items()
    )
    return figure.select("Highlight", options)


def _distances(codec: Codec, found: Distances) -> str:
    low, high = ([_quantile(found, stage, share) for stage in range(len(found.shares))] for share in (0.05, 0.95))
    frame = charts.Frame(*MAP_SIZE, 1.05 * max(*high, *found.medians), "Distance after each stage", "stage")
    body = charts.band(frame, low, found.medians, high)
    return figure.figure(f"{codec.name}-distances", "Distances to the codewords", DISTANCES, body, MAP_SIZE)


def _quantile(found: Distances, stage: int, share: float) -> float:
    """A quantile of a stage's distances, from their histogram."""
    total = 0.0
    for left, right, part in zip(found.edges, found.edges[1:], found.shares[stage]):
        if part and total + part >= share:
            return left + (right - left) * (share - total) / part
        total += part
    return found.edges[-1]


def _knowledge(codec: Codec, kind: str, known: Knowledge) -> str:
    top = max(*known.nmi, *known.nmi_by_chance, 0.05)
    frame = charts.Frame(*CHART_SIZE, top, "Mutual information", "stage")
    shared = charts.bars(frame, known.nmi, known.nmi_by_chance)
    frame = charts.Frame(*CHART_SIZE, 100, f"Probe accuracy in %, {known.clips} clips", "stage")
    levels = {
        f"all stages {100 * known.probe_of_all:.0f} %": 100 * known.probe_of_all,
        f"mean latent vector {100 * known.probe_of_latents:.0f} %": 100 * known.probe_of_latents,
        f"most frequent {100 * known.largest:.0f} %": 100 * known.largest,
    }
    probed = charts.bars(frame, [100 * value for value in known.probe], (), levels)
    name, learned = f"{codec.name}-{kind}", LEARNED[known.learned_from]
    return figure.figure(f"{name}-information", f"Codes and {kind}", KNOWS.format(kind=kind), shared, CHART_SIZE) + figure.figure(
        f"{name}-probe", f"Reading the {kind} from the codes", PROBES.format(kind=kind, learned=learned), probed, CHART_SIZE
    )


def _card(codec: Codec, training: list[TrainingCurves]) -> str:
    """The model card in a fold, with the training curves in it; empty without a card."""
    path = codec.folder / "README.md" if codec.folder else None
    if path is None or not path.is_file():
        return ""
    text = path.read_text(errors="replace").split("---\n", 2)[-1]
    curves = "".join(_training(one) for one in training)
    title = f"Model card of {escape(codec.name)}, with its training curves"
    return (
        f'<details class="cb-card" id="model-card"><summary>{title}</summary>'
        f'<div class="cb-small">{curves}</div><pre tabindex="0">{escape(text)}</pre></details>'
    )


def _training(curves: TrainingCurves) -> str:
    """The score on the validation clips over one training run."""
    shown = {name: values for name, values in curves.validation.items() if not name.startswith("si_sdr")}
    steps, top = curves.looks, max((max(values) for values in shown.values() if values), default=0.0)
    if not top:
        shown, steps = {"loss": curves.losses.get("loss", [])}, curves.step
        top = max(shown["loss"], default=1.0)
    frame = charts.Frame(*CHART_SIZE, top, f"Run {curves.name}", f"training steps, 0 to {max(steps, default=0):,}")
    body = charts.lines(frame, steps, shown, max(steps, default=1))
    said = "Scores on the validation clips; lower is better."
    return figure.figure(f"{curves.name}-training", f"Training run {curves.name}", said, body, CHART_SIZE)
