"""ONNX models for tests: the nine that come with the `onnx` package, whose weights are fills, and
small ones that are made here."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

from archc.importers.network import Network

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
NAMES = (
    "bvlc_alexnet",
    "densenet121",
    "inception_v1",
    "inception_v2",
    "resnet50",
    "shufflenet",
    "squeezenet",
    "vgg19",
    "zfnet512",
)


def light(name: str) -> Path:
    """The path of one of the nine models."""
    return LIGHT / f"light_{name}.onnx"


def filled(network: Network) -> int:
    """How many values a spec learns that its file has not: coefficients that are 1 there, offsets
    that are 0."""
    arrays = [array for layer in network.layers for array in layer.weights.values()]
    return sum(prod(array.shape) for array in arrays if array.kind == "fill")


def model(
    nodes: Sequence[Any],
    weights: dict[str, Any],
    output: Sequence[int | None],
    shape: Sequence[int | str] = ("N", 3, 8, 8),
    opset: int = 17,
    **fields: Any,
) -> Any:
    """A model of an input `x` of a shape, and an output `y`; weights are shapes of random arrays,
    or arrays."""
    generator = numpy.random.default_rng(0)
    arrays = [
        numpy_helper.from_array(
            value
            if isinstance(value, numpy.ndarray)
            else generator.standard_normal(value).astype("float32"),
            name,
        )
        for name, value in weights.items()
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, list(output))
    graph = helper.make_graph(list(nodes), "small", [x], [y], arrays)
    imports = [helper.make_opsetid("", opset), *fields.pop("imports", [])]
    return helper.make_model(graph, opset_imports=imports, ir_version=10, **fields)


def write(folder: Path, content: Any, name: str = "small.onnx") -> str:
    """Write a model, or bytes, and give its path."""
    data = content if isinstance(content, bytes) else content.SerializeToString()
    path = folder / name
    path.write_bytes(data)
    return str(path)
