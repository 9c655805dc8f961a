"""The house rules that a reader relies on: imports run one way, modules stay small, and nothing
heavy is loaded where no framework runs."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from archc import backends
from archc.ops import OPS

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "archc"
SPECS = PACKAGE.parent / "specs"

FLOORS = """
__main__
cli
importers server
__init__
training verify
api
weights
reports
difference
backends
spec
ir
codegen language
ops
files onnx_format
diagnostics plugins records version
"""
"""The rooms of the package, from the top floor down: imports run downwards alone, and on one floor
within a room alone. A room is a folder, or a module, at the root of the package."""

LIGHT = Path(find_spec("onnx").origin or "").parent / "backend/test/data/light"

HEAVY = ("torch", "tensorflow", "keras", "jax", "numpy", "onnx", "onnxruntime")


def _modules() -> list[Path]:
    """Those of the package; what is text for emitted files imports as emitted files do."""
    return sorted(path for path in PACKAGE.rglob("*.py") if "helpers" not in path.parts)


def _name(path: Path) -> str:
    """The dotted name of a module inside the package; its own `__init__` is `__init__`."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


MODULES = {_name(path): path for path in _modules()}


def _imported(path: Path) -> set[str]:
    """The modules of the package that a module imports, wherever in its text."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "archc":
            inside = (node.module or "").removeprefix("archc").lstrip(".")
            for alias in node.names:
                whole = f"{inside}.{alias.name}".lstrip(".")
                names.add(whole if whole in MODULES else inside or "__init__")
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "archc":
                    names.add(alias.name.removeprefix("archc").lstrip(".") or "__init__")
    return names - {_name(path)}


def _room(module: str) -> str:
    return module.partition(".")[0]


def test_every_module_has_a_floor() -> None:
    assert {_room(module) for module in MODULES} == set(FLOORS.split())


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_downwards(module: str) -> None:
    floors = [line.split() for line in FLOORS.split("\n") if line]
    depth = {room: number for number, rooms in enumerate(floors) for room in rooms}
    own = _room(module)
    wrong = {
        other
        for other in map(_room, _imported(MODULES[module]))
        if other != own and depth[other] <= depth[own]
    }
    assert wrong == set()


@pytest.mark.parametrize("module", MODULES)
def test_nothing_outside_a_backend_s_folder_names_it(module: str) -> None:
    folders = [folder.removeprefix("archc.") for folder in backends.BUILT_IN.values()]
    # Training is written for each backend by hand, and files of each framework are imported, in
    # rooms of their own; the registry has the folders. Keras may run on another backend's
    # framework.
    rooms = ("training", "training.script", "training.script.programs", "importers")
    others = [f"{room}.{name}" for room in rooms for name in backends.BUILT_IN]
    if module.startswith((*folders, *others)) or module == "backends":
        return
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert texts.isdisjoint(backends.BUILT_IN)
    assert not [one for one in _imported(MODULES[module]) if one.startswith(tuple(folders))]


LISTS_NO_OPS = ("weights", "verify", "backends.runtime", "ir.network", "ir.trainability")


@pytest.mark.parametrize("module", [one for one in MODULES if one.startswith(LISTS_NO_OPS)])
def test_what_is_true_of_an_op_is_asked_of_it(module: str) -> None:
    families = {f"ops.{name}" for name in _families()}
    assert _imported(MODULES[module]).isdisjoint({"ops", *families})


def _families() -> set[str]:
    """The modules that define ops."""
    return {op.__module__.rpartition(".")[2] for op in OPS.values()}


def test_no_imports_run_in_a_circle() -> None:
    # A package is imported before its modules, which it imports in turn: that is no circle.
    remaining = {module: _imported(path) for module, path in MODULES.items()}
    while leaves := [module for module, used in remaining.items() if not used & remaining.keys()]:
        for module in leaves:
            del remaining[module]
    assert remaining == {}


def test_tests_stand_where_what_they_test_stands() -> None:
    own = {
        "backends",
        "benchmarks",
        "differential",
        "documentation",
        "fuzzing",
        "hostile",
        "mutation",
        "regressions",
        "zoo",
    }
    folders = {
        path.relative_to(TESTS).parts[0]
        for path in TESTS.rglob("test_*.py")
        if path.parent != TESTS
    }
    assert folders - own <= {_room(module) for module in MODULES}


@pytest.mark.parametrize("module", MODULES)
def test_modules_stay_under_500_lines(module: str) -> None:
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= 500


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
        ["import", "light_vgg19.onnx", "--graph-only"],
    ],
    ids=" ".join,
)
def test_no_framework_is_imported(arguments: list[str], tmp_path: Path) -> None:
    paths = [str(SPECS / part) if part.endswith(".yaml") else part for part in arguments]
    paths = [str(LIGHT / part) if part.endswith(".onnx") else part for part in paths]
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
