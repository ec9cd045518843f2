"""Matplotlib figures of speech units: over sizes, seeds and training."""

import io
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from PIL import Image

PANELS = {"nmi": "NMI of codes and phones", "pnmi": "PNMI", "phone_purity": "phone purity", "ami": "AMI"}
FRAME_DPI = 80
INCHES_PER_S, WIDTHS = 1.6, (11.0, 30.0)  # of a comparison
MOST_PER_INCH = 10  # phones whose names are written; of more, they would cover each other


def sizes_figure(title: str, sizes: list) -> Figure:
    """Curves of measures over the codebook size; bars are one deviation over seeds.

    Args:
        title: of the figure.
        sizes: `experiments.phone_units.Size`, at least one, the smallest first.
    """
    figure = Figure(figsize=(13, 3.6), layout="constrained")
    vocabs = [size.vocab for size in sizes]
    for axis, (measure, name) in zip(figure.subplots(1, len(PANELS)), PANELS.items()):
        for units in sizes[0].scores:
            spreads = [size.spread(units, measure) for size in sizes]
            means, deviations = [s.mean for s in spreads], np.nan_to_num([s.deviation for s in spreads])
            axis.errorbar(vocabs, means, yerr=deviations, marker="o", ms=4, capsize=3, lw=1.3, label=units)
        axis.set_xscale("log", base=2)
        axis.set_xticks(vocabs, vocabs)
        axis.minorticks_off()
        axis.set(xlabel="codewords", ylabel=name)
        axis.grid(alpha=0.3)
    figure.axes[0].legend(fontsize=8)
    figure.suptitle(title, fontsize=11)
    return figure


def seeds_figure(title: str, sizes: list) -> Figure:
    """Measures of one codebook size: a dot a seed, and the mean with one deviation.

    Random codes are left out: their distance would hide the spread.

    Args:
        title: of the figure.
        sizes: one `experiments.phone_units.Size`, in a list.
    """
    (size,) = sizes
    figure = Figure(figsize=(13, 3.4), layout="constrained")
    names = [name for name in size.scores if name != "random"]
    for axis, (measure, label) in zip(figure.subplots(1, len(PANELS)), PANELS.items()):
        for at, name in enumerate(names):
            values, spread = size.scores[name][measure], size.spread(name, measure)
            axis.scatter([at + 0.15] * len(values), values, s=14, color=f"C{at}", alpha=0.7)
            axis.errorbar(at - 0.1, spread.mean, yerr=np.nan_to_num(spread.deviation), fmt="o", capsize=3, color=f"C{at}")
        axis.set(ylabel=label, xticks=range(len(names)), xlim=(-0.6, len(names) - 0.4))
        axis.set_xticklabels([name.replace(" on ", "\non ") for name in names], fontsize=8)
        axis.grid(alpha=0.3, axis="y")
    figure.suptitle(f"{title}, {size.vocab} codewords", fontsize=11)
    return figure


def comparison_figure(
    *, wave: np.ndarray, decoded: np.ndarray, features: tuple[str, np.ndarray, np.ndarray], maps: list[np.ndarray],
    vocabs: list[int], ranks: list[list[int]], phones: list, sample_rate: int, columns_s: float, title: str,
) -> Figure:
    """One clip on one time axis: waveform, features, codes, phones, reconstruction.

    Args:
        wave, decoded: samples [N] before and after the codec.
        features: their name, and values [dim, frames] of the original and of the reconstruction.
        maps: for each stage its indices [bands, T * steps].
        vocabs, ranks: codewords a stage, and the position of each on the colour scale.
        phones: `TimedLabel` in order; none leaves the row out.
        sample_rate: Hz.
        columns_s: length of the columns, which may be a little longer than the clip.
        title: of the figure.
    """
    name, before, after = features
    rows = [("Waveform", 1.2), (name, 2.0), *((f"Codes {j}" if len(maps) > 1 else "Codes", max(0.5, 0.35 * len(m)))
            for j, m in enumerate(maps, 1)), *([("Phones", 0.5)] if phones else []), ("Decoded", 1.2), (f"{name}\ndecoded", 2.0)]
    heights = [height for _, height in rows]
    seconds = len(wave) / sample_rate
    width = float(np.clip(INCHES_PER_S * seconds, *WIDTHS))
    figure = Figure(figsize=(width, 0.75 * sum(heights) + 1), layout="constrained")
    axes = figure.subplots(len(rows), 1, sharex=True, gridspec_kw={"height_ratios": heights})
    for axis, (label, _) in zip(axes, rows):
        axis.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=8)
    loudest = max(float(np.abs(wave).max()), float(np.abs(decoded).max()), 1e-6)
    for axis, samples in ((axes[0], wave), (axes[-2], decoded)):
        axis.plot(np.arange(len(samples)) / sample_rate, samples, lw=0.4, color="0.2", rasterized=True)
        axis.set_ylim(-loudest, loudest)
    for axis, values in ((axes[1], before), (axes[-1], after)):
        axis.imshow(
            values, origin="lower", aspect="auto", cmap="magma", interpolation="nearest", vmin=before.min(), vmax=before.max(),
            extent=(0, seconds, 0, len(values)),
        )
    for j, indices in enumerate(maps):
        colours = np.asarray(ranks[j])[indices] / max(1, vocabs[j] - 1)
        axes[2 + j].imshow(
            colours, origin="lower", aspect="auto", cmap="viridis", vmin=0, vmax=1, interpolation="nearest",
            extent=(0, columns_s, 0, len(indices)),
        )
        axes[2 + j].set_yticks([])
    if phones:
        _phones(axes[2 + len(maps)], phones, named=len(phones) <= MOST_PER_INCH * width)
    axes[-1].set(xlim=(0, seconds), xlabel="seconds")
    figure.suptitle(title, fontsize=11)
    return figure


