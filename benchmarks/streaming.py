"""Speed of a live stream through a codec, against the whole file.

Speed is in seconds of audio per second of CPU time: more is better; a stream needs more than 1 for encoder and decoder together
(1 / (1 / encode + 1 / decode)). "window" is the same stream through a codec that hides its steps, so that every block recomputes
all of the codec's context.

    python -m benchmarks.streaming --json benchmarks/results/streaming.json
"""

from functools import partial
from pathlib import Path

import torch
import tyro
from torch import nn

import vqaudio
from benchmarks.codec import noise
from benchmarks.measure import cpu_times, table, write_json
from vqaudio.codec import Codec
from vqaudio.codes import Codes
from vqaudio.streaming import StreamingDecoder, StreamingEncoder

LEVEL_DB = -20.0


def main(
    model: str | None = "fsdd-8khz", recipe: str = "voice-16khz", blocks_ms: tuple[float, ...] = (20.0, 100.0),
    seconds: float = 4.0, repeats: int = 5, seed: int = 0, json: Path | None = None,
) -> None:
    """Print how many times faster than real time a stream is encoded and decoded.

    Args:
        model: a name in weights/, a folder, or a Hub id; None for random weights of the recipe's shape, which are as fast.
        recipe: of `vqaudio train codec`.
        blocks_ms: milliseconds of audio in a block.
        seconds: length of the clip.
        repeats: runs of each contestant; the median counts.
        seed: of the input noise.
        json: also write the numbers to this file.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    codec = random_codec(recipe) if model is None else vqaudio.load(model)
    audio = noise(seconds, codec.sample_rate)
    codes = codec.encode(audio, level_db=LEVEL_DB)
    whole = partial(codec.encode, audio, level_db=LEVEL_DB), partial(codec.decode, codes)
    runs = {"whole file encode": whole[0], "whole file decode": whole[1]}
    for ms in blocks_ms:
        for name, contestant in (("stream", codec), ("window", Opaque(codec))):
            runs[f"{name} {ms:g} ms encode"] = partial(encode, contestant, audio, ms)
            runs[f"{name} {ms:g} ms decode"] = partial(decode, contestant, codes, ms)
    speeds = {name: seconds / taken for name, taken in cpu_times(runs, repeats).items()}
    rows = []
    for name in dict.fromkeys(run.rsplit(" ", 1)[0] for run in runs):
        there, back = speeds[f"{name} encode"], speeds[f"{name} decode"]
        ratios = (f"{speeds[f'{name} {verb}'] / speeds[f'whole file {verb}']:.3f}" for verb in ("encode", "decode"))
        rows.append((name, f"{there:.1f}", f"{back:.1f}", f"{1 / (1 / there + 1 / back):.1f}", *ratios))
    print(f"times real time on one thread; {codec.name}, {seconds:g} s, delay {1000 * codec.delay_s:.0f} ms")
    print(table(("", "encode", "decode", "both", "encode / whole", "decode / whole"), rows))
    facts = {"model": codec.name, "seconds": seconds, "repeats": repeats, "delay_ms": round(1000 * codec.delay_s)}
    write_json(json, facts | {"times_real_time": {name: round(speed, 2) for name, speed in speeds.items()}})


def encode(codec: Codec, audio: torch.Tensor, block_ms: float) -> None:
    encoder = StreamingEncoder(codec, LEVEL_DB)
    for block in audio.split(round(codec.sample_rate * block_ms / 1000), dim=-1):
        encoder.push(block)
    encoder.finish()


def decode(codec: Codec, codes: Codes, block_ms: float) -> None:
    decoder = StreamingDecoder(codec)
    columns = max(1, round(codec.spec.frame_rate * block_ms / 1000))
    for ids in codes.ids.split(columns, dim=-1):
        valid = torch.ones(1, ids.shape[-1], dtype=torch.bool)
        decoder.push(Codes(ids, codes.spec, torch.tensor([ids.shape[-1] * codec.hop]), valid, codes.level_db))
    decoder.finish()


class Opaque(Codec):
    """A codec that hides its steps, like one that overrides only what it must."""

    def __init__(self, inner: Codec):
        nn.Module.__init__(self)
        self.inner, self.config, self.name = inner, inner.config, inner.name
        facts = "spec", "sample_rate", "hop", "context", "look_ahead", "reference_level_db"
        for name in (*facts, "latents", "quantise", "synthesise"):
            setattr(self, name, getattr(inner, name))


def random_codec(recipe: str) -> Codec:
    from vqaudio.codecs.waveform import WaveformCodec
    from vqaudio.training.recipes import CODEC_RECIPES

    codec = WaveformCodec(CODEC_RECIPES[recipe].codec).eval()
    codec.name = f"{recipe}, random weights"
    return codec


if __name__ == "__main__":
    tyro.cli(main)
