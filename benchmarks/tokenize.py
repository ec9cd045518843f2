"""Hours of audio that `vqaudio tokenize` encodes per core-hour.

Both read the same files, resample them, encode them in the same batches and keep the codes; both on one thread, in CPU time.
encodec (Défossez et al. 2022) runs at its 6 kbit/s with random weights, as weights do not change its speed; it is left out if
it is not installed. Its bandwidth differs from that of an 8 or 16 kHz codec, so the ratio compares waiting times only.

    python -m benchmarks.tokenize --data DIR --json benchmarks/results/tokenize.json
"""

import tempfile
import time
from pathlib import Path
from statistics import median

import torch
import tyro

import vqaudio
from benchmarks.codec import ENCODEC_KBPS, load_encodec
from benchmarks.measure import table, write_json
from vqaudio import audio
from vqaudio.data import tokens
from vqaudio.data.batches import pad
from vqaudio.data.datasets import folder


def main(
    data: Path = Path("assets/examples"), model: str = "fsdd-8khz", batch_s: float = 40.0, repeats: int = 3,
    encodec: bool = True, json: Path | None = None,
) -> None:
    """Print hours of audio per core-hour.

    Args:
        data: a folder of recordings.
        model: a name in weights/, a folder, or a Hub id.
        batch_s: seconds of audio in a batch.
        repeats: runs of each contestant; the median counts.
        encodec: measure encodec too.
        json: also write the numbers to this file.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)
    codec, theirs = vqaudio.load(model), load_encodec() if encodec else None
    contestants = {f"vqaudio tokenize, {codec.name}": lambda: by_vqaudio(codec, model, data, batch_s)}
    if theirs:
        contestants["encodec, 24 kHz"] = lambda: by_encodec(theirs, data, batch_s)
    speeds = {name: [] for name in contestants}
    for turn in range(repeats + 1):  # the first is a warm-up
        for name, run in contestants.items():
            began = time.process_time()
            audio_s = run()
            if turn:
                speeds[name].append(audio_s / (time.process_time() - began))
    found = {name: median(values) for name, values in speeds.items()}
    first = next(iter(found.values()))
    print(f"{audio_s / 3600:.3f} hours in {data}; encodec at {ENCODEC_KBPS * 1000:.0f} bit/s")
    rows = [(name, f"{speed:.1f}", f"{first / speed:.1f}") for name, speed in found.items()]
    print(table(("", "hours of audio per core-hour", "vqaudio / it"), rows))
    write_json(json, {"data": data.name, "audio_s": audio_s, "hours_per_core_hour": {k: round(v, 1) for k, v in found.items()}})


def by_vqaudio(codec, model: str, data: Path, batch_s: float) -> float:
    """Seconds of audio."""
    with tempfile.TemporaryDirectory() as out:
        return tokens.tokenize(codec, model, Path(out) / "codes", data, batch_s=batch_s).audio_s


@torch.inference_mode()
def by_encodec(model, data: Path, batch_s: float) -> float:
    """Seconds of audio."""
    held = [(source, audio.read(source.path, model.sample_rate)[0]) for source in folder.sources(data)]
    for batch in tokens.batches_of([len(sound) for _, sound in held], batch_s * model.sample_rate):
        model.encode(pad([held[i][1] for i in batch])[0])
    return sum(len(sound) for _, sound in held) / model.sample_rate


if __name__ == "__main__":
    tyro.cli(main)
