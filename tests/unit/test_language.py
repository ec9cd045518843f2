"""The project speaks plain English: no phrase listed below, and every docstring opens with one short sentence."""

import ast
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BANNED = re.compile(
    r"""\b(
    told | untold | anew | mend(s|ed|ing)? | whereof | hindrance | so\ many | behind\ the | of\ its\ own | found\ out
    | what\ was\ found | left[ _]over | who\ listens | where\ nothing\ was | what\ stands | stands\ there | what\ is\ known\ of
    | heard\ with\ these\ labels | leaves\ the\ level\ in | of\ the\ likeliest\ only | whether\ .{1,40}\ at\ all
    | the\ clip\ is\ as\ it\ was
    | _begun_sound | _stemmed | turned_at_random | touching\.py | served\.py
    | what\ you\ gave | take\ it\ home | watch\ it\ think | in\ the\ lanes | make\ it\ a\b | to\ the\ right\ of\ the\ hole
    | spells\ .{0,10}with\ the\ sounds | brings\ the\ meters
    )\b""",
    re.IGNORECASE | re.VERBOSE,
)
PAGES = [
    ROOT / "docs/how-it-works.html",
    ROOT / "README.md", ROOT / "assets/README.md", ROOT / "experiments/README.md", *ROOT.glob("docs/*.md"),
    *ROOT.glob("weights/*/README.md"),
]  # fmt: skip
SOURCES = [path for path in (ROOT / "vqaudio").rglob("*") if path.suffix in (".py", ".js", ".html", ".css", ".typ")]
MODULES = [path for path in SOURCES if path.suffix == ".py"]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def text_of(path: Path) -> str:
    if path.suffix == ".ipynb":
        return "\n".join("".join(cell["source"]) for cell in json.loads(path.read_text())["cells"])
    return path.read_text()


@pytest.mark.parametrize("path", sorted([*PAGES, *SOURCES, *NOTEBOOKS]), ids=name_of)
def test_a_native_speaker_would_write_every_phrase(path):
    lines = text_of(path).splitlines()
    assert not [f"{n}: {line.strip()[:160]}" for n, line in enumerate(lines, 1) if BANNED.search(line)]


def first_lines(path: Path):
    """The first line of every public docstring in a module, each with its place in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            name = getattr(node, "name", "")
            if not name.startswith("_") and (docstring := ast.get_docstring(node)):
                yield f"{getattr(node, 'lineno', 1)} {name}", docstring.splitlines()[0]


@pytest.mark.parametrize("path", sorted(MODULES), ids=name_of)
def test_every_public_docstring_opens_with_a_short_sentence(path):
    wrong = [f"{place}: {line}" for place, line in first_lines(path) if len(line) > 80 or not line.endswith(".")]
    assert not wrong, "\n".join(wrong)
