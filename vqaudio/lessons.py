"""Players, tables and figures for the notebooks, and their links to Colab.

IPython comes with the notebook and is imported on first use. `python -m vqaudio.lessons OWNER/NAME` points all links at the
GitHub repository of that name, which is kept in docs/repository.txt.
"""

import base64
import html
import io
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import soundfile
import torch
from torch import Tensor

from vqaudio.analysis.colours import colour_ranks
from vqaudio.codec import Codec
from vqaudio.codes import Codes
from vqaudio.errors import InputError
from vqaudio.evaluation.metrics import magnitudes
from vqaudio.files import replace_file

RANGE_DB = 65.0  # dynamic range of a spectrogram, black to white


def players(sounds: Mapping[str, Tensor], sample_rate: int):
    """Show audio players side by side, each with its name.

    They keep the level: IPython's player normalises the peak by default.

    Args:
        sounds: name -> [N], [1, N] or [1, 1, N] float32 in [-1, 1]; anything beyond is clipped.
        sample_rate: Hz.
    """
    from IPython.display import HTML

    cells = []
    for name, sound in sounds.items():
        file = io.BytesIO()
        soundfile.write(file, sound.detach().cpu().flatten().clamp(-1, 1).numpy(), sample_rate, format="WAV", subtype="PCM_16")
        data = base64.b64encode(file.getvalue()).decode()
        cells.append(
            f'<figure style="margin:0"><figcaption style="font-size:90%">{html.escape(name)}</figcaption><audio controls '
            f'preload="metadata" style="width:15em;height:2.4em" src="data:audio/wav;base64,{data}"></audio></figure>'
        )
    return HTML(f'<div style="display:flex;flex-wrap:wrap;gap:0.6em 1em">{"".join(cells)}</div>')


def table(header: list[str], rows: list[list]):
    """Show a table. Format the numbers first."""
    from IPython.display import Markdown

    lines = [header, ["---"] * len(header), *([str(cell) for cell in row] for row in rows)]
    return Markdown("\n".join(f"| {' | '.join(line)} |" for line in lines))


def draw_spectrogram(axis, sound: Tensor, sample_rate: int, top_db: float | None = None, n_fft: int = 256) -> float:
    """Draw a spectrogram in grey, over seconds and kHz.

    Args:
        sound: [N], [1, N] or [1, 1, N].
        top_db: level drawn black; None for the loudest bin. A full-scale sine is at about 0 dB.

    Returns:
        The level drawn black, to use for a second picture.
    """
    sound = sound.detach().cpu().flatten()
    decibel = 20 * (magnitudes(sound, n_fft) * 4 / n_fft).clamp_min(1e-7).log10()
    top_db = float(decibel.max()) if top_db is None else top_db
    axis.imshow(
        decibel.numpy(), origin="lower", aspect="auto", cmap="Greys", vmin=top_db - RANGE_DB, vmax=top_db,
        extent=(0, len(sound) / sample_rate, 0, sample_rate / 2000),
    )
    axis.set(xlabel="time, s", ylabel="kHz")
    return top_db


def draw_codemap(
    axis, codec: Codec, codes: Codes, mask: Tensor | None = None, ids: Tensor | None = None, numbers: bool = False
) -> None:
    """Draw the code map of the first clip, first stage on top.

    Uses the app's colours, in which similar codewords look alike.

    Args:
        codec: the codec of the codes.
        mask: bool [B, K, T]; outlines these cells.
        ids: [B, K, T] to draw instead of `codes.ids`; -1 marks a cell not yet sampled and stays white.
        numbers: print the ids in the cells.
    """
    shown = (codes.ids if ids is None else ids)[0].cpu()
    rows, columns = shown.shape
    seconds = columns / codes.spec.frame_rate
    ranks = torch.tensor([colour_ranks(codec)[j] for j in codes.spec.stage_of_row])
    colours = ranks.gather(1, shown.long().clamp_min(0)).double()
    axis.imshow(
        colours.where(shown >= 0, float("nan")).numpy(), aspect="auto", cmap="viridis", interpolation="nearest", vmin=0,
        vmax=ranks.shape[1] - 1, extent=(0, seconds, rows + 0.5, 0.5),
    )
    axis.set(xlabel="time, s", ylabel="row" if rows > len(codes.spec.stages) else "stage", yticks=range(1, rows + 1))
    if numbers:
        for row in range(rows):
            for column in range(columns):
                x, y, value = (column + 0.5) / codes.spec.frame_rate, row + 1, int(shown[row, column])
                bright = colours[row, column] > 0.6 * ranks.shape[1]
                axis.text(x, y, value, ha="center", va="center", fontsize=7, color="black" if bright else "white")
    if mask is not None:
        _outline(axis, mask[0].cpu(), codes.spec.frame_rate)


def _outline(axis, mask: Tensor, frame_rate: float) -> None:
    """Draw a line along every edge between a cell in the mask [K, T] and one outside."""
    for row, column in mask.nonzero().tolist():
        left, right, top = column / frame_rate, (column + 1) / frame_rate, row + 0.5
        sides = {(0, -1): ((left, left), (top, top + 1)), (0, 1): ((right, right), (top, top + 1)),
                 (-1, 0): ((left, right), (top, top)), (1, 0): ((left, right), (top + 1, top + 1))}  # fmt: skip
        for (down, along), line in sides.items():
            y, x = row + down, column + along
            if not (0 <= y < mask.shape[0] and 0 <= x < mask.shape[1] and mask[y, x]):
                axis.plot(*line, color="crimson", linewidth=2, solid_capstyle="butt", clip_on=False)


# --- Colab ------------------------------------------------------------------------------------------------------------------

ROOT = Path(__file__).resolve().parents[1]
REPOSITORY = ROOT / "docs" / "repository.txt"
COLAB = re.compile(r"https://colab\.research\.google\.com/github[^)]*")


def colab_link(notebook: Path, repository: str | None = None) -> str:
    """The address that opens a notebook in Colab.

    Args:
        notebook: in notebooks/.
        repository: OWNER/NAME on GitHub; None for the one in docs/repository.txt.
    """
    name = repository or REPOSITORY.read_text().strip()
    return f"https://colab.research.google.com/github/{name}/blob/main/notebooks/{notebook.name}"


def set_repository(repository: str) -> None:
    """Point the notebooks' links at a GitHub repository, OWNER/NAME.

    Raises:
        InputError: no such name.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise InputError(f"A repository on GitHub is OWNER/NAME; not {repository!r}.")
    replace_file(REPOSITORY, lambda path: path.write_text(repository + "\n"))
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        text = COLAB.sub(colab_link(notebook), notebook.read_text())
        replace_file(notebook, lambda path, text=text: path.write_text(text))


if __name__ == "__main__":
    try:
        set_repository(*sys.argv[1:] or [""])
    except InputError as error:
        sys.exit(f"vqaudio: {error}")
