"""What the page may do to the selected cells without a prior: erase, randomise, blur. Each is one change, to be undone."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from vqaudio import blurring, edits
from vqaudio.ui import pictures, wire
from vqaudio.ui.selection import Rectangles, mask_of
from vqaudio.ui.served import store, written
from vqaudio.ui.workbench import Workbench


class TouchRequest(wire.Request):
    rectangles: Rectangles


class BlurRequest(TouchRequest):
    radius: Annotated[float, Field(ge=0, le=blurring.LARGEST)]
    strength: Annotated[float, Field(ge=0, le=1)]


@wire.serves(TouchRequest)
def erase(request: TouchRequest) -> dict:
    """Put there what the codec gives for silence, and say how much softer the sound became."""
    bench = store.get(request.token)
    mask = mask_of(bench.codes, request.rectangles)
    box = box_of(bench, mask)
    before = level_in(bench, box)
    bench.write(edits.erase(bench.codec, bench.codes, mask).ids[0])
    softer = before - level_in(bench, box)
    told = f"{abs(softer):.1f} dB {'softer' if softer >= 0 else 'louder'}"
    return {"told": f"Erased {_cells(mask)}: around there the sound is {told}.", **written(bench)}


@wire.serves(TouchRequest)
def randomise(request: TouchRequest) -> dict:
    """Put any codewords there."""
    bench = store.get(request.token)
    mask = mask_of(bench.codes, request.rectangles)
    bench.write(edits.randomise(bench.codes, mask).ids[0])
    return {"told": f"Put any codewords into {_cells(mask)}.", **written(bench)}


@wire.serves(BlurRequest)
def blur(request: BlurRequest) -> dict:
    """Redraw cells from their neighbours."""
    bench = store.get(request.token)
    mask = mask_of(bench.codes, request.rectangles)
    before = bench.ids
    bench.write(blurring.blur(bench.codes, mask, request.radius, request.strength).ids[0])
    return {"told": f"Blurred {_cells(mask)}; {int((bench.ids != before).sum()):,} of them differ now.", **written(bench)}


def box_of(bench: Workbench, mask: Tensor) -> tuple[float, float, float, float]:
    """The smallest rectangle around the mask [1, K, T]: from and to in seconds, from and to in Hz."""
    spec = bench.codes.spec
    columns = mask[0].any(0).nonzero()[:, 0]
    edges = []
    for j, stage in enumerate(spec.stages):
        inside = mask[0, spec.rows_of(j)].view(stage.bands, -1).any(1).nonzero()[:, 0].tolist()
        known = bench.codec.band_edges_hz(j)
        edges += [known[i] for band in inside for i in (band, band + 1)]
    return int(columns[0]) / spec.frame_rate, (int(columns[-1]) + 1) / spec.frame_rate, min(edges), max(edges)


def level_in(bench: Workbench, box: tuple[float, float, float, float]) -> float:
    """The power of all stages' sound inside a rectangle of time and frequency, in dB."""
    start_s, end_s, low_hz, high_hz = box
    rate, sound = bench.codec.sample_rate, bench.sound(tuple(range(bench.n_stages)))
    picture = pictures.spectrogram_db(sound, rate)
    bins, frames = picture.shape
    rows = slice(round(low_hz / rate * 2 * (bins - 1)), round(high_hz / rate * 2 * (bins - 1)) + 1)
    seconds = len(sound) / rate
    columns = slice(round(start_s / seconds * (frames - 1)), round(end_s / seconds * (frames - 1)) + 1)
    return float(10 * torch.log10((10 ** (picture[rows, columns] / 10)).mean() + 1e-14))


def _cells(mask: Tensor) -> str:
    n = int(mask.sum())
    return f"{n:,} {'cell' if n == 1 else 'cells'}"


FUNCTIONS = (erase, randomise, blur)
