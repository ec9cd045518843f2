"""The project's report: three pages of PDF, set by Typst from `report.typ` and from what lies in the files of results.

The text is written; every number, table and figure is read from a file that a command wrote, and a missing one stops the build.
"""

import json
import shutil
import tempfile
from pathlib import Path

from vqaudio.errors import InputError
from vqaudio.files import check_folder, replace_file

HERE = Path(__file__).parent
PAGES = 3
SIZES_PT = (9.6, 9.3, 9.0, 8.7, 8.4, 8.1, 7.8, 7.5)  # of the text, the largest that keeps to the pages
NO_TYPST = "The report is set by Typst, which is not there: `pip install -e .[report]`."


def build(target: Path, root: Path) -> int:
    """Write the PDF; returns how many pages it has.

    Args:
        root: the folder that holds weights/, experiments/, benchmarks/results/ and assets/.

    Raises:
        InputError: a result is missing or damaged (its name is in the sentence), Typst is, or the text takes too many pages.
    """
    try:
        import typst
    except ImportError:
        raise InputError(NO_TYPST) from None
    from vqaudio.report import figures, results

    check_folder(target)
    found = results.read(root)
    with tempfile.TemporaryDirectory(prefix="vqaudio-report-") as place:
        work = Path(place)
        figures.draw(found, work)
        shutil.copy(HERE / "report.typ", work)
        (work / "data.json").write_text(json.dumps(found.told(), indent=1))
        for size in SIZES_PT:
            pdf = _set(typst, work, size)
            pages = _pages(typst, work, size)
            if pages <= PAGES:
                replace_file(target, lambda path: path.write_bytes(pdf))  # noqa: B023 - called at once
                return pages
    raise InputError(f"The report takes {pages} pages, even in {SIZES_PT[-1]:g} points: shorten report.typ, to keep to {PAGES}.")


def _set(typst, work: Path, size: float) -> bytes:
    inputs = {"size": f"{size}pt"}
    try:
        return typst.compile(
            str(work / "report.typ"), root=str(work), format="pdf", ignore_system_fonts=True, sys_inputs=inputs
        )
    except typst.TypstError as error:
        raise InputError(f"report.typ cannot be set: {error}") from None


def _pages(typst, work: Path, size: float) -> int:
    """How many pages the text takes: Typst counts them itself."""
    inputs = {"size": f"{size}pt"}
    told = typst.query(
        str(work / "report.typ"), "<pages>", field="value", one=True, root=str(work), ignore_system_fonts=True, sys_inputs=inputs
    )
    return int(json.loads(told))
