"""The page's scripts: their own tests, run by Node, and how the modules may depend on each other."""

import os
import re
import shutil
import subprocess
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from vqaudio.ui import shared

ROOT = Path(__file__).resolve().parents[2]
COMPONENTS = ("ask", "codemap", "compare", "keyboard")
MODULES = [path for path in sorted(shared.UI.glob("*/*.js")) if path != shared.LOADER]
IMPORT = re.compile(r'^(?:import|export)\b[^"]*?\bfrom "([^"]+)";', re.M | re.S)
# The first line of a function or method: it names parameters and opens a block.
OPENS = re.compile(r"^(\s*)(?:export )?(?:async )?(?:(?:function|get|set) )?(?!if|for|while|switch|catch)\w+\(.*\{$")


def name_of(path: Path) -> str:
    return path.relative_to(shared.UI).as_posix()


def imports(path: Path) -> list[Path]:
    return [(path.parent / target).resolve() for target in IMPORT.findall(path.read_text())]


def function_lengths(path: Path) -> dict[str, int]:
    """The lines of each function and method, by the line that opens it."""
    lines = path.read_text().splitlines()
    starts = [(i, match[1]) for i, line in enumerate(lines) if (match := OPENS.match(line))]
    ends = {i: next(j for j in range(i, len(lines)) if re.match(rf"{indent}}}", lines[j])) for i, indent in starts}
    return {lines[i].strip(): end - i + 1 for i, end in ends.items()}


def test_the_scripts_pass_their_own_tests():
    node = shutil.which("node")
    if not node:
        required = os.environ.get("VQAUDIO_REQUIRE_NODE") == "1"
        (pytest.fail if required else pytest.skip)("Node is not installed: the page's scripts are not tested")
    tests = sorted(map(str, (ROOT / "tests" / "javascript").glob("*.test.mjs")))
    done = subprocess.run([node, "--test", *tests], capture_output=True, text=True, timeout=300)
    assert tests and done.returncode == 0, done.stdout + done.stderr


def test_every_import_names_a_module_and_there_is_no_cycle():
    graph = {path: imports(path) for path in MODULES}
    missing = [(name_of(path), target.name) for path, targets in graph.items() for target in targets if target not in graph]
    assert not missing
    assert sum(map(len, graph.values())) > 100, "imports are found at all"
    TopologicalSorter(graph).prepare()  # raises CycleError


def test_components_do_not_import_each_other():
    for path in MODULES:
        allowed = {path.parent.name, "shared"}
        assert {target.parent.name for target in imports(path)} <= allowed, name_of(path)


def test_every_module_is_needed():
    reached = {target for path in MODULES for target in imports(path)}
    assert {name_of(path) for path in MODULES if path not in reached} == {f"{name}/main.js" for name in COMPONENTS}


def test_what_a_module_exports_is_used_elsewhere():
    everywhere = [*MODULES, *(ROOT / "tests" / "javascript").glob("*.mjs")]
    for path in MODULES:
        for name in re.findall(r"^export (?:async )?(?:function|class|const) (\w+)", path.read_text(), re.M):
            users = [other for other in everywhere if other != path and re.search(rf"\b{name}\b", other.read_text())]
            assert users or (name == "start" and path.name == "main.js"), f"{name} of {name_of(path)} is used nowhere else"


def test_files_and_functions_are_short():
    for path in MODULES:
        lines = path.read_text().splitlines()
        assert len(lines) <= 250, name_of(path)
        assert max(map(len, lines)) <= 130, name_of(path)
        lengths = function_lengths(path)
        assert all(length <= 60 for length in lengths.values()), (name_of(path), lengths)


def test_the_lengths_of_functions_are_found(tmp_path):
    script = tmp_path / "some.js"
    script.write_text("export async function f(a) {\n  if (a) {\n    a();\n  }\n}\nclass A {\n  get b() {\n    a();\n  }\n}\n")
    assert function_lengths(script) == {"export async function f(a) {": 5, "get b() {": 3}


def test_no_module_keeps_state_of_its_own():
    """A page may mount a component twice: whatever changes belongs to an object that `start` makes."""
    for path in MODULES:
        assert not re.findall(r"^(?:export )?(?:let|var) \w+", path.read_text(), re.M), name_of(path)


def test_only_transitions_change_the_state():
    owners = ("state.js", "variations.js")
    writes = re.compile(r"\b(?:state|clip|gallery|preview|job|test)\.\w+(?:\.\w+)* (?:=|\|\|=|\+=) .*")
    for path in MODULES:
        assert path.name in owners or not writes.findall(path.read_text()), name_of(path)


def test_exported_functions_say_what_they_take():
    for path in MODULES:
        text = path.read_text()
        for match in re.finditer(r"^export (?:async )?function (\w+)\(([^)]*)", text, re.M):
            comment = text[: match.start()].rstrip()
            assert comment.endswith("*/"), f"{match[1]} of {name_of(path)} has no JSDoc"
            comment = comment[comment.rindex("/**") :]
            assert "@param" in comment or "@returns" in comment or not match[2], f"{match[1]} of {name_of(path)} has no types"


def test_the_folder_of_the_modules_changes_with_any_of_them(tmp_path):
    for name, text in (("shared/text.js", "export const a = 1;"), ("codemap/main.js", 'import { a } from "../shared/text.js";')):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    publish = shared.published_modules.__wrapped__
    before, names = publish(tmp_path)
    assert names == ["codemap/main.js", "shared/text.js"] and publish(tmp_path)[0] == before
    (tmp_path / "shared" / "text.js").write_text("export const a = 2;")
    after, _ = publish(tmp_path)
    assert after != before and (after / "shared" / "text.js").read_text() == "export const a = 2;"
    assert (before / "shared" / "text.js").read_text() == "export const a = 1;", "an open page can still load what it knows"


def test_everything_of_a_component_is_in_the_wheel():
    import tomllib

    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["vqaudio"]
    packaged = {path for pattern in patterns for path in (ROOT / "vqaudio").glob(pattern)}
    files = [path for path in shared.UI.glob("*/*") if path.suffix in (".js", ".css", ".html")]
    assert len(files) > 50 and set(files) <= packaged
