"""ONNX files with weights: the emitted file, with arrays in the place of the nodes that fill its
variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archc.backends.base import Emitted, WeightFormat
from archc.backends.layouts import to_framework
from archc.files import OutputError
from archc.ir.costs import Costs
from archc.onnx_format.messages import FLOAT, GraphProto, ModelProto, TensorProto
from archc.onnx_format.protobuf import encode
from archc.onnx_format.reader import decode
from archc.records import replace

LARGEST = 2**31 - 1
"""Bytes of a message, which no reader of protobuf exceeds."""


def names(costs: Costs, emitted: Emitted) -> dict[str, str]:
    """What a file calls each array: its key."""
    return {key: key for key in emitted.variables}


def save(path: str, weights: Mapping[str, Any], costs: Costs, emitted: Emitted) -> None:
    """Write the emitted file with arrays, given in canonical layout. Raises OutputError."""
    assert isinstance(emitted.source, bytes)
    size = sum(4 * weights[key].size for key in emitted.variables)
    if size > LARGEST:
        raise OutputError(f"its arrays have {size:,} bytes, and a file of ONNX at most 2 GiB")
    model = decode(ModelProto, emitted.source)
    assert model.graph is not None
    arrays = {
        key: to_framework(weights[key], stored.layout).astype("<f4")
        for key, stored in emitted.variables.items()
    }
    data = encode(replace(model, graph=filled(model.graph, arrays)))
    with open(path, "wb") as stream:
        stream.write(data)


def filled(graph: GraphProto, arrays: Mapping[str, Any]) -> GraphProto:
    """A graph with arrays, by the names of the values that they are, in place of their fills."""
    nodes = tuple(node for node in graph.node if not arrays.keys() & set(node.output))
    used = {name for node in nodes for name in node.input}
    tensors = tuple(
        TensorProto(dims=tuple(array.shape), data_type=FLOAT, name=name, raw_data=array.tobytes())
        for name, array in arrays.items()
        if name in used
    )
    kept = tuple(one for one in graph.initializer if one.name in used)
    return replace(graph, node=nodes, initializer=(*kept, *tensors))


WEIGHTS = WeightFormat(
    endings=(".onnx",),
    # The version of the format, which is the first field of a model.
    beginnings=(b"\x08",),
    reader="archc.backends.onnx.initializers",
    names=names,
    save=save,
)
