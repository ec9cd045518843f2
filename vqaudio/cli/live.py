"""`vqaudio listen`: microphone -> codes -> headphones, live.

The sound card calls `Pipe.callback` from its own thread and the codec runs in the main thread. Two queues connect them.
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
from vqaudio.cli.options import arg
from vqaudio.cli.sound import AnyModel, Which
from vqaudio.errors import InputError

RATES_HZ = (48_000, 44_100, 32_000, 16_000)  # tried in this order if the sound card refuses the codec's rate
HEADROOM = 2  # columns buffered for playback, against stutter
HEADROOM_CONVERTED = 8  # the same with sample rate conversion, whose output comes in bursts
WAITING = 50  # input blocks that may queue for the codec before any is dropped
LOST_S = 2.0  # without a block for this long, the sound card counts as unplugged
LISTEN_S, NOTHING_S = 2.0, 10.0  # sound needed to measure the level; how long to wait for it
SOUND_DB = -50.0  # blocks below this are not speech
METER_DB = -60.0  # the left end of the meter; the right end is full scale

DeviceName = str | None


def listen(
    model: AnyModel = None,
    stages: Which = None,
    seconds: Annotated[ranges.Seconds | None, arg(help="Stop after this many seconds. Default: at Ctrl-C.")] = None,
    level_db: Annotated[
        ranges.Decibels | None,
        arg(help="Level of the speech in dBFS. Default: measure it over the first two seconds."),
    ] = None,
    record: Annotated[Path | None, tyro.conf.arg(help="Save the codes to this .vqa file.", metavar="FILE.vqa")] = None,
    input_device: Annotated[DeviceName, tyro.conf.arg(help="The microphone's number, or part of its name.")] = None,
    output_device: Annotated[
        DeviceName, tyro.conf.arg(help="The number of the headphones or speaker, or part of the name.")
    ] = None,
    list_devices: Annotated[bool, tyro.conf.arg(help="List the audio devices and exit.")] = False,
) -> None:
    """Hear yourself through the codec, live from the microphone."""
    sound = sounddevice()
    check_devices(sound)
    if list_devices:
        print(sound.query_devices())
        return
    devices = tuple(int(name) if re.fullmatch("[0-9]{1,9}", name or "") else name for name in (input_device, output_device))
    if record is not None:
        check_record(record)
    from vqaudio.cli.sound import _codec, chosen_model
    from vqaudio.masks import parse_stages

    codec = _codec(chosen_model(model), "cpu")
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
    """Import sounddevice. Raises InputError if it or PortAudio is missing."""
    try:
        import sounddevice
    except ImportError:
        raise InputError("Live sound needs the package sounddevice. Install it: pip install 'sounddevice>=0.5,<1'.") from None
    except OSError:  # the package is installed, but the library it loads is not
        raise InputError("Live sound needs the library PortAudio. On Debian or Ubuntu: apt install libportaudio2.") from None
    return sounddevice


def check_record(path: Path) -> None:
    from vqaudio.files import check_folder

    if path.suffix.lower() != ".vqa":
        raise InputError(f"{path} should end in .vqa.")
    check_folder(path)


def check_devices(sound) -> None:
    """Raise InputError if there is no microphone or no loudspeaker."""
    found = list(sound.query_devices())
    for kind, name in (("input", "microphone"), ("output", "loudspeaker")):
        if not any(device[f"max_{kind}_channels"] > 0 for device in found):
            raise InputError(f"PortAudio finds no {name}. Plug one in, or use another computer.")


def pick_rate(sound, wanted: int, devices: tuple) -> int:
    """Pick a sample rate in Hz that both devices take, ideally the codec's."""
    reason = ""
    for rate in (wanted, *RATES_HZ):
        try:
            sound.check_input_settings(device=devices[0], channels=1, dtype="float32", samplerate=rate)
            sound.check_output_settings(device=devices[1], channels=1, dtype="float32", samplerate=rate)
            return rate
        except (sound.PortAudioError, ValueError) as error:  # ValueError: no device has that name, or several do
            reason = str(error)
    raise InputError(f"The sound card does not work here: {reason}. `vqaudio listen --list-devices` lists the devices.")


