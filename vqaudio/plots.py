"""Figures. What they show was computed elsewhere."""

import numpy as np
from matplotlib.figure import Figure


def listen_figure(
    *, original_db: np.ndarray | None, decoded_db: np.ndarray, top_db: float, range_db: float, maps: list[np.ndarray],
    vocabs: list[int], ranks: list[list[int]], on: tuple[int, ...], seconds: float, columns_s: float, sample_rate: int,
    title: str,
) -> Figure:
    """The Listen view on paper: spectrograms over one lane a stage, on one time axis.

    Args:
        original_db, decoded_db: dB [bins, frames] over the whole clip; the original may be missing.
        top_db, range_db: what is black, and how far below it is white.
        maps: for each stage its indices [bands, T * steps].
        vocabs, ranks: codewords a stage, and the place of each on the colour scale.
        on: the stages (from 0) that were decoded; the others are pale.
        seconds, columns_s: length of the clip, and of its columns, which may reach a little beyond it.
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
    """One panel of curves for each thing that was measured, over a table.

    Args:
        curves: for each measure, of every run its name, its steps and its scores there.
        header, rows: the table in words; without rows there is none.
    """
    heights = [4.0] * len(curves) + ([0.3 * (len(rows) + 2)] if rows else [])
    figure = Figure(figsize=(9, sum(heights)), layout="constrained")
    axes = figure.subplots(len(heights), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    for axis, (measure, runs) in zip(axes, curves.items()):
        for name, steps, scores in runs:
            axis.plot(steps, scores, marker=".", label=name)
        axis.set(title=f"{measure} on the validation part", xlabel="steps", ylabel=measure)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    if rows:
        axes[-1].axis("off")
        drawn = axes[-1].table(rows, colLabels=header, loc="center", cellLoc="left")
        drawn.auto_set_font_size(False)
        drawn.set_fontsize(8)
        drawn.auto_set_column_width(range(len(header)))
    return figure


def experiment_figure(title: str, curves: dict[str, list[tuple]], finals: dict[str, list[tuple]]) -> Figure:
    """An experiment: above, a panel for each curve, with a band of one standard deviation over the seeds; below, a panel for
    each final measure, with a bar of one standard deviation.

    Args:
        curves: for each axis, of every setting its name, its steps and there the spread (mean, deviation, n).
        finals: for each measure, of every setting its name and the spread.
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
