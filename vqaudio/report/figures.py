"""The report's figures, written as SVG files."""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from vqaudio import audio
from vqaudio.experiments.curves import read_curves
from vqaudio.report.results import FIRST, Results

STYLE = {
    "font.size": 7, "axes.titlesize": 7.5, "axes.labelsize": 7, "legend.fontsize": 6, "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5, "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.6, "lines.linewidth": 1.2,
    "svg.fonttype": "path", "svg.hashsalt": "vqaudio", "axes.grid": True, "grid.alpha": 0.25, "grid.linewidth": 0.5,
}
INK, OURS, SOFT = "#14161c", "#c2410c", "#8a8f9c"
CLIP = "assets/examples/7_jackson_0.wav"


def draw(results: Results, work: Path) -> None:
    """Write rate.svg, training.svg, codemap.svg and, if any, experiments.svg."""
    with matplotlib.rc_context(STYLE):
        for name, figure in (("rate", rate(results)), ("training", training(results)), ("codemap", codemap(results))):
            figure.savefig(work / f"{name}.svg", metadata={"Date": None})
        if results.experiments:
            experiments(results).savefig(work / "experiments.svg", metadata={"Date": None})


def rate(results: Results) -> Figure:
    """Plot PESQ and ESTOI against bit rate, for the digit codec and its peers."""
    name = FIRST[0]
    ours = sorted((row for row in results.scores[name] if row["name"].startswith(name)), key=lambda row: row["bits_per_second"])
    peers = [row for row in results.scores[name] if not row["name"].startswith((name, "original"))]
    figure = Figure(figsize=(3.5, 1.75), layout="constrained")
    for axis, (key, title) in zip(figure.subplots(1, 2), (("pesq", "PESQ, narrow band"), ("estoi", "ESTOI"))):
        families: dict[str, list[dict]] = {}
        for row in peers:
            families.setdefault(row["name"].split("_")[0], []).append(row)
        for marker, (family, rows) in zip("os^Dv", families.items()):
            points = sorted((row["bits_per_second"], row[key]) for row in rows)
            axis.plot(*zip(*points), marker=marker, ms=3, color=SOFT, label=family, lw=0.7)
        points = [(row["bits_per_second"], row[key]) for row in ours]
        axis.plot(*zip(*points), marker="o", ms=4, color=OURS, label="ours")
        axis.set(title=title, xlabel="bit/s", xscale="log")
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1000:g}k"))
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.set_xticks([1000, 2000, 4000, 8000])
    figure.axes[0].legend(frameon=False)
    return figure


def training(results: Results) -> Figure:
    """Plot the validation curves of runs that are named after an installed model."""
    named = tuple(results.codecs) + tuple(results.priors)
    panels = {}
    for measure, curves in read_curves(results.root / "experiments").items():
        chosen = [curve for curve in curves if curve.name.startswith(named) and curve.steps]
        if chosen:
            panels[measure] = chosen
    figure = Figure(figsize=(3.5, 1.7), layout="constrained")
    for axis, (measure, curves) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items()):
        for curve in curves:
            exact = curve.name in named
            style = {"lw": 1.3, "label": curve.name} if exact else {"lw": 0.6, "color": SOFT, "alpha": 0.7}
            axis.plot(curve.steps, curve.scores, **style)
        axis.set(title={"bits": "priors: bits per cell", "mel_l1": "codecs: mel-L1"}.get(measure, measure), xlabel="steps")
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1000:g}k"))
        axis.legend(frameon=False, fontsize=4.8)
    return figure


def codemap(results: Results) -> Figure:
    """Draw a clip's spectrogram above its code map, by the digit codec."""
    codec = results.models[FIRST[0]]
    sound = audio.read(results.root / CLIP, codec.sample_rate)
    ids = codec.encode(sound[None]).ids[0].numpy()
    seconds = sound.shape[-1] / codec.sample_rate
    figure = Figure(figsize=(2.0, 1.05), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True)
    top.specgram(sound[0].numpy() + 1e-6, NFFT=256, noverlap=224, Fs=codec.sample_rate, cmap="Greys", vmin=-110, vmax=-40)
    bottom.imshow(ids, aspect="auto", cmap="viridis", extent=(0, ids.shape[1] / codec.spec.frame_rate, len(ids), 0))
    top.set_xlim(0, seconds)
    for axis, label in ((top, f"{codec.sample_rate / 2000:g} kHz"), (bottom, f"{len(ids)} stages")):
        axis.set_ylabel(label, fontsize=6)
        axis.set(xticks=[], yticks=[])
        axis.grid(False)
    return figure


def experiments(results: Results) -> Figure:
    """Plot one panel per experiment: mean and standard deviation for each setting."""
    columns = min(4, len(results.experiments))
    n_rows = -(-len(results.experiments) // columns)
    figure = Figure(figsize=(7.2, 1.35 * n_rows), layout="constrained")
    axes = figure.subplots(n_rows, columns, squeeze=False).ravel()
    for axis in axes[len(results.experiments) :]:
        axis.axis("off")
    for axis, experiment in zip(axes, results.experiments):
        names, means, spreads = zip(*experiment.points())
        rows = np.arange(len(names))
        axis.errorbar(means, rows, xerr=np.nan_to_num(spreads), fmt="o", ms=3.5, color=OURS, ecolor=INK, capsize=2, lw=0.8)
        axis.set_yticks(rows, [name[:34] for name in names], fontsize=5.5)
        axis.set_ylim(len(names) - 0.5, -0.5)
        axis.set_title(experiment.name)
        axis.set_xlabel(experiment.axis)
    return figure