def open_stream(sound, pipe: "Pipe", devices: tuple):
    """Open the sound card, as a context manager, with the pipe as callback."""
    try:
        return sound.Stream(
            samplerate=pipe.rate, blocksize=pipe.block, device=devices, channels=1, dtype="float32", latency="low",
            callback=pipe.callback, finished_callback=pipe.finished,
        )
    except (sound.PortAudioError, ValueError) as error:
        raise InputError(f"The sound card cannot be opened: {error}. Close other programs that use it.") from None


class Pipe:
    """The buffers between the sound card and the codec.

    Args:
        rate: the sound card's sample rate, Hz.
        block: samples per callback: one column.
        headroom: blocks buffered for playback. When the buffer holds three times as many, the oldest are dropped, so that the
            delay stays constant.

    Attributes:
        gaps: how often the playback buffer ran empty.
        lost: microphone blocks that the codec was too slow for, and stretches dropped to catch up.
        delays_s: delays from microphone to output over the last minute, s, by the sound card's clock.
    """

    def __init__(self, rate: int, block: int, headroom: int = HEADROOM):
        self.rate, self.block, self.headroom = rate, block, headroom
        self.recorded, self.ready = queue.Queue(WAITING), queue.SimpleQueue()
        self.gaps = self.lost = 0
        self.delays_s = deque(maxlen=60 * rate // block)
        self._buffer, self._filling = np.zeros(0, np.float32), True
        self._samples_in = self._source = 0  # indices of the next input sample and of the next one to play

    def callback(self, indata: np.ndarray, outdata: np.ndarray, frames: int, times, status) -> None:
        """Called by the sound card: float32 [frames, 1] in and out. Must not block."""
        if status.input_overflow:
            self.lost += 1
        if status.output_underflow:
            self.gaps += 1
        try:
            self.recorded.put_nowait(indata[:, 0].copy())
        except queue.Full:
            self.lost += 1
            self.skip(frames)
        block = self._next(frames)
        outdata[: len(block), 0], outdata[len(block) :, 0] = block, 0.0
        if len(block) and times.inputBufferAdcTime > 0:
            lag = (self._samples_in - self._source) / self.rate
            self.delays_s.append(times.outputBufferDacTime - times.inputBufferAdcTime + lag)
        self._source += len(block)
        self._samples_in += frames

    def finished(self) -> None:
        """Called by the sound card when it stops."""
        if not self.recorded.full():
            self.recorded.put_nowait(None)

    def skip(self, samples: int) -> None:
        """Count input samples that will not be played."""
        self._source += samples

    def listen(self) -> np.ndarray:
        """Wait for the next microphone block [n]. Raises InputError if the card is gone."""
        try:
            block = self.recorded.get(timeout=LOST_S)
        except queue.Empty:
            block = None
        if block is None:
            raise InputError("The microphone or the headphones were unplugged. Plug them in and start again.")
        return block

    def _next(self, frames: int) -> np.ndarray:
        """The next samples to play: `frames` of them, or none while the headroom fills."""
        while not self.ready.empty():
            self._buffer = np.concatenate([self._buffer, self.ready.get()])
        enough = frames + self.headroom * self.block
        if len(self._buffer) > 3 * enough:
            dropped = len(self._buffer) - enough
            self._buffer = self._buffer[dropped:]
            self.lost += 1
            self.skip(dropped)
        if self._filling and len(self._buffer) < enough:
            return self._buffer[:0]
        self._filling = len(self._buffer) < frames
        if self._filling:
            self.gaps += 1
            return self._buffer[:0]
        block, self._buffer = self._buffer[:frames], self._buffer[frames:]
        return block


class Session:
    """A listening session: the pipe, the codec and the figures for the summary."""

    def __init__(self, codec, stages: tuple[int, ...] | None, rate: int, record: Path | None = None):
        import torch

        from vqaudio.streaming import StreamingDecoder

        torch.set_num_threads(1)  # a single column is too little work for several threads
        self.codec, self.record = codec, record
        headroom = HEADROOM if rate == codec.sample_rate else HEADROOM_CONVERTED
        self.pipe = Pipe(rate, round(codec.hop * rate / codec.sample_rate), headroom)
        self.to_codec, self.from_codec = resampler(rate, codec.sample_rate), resampler(codec.sample_rate, rate)
        self.encoder, self.decoder = None, StreamingDecoder(codec, stages)
        self.codes, self.seconds, self.computed_s = [], 0.0, 0.0

    def run(self, level_db: float | None, seconds: float | None) -> None:
        """Listen until the time is up.

        Raises:
            InputError: the microphone is silent, or the sound card is gone.
        """
        from vqaudio.streaming import StreamingEncoder

        print(f"{self.codec.name}: {self.codec.spec.bits_per_second:g} bit/s, {self._nominal_delay()}.")
        print("Wear headphones to avoid feedback. Ctrl-C stops.")
        if level_db is None and self.codec.reference_level_db is not None:
            level_db = self.calibrate()
        self.encoder = StreamingEncoder(self.codec, level_db)
        while seconds is None or self.seconds < seconds:
            self.step(self.pipe.listen())

    def calibrate(self) -> float:
        """Measure the level of the first seconds of sound, dBFS."""
        import torch

        from vqaudio.audio import active_level_db

        print("Speak for two seconds to set the level ...")
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
                    f"No sound for {NOTHING_S:g} s. Unmute the microphone; if it is just quiet, add --level-db -50."
                )
        audio = torch.from_numpy(np.concatenate(blocks))[None, None]
        level_db = float(active_level_db(audio, torch.tensor([audio.shape[-1]]), self.pipe.rate))
        print(f"Level: {level_db:g} dBFS (--level-db {level_db:g} skips this step). You can hear yourself now.")
        return level_db

    def step(self, block: np.ndarray) -> None:
        """Encode one microphone block [n] and queue the finished sound for playback."""
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
        """Save the codes, if a file was named."""
        from vqaudio.streaming import joined
        from vqaudio.vqa import write_vqa

        if sys.stderr.isatty():
            print(file=sys.stderr)
        if self.record is not None and self.seconds:
            write_vqa(self.record, joined([*self.codes, self.encoder.finish()]), self.codec)
            print(f"Saved the codes to {self.record}.")

    def summary(self) -> str:
        return (
            f"{self.seconds:.1f} s processed; {self._nominal_delay()}; measured, microphone to output: {self._measured_delay()}. "
            f"Gaps: {self.pipe.gaps}; dropouts: {self.pipe.lost}; CPU load: {100 * self._load():.0f} %."
        )

    def _nominal_delay(self) -> str:
        encoder, decoder = self.codec.look_ahead
        return f"codec delay: {1000 * self.codec.delay_s:.0f} ms ({encoder} + {decoder} columns of look-ahead, plus one)"

    def _measured_delay(self) -> str:
        return f"{1000 * median(tuple(self.pipe.delays_s)):.0f} ms" if self.pipe.delays_s else "not measured"

    def _load(self) -> float:
        return self.computed_s / self.seconds if self.seconds else 0.0

    def _keep(self, codes) -> None:
        from vqaudio.streaming import joined

        if self.record is not None and codes.columns:
            self.codes.append(codes)
            if len(self.codes) >= 500:  # one large tensor takes less memory than many small ones
                self.codes = [joined(self.codes)]

    def _show(self, block: np.ndarray, codes) -> None:
        """Print the level meter on a terminal, five times a second."""
        blocks = round(self.seconds * self.pipe.rate / self.pipe.block)
        if not sys.stderr.isatty() or blocks % 10:
            return
        level = decibels(block)
        bar = "#" * round(20 * min(1.0, max(0.0, 1 - level / METER_DB)))
        ids = " ".join(str(i) for i in codes.ids[0, :, -1].tolist()) if codes.columns else ""
        numbers = f"delay {self._measured_delay()}  gaps {self.pipe.gaps}  load {100 * self._load():.0f} %"
        line = f"[{bar:<20}] {level:4.0f} dB  {numbers}  ids {ids}"
        print(f"\r{line[: shutil.get_terminal_size().columns - 1]}\x1b[K", end="", file=sys.stderr, flush=True)


def resampler(rate: int, wanted: int):
    """Make a function that resamples a stream block by block.

    Each call takes the next block [n] and returns the samples that are final.
    """
    if rate == wanted:
        return lambda block: block
    import soxr

    stream = soxr.ResampleStream(rate, wanted, 1, dtype="float32", quality="MQ")  # the next better setting has a longer delay
    return lambda block: stream.resample_chunk(np.ascontiguousarray(block))


def decibels(block: np.ndarray) -> float:
    """The level of a block [n], dBFS."""
    return 10 * float(np.log10(np.mean(np.square(block)) + 1e-10))
