"""Edits of the selected cells at once: erase, randomise, blur.

Each is one change, which can be undone.
"""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from vqaudio import edits, gibbs
from vqaudio.ui import models, verbs, wire
from vqaudio.ui.clip import pictures
from vqaudio.ui.clip.handlers import edited_clip, store
from vqaudio.ui.clip.sampling import check_span
from vqaudio.ui.clip.selection import Rectangles, mask_of
from vqaudio.ui.clip.workbench import Workbench


class TouchRequest(wire.Request):
    rectangles: Rectangles


class BlurRequest(TouchRequest):
    radius: Annotated[float, Field(ge=0, le=edits.LARGEST_BLUR)]
    strength: Annotated[float, Field(ge=0, le=1)]
    prior: Annotated[str, Field(max_length=200)] = ""


@wire.serves(TouchRequest)
def erase(request: TouchRequest) -> dict:
    """Write the codes of silence, and report how much softer the sound became."""
    bench = store.get(request.token)
    mask = mask_of(bench.codes, request.rectangles)
    before = level_in(bench, mask)
    bench.write(verbs.erase(bench.codec, bench.codes, mask).ids[0])
    softer = before - level_in(bench, mask)
    change = f"{abs(softer):.1f} dB {'softer' if softer >= 0 else 'louder'}"
    return {"summary": f"Erased {_cells(mask)}: there the sound is {change}.", **edited_clip(bench)}


@wire.serves(TouchRequest)
def randomise(request: TouchRequest) -> dict:
    """Write random codewords."""
    bench = store.get(request.token)
    mask = mask_of(bench.codes, request.rectangles)
    bench.write(edits.randomise(bench.codes, mask).ids[0])
    return {"summary": f"Put random codes into {_cells(mask)}.", **edited_clip(bench)}


@wire.serves(BlurRequest)
def blur(request: BlurRequest) -> dict:
    """Redraw cells with the prior if it can blur; otherwise copy cells nearby."""
    bench = store.get(request.token)
    mask = mask_of(bench.codes, request.rectangles)
    before, prior = bench.ids, models.prior(request.prior, bench.codec) if request.prior else None
    if prior is not None and gibbs.suits(prior):
        check_span(bench.codes, mask)
        how, new = f"redrawn by {prior.name}", verbs.blur(prior, bench.codes, mask, request.radius, request.strength)
    else:
        how, new = "copied from cells nearby", verbs.smear(bench.codes, mask, request.radius, request.strength)
    bench.write(new.ids[0])
    changed = int((bench.ids != before).sum())
    return {"summary": f"Blurred {_cells(mask)}; {changed:,} of them changed, {how}.", **edited_clip(bench)}


def level_in(bench: Workbench, mask: Tensor) -> float:
    """The power of the sound in the time and frequency of a mask [1, K, T], in dB."""
    rate, sound = bench.codec.sample_rate, bench.sound(tuple(range(bench.n_stages)))
    picture = pictures.spectrogram_db(sound, rate)
    inside = pixels_of(bench, mask, picture.shape)
    return float(10 * torch.log10((10 ** (picture[inside] / 10)).mean() + 1e-14))


def pixels_of(bench: Workbench, mask: Tensor, shape: tuple[int, int]) -> Tensor:
    """A mask [1, K, T] on a spectrogram of the clip: bool [bins, frames]."""
    spec, (bins, frames) = bench.codes.spec, shape
    seconds = torch.arange(frames) / max(1, frames - 1) * bench.n_samples / bench.codec.sample_rate
    columns = (seconds * spec.frame_rate).long().clamp(max=mask.shape[-1] - 1)
    hz = torch.arange(bins) / (bins - 1) * bench.codec.sample_rate / 2
    inside = torch.zeros(bins, frames, dtype=torch.bool)
    for j, stage in enumerate(spec.stages):
        edges = torch.tensor(bench.codec.band_edges_hz(j))
        band = torch.bucketize(hz, edges[1:-1].contiguous(), right=True)
        inside |= mask[0, spec.rows_of(j)].view(stage.bands, stage.steps, -1).any(1)[band][:, columns]
    return inside


def _cells(mask: Tensor) -> str:
    n = int(mask.sum())
    return f"{n:,} {'cell' if n == 1 else 'cells'}"


FUNCTIONS = (erase, randomise, blur)
