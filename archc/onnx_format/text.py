"""ONNX's textual form, for people: what `onnx.parser` reads, one node and one value a line.

The weights of a file are shown by their number alone, which the parser does not read.

Source: https://github.com/onnx/onnx/blob/main/docs/Syntax.md
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from archc.onnx_format.messages import (
    ATTRIBUTE_FLOAT,
    ATTRIBUTE_FLOATS,
    ATTRIBUTE_GRAPH,
    ATTRIBUTE_INT,
    ATTRIBUTE_INTS,
    ATTRIBUTE_STRING,
    ATTRIBUTE_STRINGS,
    ATTRIBUTE_TENSOR,
    AttributeProto,
    FunctionProto,
    GraphProto,
    ModelProto,
    NodeProto,
    OperatorSetIdProto,
    TensorProto,
    ValueInfoProto,
)
from archc.onnx_format.numbers import shortest
from archc.onnx_format.reader import decode

ELEMENTS = {
    1: "float",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    8: "string",
    9: "bool",
    10: "float16",
    11: "double",
    12: "uint32",
    13: "uint64",
    16: "bfloat16",
}
KINDS = {
    ATTRIBUTE_FLOAT: "float",
    ATTRIBUTE_INT: "int",
    ATTRIBUTE_STRING: "string",
    ATTRIBUTE_TENSOR: "tensor",
    ATTRIBUTE_GRAPH: "graph",
    ATTRIBUTE_FLOATS: "floats",
    ATTRIBUTE_INTS: "ints",
    ATTRIBUTE_STRINGS: "strings",
}
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def text_of(data: bytes) -> str:
    """The text of a file. Raises FormatError for bytes that are none."""
    return "".join(f"{line}\n" for line in model_lines(decode(ModelProto, data)))


def model_lines(model: ModelProto) -> Iterator[str]:
    """The lines of a model."""
    fields = [f"ir_version: {model.ir_version}", _versions(model.opset_import)]
    if model.producer_name:
        fields.append(f"producer_name: {_quoted(model.producer_name)}")
    if model.doc_string:
        fields.append(f"doc_string: {_quoted(model.doc_string)}")
    yield from _fields(fields)
    yield from _graph(model.graph or GraphProto())
    for function in model.functions:
        yield from _function(function)


def _fields(fields: Sequence[str]) -> Iterator[str]:
    yield "<"
    yield from _listed(fields)
    yield ">"


def _listed(items: Sequence[str]) -> Iterator[str]:
    """Items one a line, commas between them."""
    for number, item in enumerate(items):
        yield f"   {item}{',' if number < len(items) - 1 else ''}"


def _versions(versions: Iterable[OperatorSetIdProto]) -> str:
    listed = (f"{_quoted(one.domain or '')} : {one.version}" for one in versions)
    return f"opset_import: [{', '.join(listed)}]"


def _graph(graph: GraphProto) -> Iterator[str]:
    inputs, outputs = (", ".join(map(_value, values)) for values in (graph.input, graph.output))
    yield f"{_name(graph.name)} ({inputs}) => ({outputs})"
    constants = [f"{_type(one)} {_name(one.name)} = {_elements(one)}" for one in graph.initializer]
    values = [*constants, *map(_value, graph.value_info)]
    if values:
        yield from _fields(values)
    yield from _nodes(graph.node)


def _function(function: FunctionProto) -> Iterator[str]:
    yield from _fields(
        [f"domain: {_quoted(function.domain or '')}", _versions(function.opset_import)]
    )
    attributes = f" <{', '.join(map(_name, function.attribute))}>" if function.attribute else ""
    inputs, outputs = (", ".join(map(_name, one)) for one in (function.input, function.output))
    yield f"{_name(function.name)}{attributes} ({inputs}) => ({outputs})"
    if function.value_info:
        yield from _fields(list(map(_value, function.value_info)))
    yield from _nodes(function.node)


def _nodes(nodes: Iterable[NodeProto]) -> Iterator[str]:
    yield "{"
    for node in nodes:
        yield f"   {_node(node)}"
    yield "}"


def _node(node: NodeProto) -> str:
    name = f"[{_name(node.name)}] " if node.name else ""
    operator = ".".join(_name(one) for one in (node.domain, node.op_type) if one)
    attributes = f" <{', '.join(map(_attribute, node.attribute))}>" if node.attribute else ""
    inputs = ", ".join(map(_name, node.input))
    return f"{name}{', '.join(map(_name, node.output))} = {operator}{attributes} ({inputs})"


def _attribute(attribute: AttributeProto) -> str:
    kind = attribute.type or 0
    head = f"{_name(attribute.name)}: {KINDS.get(kind, f'type {kind}')} = "
    if attribute.ref_attr_name:
        return f"{head}@{_name(attribute.ref_attr_name)}"
    match kind:
        case 1:
            return head + _number(attribute.f or 0.0)
        case 2:
            return f"{head}{attribute.i or 0}"
        case 3:
            return head + _quoted((attribute.s or b"").decode("utf-8", "backslashreplace"))
        case 4:
            tensor = attribute.t or TensorProto()
            return f"{head}{_type(tensor)} {_elements(tensor)}"
        case 5:
            return head + " ".join(_graph(attribute.g or GraphProto()))
        case 6:
            return f"{head}[{', '.join(map(_number, attribute.floats))}]"
        case 7:
            return f"{head}[{', '.join(map(str, attribute.ints))}]"
        case 8:
            texts = (one.decode("utf-8", "backslashreplace") for one in attribute.strings)
            return f"{head}[{', '.join(map(_quoted, texts))}]"
    return f"{head}..."


def _value(value: ValueInfoProto) -> str:
    tensor = value.type.tensor_type if value.type is not None else None
    if tensor is None:
        return _name(value.name)
    sizes = ""
    if tensor.shape is not None and tensor.shape.dim:
        listed = (
            str(one.dim_value) if one.dim_value is not None else _name(one.dim_param) or "?"
            for one in tensor.shape.dim
        )
        sizes = f"[{','.join(listed)}]"
    elif tensor.shape is None:
        sizes = "[]"
    return f"{ELEMENTS.get(tensor.elem_type or 0, '?')}{sizes} {_name(value.name)}"


def _type(tensor: TensorProto) -> str:
    sizes = f"[{','.join(map(str, tensor.dims))}]" if tensor.dims else ""
    return f"{ELEMENTS.get(tensor.data_type or 0, '?')}{sizes}"


def _elements(tensor: TensorProto) -> str:
    """The elements of an array, or how many bytes hold them."""
    if tensor.raw_data is not None:
        return f"{{... {len(tensor.raw_data):,} bytes}}"
    numbers = [*map(_number, (*tensor.float_data, *tensor.double_data))]
    numbers += map(str, (*tensor.int64_data, *tensor.int32_data, *tensor.uint64_data))
    return f"{{{', '.join(numbers)}}}"


def _number(value: float) -> str:
    """A number of float32, in the fewest digits, with what tells it from a whole one."""
    return repr(shortest(value))


def _name(name: str | None) -> str:
    """A name as it is where it is an identifier, else in quotes."""
    name = name or ""
    return name if _PLAIN.fullmatch(name) else _quoted(name)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
