"""Commands as records keep them: whoever reads them learns what was done, and nothing about the machine."""

import os
import shlex
import sys
from pathlib import Path


def recorded_command(argv: list[str] | None = None) -> str:
    """The command line for a record; None: this process's.

    An absolute path is shortened to a relative one, and the value of --data becomes DIR.
    """
    words, option = ["vqaudio"], ""
    for word in (sys.argv if argv is None else argv)[1:]:
        name, equals, value = word.partition("=") if word.startswith("--") and "=" in word else ("", "", word)
        words.append(name + equals + shlex.quote("DIR" if "--data" in (name, option) else relative(value)))
        option = word
    return " ".join(words)


def relative(path: str) -> str:
    """A path without the machine's folders: relative to the working folder, or from its last folder `runs` on, or its name.

    What is no absolute path comes back as it is.
    """
    if not os.path.isabs(path):
        return path
    inside, parts = Path(path), Path(path).parts
    if inside.is_relative_to(Path.cwd()):
        return inside.relative_to(Path.cwd()).as_posix()
    start = len(parts) - 1 - parts[::-1].index("runs") if "runs" in parts else len(parts) - 1
    return "/".join(parts[start:])
