"""The command line: `vqaudio COMMAND ...`.

Each command is one function: arguments, types and help come from its signature. To add one, write the function in a file of
this folder and name it in the table below. Functions import PyTorch themselves, so that help prints at once.
"""

import functools
import os
import sys
from collections.abc import Callable

import tyro

from vqaudio.cli import (
    data,
    energy,
    experiment,
    features,
    live,
    measure,
    models,
    phones,
    plot,
    prior,
    questions,
    report,
    sampler,
    sound,
    space,
)  # fmt: skip
from vqaudio.errors import InputError
from vqaudio.ranges import check_arguments, printable
from vqaudio.training import setup

COMMANDS: dict[str, Callable] = {
    "reconstruct": sound.reconstruct,
    "encode": sound.encode,
    "decode": sound.decode,
    "convert": sound.convert,
    "blur": sound.blur,
    "smear": sound.smear,
    "info": sound.info,
    "listen": live.listen,
    "generate": prior.generate,
    "inpaint": prior.inpaint,
    "fill": prior.fill,
    "score": prior.score,
    "replay": prior.replay,
    "sampler": sampler.sampler,
    "push": models.push,
    "space": space.space,
    "scenes": questions.scenes,
    "ask": questions.ask,
    "download": data.download,
    "prepare": data.prepare,
    "tokenize": data.tokenize,
    "features stats": features.stats,
    "publish": measure.publish,
    "codebooks": measure.codebooks,
    "fit": measure.fit,
    "explore": measure.explore,
    "evaluate codec": measure.evaluate_codec,
    "evaluate conversion": measure.evaluate_conversion,
    "evaluate prior": prior.evaluate_prior,
    "evaluate questions": questions.evaluate,
    "card": measure.card,
    "energy": energy.energy,
    "report": report.report,
    "plot": plot.plot,
    "phones align": phones.align,
    "phones bigrams": phones.bigrams,
    "phones frequency": phones.frequency,
    "phones length": phones.length,
    "phones map": phones.map_codes,
    "phones metrics": phones.metrics,
    "phones abx": phones.abx,
    "phones measure": phones.measure,
    "experiment run": experiment.run,
    "experiment table": experiment.table,
    "experiment plot": experiment.plot,
}
# These parse their own arguments, because the recipe sets their defaults.
RECIPE_COMMANDS: dict[str, Callable[[list[str]], None]] = {
    "train codec": setup.codec,
    "train judge": setup.judge,
    "train prior": setup.prior,
    "train questions": questions.train,
}


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code.

    Returns:
        0, 2 for an error that the user can fix, or 130 after Ctrl-C.
    """
    try:
        _run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
        return 0
    except KeyboardInterrupt as stop:
        return _fail(str(stop) or "stopped.", 130)
    except BrokenPipeError:  # the program reading our output, such as `head`, has stopped
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except InputError as error:
        return _fail(str(error), 2)
    except OSError as error:
        return _fail(f"{error.filename or 'the file'}: {error.strerror}." if error.strerror else str(error), 2)
    except MemoryError:
        return _fail("not enough memory. Use a shorter recording.", 2)


def _run(argv: list[str]) -> None:
    name = next((" ".join(argv[:n]) for n in (2, 1) if " ".join(argv[:n]) in {**COMMANDS, **RECIPE_COMMANDS}), None)
    if name in RECIPE_COMMANDS:
        RECIPE_COMMANDS[name](argv[len(name.split()) :])
    elif name:
        tyro.cli(
            _checked(COMMANDS[name]), args=argv[len(name.split()) :], prog=f"vqaudio {name}",
            config=(tyro.conf.FlagCreatePairsOff,),
        )
    elif argv in (["--version"], ["-V"]):
        from vqaudio import __version__

        print(f"vqaudio {__version__}")
    elif not argv or argv[0] in ("--help", "-h", "help") or any(key.startswith(f"{argv[0]} ") for key in _table()):
        print(_overview("" if not argv or argv[0] in ("--help", "-h", "help") else argv[0]))
    else:
        raise InputError(f"Unknown command {argv[0]!r}. `vqaudio --help` lists all commands.")


def _checked(command: Callable) -> Callable:
    """Check the options against the types and ranges in the signature."""

    @functools.wraps(command)
    def run(**arguments):
        check_arguments(command, arguments)
        return command(**arguments)

    return run


def _table() -> dict[str, Callable]:
    return COMMANDS | RECIPE_COMMANDS


def _overview(group: str) -> str:
    """List the commands, or one group of them, with the first line of each docstring."""
    lines = [
        f"  {name:<18} {command.__doc__.strip().splitlines()[0]}"
        for name, command in sorted(_table().items(), key=lambda item: " " in item[0])
        if name.startswith(group)
    ]
    head = "usage: vqaudio COMMAND ...   (details: vqaudio COMMAND --help)\n"
    return "\n".join([head, *lines])


def _fail(message: str, code: int) -> int:
    print("vqaudio: " + printable(" ".join(message.split())), file=sys.stderr)
    return code