def _phones(axis, phones: list, named: bool) -> None:
    """A strip of phones with their names, if they are few enough to read."""
    for i, label in enumerate(phones):
        axis.axvspan(label.start_s, label.end_s, color=("0.93", "0.82")[i % 2], lw=0)
        if named:
            axis.text((label.start_s + label.end_s) / 2, 0.5, label.value, ha="center", va="center", fontsize=6, clip_on=True)
    axis.set(yticks=[], ylim=(0, 1))


def gradients_figure(curves) -> Figure:
    """Figure of a run's gradient norms by part of the network, before clipping.

    Args:
        curves: `analysis.training_curves.TrainingCurves` with gradients.
    """
    figure = Figure(figsize=(9, 4.6), layout="constrained")
    axis = figure.subplots()
    colours = colormaps["tab20"].colors
    for i, (part, norms) in enumerate(curves.gradients.items()):
        axis.plot(curves.step, norms, label=part, color=colours[i % len(colours)], lw=1.4)
    axis.set(xlabel="training steps", ylabel="Euclidean norm of the gradient, before clipping", yscale="log")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.suptitle(f"Gradients in training run {curves.name}", fontsize=11)
    return figure


def write_film(film, path: Path, ending: str, seconds_per_frame: float) -> None:
    """Write an animated WebP or GIF: latents and codewords, a frame a snapshot.

    Args:
        film: `analysis.film.Film`.
        path: of the file.
        ending: ".webp" or ".gif".
        seconds_per_frame: the last frame stays four times as long.
    """
    frames = [_frame(film, i) for i in range(len(film.steps))]
    lengths = [round(1000 * seconds_per_frame)] * (len(frames) - 1) + [round(4000 * seconds_per_frame)]
    form = ending[1:]
    extra = {"quality": 80, "method": 4} if form == "webp" else {"optimize": True}
    frames[0].save(path, form, save_all=True, append_images=frames[1:], duration=lengths, loop=0, **extra)


def _frame(film, i: int) -> Image.Image:
    figure = Figure(figsize=(7, 6), layout="constrained")
    axis = figure.subplots()
    axis.scatter(*film.latents[i].T, c=_distinct(film.groups), s=6, alpha=0.7, lw=0)
    axis.scatter(*film.words[i].T, s=22, marker="x", c="black", lw=0.9)
    for at, name in enumerate(film.names):
        of_name = film.latents[i][film.groups == at]
        if len(of_name):
            axis.annotate(name, np.median(of_name, axis=0), fontsize=8, ha="center", va="center", weight="bold")
    (left, right), (low, high) = film.limits
    axis.set(xlim=(left, right), ylim=(low, high), xlabel="principal component 1", ylabel="principal component 2")
    title = f"Step {film.steps[i]:,} of {film.steps[-1]:,}: latents (coloured {film.colours}) and {len(film.words[i])} codewords"
    axis.set_title(title, fontsize=10)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=FRAME_DPI)
    return Image.open(buffer).convert("RGB")


def _distinct(groups: np.ndarray) -> np.ndarray:
    """Colours of groups, grey for -1; neighbours in number are far apart in hue."""
    colours = colormaps["hsv"](groups * 97 % 256)
    colours[groups < 0] = (0.7, 0.7, 0.7, 1)
    return colours
