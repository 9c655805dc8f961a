"""An ONNX file run as it is, by a process of its own: `python -m archc.importers.onnx.evaluate
VERB PLAN`.

`run` gives the file seeded random weights and inputs, and writes the values that it computes, and
the weights as the spec's network has them. `weights` writes those of the file itself.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from archc.backends.onnx.rewriting import inlined
from archc.backends.runtime.sandbox import limit, line, not_installed
from archc.importers.arrays import (
    LARGEST,
    bytes_of_sources,
    random_inputs,
    random_sources,
    write_weights,
)


def _run(plan: Mapping[str, Any]) -> str | None:
    """Run the file. Returns an error, or None."""
    try:
        import numpy
        import onnx
        import onnxruntime
    except ImportError as error:
        return not_installed(error, "onnx")
    needed = bytes_of_sources(plan)
    if needed > LARGEST:
        return f"its weights take {needed:,} bytes"
    limit(os.path.getsize(plan["file"]) + 4 * needed)
    model = onnx.load(plan["file"], load_external_data=False)
    graph = model.graph
    types = {one.name: one.type.tensor_type.elem_type for one in graph.input}
    _replace(graph, random_sources(plan), onnx)
    wanted = [name for name in plan["values"] if name]
    try:
        model = inlined(model, wanted)
    except KeyError as error:
        return f"a function of the file lacks the attribute {error}"
    inputs = {
        name: values.astype(onnx.helper.tensor_dtype_to_np_dtype(types[name]))
        for name, values in random_inputs(plan).items()
    }
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    # The graph as it stands: an optimised one would keep fewer of its values.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        results = session.run(wanted, inputs)
    except Exception as error:
        return f"onnxruntime does not run it ({line(error)})"
    for name, value in zip(wanted, results, strict=True):
        numpy.save(os.path.join(plan["folder"], f"value_{wanted.index(name)}.npy"), value)
    return None


def _replace(graph: Any, arrays: Mapping[str, Any], onnx: Any) -> None:
    """Put arrays in the place of those of a graph, whatever computes them there."""
    kept = [one for one in graph.initializer if one.name not in arrays]
    nodes = [one for one in graph.node if not set(one.output) & arrays.keys()]
    inputs = [one for one in graph.input if one.name not in arrays]
    for items, own in ((graph.initializer, kept), (graph.node, nodes), (graph.input, inputs)):
        own = [type(one).FromString(one.SerializeToString()) for one in own]
        del items[:]
        items.extend(own)
    graph.initializer.extend(
        onnx.numpy_helper.from_array(value, name) for name, value in arrays.items()
    )


def _weights(plan: Mapping[str, Any]) -> str | None:
    """Write the weights of the file under the names of the spec's. Returns an error, or None."""
    try:
        import onnx
    except ImportError as error:
        return not_installed(error, "onnx")
    limit(os.path.getsize(plan["file"]))
    graph = onnx.load(plan["file"], load_external_data=False).graph
    initializers = {one.name: one for one in graph.initializer}
    fills = {name: one for one in graph.node for name in one.output if one.op_type in _MAKERS}

    def source(name: str, *_: object) -> Any:
        if name in initializers:
            tensor = initializers[name]
            if tensor.data_location == onnx.TensorProto.EXTERNAL:
                raise ValueError(f"the array `{name}` is in another file, which is not read")
            return onnx.numpy_helper.to_array(tensor)
        return _MAKERS[fills[name].op_type](fills[name], initializers, onnx)

    return write_weights(plan, source)


def _filled(node: Any, initializers: Mapping[str, Any], onnx: Any) -> Any:
    import numpy

    shape = onnx.numpy_helper.to_array(initializers[node.input[0]])
    values = [onnx.numpy_helper.to_array(one.t) for one in node.attribute if one.name == "value"]
    return numpy.full(shape.tolist(), values[0].item() if values else 0.0, "float32")


def _constant(node: Any, initializers: Mapping[str, Any], onnx: Any) -> Any:
    return onnx.numpy_helper.to_array(node.attribute[0].t)


_MAKERS = {"ConstantOfShape": _filled, "Constant": _constant}


if __name__ == "__main__":
    verb, path = sys.argv[1:]
    with open(path, encoding="utf-8") as stream:
        fields = json.load(stream)
    json.dump({"run": _run, "weights": _weights}[verb](fields), sys.stdout)
