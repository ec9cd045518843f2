"""The project's report: three pages of PDF, typeset from `report.typ`.

The text is in `report.typ`. Every number, table and figure comes from a results file, and a missing one stops the build.
"""

import json
import shutil
import tempfile
from pathlib import Path

from vqaudio.errors import InputError
from vqaudio.files import check_folder, replace_file

HERE = Path(__file__).parent
PAGES = 3
SIZES_PT = (9.6, 9.3, 9.0, 8.7, 8.4, 8.1, 7.8, 7.5)  # font sizes to try; the largest that fits the pages wins
NO_TYPST = "The report needs Typst. Install it: `pip install -e .[report]`."


def build(target: Path, root: Path) -> int:
    """Typeset the report as a PDF.

    Args:
        target: the PDF to write.
        root: the folder with weights/, experiments/, benchmarks/results/ and assets/.

    Returns:
        The number of pages.

    Raises:
        InputError: a result is missing or damaged (and named), Typst is missing, or the text does not fit the pages.
    """
    try:
        import typst
    except ImportError:
        raise InputError(NO_TYPST) from None
    from vqaudio.report import figures
    from vqaudio.report.results import read

    check_folder(target)
    results = read(root)
    with tempfile.TemporaryDirectory(prefix="vqaudio-report-") as temporary:
        work = Path(temporary)
        figures.draw(results, work)
        shutil.copy(HERE / "report.typ", work)
        (work / "data.json").write_text(json.dumps(results.for_template(), indent=1))
        for size in SIZES_PT:
            pdf = _typeset(typst, work, size)
            pages = _count_pages(typst, work, size)
            if pages <= PAGES:
                replace_file(target, lambda path: path.write_bytes(pdf))  # noqa: B023 - called at once
                return pages
    raise InputError(f"The report takes {pages} pages even at {SIZES_PT[-1]:g} pt. Shorten report.typ to fit {PAGES}.")


def _typeset(typst, work: Path, size: float) -> bytes:
    inputs = {"size": f"{size}pt"}
    try:
        return typst.compile(
            str(work / "report.typ"), root=str(work), format="pdf", ignore_system_fonts=True, sys_inputs=inputs
        )
    except typst.TypstError as error:
        raise InputError(f"Typst rejects report.typ. Fix it: {error}") from None


def _count_pages(typst, work: Path, size: float) -> int:
    """Ask Typst how many pages the text takes."""
    inputs = {"size": f"{size}pt"}
    pages = typst.query(
        str(work / "report.typ"), "<pages>", field="value", one=True, root=str(work), ignore_system_fonts=True, sys_inputs=inputs
    )
    return int(json.loads(pages))
