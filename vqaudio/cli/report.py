"""The command that sets the report."""

from pathlib import Path
from typing import Annotated

import tyro

ROOT = Path(__file__).resolve().parents[2]


def report(
    target: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(help="Where to write the PDF.")] = ROOT / "assets" / "report.pdf",
    root: Annotated[Path, tyro.conf.arg(help="The folder with weights/, experiments/, benchmarks/results/ and assets/.")] = ROOT,
) -> None:
    """Set the report: three pages of PDF from what was recorded; a missing result is named, and stops it."""
    from vqaudio.report import build

    print(f"{target}: {build(target, root)} pages")
