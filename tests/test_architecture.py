"""The house rules that a reader relies on: imports run one way, modules stay small, and nothing
heavy is loaded where no framework runs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "archc"
SPECS = PACKAGE.parent / "specs"

# From the bottom up: a module imports from its own floor or those below it.
FLOORS = [
    {"diagnostics", "names", "records"},
    {"source", "ops", "explain", "output"},
    {"recipe"},
    {"expressions", "schema", "emit", "yaml_text"},
    {"graph", "steps", "rewrite", "pieces"},
    {"document", "infer", "scope", "lines"},
    {"drawing", "evaluate", "expect", "printer", "trainable"},
    {"arguments"},
    {"expand"},
    {"spec"},
    {"backends", "difference", "reports", "revision", "resolved", "starting"},
    {"weights"},
    {"verify", "training"},
    {"api"},
    {"archc"},
    {"cli"},
    {"__main__"},
]
HEAVY = ("torch", "tensorflow", "keras", "jax", "numpy")


def _modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if "helpers" not in path.parts)


def _room(parts: tuple[str, ...]) -> str:
    return parts[0] if parts and parts[0] != "__init__" else "archc"


def _imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "archc":
                rooms.add("archc" if parts[1:] == ["__version__"] else _room(tuple(parts[1:])))
    return rooms


def test_every_module_has_a_floor() -> None:
    rooms = {_room(path.relative_to(PACKAGE).with_suffix("").parts) for path in _modules()}
    assert rooms <= set().union(*FLOORS)


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path: Path) -> None:
    floor = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
    own = _room(path.relative_to(PACKAGE).with_suffix("").parts)
    upwards = {room for room in _imported_rooms(path) if floor[room] > floor[own]}
    assert upwards == set()


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_modules_stay_under_500_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


@pytest.mark.parametrize(
    "arguments",
    [
        ["validate", "vgg16.yaml"],
        ["report", "vgg16.yaml"],
        ["report", "vgg16.yaml", "--format", "json"],
        ["report", "vgg16.yaml", "--format", "svg"],
        ["report", "vgg16.yaml", "--format", "html"],
        ["diff", "vgg16.yaml", "vgg19.yaml"],
        ["build", "resnet18.yaml", "--backend", "all"],
        ["build", "lenet5.yaml", "--backend", "keras", "--stdout"],
        ["show", "resnet18.yaml", "--resolved"],
        ["list", "vgg16.yaml"],
        ["new", "mine", "--like", "vgg16.yaml"],
        ["ops", "conv"],
        ["schema"],
        ["explain", "ARC104"],
    ],
    ids=" ".join,
)
def test_no_framework_is_imported(arguments: list[str], tmp_path: Path) -> None:
    paths = [str(SPECS / part) if part.endswith(".yaml") else part for part in arguments]
    script = (
        "import sys, archc.cli\n"
        f"sys.argv = ['archc', *{paths!r}]\n"
        "try:\n    assert not archc.cli.main()\n"
        "except SystemExit as stop:\n    assert not stop.code, stop.code\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
