"""Matplotlib figures of results computed elsewhere."""

import io

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.figure import Figure


def picture(figure: Figure, form: str, dpi: int = 80) -> bytes:
    """Render a figure as png, svg or pdf.

    In an SVG, text stays text, and rasterised parts have at least 90 dpi.
    """
    buffer = io.BytesIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "vqaudio"}):
        figure.savefig(buffer, format=form, dpi=dpi if form == "png" else max(dpi, 90))
    return buffer.getvalue()


def listen_figure(
    *, original_db: np.ndarray | None, decoded_db: np.ndarray, top_db: float, range_db: float, maps: list[np.ndarray],
    vocabs: list[int], ranks: list[list[int]], on: tuple[int, ...], seconds: float, columns_s: float, sample_rate: int,
    title: str,
) -> Figure:
    """Figure of the Listen view: spectrograms over one lane a stage, on one time axis.

    Args:
        original_db, decoded_db: dB [bins, frames] over the whole clip; the original may be missing.
        top_db, range_db: the level of black, and the range down to white.
        maps: for each stage its indices [bands, T * steps].
        vocabs, ranks: codewords a stage, and the position of each on the colour scale.
        on: the stages (from 0) that were decoded; the others are pale.
        seconds, columns_s: length of the clip, and of its columns, which may be a little longer.
        sample_rate: Hz.
        title: of the figure.
    """
    spectra = [("Original", original_db)] if original_db is not None else []
    spectra.append(("Decoded", decoded_db))
    heights = [3.0] * len(spectra) + [max(0.8, 0.35 * len(m)) for m in maps]
    figure = Figure(figsize=(10, 0.42 * sum(heights) + 1.1), layout="constrained")
    axes = figure.subplots(len(heights), 1, sharex=True, gridspec_kw={"height_ratios": heights})
    for axis, (name, decibel) in zip(axes, spectra):
        axis.imshow(
            decibel, origin="lower", aspect="auto", cmap="Greys", vmin=top_db - range_db, vmax=top_db,
            extent=(0, seconds, 0, sample_rate / 2000),
        )
        axis.set_ylabel(f"{name}\nkHz")
    for j, (axis, indices) in enumerate(zip(axes[len(spectra) :], maps)):
        colours = np.asarray(ranks[j])[indices] / max(1, vocabs[j] - 1)
        axis.imshow(
            colours, origin="lower", aspect="auto", cmap="viridis", vmin=0, vmax=1, interpolation="nearest",
            alpha=1.0 if j in on else 0.2, extent=(0, columns_s, 0, len(indices)),
        )
        axis.set_ylabel(f"{j + 1}", rotation=0, va="center", labelpad=12)
        axis.set_yticks([])
    axes[-1].set_xlim(0, seconds)
    axes[-1].set_xlabel("seconds")
    figure.suptitle(title, fontsize=11)
    return figure


def experiments_figure(
    curves: dict[str, list[tuple[str, list[int], list[float]]]], header: tuple[str, ...], rows: list[tuple[str, ...]]
) -> Figure:
    """Figure with one panel of curves for each measure, over a table.

    Args:
        curves: for each measure, the name, steps and scores of every run.
        header, rows: the table; without rows there is none.
    """
    heights = [4.0] * len(curves) + ([0.3 * (len(rows) + 2)] if rows else [])
    figure = Figure(figsize=(12, sum(heights)), layout="constrained")
    axes = figure.subplots(len(heights), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    for axis, (measure, runs) in zip(axes, curves.items()):
        axis.set_prop_cycle(color=colormaps["tab20"].colors)
        for name, steps, scores in runs:
            axis.plot(steps, scores, marker=".", label=name)
        axis.set(title=f"{measure} on the validation part", xlabel="steps", ylabel=measure)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))  # outside: there may be many runs
    if rows:
        axes[-1].axis("off")
        drawn = axes[-1].table(rows, colLabels=header, loc="center", cellLoc="left")
        drawn.auto_set_font_size(False)
        drawn.set_fontsize(8)
        drawn.auto_set_column_width(range(len(header)))
    return figure


