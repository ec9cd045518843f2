"""Server functions for one clip: one JSON object in, one out (see `wire`)."""

from typing import Literal

import torch
from pydantic import Field

from vqaudio.analysis import colours
from vqaudio.errors import InputError
from vqaudio.ui import facts, wire
from vqaudio.ui.clip import exports, pictures
from vqaudio.ui.clip.store import Store
from vqaudio.ui.clip.workbench import Workbench

RUNNERS_UP = 8
LONG_S = 10.0  # of a longer clip, the page fetches only the sounds that it plays
store = Store()


def describe(token: str, bench: Workbench) -> dict:
    """Everything that the page draws before anything is decoded."""
    spec = bench.codes.spec
    return {
        "token": token,
        "model": bench.codec.name,
        "title": bench.title,
        "version": bench.version,
        "sample_rate": bench.codec.sample_rate,
        "samples": bench.n_samples,
        "columns": bench.ids.shape[1],
        "spec": {
            "frame_rate": spec.frame_rate,
            "stages": [
                {"bands": s.bands, "steps": s.steps, "vocab": s.vocab, "bits": s.bits, "edges_hz": bench.codec.band_edges_hz(j)}
                for j, s in enumerate(spec.stages)
            ],
        },
        "ids": wire.integers(bench.ids),
        "colour_ranks": colours.colour_ranks(bench.codec)[: len(spec.stages)],
        "train_counts": facts.train_counts(bench.codec),
        "long": is_long(bench),
        "original": None if bench.original is None else sound_fields(bench, bench.original, with_sound=not is_long(bench)),
        "example": bench.origin.example,
        "phones": [[phone.value, phone.start_s, phone.end_s] for phone in bench.origin.phones],
        "code_phones": facts.code_phones(bench.codec),
        "speakers": bench.speakers,
        "speaker": bench.origin.speaker if bench.origin.speaker in bench.speakers else "",
        "generated": bench.origin.generated,
        "report": bench.report,
        "contributions_db": bench.contributions_db,
        "edits": bench.n_edits,
        "redos": bench.n_redo,
        "first_ids": wire.integers(bench.first_ids) if bench.n_edits else None,
    }


def is_long(bench: Workbench) -> bool:
    return bench.n_samples > LONG_S * bench.codec.sample_rate


def sound_fields(bench: Workbench, sound: torch.Tensor, loudest: bool = False, with_sound: bool = True) -> dict:
    """A sound with its picture and level; a long sound may follow later."""
    whole = {"picture": wire.picture(bench.picture(sound)), "level_db": pictures.level_db(sound)}
    return whole | {"sound": wire.sound(sound, loudest)} if with_sound else whole


class DecodeRequest(wire.StagesRequest):
    want: set[Literal["sound", "added"]] = Field(default={"sound", "added"}, strict=False)


@wire.serves(DecodeRequest)
def decode(request: DecodeRequest) -> dict:
    """Decode some stages: level, quality, and for the first n also what stage n adds.

    The sounds and pictures of both are included on request.
    """
    bench = store.get(request.token)
    stages = tuple(sorted(set(request.stages)))
    sound = bench.sound(stages, request.speaker)
    added = bench.added(len(stages), request.speaker) if stages == tuple(range(len(stages))) else None
    answer = {
        "version": bench.version,
        "stages": stages,
        "level_db": pictures.level_db(sound),
        "bits_per_second": bench.bits_per_second(stages),
        "quality": bench.quality(stages, request.speaker),
        "added": None if added is None else {"level_db": pictures.level_db(added)},
    }
    if "sound" in request.want:
        answer |= sound_fields(bench, sound)
    if "added" in request.want and added is not None:
        answer["added"] = sound_fields(bench, added, loudest=True)
    return answer


@wire.serves(wire.Request)
def original(request: wire.Request) -> dict:
    """The sound that a long clip was made from."""
    bench = store.get(request.token)
    if bench.original is None:
        raise InputError("Only the codes of this clip are known, not its original.")
    return {"sound": wire.sound(bench.original)}


@wire.serves(wire.CellRequest, quick=True)
def inspect(request: wire.CellRequest) -> dict:
    """A cell's codeword, the nearest others, and training clips in which it fires."""
    bench = store.get(request.token)
    index = bench.check_cell(request.row, request.column)
    near = bench.nearest(request.row, request.column)
    words = []
    if near is not None:
        rank = near[0].index(index)
        shown = [*range(RUNNERS_UP)] if rank < RUNNERS_UP else [*range(RUNNERS_UP), rank]
        words = [{"rank": i + 1, "index": near[0][i], "distance": near[1][i]} for i in shown if i < len(near[0])]
    return {
        "row": request.row,
        "column": request.column,
        "index": index,
        "words": words,
        "from_original": bench.knows_vectors,
        **_examples(bench, request.row, index),
    }


def _examples(bench: Workbench, row: int, index: int) -> dict:
    found = facts.examples(row, index, bench.codec)
    missing = bool(found) and not any(example["playable"] for example in found)
    return {
        "examples": found,
        "measured": facts.known_of(bench.codec) is not None,
        "hint": facts.missing(bench.codec) if missing else "",
    }


@wire.serves(wire.SwapRequest, quick=True)
def swap(request: wire.SwapRequest) -> dict:
    """Put a codeword into a cell."""
    bench = store.get(request.token)
    bench.swap(request.row, request.column, request.index)
    return edited_clip(bench, request.row, request.column)


@wire.serves(wire.Request, quick=True)
def undo(request: wire.Request) -> dict:
    """Undo the last change."""
    bench = store.get(request.token)
    return edited_clip(bench, *(bench.undo() or ()))


@wire.serves(wire.Request, quick=True)
def redo(request: wire.Request) -> dict:
    """Redo the change that was undone last."""
    bench = store.get(request.token)
    return edited_clip(bench, *(bench.redo() or ()))


@wire.serves(wire.PutRequest)
def put(request: wire.PutRequest) -> dict:
    """Write many cells as one change: a block that was copied."""
    bench = store.get(request.token)
    bench.put(request.cells)
    return edited_clip(bench)


def edited_clip(bench: Workbench, row: int | None = None, column: int | None = None) -> dict:
    """The clip after a change; with the row and column of one changed cell."""
    cell = {} if row is None else {"row": row, "column": column, "index": int(bench.ids[row, column])}
    return {"version": bench.version, "edits": bench.n_edits, "redo": bench.n_redo, "ids": wire.integers(bench.ids), **cell}


@wire.serves(wire.ExampleRequest)
def example(request: wire.ExampleRequest) -> dict:
    """The sound of a training clip in which a codeword fires."""
    bench = store.get(request.token)
    sound = facts.example_sound(request.row, request.index, request.number, bench.codec)
    return {"sound": wire.sound(sound)}


@wire.serves(wire.ExportRequest)
def export(request: wire.ExportRequest) -> dict:
    """Make a download: WAV, figure, .vqa or JSON."""
    bench = store.get(request.token)
    name, kind, data = exports.make(bench, request.kind, tuple(sorted(set(request.stages))), request.speaker)
    return {"name": name, "type": kind, "data": wire.text(data)}


FUNCTIONS = (decode, original, inspect, swap, put, undo, redo, example, export)
