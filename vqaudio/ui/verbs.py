"""Where the app's verbs run: here, in a separate process, or on ZeroGPU's.

Usually a verb runs in this process, on the app's device. On a CPU, verbs that sample run in a separate process: see `apart`. On a
Space with ZeroGPU every verb runs in a process that borrows a GPU for a few seconds, without progress in between.
"""

import functools
from typing import Any

import gradio as gr

from vqaudio import apart, devices, verbs
from vqaudio.errors import InputError
from vqaudio.model import Model

try:
    import spaces
except ImportError:
    spaces = None

STARTING_S, MOST_S = 4.0, 60.0  # for the GPU and the models to be ready; the longest reservation


def _anywhere(work):
    """Make a verb of `vqaudio.verbs` that runs where it belongs."""
    name, samples = work.__name__, verbs.VERBS[work.__name__].samples

    @functools.wraps(work)
    def run(*arguments, **live):
        if borrows_gpu():
            return _run_on_card(name, verbs.sent(arguments))
        if samples and apart.started() and on_cpu() and _are_saved(arguments):
            return apart.run(name, verbs.sent(arguments), **live)
        return work(*(devices.placed(one) if isinstance(one, Model) else one for one in arguments), **live)

    return run


def _are_saved(arguments: tuple) -> bool:
    """Whether another process can load the models."""
    return all(one.folder for one in arguments if hasattr(one, "folder"))


def _run_on_card(name: str, sent: tuple):
    """Run a verb in the process with the GPU.

    Raises:
        InputError: the verb raised it, or no GPU is available.
    """
    try:
        done, answer = on_card(name, sent)
    except gr.Error as error:  # ZeroGPU's own, such as an exceeded quota
        raise InputError(str(error.message)) from None
    if not done:
        raise InputError(answer)
    return answer


def duration(name: str, sent: tuple) -> int:
    """The seconds of GPU time to reserve."""
    return round(min(MOST_S, STARTING_S + verbs.VERBS[name].gpu_s(*sent)))


def _on_card(name: str, sent: tuple) -> tuple[bool, Any]:
    """Run a verb where the GPU is.

    Returns:
        True and the answer, or False and the sentence of an InputError, which ZeroGPU would hide.
    """
    try:
        return True, verbs.run_sent(name, sent)
    except InputError as error:
        return False, str(error)


on_card = _on_card if spaces is None else spaces.GPU(duration=duration)(_on_card)


def borrows_gpu() -> bool:
    """Whether this is ZeroGPU; anywhere else, its decorator changes nothing."""
    return on_card is not _on_card


def on_cpu() -> bool:
    """Whether everything is computed on the CPU."""
    return not borrows_gpu() and devices.pick().type == "cpu"


def prepare(models: list[Model]) -> None:
    """On ZeroGPU, load models on to the GPU, as it requires before the app starts."""
    for model in models if borrows_gpu() else ():
        devices.loaded(model.folder, model.name)


encode, decode, convert = _anywhere(verbs.encode), _anywhere(verbs.decode), _anywhere(verbs.convert)
erase, smear, blur = _anywhere(verbs.erase), _anywhere(verbs.smear), _anywhere(verbs.blur)
fill, generate, score = _anywhere(verbs.fill), _anywhere(verbs.generate), _anywhere(verbs.score)
ask, notes = _anywhere(verbs.ask), _anywhere(verbs.notes)
