"""Models rewritten to be verified: with arrays, in float64, with their functions written out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from archc.onnx_format.messages import DOUBLE, FLOAT
from archc.onnx_format.numbers import shortest


def with_arrays(model: Any, arrays: Mapping[str, Any]) -> Any:
    """A model with arrays, by the names of the values that they are, in place of their fills."""
    from onnx import numpy_helper

    filled = _copy(model)
    nodes = [node for node in filled.graph.node if not arrays.keys() & set(node.output)]
    del filled.graph.node[:]
    filled.graph.node.extend(nodes)
    del filled.graph.initializer[:]  # they are the shapes of the fills
    filled.graph.initializer.extend(
        numpy_helper.from_array(array, name) for name, array in arrays.items()
    )
    return filled


def as_double(model: Any) -> Any:
    """A model with each number of 32 bits as one of 64: as it was before float32 rounded it, where
    its node says so, else the shortest that float32 keeps so."""
    double = _copy(model)
    for graph in (double.graph, *double.functions):
        for node in graph.node:
            _widen(node)
        for value in graph.value_info:
            _widen_type(value)
    for value in (*double.graph.input, *double.graph.output):
        _widen_type(value)
    for tensor in double.graph.initializer:
        _widen_tensor(tensor)
    return double


def _widen_type(value: Any) -> None:
    if value.type.tensor_type.elem_type == FLOAT:
        value.type.tensor_type.elem_type = DOUBLE


def _widen_tensor(tensor: Any) -> None:
    from onnx import numpy_helper

    if tensor.data_type == FLOAT:
        numbers = numpy_helper.to_array(tensor)
        by_hand = bool(tensor.float_data)  # others are drawn
        widened = _shortest(numbers) if by_hand else numbers.astype("float64")
        tensor.CopyFrom(numpy_helper.from_array(widened, tensor.name))


def _shortest(numbers: Any) -> Any:
    import numpy

    flat = [shortest(one) for one in numbers.reshape(-1).tolist()]
    return numpy.array(flat, "float64").reshape(numbers.shape)


def _widen(node: Any) -> None:
    """The constants of a node; attributes of operators are widened where they are computed."""
    import numpy
    from onnx import helper, numpy_helper

    if node.op_type != "Constant":
        return
    (attribute,) = node.attribute
    if attribute.name == "value":
        _widen_tensor(attribute.t)
    elif attribute.name in ("value_float", "value_floats"):
        numbers = exact(node).get(attribute.name, helper.get_attribute_value(attribute))
        if isinstance(numbers, list | tuple):
            numbers = [shortest(one) for one in numbers]
        tensor = numpy_helper.from_array(numpy.array(numbers, "float64"))
        attribute.CopyFrom(helper.make_attribute("value", tensor))


def exact(node: Any) -> dict[str, float]:
    """The numbers of a node, by the names of its attributes, as they were before float32 rounded
    them."""
    exact = {
        one.name: shortest(one.f)
        for one in node.attribute
        if one.type == 1 and not one.ref_attr_name
    }
    return exact | {one.key: float(one.value) for one in node.metadata_props}


def inlined(model: Any, values: Collection[str]) -> Any:
    """A model with its functions written out, and some more values, by their names, as outputs."""
    flat = _copy(model)
    functions = {(one.domain, one.name): one for one in model.functions}
    del flat.functions[:]
    del flat.graph.node[:]
    flat.graph.node.extend(_written_out(model.graph.node, functions))
    own = {one.name for one in flat.graph.output}
    types = {one.name: one for one in flat.graph.value_info}
    for name in values:
        if name not in own:
            output = flat.graph.output.add()
            output.name = name
            if name in types:
                output.CopyFrom(types[name])
    return flat


def _written_out(nodes: Any, functions: Mapping[tuple[str, str], Any]) -> Iterator[Any]:
    for node in nodes:
        function = functions.get((node.domain, node.op_type))
        if function is None:
            yield node
        else:
            yield from _written_out(list(_body(node, function)), functions)


def _body(call: Any, function: Any) -> Iterator[Any]:
    """The nodes of a function as a call computes them: a value inside is called after it."""
    names = dict(zip(function.input, call.input, strict=True))
    names |= dict(zip(function.output, call.output, strict=True))
    attributes = {one.name: one for one in call.attribute}
    own_name = call.name or next(filter(None, call.output), "")
    for node in function.node:
        copy = _copy(node)
        for field in (copy.input, copy.output):
            own = [names.get(one, f"{own_name}.{one}") if one else "" for one in field]
            del field[:]
            field.extend(own)
        copy.name = f"{own_name}.{node.name}"
        for attribute in copy.attribute:
            if attribute.ref_attr_name:
                name = attribute.name
                attribute.CopyFrom(attributes[attribute.ref_attr_name])
                attribute.name = name
        yield copy


def _copy(message: Any) -> Any:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy
