"""Dependencies point one way: no import cycle, hidden or open, and no arrow up the order of the rooms.

Imports inside functions count as well. A room is a module or a folder directly in vqaudio/.
"""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / "vqaudio"
ORDER = [  # from the bottom; the rooms of one line may use each other
    {"errors", "progress"},
    {"ranges"},
    {"files", "json_files", "registry", "timed_labels"},
    {"containers", "mixdown", "sound_files", "audio", "codes", "features", "labels", "masks", "pitches", "provenance",
     "randomness", "sampling", "waveforms"},
    {"nn"},
    {"hardware", "hub", "model", "model_files", "devices"},
    {"codec", "magnitudes", "prior", "edits", "vqa"},
    {"codecs", "priors", "judges", "gibbs"},
    {"critics", "streaming"},
    {"vqaudio"},
    {"sfz", "data", "testing"},
    {"questions", "energy"},
    {"evaluation", "analysis"},
    {"training"},
    {"experiments", "replay"},
    {"report", "plots", "speech_plots", "lessons", "space", "serving", "verbs", "apart"},
    {"cli", "ui"},
    {"__main__"},
]
RANK = {room: level for level, rooms in enumerate(ORDER) for room in rooms}


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, known: dict[str, Path]) -> set[str]:
    """The modules of this package that a file imports anywhere.

    The package's own __init__.py names what others offer, for type checkers, and imports it when it is first used.
    """
    found, tree = set(), ast.parse(path.read_text())
    if path == ROOT / "__init__.py":
        tree.body = [node for node in tree.body if ast.unparse(getattr(node, "test", node)) != "TYPE_CHECKING"]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "vqaudio":
            found |= {full if (full := f"{node.module}.{name.name}") in known else node.module for name in node.names}
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names if name.name in known}
    return found


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "vqaudio"


def test_every_room_has_a_place_in_the_order():
    assert {room_of(module) for module in modules()} <= set(RANK)


def test_no_arrow_points_up():
    known = modules()
    arrows = {(room_of(m), room_of(d)) for m, path in known.items() for d in imports(path, known)}
    assert {(a, b) for a, b in arrows if RANK[a] < RANK[b]} == set()


def test_no_module_imports_itself_through_others():
    known = modules()
    graph = {m: imports(path, known) - {"vqaudio"} for m, path in known.items()}
    assert not cycles(graph)


def cycles(graph: dict[str, set[str]]) -> list[str]:
    """The modules that lie on a cycle: those left when leaves are taken off again and again, from both sides."""
    left = {m: set(d) & set(graph) for m, d in graph.items()}
    while leaves := [m for m, d in left.items() if not d & set(left) or not any(m in other for other in left.values())]:
        for m in leaves:
            del left[m]
    return sorted(left)
