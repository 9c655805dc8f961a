"""The structure of an ONNX file, read by a process of its own: `python -m
archc.importers.onnx.model read FILE RESULT` writes it as JSON, without the values of large arrays.

No framework is imported, no other file is opened, and no array is built.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import struct
import sys
from collections.abc import Callable, Iterable
from typing import Any

from archc.backends.runtime.sandbox import limit
from archc.onnx_format.elements import ELEMENTS
from archc.onnx_format.messages import (
    ATTRIBUTE_FLOAT,
    ATTRIBUTE_FLOATS,
    ATTRIBUTE_GRAPH,
    ATTRIBUTE_INT,
    ATTRIBUTE_INTS,
    ATTRIBUTE_STRING,
    ATTRIBUTE_STRINGS,
    ATTRIBUTE_TENSOR,
    ModelProto,
)
from archc.onnx_format.numbers import shortest
from archc.onnx_format.protobuf import FormatError
from archc.onnx_format.reader import Message, Part

MEMORY = 2 << 30
MOST_NODES = 100_000
MOST_CONSTANTS = 200_000
MOST_VALUES = 4096
"""Elements of an array up to which its values are read: those of shapes and factors."""
DEEPEST = 8
MOST_AXES = 8
LARGEST_SIZE = 1 << 40
LONGEST_NAME = 4096
SCOPES = "pkg.torch.onnx.name_scopes"
CLASSES = "pkg.torch.onnx.class_hierarchy"
RULES = "pkg.onnxscript.rewriter.rule_name"
"""What PyTorch's exporter says of a node besides: the modules around it and their classes, and how
it was made of others."""


def read_model(data: memoryview) -> dict[str, Any]:
    """The structure of a model. Raises FormatError."""
    message = Message(ModelProto, data, 0, len(data))
    model: dict[str, Any] = {"opsets": {}, "producer": "", "graph": None, "functions": []}
    for part in message.parts():
        if part.name == "ir_version":
            model["ir_version"] = message.whole(part)
        elif part.name == "producer_name":
            model["producer"] = _name(message, part)
        elif part.name == "graph":
            model["graph"] = _graph(message.message(part), 0)
        elif part.name == "opset_import":
            domain, version = _opset(message.message(part))
            model["opsets"]["" if domain == "ai.onnx" else domain] = version
        elif part.name == "functions":
            model["functions"].append(_function(message.message(part)))
    if model["graph"] is None or not model["opsets"]:
        raise FormatError("it has no graph, or names no set of operators")
    return model


def _opset(message: Message) -> tuple[str, int]:
    domain, version = "", 0
    for part in message.parts():
        if part.name == "domain":
            domain = _name(message, part)
        elif part.name == "version":
            version = message.whole(part)
    return domain, version


def _graph(message: Message, depth: int) -> dict[str, Any]:
    graph: dict[str, Any] = {
        "name": "",
        "nodes": [],
        "constants": {},
        "inputs": [],
        "outputs": [],
    }
    for part in message.parts():
        if part.name == "node":
            _append(graph["nodes"], _node(message.message(part), depth), MOST_NODES, "nodes")
        elif part.name == "name":
            graph["name"] = _name(message, part)
        elif part.name == "initializer":
            tensor = _tensor(message.message(part))
            if tensor["name"] in graph["constants"]:
                raise FormatError(f"two arrays have the name `{tensor['name']}`")
            graph["constants"][tensor["name"]] = tensor
            if len(graph["constants"]) > MOST_CONSTANTS:
                raise FormatError(f"it has more than {MOST_CONSTANTS:,} arrays")
        elif part.name in ("input", "output"):
            kind = f"{part.name}s"
            _append(graph[kind], _value_info(message.message(part)), MOST_CONSTANTS, kind)
        elif part.name == "sparse_initializer":
            raise FormatError("it has sparse arrays, which are not read")
    return graph


def _append(items: list[Any], item: Any, most: int, what: str) -> None:
    items.append(item)
    if len(items) > most:
        raise FormatError(f"it has more than {most:,} {what}")


def _function(message: Message) -> dict[str, Any]:
    function: dict[str, Any] = {
        "name": "",
        "domain": "",
        "overload": "",
        "inputs": [],
        "outputs": [],
        "attributes": [],
        "nodes": [],
        "opsets": {},
    }
    for part in message.parts():
        if part.name in ("name", "domain", "overload"):
            function[part.name] = _name(message, part)
        elif part.name in ("input", "output", "attribute"):
            kind = f"{part.name}s"
            _append(function[kind], _name(message, part), MOST_CONSTANTS, kind)
        elif part.name == "node":
            _append(function["nodes"], _node(message.message(part), 0), MOST_NODES, "nodes")
        elif part.name == "opset_import":
            domain, version = _opset(message.message(part))
            function["opsets"]["" if domain == "ai.onnx" else domain] = version
        elif part.name == "attribute_proto":
            raise FormatError("a function has attributes with defaults, which are not read")
    return function


def _node(message: Message, depth: int) -> dict[str, Any]:
    node: dict[str, Any] = {
        "op": "",
        "domain": "",
        "overload": "",
        "name": "",
        "inputs": [],
        "outputs": [],
        "attributes": {},
        "scope": [],
    }
    for part in message.parts():
        if part.name in ("input", "output"):
            kind = f"{part.name}s"
            _append(node[kind], _name(message, part), MOST_CONSTANTS, kind)
        elif part.name in ("name", "overload"):
            node[part.name] = _name(message, part)
        elif part.name == "op_type":
            node["op"] = _name(message, part)
        elif part.name == "attribute":
            name, value = _attribute(message.message(part), depth)
            if name in node["attributes"]:
                raise FormatError(f"a node has the attribute `{name}` twice")
            node["attributes"][name] = value
        elif part.name == "domain":
            domain = _name(message, part)
            node["domain"] = "" if domain == "ai.onnx" else domain
        elif part.name == "metadata_props":
            key, value = _entry(message.message(part))
            if key == SCOPES:
                node["scope"] = [name for name in _listed(value) if name]
            elif key == CLASSES:
                node["classes"] = [name.rpartition(".")[2] for name in _listed(value)]
            elif key == RULES:
                node["folded"] = "FuseBatchNorm" in value
    if not node["scope"] and node["name"].startswith("/"):
        node["scope"] = node["name"].split("/")[1:]  # as PyTorch's older exporter names nodes
    return node


def _listed(text: str) -> list[str]:
    """A list of texts, as PyTorch's exporter writes it: those of the modules around a node, the
    network itself first, whose name is empty."""
    items = text.strip().removeprefix("[").removesuffix("]").split(",")
    return [item.strip().strip("'\"") for item in items]


def _entry(message: Message) -> tuple[str, str]:
    key = value = ""
    for part in message.parts():
        if part.name == "key":
            key = message.text(part, LONGEST_NAME)
        elif part.name == "value" and key == SCOPES:
            value = _name(message, part)
        elif part.name == "value" and key in (CLASSES, RULES):
            value = bytes(message.bytes(part)[:LONGEST_NAME]).decode("utf-8", "replace")
    return key, value


def _attribute(message: Message, depth: int) -> tuple[str, Any]:
    """The name of an attribute and its value: a number, a text, a list, an array, or a reference to
    an attribute of the function around it."""
    if depth > DEEPEST:
        raise FormatError(f"its graphs nest more than {DEEPEST} deep")
    name, declared = "", 0
    values: dict[int, Any] = {}
    for part in message.parts():
        if part.name == "name":
            name = _name(message, part)
        elif part.name == "f":
            (value,) = message.floats(part)
            values[ATTRIBUTE_FLOAT] = shortest(value)
        elif part.name == "i":
            values[ATTRIBUTE_INT] = message.whole(part)
        elif part.name == "s":
            data = bytes(message.bytes(part)[:LONGEST_NAME])
            values[ATTRIBUTE_STRING] = data.decode("utf-8", "backslashreplace")
        elif part.name == "t":
            values[ATTRIBUTE_TENSOR] = _tensor(message.message(part))
        elif part.name in ("g", "graphs"):
            _graph(message.message(part), depth + 1)  # what it holds is checked like the rest
            values[ATTRIBUTE_GRAPH] = {"graph": True}
        elif part.name == "floats":
            _extend(values.setdefault(ATTRIBUTE_FLOATS, []), _floats(message, part))
        elif part.name == "ints":
            _extend(values.setdefault(ATTRIBUTE_INTS, []), message.wholes(part))
        elif part.name == "strings":
            texts = values.setdefault(ATTRIBUTE_STRINGS, [])
            _append(texts, _name(message, part), MOST_VALUES, "texts in an attribute")
        elif part.name == "type":
            declared = message.whole(part)
        elif part.name == "ref_attr_name":
            return name, {"reference": _name(message, part)}
    if declared in (ATTRIBUTE_FLOATS, ATTRIBUTE_INTS, ATTRIBUTE_STRINGS):
        return name, values.get(declared, [])
    if declared in values:
        return name, values[declared]
    if declared == 0:  # files of the first versions state no type
        for value in values.values():
            return name, value
    return name, {"unknown": declared}


def _extend(items: list[Any], more: Iterable[Any]) -> None:
    for item in more:
        _append(items, item, MOST_VALUES, "values in an attribute")


def _floats(message: Message, part: Part) -> list[float]:
    if message.count(part) > MOST_VALUES:
        raise FormatError(f"it has more than {MOST_VALUES:,} values in an attribute")
    return [shortest(value) for value in message.floats(part)]


def _value_info(message: Message) -> dict[str, Any]:
    """An input or output: its name, element type and shape (None for an unknown axis)."""
    info: dict[str, Any] = {"name": "", "dtype": "", "shape": None}
    for part in message.parts():
        if part.name == "name":
            info["name"] = _name(message, part)
        elif part.name == "type":
            kind = message.message(part)
            for inner in kind.parts():
                if inner.name == "tensor_type":
                    _tensor_type(kind.message(inner), info)
    return info


def _tensor_type(message: Message, info: dict[str, Any]) -> None:
    for part in message.parts():
        if part.name == "elem_type":
            element = ELEMENTS.get(message.whole(part))
            info["dtype"] = "other" if element is None else element.name
        elif part.name == "shape":
            shape = message.message(part)
            axes = list(shape.parts())
            if len(axes) > MOST_AXES:
                raise FormatError(f"a value has more than {MOST_AXES} axes")
            info["shape"] = [_dimension(shape.message(one)) for one in axes]


def _dimension(message: Message) -> int | None:
    for part in message.parts():
        if part.name == "dim_value":
            return _size(message.whole(part))
    return None


def _size(size: int) -> int:
    if not 0 <= size <= LARGEST_SIZE:
        raise FormatError(f"an axis has {size:,} elements")
    return size


TYPED = ("float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data")


def _tensor(message: Message) -> dict[str, Any]:
    """An array: its name, element type, shape, whether it is in another file, and its values where
    they are few."""
    shape: list[int] = []
    name, code, external = "", 0, False
    raw: Part | None = None
    typed: list[Part] = []
    for part in message.parts():
        if part.name == "dims":
            shape += [_size(size) for size in message.wholes(part)]
            if len(shape) > MOST_AXES:
                raise FormatError(f"an array has more than {MOST_AXES} axes")
        elif part.name == "data_type":
            code = message.whole(part)
        elif part.name == "segment":
            raise FormatError("an array is in segments, which are not read")
        elif part.name == "name":
            name = _name(message, part)
        elif part.name == "raw_data":
            raw = part
        elif part.name in TYPED:
            typed.append(part)
        elif part.name == "external_data" or (part.name == "data_location" and part.number == 1):
            external = True
    element = ELEMENTS.get(code)
    if element is None:
        raise FormatError(f"the array `{name}` has the element type {code}, which is not read")
    elements = math.prod(shape)
    if elements > LARGEST_SIZE:
        raise FormatError(f"the array `{name}` has {elements:,} elements")
    array = {
        "name": name,
        "dtype": element.name,
        "shape": shape,
        "external": external,
        "values": None,
    }
    if external or not element.size:
        return array
    if raw is None:
        values = _typed_values(message, typed, name, elements)
        if element.name == "float16":
            values = [struct.unpack("<e", struct.pack("<H", one & 0xFFFF))[0] for one in values]
    else:
        size = raw.end - raw.begin
        if size != elements * element.size:
            raise FormatError(
                f"the array `{name}` claims {elements * element.size:,} bytes, the file has "
                f"{size:,}"
            )
        few = element.code and elements <= MOST_VALUES
        form = f"<{elements}{element.code}"
        values = list(struct.unpack_from(form, message.data, raw.begin)) if few else []
    if elements <= MOST_VALUES and element.code:
        array["values"] = _plain(values, element.name)
    elif raw is not None and element.code:
        halves = _halves(message.data[raw.begin : raw.end], shape, element.size)
        numbers = [struct.unpack(f"<{element.code}", one)[0] for one in halves]
        if numbers:
            array["halves"] = _plain(numbers, element.name)
    return array


def _halves(data: memoryview, shape: list[int], size: int) -> list[bytes]:
    """The elements on both sides of the diagonal of a square array that has no others, as what
    hides later tokens is; none of another one."""
    side = shape[-1]
    if len(shape) < 2 or math.prod(shape) != side**2 or shape[-2] != side:
        return []
    low, high = bytes(data[:size]), bytes(data[size : 2 * size])
    row = side * size
    rows = (
        data[place * row : (place + 1) * row] == low * (place + 1) + high * (side - place - 1)
        for place in range(side)
    )
    return [low, high] if low != high and all(rows) else []


def _typed_values(message: Message, typed: list[Part], name: str, elements: int) -> list[Any]:
    """The values of an array that is no sequence of bytes but of numbers; none of many."""
    count = 0
    values: list[Any] = []
    for part in typed:
        if part.field.kind is float:
            count += message.count(part)
            if count <= elements <= MOST_VALUES:
                values += message.floats(part)
            continue
        for number in message.wholes(part):
            count += 1
            if count > elements:
                break
            if elements <= MOST_VALUES:
                values.append(number)
    if count != elements:
        raise FormatError(
            f"the array `{name}` claims {elements:,} elements, the file has {count:,}"
        )
    return values


def _plain(values: Any, dtype: str) -> list[Any]:
    """Numbers as JSON has them; 32-bit ones as the shortest decimals."""
    converters: dict[str, Callable[[Any], Any]] = {
        "float32": shortest,
        "float16": shortest,
        "float64": float,
        "bool": bool,
    }
    convert = converters.get(dtype, int)
    return [convert(value) for value in values]


def _name(message: Message, part: Part) -> str:
    """A name. Raises FormatError where it has characters that do not print."""
    text = message.text(part, LONGEST_NAME)
    if not text.isprintable():
        raise FormatError(f"the name {text[:60]!a} has characters that do not print")
    return text


def _read(path: str, result: str) -> str | None:
    size = os.path.getsize(path)
    limit(size, MEMORY)
    try:
        with (
            open(path, "rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
            memoryview(data) as view,
        ):
            model = read_model(view)
    except FormatError as error:
        return str(error)
    except (OSError, ValueError) as error:
        return f"it cannot be read ({error})"
    except MemoryError:
        return "reading it takes too much memory"
    with open(result, "w", encoding="utf-8") as stream:
        json.dump(model, stream)
    return None


if __name__ == "__main__":
    _, source, target = sys.argv[1:]
    json.dump(_read(source, target), sys.stdout)
