"""Encoding and decoding speed of a codec on one CPU thread.

Speed is in seconds of audio per second of CPU time: more is better, 1 is real time. encodec (Défossez et al. 2022) runs in the
same run at its 6 kbit/s with random weights, as weights do not change its speed; it is left out if it is not installed. It codes
three times the bandwidth of an 8 kHz codec, so the ratio compares waiting times, not the quality of the networks.

    python -m benchmarks.codec --json benchmarks/results/codec.json
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
import tyro
from torch import Tensor

import vqaudio
from benchmarks.measure import cpu_times, table, write_json
from vqaudio.codec import Codec

ENCODEC_KBPS = 6.0


def main(
    model: str = "fsdd-8khz", lengths_s: tuple[float, ...] = (0.43, 10.0, 60.0), beam: int = 1, repeats: int = 5,
    encodec: bool = True, seed: int = 0, json: Path | None = None,
) -> None:
    """Print how many times faster than real time a codec encodes and decodes clips.

    Args:
        model: a name in weights/, a folder, or a Hub id.
        lengths_s: seconds of audio in a clip, one clip at a time; 0.43 is the mean of the spoken digits.
        beam: paths kept by the codec's search for codewords; 1 is greedy.
        repeats: runs of each contestant; the median counts.
        encodec: measure encodec's 24 kHz architecture too.
        seed: of the input noise, and of encodec's weights.
        json: also write the numbers to this file.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    codec = vqaudio.load(model)
    bits = round(codec.spec.bits_per_second)
    results = {"model": codec.name, "bits_per_second": bits, "beam": beam, "repeats": repeats, "times_real_time": {}}
    theirs = load_encodec() if encodec else None
    rows = []
    for seconds in lengths_s:
        runs = vqaudio_runs(codec, seconds, beam) | (encodec_runs(theirs, seconds) if theirs else {})
        speeds = {name: seconds / taken for name, taken in cpu_times(runs, repeats).items()}
        results["times_real_time"][seconds] = {name: round(speed, 1) for name, speed in speeds.items()}
        for verb in ("encode", "decode"):
            row = [speeds[f"vqaudio {verb}"], speeds.get(f"encodec {verb}")]
            numbers = ["-", "-"] if row[1] is None else [f"{row[1]:.1f}", f"{row[0] / row[1]:.1f}"]
            rows.append((f"{verb} {seconds:g} s", f"{row[0]:.1f}", *numbers))
    print(f"times real time on one thread; {codec.name} at {bits} bit/s, encodec at {ENCODEC_KBPS * 1000:.0f}")
    print(table(("", "vqaudio", "encodec", "vqaudio / encodec"), rows))
    write_json(json, results)


def vqaudio_runs(codec: Codec, seconds: float, beam: int) -> dict[str, Callable[[], object]]:
    audio = noise(seconds, codec.sample_rate)
    codes = codec.encode(audio)
    return {
        "vqaudio encode": partial(codec.encode, audio, beam=beam),
        "vqaudio decode": partial(codec.decode, codes),
    }


def encodec_runs(model, seconds: float) -> dict[str, Callable[[], object]]:
    audio = noise(seconds, model.sample_rate)
    encode, decode = (torch.inference_mode()(method) for method in (model.encode, model.decode))
    frames = encode(audio)
    return {"encodec encode": partial(encode, audio), "encodec decode": partial(decode, frames)}


def load_encodec():
    """encodec's 24 kHz architecture at 6 kbit/s; None if it is not installed."""
    try:
        from encodec import EncodecModel
    except ImportError as error:
        print(f"left out: {error}")
        return None
    model = EncodecModel.encodec_model_24khz(pretrained=False).eval()
    model.set_target_bandwidth(ENCODEC_KBPS)
    return model


def noise(seconds: float, sample_rate: int) -> Tensor:
    """[1, 1, N] noise at -20 dB: the speed does not depend on the content."""
    return 0.1 * torch.randn(1, 1, round(seconds * sample_rate))


if __name__ == "__main__":
    tyro.cli(main)
