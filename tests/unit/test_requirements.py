"""The locks fit pyproject.toml's ranges and each other, and every package that the code imports is declared."""

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
LOCKS = {"requirements.txt": PROJECT["dependencies"], "tests/requirements.txt": [*PROJECT["dependencies"], *EXTRAS["tests"]]}
ALL = [*PROJECT["dependencies"], *chain(*EXTRAS.values())]
OF_SPACES = {"spaces"}  # preinstalled on every Space, and imported only where it is there
PYTHONS = ("3.11", "3.12", "3.13")


def lines_of(lock: str) -> list[str]:
    return (ROOT / lock).read_text().splitlines()


def pins_of(lock: str) -> dict[str, list[Requirement]]:
    pins: dict[str, list[Requirement]] = {}
    for line in lines_of(lock)[1:]:
        requirement = Requirement(line)
        pins.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return pins


def expanded(requirements: list[str]) -> list[Requirement]:
    """The requirements, with vqaudio[extra, ...] replaced by what those extras ask for."""
    found = []
    for requirement in map(Requirement, requirements):
        own = requirement.name == PROJECT["name"]
        found += expanded([line for extra in requirement.extras for line in EXTRAS[extra]]) if own else [requirement]
    return found


def declared(requirements: list[str]) -> set[str]:
    return {canonicalize_name(requirement.name) for requirement in expanded(requirements)}


def imports_of(path: Path) -> tuple[set[str], set[str]]:
    """The packages that a file imports on its own import, and those that it imports inside functions."""
    tree = ast.parse(path.read_text())
    inside = {node for function in ast.walk(tree) if isinstance(function, ast.FunctionDef) for node in ast.walk(function)}
    early, late = set(), set()
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module]
        (late if node in inside else early).update(name.split(".")[0] for name in names)
    ours = {"vqaudio", "benchmarks", "tests"}
    return early - sys.stdlib_module_names - ours, late - sys.stdlib_module_names - ours


@cache
def installed() -> dict[str, list[str]]:
    """The distributions that bring each import package."""
    return dict(packages_distributions())


def distributions(package: str) -> set[str]:
    """The names under which an import package can be installed; its own where it is not installed."""
    return {canonicalize_name(name) for name in installed().get(package, [package])}


def undeclared(packages: set[str], known: set[str]) -> list[str]:
    return sorted(package for package in packages - OF_SPACES if not distributions(package) & known)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_begins_with_the_command_that_remakes_it(lock):
    assert re.match(r"# Lock made by: bash \.ci/lock, that is: uv pip compile --universal .*pyproject\.toml", lines_of(lock)[0])
    assert lock in lines_of(lock)[0]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_of_a_lock_pins_one_version(lock):
    for line in lines_of(lock)[1:]:
        specifiers = list(Requirement(line).specifier)
        assert [pin.operator for pin in specifiers] == ["=="] and "*" not in specifiers[0].version, line


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("python", PYTHONS)
def test_a_lock_names_one_version_of_a_package_on_a_machine(lock, python):
    for platform in ("linux", "darwin", "win32"):
        machine = {"python_version": python, "python_full_version": f"{python}.1", "sys_platform": platform}
        for name, pins in pins_of(lock).items():
            assert sum(pin.marker is None or pin.marker.evaluate(machine) for pin in pins) <= 1, (name, machine)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_satisfies_the_ranges(lock):
    pins = pins_of(lock)
    for wanted in expanded(LOCKS[lock]):
        found = pins.get(canonicalize_name(wanted.name))
        assert found, f"{lock} lacks {wanted.name}: run bash .ci/lock"
        for pin in found:
            assert wanted.specifier.contains(next(iter(pin.specifier)).version), f"{pin} is outside {wanted}: run bash .ci/lock"


def test_the_locks_agree():
    everything = pins_of("tests/requirements.txt")
    for name, pins in pins_of("requirements.txt").items():
        assert list(map(str, everything[name])) == list(map(str, pins))


def test_every_range_has_both_ends():
    for requirement in map(Requirement, ALL):
        operators = {pin.operator for pin in requirement.specifier}
        assert requirement.name == PROJECT["name"] or operators & {"==", "<"}, requirement


def test_the_classifiers_name_the_versions_that_are_allowed():
    allowed = SpecifierSet(PROJECT["requires-python"])
    assert [version for version in (f"3.{minor}" for minor in range(9, 20)) if allowed.contains(f"{version}.1")] == list(PYTHONS)
    named = [line.rsplit(" ", 1)[1] for line in PROJECT["classifiers"] if line.startswith("Programming Language :: Python :: 3.")]
    assert named == list(PYTHONS)


def test_what_the_package_imports_is_declared():
    """Imports inside functions may be of an extra; all others are needed by everyone."""
    early, late = set(), set()
    for path in [ROOT / "app.py", *(ROOT / "vqaudio").rglob("*.py")]:
        for seen, found in zip((early, late), imports_of(path)):
            seen |= found
    assert {"torch", "gradio", "soundfile"} <= early
    assert undeclared(early, declared(PROJECT["dependencies"])) == []
    assert undeclared(late, declared(ALL)) == []


def test_what_tests_and_benchmarks_import_is_in_their_lock():
    files = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    needed = set().union(*(early | late for early, late in map(imports_of, files))) - {path.stem for path in files}
    assert undeclared(needed, {*pins_of("tests/requirements.txt"), *declared(ALL)}) == []
