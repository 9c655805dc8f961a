"""The structure of an ONNX file, read by a process of its own: `python -m
archc.importers.onnx.model read FILE RESULT` writes it as JSON, without the values of large arrays.

No framework is imported, no other file is opened, and no array is built. Field numbers are those of
`onnx.proto3`.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import struct
import sys
from collections.abc import Callable
from typing import Any

from archc.backends.runtime.sandbox import limit
from archc.importers.onnx.wire import BYTES, FIXED32, FIXED64, Field, Message, WireError

MEMORY = 2 << 30
MOST_NODES = 100_000
MOST_CONSTANTS = 200_000
MOST_VALUES = 4096
"""Elements of an array up to which its values are read: those of shapes and factors."""
DEEPEST = 8
MOST_AXES = 8
LARGEST_SIZE = 1 << 40
LONGEST_NAME = 4096

DTYPES = {
    1: ("float32", 4, "f"),
    2: ("uint8", 1, "B"),
    3: ("int8", 1, "b"),
    4: ("uint16", 2, "H"),
    5: ("int16", 2, "h"),
    6: ("int32", 4, "i"),
    7: ("int64", 8, "q"),
    8: ("string", 0, ""),
    9: ("bool", 1, "?"),
    10: ("float16", 2, "e"),
    11: ("float64", 8, "d"),
    12: ("uint32", 4, "I"),
    13: ("uint64", 8, "Q"),
    16: ("bfloat16", 2, ""),
}
"""ONNX's element types: name, bytes, and the code of `struct`."""


def read_model(data: memoryview) -> dict[str, Any]:
    """The structure of a model. Raises WireError."""
    message = Message(data, 0, len(data))
    model: dict[str, Any] = {"opsets": {}, "producer": "", "graph": None, "functions": []}
    for field in message.fields():
        if field.number == 1:
            model["ir_version"] = message.signed(field)
        elif field.number == 2:
            model["producer"] = _name(message, field)
        elif field.number == 7:
            model["graph"] = _graph(message.message(field), 0)
        elif field.number == 8:
            domain, version = _opset(message.message(field))
            model["opsets"]["" if domain == "ai.onnx" else domain] = version
        elif field.number == 25:
            model["functions"].append(_function(message.message(field)))
    if model["graph"] is None or not model["opsets"]:
        raise WireError("it has no graph, or names no set of operators")
    return model


def _opset(message: Message) -> tuple[str, int]:
    domain, version = "", 0
    for field in message.fields():
        if field.number == 1:
            domain = _name(message, field)
        elif field.number == 2:
            version = message.signed(field)
    return domain, version


def _graph(message: Message, depth: int) -> dict[str, Any]:
    graph: dict[str, Any] = {
        "name": "",
        "nodes": [],
        "constants": {},
        "inputs": [],
        "outputs": [],
    }
    for field in message.fields():
        if field.number == 1:
            _append(graph["nodes"], _node(message.message(field), depth), MOST_NODES, "nodes")
        elif field.number == 2:
            graph["name"] = _name(message, field)
        elif field.number == 5:
            tensor = _tensor(message.message(field))
            if tensor["name"] in graph["constants"]:
                raise WireError(f"two arrays have the name `{tensor['name']}`")
            graph["constants"][tensor["name"]] = tensor
            if len(graph["constants"]) > MOST_CONSTANTS:
                raise WireError(f"it has more than {MOST_CONSTANTS:,} arrays")
        elif field.number in (11, 12):
            kind = "inputs" if field.number == 11 else "outputs"
            _append(graph[kind], _value_info(message.message(field)), MOST_CONSTANTS, kind)
        elif field.number == 15:
            raise WireError("it has sparse arrays, which are not read")
    return graph


def _append(items: list[Any], item: Any, most: int, what: str) -> None:
    items.append(item)
    if len(items) > most:
        raise WireError(f"it has more than {most:,} {what}")


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
    names = {4: "inputs", 5: "outputs", 6: "attributes"}
    texts = {1: "name", 10: "domain", 13: "overload"}
    for field in message.fields():
        if field.number in texts:
            function[texts[field.number]] = _name(message, field)
        elif field.number in names:
            kind = names[field.number]
            _append(function[kind], _name(message, field), MOST_CONSTANTS, kind)
        elif field.number == 7:
            _append(function["nodes"], _node(message.message(field), 0), MOST_NODES, "nodes")
        elif field.number == 9:
            domain, version = _opset(message.message(field))
            function["opsets"]["" if domain == "ai.onnx" else domain] = version
        elif field.number == 11:
            raise WireError("a function has attributes with defaults, which are not read")
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
    for field in message.fields():
        if field.number in (1, 2):
            kind = "inputs" if field.number == 1 else "outputs"
            _append(node[kind], _name(message, field), MOST_CONSTANTS, kind)
        elif field.number == 3:
            node["name"] = _name(message, field)
        elif field.number == 4:
            node["op"] = _name(message, field)
        elif field.number == 5:
            name, value = _attribute(message.message(field), depth)
            if name in node["attributes"]:
                raise WireError(f"a node has the attribute `{name}` twice")
            node["attributes"][name] = value
        elif field.number == 7:
            domain = _name(message, field)
            node["domain"] = "" if domain == "ai.onnx" else domain
        elif field.number == 8:
            node["overload"] = _name(message, field)
        elif field.number == 9:
            key, value = _entry(message.message(field))
            if key == "pkg.torch.onnx.name_scopes":
                node["scope"] = _scopes(value)
    return node


