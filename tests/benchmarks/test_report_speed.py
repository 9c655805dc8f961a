"""How long archc's commands take on VGG-16, from the start of their process to the end, against the
least that Python can do, and against what one would use in place of `archc report`."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from archc.api import load
from tests.benchmarks.conftest import Record
from tests.benchmarks.processes import ROOT, Process, Times, in_turns, run
from tests.benchmarks.table import FLOOR, LIBRARY

ARCHC = str(Path(sys.executable).with_name("archc"))
SPECS = ROOT / "specs"
VGG16, VGG19 = (str(SPECS / f"{name}.yaml") for name in ("vgg16", "vgg19"))
ONNX = str(ROOT / "generated" / "onnx" / "vgg16.onnx")
PARAMS = "138,357,544"
REPORT = [ARCHC, "report", VGG16]
LEAST = [sys.executable, str(Path(__file__).with_name("floor_report.py")), VGG16]

COMMANDS = {
    "floor": LEAST,
    "archc report": REPORT,
    "archc validate": [ARCHC, "validate", VGG16],
    "archc diff": [ARCHC, "diff", VGG16, VGG19],
    "archc build": [ARCHC, "build", VGG16, "--backend", "torch", "--stdout"],
    "archc import": [ARCHC, "import", "--graph-only", ONNX],
    "archc --help": [ARCHC, "--help"],
    "completion of a command": [ARCHC],
    "Python alone": [sys.executable, "-c", ""],
}
COMPLETION = {"_ARCHC_COMPLETE": "bash_complete", "COMP_WORDS": "archc rep", "COMP_CWORD": "1"}

TORCHINFO = """
import sys
import torch
import torchinfo

scope = {"__name__": "emitted"}
exec(compile(open(sys.argv[1], encoding="utf-8").read(), "emitted.py", "exec"), scope)
with torch.device(sys.argv[2]):
    model = scope["build_model"]()
print(torchinfo.summary(model, input_size=(1, 3, 224, 224), device=sys.argv[2], verbose=0))
"""
FVCORE = """
import sys
import torch
from fvcore.nn import FlopCountAnalysis, flop_count_table

scope = {"__name__": "emitted"}
exec(compile(open(sys.argv[1], encoding="utf-8").read(), "emitted.py", "exec"), scope)
flops = FlopCountAnalysis(scope["build_model"]().eval(), torch.zeros(1, 3, 224, 224))
print(flop_count_table(flops, max_depth=4), sum(flops.by_operator().values()))
print(f"{sum(one.numel() for one in flops._model.parameters()):,} parameters")
"""
KERAS = """
import sys

scope = {"__name__": "emitted"}
exec(compile(open(sys.argv[1], encoding="utf-8").read(), "emitted.py", "exec"), scope)
scope["build_model"]().summary()
"""
SHAPES = """
import sys
import onnx

model = onnx.shape_inference.infer_shapes(onnx.load(sys.argv[1]), strict_mode=True)
graph = model.graph
shapes = {
    one.name: [axis.dim_param or axis.dim_value for axis in one.type.tensor_type.shape.dim]
    for one in (*graph.input, *graph.value_info, *graph.output)
}
for node in graph.node:
    print(node.op_type, *(shapes.get(name) for name in node.output))
"""


def seconds(value: float) -> str:
    return f"{1e3 * value:.0f} ms" if value < 1 else f"{value:.2f} s"


def cells(times: Times) -> dict[str, str]:
    return {
        "median": seconds(times.clock),
        "least": seconds(times.least),
        "processor": seconds(times.processor),
        "memory": f"{times.megabytes:.0f} MB",
    }


def checked(command: list[str], expected: str, **variables: str) -> Callable[[], Process]:
    """What runs a command, and finds that it printed what is expected."""

    def once() -> Process:
        process, printed = run(command, environment=variables)
        assert process.code == 0, printed
        assert expected in printed
        return process

    return once


def test_commands_against_the_floor(record: Record) -> None:
    assert run(LEAST)[1] == run(REPORT)[1], "they must print the same"
    expected = {
        "archc report": PARAMS,
        "archc diff": "3 layers added, 24 the same: ",
        "archc build": "class VGG16",
        "archc import": "138357544",
        "archc --help": "Commands:",
        "completion of a command": "report",
    }
    commands = {
        name: checked(command, expected.get(name, ""), **(COMPLETION if command == [ARCHC] else {}))
        for name, command in COMMANDS.items()
    }
    found = in_turns(21, commands)
    floor = found["floor"]
    for name, times in found.items():
        ratios = {
            "times the floor": f"{times.clock / floor.clock:.2f}",
            "by the least": f"{times.least / floor.least:.2f}",
            "by the processor": f"{times.processor / floor.processor:.2f}",
        }
        record(FLOOR, name, cells(times) | ratios)


@pytest.fixture
def programs(tmp_path: Path) -> dict[str, tuple[str, list[str]]]:
    """The library that each program needs, and its command."""
    network = load(VGG16, {})
    paths = {}
    for backend in ("torch", "keras"):
        source = network.emit(backend)
        assert isinstance(source, str)
        path = tmp_path / f"{backend}.py"
        path.write_text(source, encoding="utf-8")
        paths[backend] = str(path)
    python = [sys.executable, "-c"]
    return {
        "torchinfo on meta": ("torchinfo", [*python, TORCHINFO, paths["torch"], "meta"]),
        "torchinfo": ("torchinfo", [*python, TORCHINFO, paths["torch"], "cpu"]),
        "fvcore": ("fvcore", [*python, FVCORE, paths["torch"]]),
        "Keras `summary`": ("keras", [*python, KERAS, paths["keras"]]),
        "ONNX shape inference": ("onnx", [*python, SHAPES, ONNX]),
    }


def test_report_against_other_libraries(
    record: Record, programs: dict[str, tuple[str, list[str]]]
) -> None:
    commands = {"archc report": checked(REPORT, PARAMS)}
    for name, (library, command) in programs.items():
        if importlib.util.find_spec(library) is None:
            record(LIBRARY, name, {"median": "not installed"})
        else:
            # ONNX's inference tells shapes alone.
            commands[name] = checked(command, "Gemm" if library == "onnx" else PARAMS)
    found = in_turns(7, commands)
    ours = found["archc report"]
    for name, times in found.items():
        ratios = {
            "as fast": f"{times.clock / ours.clock:.1f}",
            "by the least": f"{times.least / ours.least:.1f}",
        }
        record(LIBRARY, name, cells(times) | ratios)
