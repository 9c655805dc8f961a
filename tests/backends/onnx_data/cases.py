"""The cases of ONNX's backend test suite, as its wheel carries them.

`pytorch-converted`, `pytorch-operator` and `simple` are folders of a model, its inputs and its
outputs, recorded from PyTorch and others; the cases of single operators (`node`) are computed by
ONNX's reference code when they are asked for. `light` is left out: its networks have one constant
for all weights and so one number for all outputs, which tells nothing.
"""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import onnx
from onnx import numpy_helper

FOLDERS = ("pytorch-converted", "pytorch-operator", "simple")

# A case that takes or gives anything but tensors, such as a sequence, has None in its place.
Tensor = Any


class Case(NamedTuple):
    """A model, with the tensors that it takes and those that it must give."""

    name: str
    model: onnx.ModelProto
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    @property
    def operators(self) -> tuple[str, ...]:
        """The operators of the model, in order."""
        return tuple(node.op_type for node in self.model.graph.node)

    @property
    def opset(self) -> int:
        """The version of ONNX's operators that the model speaks."""
        (version,) = (
            one.version for one in self.model.opset_import if one.domain in ("", "ai.onnx")
        )
        return int(version)


@cache
def all_cases() -> tuple[Case, ...]:
    """Every case of the wheel whose model has operators of ONNX itself alone."""
    cases = [*_of_nodes(), *(case for folder in FOLDERS for case in _of_folder(folder))]
    return tuple(
        case
        for case in cases
        if all(node.domain in ("", "ai.onnx") for node in case.model.graph.node)
    )


def _of_folder(folder: str) -> list[Case]:
    base = Path(onnx.__file__).parent / "backend" / "test" / "data" / folder
    return [_of_files(folder, path) for path in sorted(base.iterdir())]


def _of_files(folder: str, path: Path) -> Case:
    (data,) = path.glob("test_data_set_*")
    graph = onnx.load(path / "model.onnx")
    inputs = [data / f"input_{index}.pb" for index in range(len(list(data.glob("input_*"))))]
    outputs = [data / f"output_{index}.pb" for index in range(len(list(data.glob("output_*"))))]
    name = path.name.removeprefix("test_").removeprefix("operator_")
    return Case(
        f"{folder}/{name}", graph, tuple(map(_tensor, inputs)), tuple(map(_tensor, outputs))
    )


def _tensor(path: Path) -> Tensor:
    tensor = onnx.TensorProto()
    tensor.ParseFromString(path.read_bytes())
    return numpy_helper.to_array(tensor)


def _of_nodes() -> list[Case]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the reference overflows on purpose, in other operators
        from onnx.backend.test.case.node import collect_testcases

        collected = collect_testcases(None)
    return [
        Case(
            f"node/{case.name.removeprefix('test_')}",
            case.model,
            tuple(map(_array, inputs)),
            tuple(map(_array, outputs)),
        )
        for case in collected
        for inputs, outputs in case.data_sets
    ]


def _array(value: Any) -> Tensor:
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    return value if hasattr(value, "dtype") else None
