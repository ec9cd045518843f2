"""Speed of encoding, decoding, filling and generating on a GPU against the CPU.

Both are measured interleaved in one run, in wall-clock time, and their results are compared.

    python -m benchmarks.device --json benchmarks/results/device.json
"""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
import tyro

import vqaudio
from benchmarks.measure import table, write_json
from vqaudio import audio, devices
from vqaudio.errors import InputError
from vqaudio.randomness import seeded

ROOT = Path(__file__).resolve().parent.parent
NO_CARD = "There is no graphics card here that PyTorch can use: only the CPU was measured, and there are no ratios."
VARIATIONS = 4


def main(
    codec: str = "voice-16khz", priors: tuple[str, ...] = ("voice-16khz-masked", "voice-16khz-autoregressive"),
    seconds: float = 3.0, gap_s: float = 0.2, repeats: int = 5, device: str = "auto", json: Path | None = None,
) -> None:
    """Print the seconds of each operation on the CPU and on a GPU.

    Args:
        codec: a name in weights/, a folder, or a Hub id.
        priors: of this codec.
        seconds: length of the clip, made of the example clips, and of generated sounds.
        gap_s: length of the gap that is filled four times.
        repeats: runs; the median counts.
        device: what to compare the CPU with; auto takes CUDA or MPS.
        json: also write the numbers to this file.
    """
    card = devices.pick(device)
    places = [torch.device("cpu"), *([card] if card.type != "cpu" else [])]
    verbs = [verbs_on(place, codec, priors, seconds, gap_s) for place in places]
    rows, results = [], {}
    for name in verbs[0]:
        times, answers = interleaved([verbs_there[name] for verbs_there in verbs], repeats, places)
        results[name] = {"cpu_s": round(times[0], 4)}
        if len(places) == 1:
            rows.append((name, f"{times[0]:.3f}"))
            continue
        results[name] |= {"card_s": round(times[1], 4), "faster": round(times[0] / times[1], 2), "same": same(*answers)}
        rows.append((name, f"{times[0]:.3f}", f"{times[1]:.3f}", f"{times[0] / times[1]:.1f}", results[name]["same"]))
    header = ("", "CPU s", "card s", "times faster", "answers")
    print(table(header[: len(rows[0])], rows))
    print(NO_CARD if len(places) == 1 else f"{name_of(card)} against {torch.get_num_threads()} threads of the CPU")
    write_json(json, {"card": None if len(places) == 1 else name_of(card), "seconds": seconds, "gap_s": gap_s, "verbs": results})


def verbs_on(place: torch.device, name: str, priors: tuple[str, ...], seconds: float, gap_s: float) -> dict[str, Callable]:
    """The operations to measure, with their models on a device."""
    codec = vqaudio.load(name).to(place)
    clip = example(codec.sample_rate, seconds)[None].to(place)
    codes = codec.encode(clip)
    gap = codes.region(seconds / 2, seconds / 2 + gap_s, range(1, len(codes.spec.stages)))
    found = {"encode": lambda: codec.encode(clip).ids, "decode": lambda: codec.decode(codes)}
    for prior_name in priors:
        prior = vqaudio.load(prior_name).to(place)
        if prior.codec_fingerprint != codec.encoder_fingerprint:
            raise InputError(f"The prior {prior_name} is not one of {name}.")
        found[f"fill by {prior_name}"] = lambda prior=prior: prior.fill(codes, gap, generator=seeded(0, VARIATIONS)).ids
        found[f"generate by {prior_name}"] = lambda prior=prior: generated(codec, prior, seconds)
    return found


def generated(codec, prior, seconds: float) -> torch.Tensor:
    return vqaudio.generate(codec, prior, seconds=seconds, generator=seeded(0, VARIATIONS))[1].ids


def example(sample_rate: int, seconds: float) -> torch.Tensor:
    """The example clips, joined: [1, N]."""
    clips = [audio.load(path, sample_rate)[0] for path in sorted((ROOT / "assets" / "examples").glob("*.wav"))]
    joined = torch.cat(clips * (1 + int(seconds)), dim=1)
    return joined[:, : round(seconds * sample_rate)]


def interleaved(contestants: list[Callable], repeats: int, places: list[torch.device]) -> tuple[list[float], list]:
    """Median seconds of each contestant after one warm-up run, and its last result."""
    times, answers = [[] for _ in contestants], [None] * len(contestants)
    for turn in range(repeats + 1):
        for i, (run, place) in enumerate(zip(contestants, places)):
            started = time.perf_counter()
            answers[i] = run()
            if place.type != "cpu":
                getattr(torch, place.type).synchronize()
            if turn:
                times[i].append(time.perf_counter() - started)
    return [median(own) for own in times], answers


def same(wanted: torch.Tensor, found: torch.Tensor) -> str:
    """Describe how two results differ."""
    found = found.cpu()
    wanted = wanted.cpu()
    if wanted.shape != found.shape:
        return "another shape"
    if wanted.is_floating_point():
        return f"within {float((wanted - found).abs().max()):.1e}"
    return f"{100 * float((wanted == found).float().mean()):.2f} % of ids"


def name_of(card: torch.device) -> str:
    return torch.cuda.get_device_name(card) if card.type == "cuda" else card.type


if __name__ == "__main__":
    tyro.cli(main)
