"""`vqaudio listen`: microphone -> ids -> loudspeaker, live.

The sound card calls `Pipe.callback` from a thread of its own; the codec runs in the main thread; two queues lie between them.
"""

import queue
import re
import shutil
import sys
import time
from collections import deque
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import tyro

from vqaudio import ranges
from vqaudio.cli.sound import Model, Which
from vqaudio.errors import InputError

RATES_HZ = (48_000, 44_100, 32_000, 16_000)  # tried where a sound card does not take the codec's own
HEADROOM = 2  # columns that wait to be played, against a computer that stutters
HEADROOM_CONVERTED = 8  # the same where the sample rate is converted, which gives its sound in bursts
WAITING = 50  # blocks that wait for the codec before some are lost
LOST_S = 2.0  # a sound card that gives nothing for so long is gone
LISTEN_S, NOTHING_S = 2.0, 10.0  # of sound for the level; how long to wait for it
SOUND_DB = -50.0  # a block below this is no speech
METER_DB = -60.0  # the left end of the meter; the right end is full scale

DeviceName = str | None


def listen(
    model: Model = "fsdd-8khz",
    stages: Which = None,
    seconds: Annotated[ranges.Seconds | None, tyro.conf.arg(help="Stop after so long; by default at Ctrl-C.")] = None,
    level_db: Annotated[
        ranges.Decibels | None,
        tyro.conf.arg(help="How loud the speech will be, dB re full scale; by default its first two seconds are measured."),
    ] = None,
    record: Annotated[Path | None, tyro.conf.arg(help="Keep the ids in this .vqa file.", metavar="FILE.vqa")] = None,
    input_device: Annotated[DeviceName, tyro.conf.arg(help="The microphone's number, or a part of its name.")] = None,
    output_device: Annotated[DeviceName, tyro.conf.arg(help="The loudspeaker's number, or a part of its name.")] = None,
    list_devices: Annotated[bool, tyro.conf.arg(help="Only list the microphones and loudspeakers.")] = False,
) -> None:
    """Hear yourself through the codec, live, from the microphone."""
    sound = sounddevice()
    check_devices(sound)
    if list_devices:
        print(sound.query_devices())
        return
    devices = tuple(int(name) if re.fullmatch("[0-9]{1,9}", name or "") else name for name in (input_device, output_device))
    if record is not None:
        check_record(record)
    from vqaudio.cli.sound import _codec
    from vqaudio.masks import parse_stages

    codec = _codec(model, "cpu")
    session = Session(codec, parse_stages(stages, len(codec.spec.stages)), pick_rate(sound, codec.sample_rate, devices), record)
    try:
        with open_stream(sound, session.pipe, devices):
            session.run(level_db, seconds)
    except KeyboardInterrupt:
        pass
    finally:
        session.close()
    print(session.summary())


def sounddevice():
    """The package, or an InputError that says what is missing."""
    try:
        import sounddevice
    except ImportError:
        raise InputError("Live sound needs the package sounddevice: pip install 'sounddevice>=0.5,<1'.") from None
    except OSError:  # it is there, and the library that it calls is not
        raise InputError("Live sound needs the library PortAudio: on Debian or Ubuntu, apt install libportaudio2.") from None
    return sounddevice


def check_record(path: Path) -> None:
    from vqaudio.files import check_folder

    if path.suffix.lower() != ".vqa":
        raise InputError(f"{path} should end in .vqa.")
    check_folder(path)


def check_devices(sound) -> None:
    """InputError if there is no microphone or no loudspeaker."""
    found = list(sound.query_devices())
    for kind, name in (("input", "microphone"), ("output", "loudspeaker")):
        if not any(device[f"max_{kind}_channels"] > 0 for device in found):
            raise InputError(f"There is no {name} here, as far as PortAudio sees: plug one in, or listen on another computer.")


def pick_rate(sound, wanted: int, devices: tuple) -> int:
    """A sample rate, Hz, that both devices take: the codec's own if possible."""
    reason = ""
    for rate in (wanted, *RATES_HZ):
        try:
            sound.check_input_settings(device=devices[0], channels=1, dtype="float32", samplerate=rate)
            sound.check_output_settings(device=devices[1], channels=1, dtype="float32", samplerate=rate)
            return rate
        except (sound.PortAudioError, ValueError) as error:  # ValueError: no device of that name, or several
            reason = str(error)
    raise InputError(f"The sound card cannot be used: {reason}. `vqaudio listen --list-devices` shows what there is.")


