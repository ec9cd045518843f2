"""The `report` command."""

from pathlib import Path
from typing import Annotated

import tyro

ROOT = Path(__file__).resolve().parents[2]


def report(
    target: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(help="The PDF to write.")] = ROOT / "assets" / "report.pdf",
    root: Annotated[Path, tyro.conf.arg(help="The folder with weights/, experiments/, benchmarks/results/ and assets/.")] = ROOT,
) -> None:
    """Typeset the three-page PDF report from the recorded results.

    Stops at a missing result and names it.
    """
    from vqaudio.report import build

    print(f"{target}: {build(target, root)} pages")