def experiment_figure(title: str, curves: dict[str, list[tuple]], finals: dict[str, list[tuple]]) -> Figure:
    """Figure of an experiment: curves, and final measures.

    Above, a panel for each curve, with a band of one standard deviation over the seeds; below, a panel for each final measure,
    with a bar of one standard deviation.

    Args:
        title: of the figure.
        curves: for each axis, the name, steps and spreads (mean, deviation, n) of every setting.
        finals: for each measure, the name and spread of every setting.
    """
    columns = max(len(curves), len(finals), 1)
    settings = max((len(lines) for lines in finals.values()), default=1)
    rows = [4.0] * bool(curves) + [0.8 + 0.3 * settings] * bool(finals)
    figure = Figure(figsize=(max(7.0, 3.6 * columns), sum(rows) + 0.7), layout="constrained")
    parts = figure.subfigures(len(rows), 1, height_ratios=rows, squeeze=False)[:, 0]
    if curves:
        for axis, (name, lines) in zip(parts[0].subplots(1, len(curves), squeeze=False)[0], curves.items()):
            for label, steps, spreads in lines:
                means = np.array([spread.mean for spread in spreads])
                deviations = np.nan_to_num([spread.deviation for spread in spreads])
                (line,) = axis.plot(steps, means, marker=".", label=label)
                axis.fill_between(steps, means - deviations, means + deviations, color=line.get_color(), alpha=0.2, lw=0)
            axis.set(xlabel="training steps", ylabel=name)
            axis.yaxis.label.set_size(8)
            axis.grid(alpha=0.3)
        parts[0].axes[0].legend(fontsize=8)
    if finals:
        for axis, (name, bars) in zip(parts[-1].subplots(1, len(finals), squeeze=False, sharey=True)[0], finals.items()):
            for at, (_, spread) in enumerate(bars):
                axis.errorbar(spread.mean, at, xerr=np.nan_to_num(spread.deviation), fmt="o", capsize=3, color=f"C{at}")
            axis.set(xlabel=name, yticks=range(len(bars)), yticklabels=[label for label, _ in bars], ylim=(len(bars) - 0.5, -0.5))
            axis.grid(alpha=0.3, axis="x")
    figure.suptitle(title, fontsize=11)
    return figure


def training_figure(curves) -> Figure:
    """Figure of a training run: losses, validation scores, perplexities, gradients.

    Args:
        curves: `analysis.training_curves.TrainingCurves`.
    """
    figure = Figure(figsize=(13, 3.4), layout="constrained")
    losses, scores, perplexity, gradients = figure.subplots(1, 4)
    _lines(losses, curves.step, curves.losses, "loss, and its terms without their weights", log=True)
    mel = {name: values for name, values in curves.validation.items() if not name.startswith("si_sdr")}
    _lines(scores, curves.looks, mel, "score on validation clips (lower is better)", marker=".")
    _lines(perplexity, curves.step, curves.perplexity, "perplexity of a stage (codewords)", ordered="stage")
    _lines(gradients, curves.step, curves.gradients, "norm of the gradient, before clipping", log=True)
    figure.suptitle(f"Training run {curves.name}", fontsize=11)
    return figure


def _lines(axis, steps: list, lines: dict, label: str, log=False, marker="", ordered: str | None = None) -> None:
    """A panel of lines over training steps, or a note that none were recorded. `ordered`: the legend of ordered lines."""
    axis.set(xlabel="training steps", ylabel=label)
    if not lines:
        axis.text(0.5, 0.5, "not recorded in this run", ha="center", va="center", transform=axis.transAxes, color="0.4")
        axis.set(xticks=[], yticks=[])
        return
    colours = _shades(len(lines)) if ordered else [f"C{i % 10}" for i in range(len(lines))]
    for (name, values), colour in zip(lines.items(), colours):
        axis.plot(steps, values, marker=marker, color=colour, label=name, lw=1.2)
    if log:
        axis.set_yscale("log")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=6.5, title=ordered, title_fontsize=7, ncols=2 if len(lines) > 6 else 1)


def _shades(n: int) -> np.ndarray:
    """Colours of n stages, the first one darkest."""
    return colormaps["viridis"](np.linspace(0, 0.9, n))


def map_figure(space, values: dict[str, list[str]]) -> Figure:
    """Figure of columns and codewords in two dimensions, a panel a colouring.

    By each kind of label, and by codeword.

    Args:
        space: `analysis.exploration.Map`.
        values: kind -> labels.
    """
    kinds = [kind for kind in values if kind in space.labels]
    figure = Figure(figsize=(5.2 * (len(kinds) + 1), 5), layout="constrained")
    for axis, kind in zip(figure.subplots(1, len(kinds) + 1, squeeze=False, sharex=True, sharey=True)[0], [*kinds, None]):
        _coloured(axis, space, kind, values.get(kind, []))
        if kind == "phone":
            _named(axis, space, values[kind])
        if space.words_x:
            axis.scatter(space.words_x, space.words_y, s=16, marker="x", c="black", lw=0.7, label="codewords", zorder=3)
        axis.set(xlabel="UMAP dimension 1 (no unit)", ylabel="UMAP dimension 2 (no unit)")
        axis.set_title("coloured by the codeword of stage 1" if kind is None else f"coloured by {kind}", fontsize=10)
        axis.legend(fontsize=7, markerscale=1.5, loc="best", ncols=2)
    figure.suptitle("Latent vectors of columns, and the codewords of stage 1, by UMAP", fontsize=11)
    return figure