def _scopes(text: str) -> list[str]:
    """The names of the modules around a node, as PyTorch's exporter writes them: the text of a list
    of texts."""
    items = text.strip().removeprefix("[").removesuffix("]").split(",")
    names = [item.strip().strip("'\"") for item in items]
    return [name for name in names if name]


def _entry(message: Message) -> tuple[str, str]:
    key = value = ""
    for field in message.fields():
        if field.number == 1:
            key = message.text(field, LONGEST_NAME)
        elif field.number == 2 and key.startswith("pkg.torch.onnx.name_scopes"):
            value = _name(message, field)
    return key, value


def _attribute(message: Message, depth: int) -> tuple[str, Any]:
    """The name of an attribute and its value: a number, a text, a list, an array, or a reference to
    an attribute of the function around it."""
    if depth > DEEPEST:
        raise WireError(f"its graphs nest more than {DEEPEST} deep")
    name, declared = "", 0
    single: dict[int, Any] = {}
    ints: list[int] = []
    floats: list[float] = []
    strings: list[str] = []
    for field in message.fields():
        if field.number == 1:
            name = _name(message, field)
        elif field.number == 2:
            single[1] = shortest(message.float32(field))
        elif field.number == 3:
            single[2] = message.signed(field)
        elif field.number == 4:
            message.require(field, BYTES)
            data = bytes(message.data[field.begin : min(field.end, field.begin + LONGEST_NAME)])
            single[3] = data.decode("utf-8", "backslashreplace")
        elif field.number == 5:
            single[4] = _tensor(message.message(field))
        elif field.number in (6, 11):
            _graph(message.message(field), depth + 1)  # what it holds is checked like the rest
            single[5] = {"graph": True}
        elif field.number == 7:
            _extend(floats, _floats(message, field))
        elif field.number == 8:
            _extend(ints, message.packed(field))
        elif field.number == 9:
            _append(strings, _name(message, field), MOST_VALUES, "texts in an attribute")
        elif field.number == 20:
            declared = message.signed(field)
        elif field.number == 21:
            return name, {"reference": _name(message, field)}
    lists: dict[int, Any] = {6: floats, 7: ints, 8: strings}
    if declared in lists:
        return name, lists[declared]
    if declared in single:
        return name, single[declared]
    if declared == 0:  # files of the first versions state no type
        for value in (*single.values(), *filter(None, lists.values())):
            return name, value
    return name, {"unknown": declared}


def _extend(items: list[Any], more: Any) -> None:
    for item in more:
        _append(items, item, MOST_VALUES, "values in an attribute")


def _floats(message: Message, field: Field) -> list[float]:
    if field.kind == FIXED32:
        return [shortest(message.float32(field))]
    message.require(field, BYTES)
    count = (field.end - field.begin) // 4
    if count * 4 != field.end - field.begin or count > MOST_VALUES:
        raise WireError("a list of numbers has a wrong length")
    return [shortest(one) for one in struct.unpack_from(f"<{count}f", message.data, field.begin)]


def shortest(value: float) -> float:
    """The shortest decimal that is a 32-bit number: 0.0001 for 9.999999747378752e-05."""
    if not math.isfinite(value):
        return value
    expected = struct.pack("<f", value)
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        try:
            if struct.pack("<f", float(text)) == expected:
                return float(text)
        except OverflowError:  # rounded up beyond the largest number
            continue
    return value


def _value_info(message: Message) -> dict[str, Any]:
    """An input or output: its name, element type and shape (None for an unknown axis)."""
    info: dict[str, Any] = {"name": "", "dtype": "", "shape": None}
    for field in message.fields():
        if field.number == 1:
            info["name"] = _name(message, field)
        elif field.number == 2:
            kind = message.message(field)
            for inner in kind.fields():
                if inner.number == 1:
                    _tensor_type(kind.message(inner), info)
    return info