def open_stream(sound, pipe: "Pipe", devices: tuple):
    """A context manager in which the sound card calls the pipe."""
    try:
        return sound.Stream(
            samplerate=pipe.rate, blocksize=pipe.block, device=devices, channels=1, dtype="float32", latency="low",
            callback=pipe.callback, finished_callback=pipe.finished,
        )
    except (sound.PortAudioError, ValueError) as error:
        raise InputError(f"The sound card cannot be opened: {error}. Is another program using it?") from None


class Pipe:
    """Between the sound card and the codec.

    Args:
        rate: Hz, of the sound card.
        block: samples that it gives and takes at a time: one column.
        headroom: blocks that wait to be played; where it triples, the oldest are left out, so that the delay stays.

    Attributes:
        gaps: how often there was nothing to play in time.
        lost: blocks of the microphone that the codec had no time for, and stretches left out to catch up.
        delays_s: what passed between a sample's coming in and its going out, as the sound card's clock tells; the last minute.
    """

    def __init__(self, rate: int, block: int, headroom: int = HEADROOM):
        self.rate, self.block, self.headroom = rate, block, headroom
        self.heard, self.ready = queue.Queue(WAITING), queue.SimpleQueue()
        self.gaps = self.lost = 0
        self.delays_s = deque(maxlen=60 * rate // block)
        self._buffer, self._filling = np.zeros(0, np.float32), True
        self._samples_in = self._source = 0  # the input sample that comes next, and the one that is played next

    def callback(self, indata: np.ndarray, outdata: np.ndarray, frames: int, times, status) -> None:
        """The sound card's: float32 [frames, 1] in and out. It must not wait for anything."""
        if status.input_overflow:
            self.lost += 1
        if status.output_underflow:
            self.gaps += 1
        try:
            self.heard.put_nowait(indata[:, 0].copy())
        except queue.Full:
            self.lost += 1
            self.skip(frames)
        block = self._next(frames)
        outdata[: len(block), 0], outdata[len(block) :, 0] = block, 0.0
        if len(block) and times.inputBufferAdcTime > 0:
            behind = (self._samples_in - self._source) / self.rate
            self.delays_s.append(times.outputBufferDacTime - times.inputBufferAdcTime + behind)
        self._source += len(block)
        self._samples_in += frames

    def finished(self) -> None:
        """The sound card's: it has stopped."""
        if not self.heard.full():
            self.heard.put_nowait(None)

    def skip(self, samples: int) -> None:
        """So many input samples will not come out again."""
        self._source += samples

    def listen(self) -> np.ndarray:
        """The next block [n] of the microphone; InputError if the sound card is gone."""
        try:
            block = self.heard.get(timeout=LOST_S)
        except queue.Empty:
            block = None
        if block is None:
            raise InputError("The microphone or the loudspeaker was lost: plug it in, and start again.")
        return block

    def _next(self, frames: int) -> np.ndarray:
        """What is to be played: `frames` samples, or none while the headroom fills."""
        while not self.ready.empty():
            self._buffer = np.concatenate([self._buffer, self.ready.get()])
        enough = frames + self.headroom * self.block
        if len(self._buffer) > 3 * enough:
            left_out = len(self._buffer) - enough
            self._buffer = self._buffer[left_out:]
            self.lost += 1
            self.skip(left_out)
        if self._filling and len(self._buffer) < enough:
            return self._buffer[:0]
        self._filling = len(self._buffer) < frames
        if self._filling:
            self.gaps += 1
            return self._buffer[:0]
        block, self._buffer = self._buffer[:frames], self._buffer[frames:]
        return block


class Session:
    """One time of listening: the pipe, the codec behind it, and what is told of it."""

    def __init__(self, codec, stages: tuple[int, ...] | None, rate: int, record: Path | None = None):
        import torch

        from vqaudio.streaming import StreamingDecoder

        torch.set_num_threads(1)  # a column is too little to share
        self.codec, self.record = codec, record
        headroom = HEADROOM if rate == codec.sample_rate else HEADROOM_CONVERTED
        self.pipe = Pipe(rate, round(codec.hop * rate / codec.sample_rate), headroom)
        self.to_codec, self.from_codec = resampler(rate, codec.sample_rate), resampler(codec.sample_rate, rate)
        self.encoder, self.decoder = None, StreamingDecoder(codec, stages)
        self.codes, self.seconds, self.computed_s = [], 0.0, 0.0

    def run(self, level_db: float | None, seconds: float | None) -> None:
        """Listen until the time is over; InputError if nothing is heard or the sound card is lost."""
        from vqaudio.streaming import StreamingEncoder

        print(f"{self.codec.name}: {self.codec.spec.bits_per_second:g} bit/s, {self._promised()}.")
        print("Wear headphones: a loudspeaker that the microphone hears will howl. Ctrl-C stops.")
        if level_db is None and self.codec.reference_level_db is not None:
            level_db = self.calibrate()
        self.encoder = StreamingEncoder(self.codec, level_db)
        while seconds is None or self.seconds < seconds:
            self.step(self.pipe.listen())

    def calibrate(self) -> float:
        """The level of the first seconds of sound, dB re full scale."""
        import torch

        from vqaudio.audio import active_level_db

        print("Speak, so that the level can be measured ...")
        blocks, sounding_s, waited_s = [], 0.0, 0.0
        while sounding_s < LISTEN_S:
            block = self.pipe.listen()
            self.pipe.skip(len(block))
            waited_s += len(block) / self.pipe.rate
            if blocks or decibels(block) > SOUND_DB:
                blocks.append(block)
                sounding_s += len(block) / self.pipe.rate
            elif waited_s > NOTHING_S:
                raise InputError(
                    f"Nothing was heard in {NOTHING_S:g} s: is the microphone muted? If it is only soft, give --level-db -50."
                )
        audio = torch.from_numpy(np.concatenate(blocks))[None, None]
        level_db = float(active_level_db(audio, torch.tensor([audio.shape[-1]]), self.pipe.rate))
        print(f"The level is {level_db:g} dB re full scale (--level-db {level_db:g} skips this). You hear yourself now.")
        return level_db

    def step(self, block: np.ndarray) -> None:
        """Take one block [n] of the microphone, and give what is final to the loudspeaker."""
        import torch

        started = time.perf_counter()
        codes = self.encoder.push(torch.from_numpy(self.to_codec(block))[None, None])
        sound = self.decoder.push(codes)[0, 0].numpy()
        self.pipe.ready.put(self.from_codec(np.clip(sound, -1, 1)))
        self.computed_s += time.perf_counter() - started
        self.seconds += len(block) / self.pipe.rate
        self._keep(codes)
        self._show(block, codes)

    def close(self) -> None:
        """Write the ids, if they are to be kept."""
        from vqaudio.streaming import joined
        from vqaudio.vqa import write_vqa

        if sys.stderr.isatty():
            print(file=sys.stderr)
        if self.record is not None and self.seconds:
            write_vqa(self.record, joined([*self.codes, self.encoder.finish()]), self.codec)
            print(f"The ids are in {self.record}.")

    def summary(self) -> str:
        return (
            f"{self.seconds:.1f} s heard; {self._promised()}; measured from microphone to loudspeaker: {self._measured()}. "
            f"Nothing to play: {self.pipe.gaps} times; sound left out: {self.pipe.lost} times. "
            f"Computing took {100 * self._load():.0f} % of the time."
        )

    def _promised(self) -> str:
        encoder, decoder = self.codec.look_ahead
        return f"delay by the codec: {1000 * self.codec.delay_s:.0f} ms ({encoder} + {decoder} columns ahead, and one that fills)"

    def _measured(self) -> str:
        return f"{1000 * median(tuple(self.pipe.delays_s)):.0f} ms" if self.pipe.delays_s else "not measured"

    def _load(self) -> float:
        return self.computed_s / self.seconds if self.seconds else 0.0

    def _keep(self, codes) -> None:
        from vqaudio.streaming import joined

        if self.record is not None and codes.columns:
            self.codes.append(codes)
            if len(self.codes) >= 500:  # one large tensor takes less than many small ones
                self.codes = [joined(self.codes)]

    def _show(self, block: np.ndarray, codes) -> None:
        """The meter, on a terminal, five times a second."""
        blocks = round(self.seconds * self.pipe.rate / self.pipe.block)
        if not sys.stderr.isatty() or blocks % 10:
            return
        level = decibels(block)
        bar = "#" * round(20 * min(1.0, max(0.0, 1 - level / METER_DB)))
        ids = " ".join(str(i) for i in codes.ids[0, :, -1].tolist()) if codes.columns else ""
        numbers = f"delay {self._measured()}  gaps {self.pipe.gaps}  computing {100 * self._load():.0f} %"
        line = f"[{bar:<20}] {level:4.0f} dB  {numbers}  ids {ids}"
        print(f"\r{line[: shutil.get_terminal_size().columns - 1]}\x1b[K", end="", file=sys.stderr, flush=True)


def resampler(rate: int, wanted: int):
    """A function that turns the next block [n] at one rate into what is final at the other."""
    if rate == wanted:
        return lambda block: block
    import soxr

    stream = soxr.ResampleStream(rate, wanted, 1, dtype="float32", quality="MQ")  # the next better one waits for longer
    return lambda block: stream.resample_chunk(np.ascontiguousarray(block))


def decibels(block: np.ndarray) -> float:
    """The level of a block [n], dB re full scale."""
    return 10 * float(np.log10(np.mean(np.square(block)) + 1e-10))