def _coloured(axis, space, kind: str | None, names: list[str]) -> None:
    """The columns, with a legend for few values; rasterised, because thousands of shapes make an SVG heavy."""
    ids = np.array(space.words if kind is None else space.labels[kind])
    entries = {"columns": "0.4"}
    if kind is None:  # adjacent indices are unrelated: their colours are far apart
        colours = colormaps["hsv"](ids * 61 % 256)
    elif kind == "phone":
        colours, entries = colormaps["hsv"](ids * 97 % 256), {"columns": "0.4"}
        colours[ids == len(names)] = (0.7, 0.7, 0.7, 1)
    elif len(names) > 20:
        colours, entries = colormaps["viridis"](ids / len(names)), {f"columns, {len(names)} values in order": "0.4"}
    else:
        palette = np.array([*colormaps["tab10" if len(names) <= 10 else "tab20"](range(len(names))), (0.7, 0.7, 0.7, 1)])
        colours, entries = palette[ids], {name: palette[i] for i, name in enumerate(names)}
        entries |= {"no label": palette[-1]} if len(names) in ids else {}
    axis.scatter(space.x, space.y, c=colours, s=7, alpha=0.8, lw=0, rasterized=True)
    for name, colour in entries.items():
        axis.scatter([], [], color=colour, s=7, label=name)


def _named(axis, space, phones: list[str]) -> None:
    """Write each phone's name in the middle of its columns."""
    ids, positions = np.array(space.labels["phone"]), np.array([space.x, space.y]).T
    for i, phone in enumerate(phones):
        if (ids == i).any():
            axis.annotate(phone, np.median(positions[ids == i], axis=0), fontsize=8, weight="bold", ha="center", va="center")


def distances_figure(distances) -> Figure:
    """Histograms, one a stage, of the distances from vectors to their codewords.

    `analysis.exploration.Distances`.
    """
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axis = figure.subplots()
    edges = np.array(distances.edges)
    for j, (shares, colour) in enumerate(zip(distances.shares, _shades(len(distances.shares)))):
        median = distances.medians[j]
        axis.stairs(100 * np.array(shares), edges, color=colour, lw=1.4, label=f"{j + 1} (median {median:.3g})")
    axis.set(xlabel="Euclidean distance to the sum of the codewords so far, in the latents' own unit", ylabel="% of the cells")
    axis.set_title("How far vectors are from their codewords, stage after stage", fontsize=11)
    axis.grid(alpha=0.3)
    axis.legend(fontsize=7, title="after stage", title_fontsize=8)
    return figure


def knowledge_figure(knows: dict) -> Figure:
    """Figure of each stage's information about labels.

    Mutual information, and the accuracy of a linear probe.

    Args:
        knows: kind -> `analysis.knowledge.Knowledge`.
    """
    figure = Figure(figsize=(11, 3.2 * len(knows) + 0.4), layout="constrained")
    for (shared, probed), (kind, known) in zip(figure.subplots(len(knows), 2, squeeze=False), knows.items()):
        stages = np.arange(1, len(known.nmi) + 1)
        shared.bar(stages - 0.2, known.nmi, 0.4, label=f"index and {kind}")
        shared.bar(stages + 0.2, known.nmi_by_chance, 0.4, color="0.7", label="with the labels dealt out at random")
        shared.set(xlabel="stage", ylabel="normalised mutual information", xticks=stages)
        shared.set_title(f"A cell's index and the clip's {kind}")
        probed.bar(stages, 100 * np.array(known.probe), 0.6, color="C1", label="this stage's codewords in the clip")
        for value, style, what in (
            (known.probe_of_all, "-", "all stages' codewords"), (known.probe_of_latents, "--", "the mean latent vector"),
            (known.largest, ":", "always the most frequent"),
        ):
            probed.axhline(100 * value, ls=style, color="0.3", lw=1.2, label=f"{what}: {100 * value:.0f} %")
        probed.set(xlabel="stage", ylabel="accuracy, %", xticks=stages, ylim=(0, 105))
        probed.set_title(f"A linear probe's {kind}, {known.clips} clips")
        for axis in (shared, probed):
            axis.title.set_size(10)
            axis.grid(alpha=0.3, axis="y")
            axis.legend(fontsize=7)
    return figure


def matrices_figure(tables: dict[str, tuple[list, np.ndarray]], title: str) -> Figure:
    """Draw square matrices side by side, two in a row.

    For each title the names of rows and columns, and the values [n, n], 0 to 1.
    """
    rows = -(-len(tables) // 2)
    figure = Figure(figsize=(12, 5.5 * rows + 0.5), layout="constrained")
    axes = figure.subplots(rows, 2, squeeze=False).flat
    for axis, (name, (names, matrix)) in zip(axes, tables.items()):
        image = axis.imshow(matrix, cmap="viridis", vmin=0, vmax=max(float(matrix.max()), 1e-9), interpolation="nearest")
        axis.set_title(name, fontsize=10)
        axis.set_xticks(range(len(names)), names, fontsize=5, rotation=90)
        axis.set_yticks(range(len(names)), names, fontsize=5)
        figure.colorbar(image, ax=axis, shrink=0.8)
    figure.suptitle(title, fontsize=11)
    return figure