def _tensor_type(message: Message, info: dict[str, Any]) -> None:
    for field in message.fields():
        if field.number == 1:
            info["dtype"] = DTYPES.get(message.signed(field), ("other", 0, ""))[0]
        elif field.number == 2:
            shape = message.message(field)
            info["shape"] = [_dimension(shape.message(one)) for one in _bounded(shape)]


def _bounded(shape: Message) -> list[Field]:
    axes = [field for field in shape.fields() if field.number == 1]
    if len(axes) > MOST_AXES:
        raise WireError(f"a value has more than {MOST_AXES} axes")
    return axes


def _dimension(message: Message) -> int | None:
    for field in message.fields():
        if field.number == 1:
            return _size(message.signed(field))
    return None


def _size(size: int) -> int:
    if not 0 <= size <= LARGEST_SIZE:
        raise WireError(f"an axis has {size:,} elements")
    return size


def _tensor(message: Message) -> dict[str, Any]:
    """An array: its name, element type, shape, whether it is in another file, where its bytes are,
    and its values where they are few."""
    shape: list[int] = []
    name, code, external = "", 0, False
    raw: Field | None = None
    typed: list[Field] = []
    for field in message.fields():
        if field.number == 1:
            shape += [_size(size) for size in message.packed(field)]
            if len(shape) > MOST_AXES:
                raise WireError(f"an array has more than {MOST_AXES} axes")
        elif field.number == 2:
            code = message.signed(field)
        elif field.number == 3:
            raise WireError("an array is in segments, which are not read")
        elif field.number == 8:
            name = _name(message, field)
        elif field.number == 9:
            message.require(field, BYTES)
            raw = field
        elif field.number in (4, 5, 6, 7, 10, 11):
            typed.append(field)
        elif field.number == 13 or (field.number == 14 and field.value == 1):
            external = True
    if code not in DTYPES:
        raise WireError(f"the array `{name}` has the element type {code}, which is not read")
    dtype, itemsize, form = DTYPES[code]
    elements = math.prod(shape)
    if elements > LARGEST_SIZE:
        raise WireError(f"the array `{name}` has {elements:,} elements")
    array = {"name": name, "dtype": dtype, "shape": shape, "external": external, "values": None}
    if external or dtype == "string":
        return array
    if raw is not None:
        if raw.end - raw.begin != elements * itemsize:
            raise WireError(
                f"the array `{name}` claims {elements * itemsize:,} bytes, the file has "
                f"{raw.end - raw.begin:,}"
            )
        array["begin"] = raw.begin
        if elements <= MOST_VALUES and form:
            array["values"] = _plain(
                struct.unpack_from(f"<{elements}{form}", message.data, raw.begin), dtype
            )
        return array
    _typed_values(message, typed, array, elements, form)
    return array


def _typed_values(
    message: Message, typed: list[Field], array: dict[str, Any], elements: int, form: str
) -> None:
    """The values of an array that is no sequence of bytes but of numbers."""
    dtype, name = array["dtype"], array["name"]
    count = 0
    values: list[Any] = []
    for field in typed:
        if field.kind == BYTES and field.number in (4, 10):
            size = 4 if field.number == 4 else 8
            count += (field.end - field.begin) // size
            if elements <= MOST_VALUES >= count:
                number = (field.end - field.begin) // size
                code = "f" if size == 4 else "d"
                values += struct.unpack_from(f"<{number}{code}", message.data, field.begin)
            if count == elements and len(typed) == 1:
                array["begin"] = field.begin
            continue
        if field.kind in (FIXED32, FIXED64):
            code = "<f" if field.kind == FIXED32 else "<d"
            numbers: Any = struct.unpack_from(code, message.data, field.begin)
        else:
            numbers = message.packed(field)
        for number in numbers:
            count += 1
            if count > elements:
                break
            if elements <= MOST_VALUES:
                values.append(number)
    if count != elements:
        raise WireError(f"the array `{name}` claims {elements:,} elements, the file has {count:,}")
    if elements > MOST_VALUES:
        if "begin" not in array:
            raise WireError(f"the array `{name}` is a list of numbers, which is not read")
        return
    if dtype == "float16":
        values = [struct.unpack("<e", struct.pack("<H", one & 0xFFFF))[0] for one in values]
    if form and dtype != "bfloat16":
        array["values"] = _plain(values, dtype)


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


def _name(message: Message, field: Field) -> str:
    """A name. Raises WireError where it has characters that do not print."""
    text = message.text(field, LONGEST_NAME)
    if not text.isprintable():
        raise WireError(f"the name {text[:60]!a} has characters that do not print")
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
    except WireError as error:
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
