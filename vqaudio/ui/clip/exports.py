"""Downloads: the sound, the figure, and the codes."""

import io
import json
import re
import tempfile
from pathlib import Path

import vqaudio.audio
from vqaudio.analysis import colours
from vqaudio.codes import Codes
from vqaudio.ui.clip import pictures
from vqaudio.ui.clip.workbench import Workbench
from vqaudio.vqa import write_vqa

TYPES = {"wav": "audio/wav", "png": "image/png", "vqa": "application/octet-stream", "json": "application/json"}


def make(bench: Workbench, kind: str, stages: tuple[int, ...], speaker: str = "") -> tuple[str, str, bytes]:
    """Make a download (wav, png, vqa, json): its name, media type and bytes.

    The WAV and the figure hold these stages in this speaker's voice; the .vqa and the JSON hold all stages, with all edits.
    """
    stem = _file_name(bench.title)[:60] or "clip"
    if kind in ("wav", "png"):
        stem += f"-stages-{name_of(stages)}" + (f"-{_file_name(speaker)}" if speaker else "")
    return f"{stem}.{kind}", TYPES[kind], _MAKERS[kind](bench, stages, speaker)


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-")


def name_of(stages: tuple[int, ...]) -> str:
    """Stages from 0 -> "1-3_5" from 1."""
    runs: list[list[int]] = []
    for stage in sorted(stages):
        if runs and runs[-1][1] == stage:
            runs[-1][1] = stage + 1
        else:
            runs.append([stage + 1, stage + 1])
    return "_".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def ids_as_json(codes: Codes, codec) -> dict:
    """One clip's codes with all that is needed to read them."""
    spec = codes.spec
    return {
        "model": codec.name,
        "fingerprint": codec.fingerprint,
        "sample_rate_hz": codec.sample_rate,
        "samples": int(codes.lengths[0]),
        "columns_per_second": spec.frame_rate,
        "stages": [{"bands": s.bands, "steps": s.steps, "vocab": s.vocab} for s in spec.stages],
        "level_db": None if codes.level_db is None else float(codes.level_db[0]),
        "ids": codes.ids[0].tolist(),
    }


def _wav(bench: Workbench, stages: tuple[int, ...], speaker: str) -> bytes:
    sound = bench.sound(stages, speaker)[None]
    return _through_file(".wav", lambda path: vqaudio.audio.save(path, sound, bench.codec.sample_rate))


def _vqa(bench: Workbench, stages: tuple[int, ...], speaker: str) -> bytes:
    return _through_file(".vqa", lambda path: write_vqa(path, bench.codes, bench.codec))


def _json(bench: Workbench, stages: tuple[int, ...], speaker: str) -> bytes:
    return json.dumps(ids_as_json(bench.codes, bench.codec)).encode()


def _png(bench: Workbench, stages: tuple[int, ...], speaker: str) -> bytes:
    from vqaudio import plots

    rate, sound = bench.codec.sample_rate, bench.sound(stages, speaker)
    voice = f", as {speaker}" if speaker else ""
    figure = plots.listen_figure(
        original_db=None if bench.original is None else pictures.spectrogram_db(bench.original, rate).numpy(),
        decoded_db=pictures.spectrogram_db(sound, rate).numpy(),
        top_db=bench.top_db,
        range_db=pictures.RANGE_DB,
        maps=[bench.codes.stage(j)[0].numpy() for j in range(bench.n_stages)],
        vocabs=[stage.vocab for stage in bench.codes.spec.stages],
        ranks=colours.colour_ranks(bench.codec),
        on=stages,
        seconds=bench.n_samples / rate,
        columns_s=bench.codes.columns / bench.codes.spec.frame_rate,
        sample_rate=rate,
        title=f"{bench.title}: stages {name_of(stages).replace('_', ', ')} of {bench.n_stages}, "
        f"{bench.bits_per_second(stages):,.0f} bit/s ({bench.codec.name}{voice})",
    )
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=160)
    return buffer.getvalue()


def _through_file(ending: str, write) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"file{ending}"
        write(path)
        return path.read_bytes()


_MAKERS = {"wav": _wav, "vqa": _vqa, "json": _json, "png": _png}
