"""A program of `torch.export`, read by a process of its own: `python -m
archc.importers.torch_export.archive read FILE RESULT` writes its graph as JSON.

Of a `.pt2` archive `models/*.json` alone is read: the graph with the shapes of all values. Nothing
is unpickled; weights stay where they are.

Source: torch/_export/serde/schema.py and torch/export/pt2_archive/constants.py of PyTorch 2.13.
"""

from __future__ import annotations

import json
import os
import sys
import zipfile
from collections.abc import Mapping
from typing import Any

from archc.backends.runtime.sandbox import limit
from archc.importers.archives import UNSOUND

MEMORY = 2 << 30
LARGEST = 64 << 20
"""Bytes of a member of JSON."""
MOST_MEMBERS = 200_000
MOST_NODES = 100_000
MOST_AXES = 16
LARGEST_SIZE = 1 << 40
LONGEST_NAME = 512
MAJOR = 8
"""The version of the schema that is read: PyTorch counts it up where it removes a field."""

DTYPES = {
    1: "uint8",
    2: "int8",
    3: "int16",
    4: "int32",
    5: "int64",
    6: "float16",
    7: "float32",
    8: "float64",
    12: "bool",
    13: "bfloat16",
}
"""Names of the element types that are read, by their numbers in the schema."""

KINDS = {
    "parameter": "parameter_name",
    "buffer": "buffer_name",
    "tensor_constant": "tensor_constant_name",
}
"""Kinds of inputs that are arrays of the file, with the field that has the array's name."""


class ArchiveError(Exception):
    """The file is no program that is read."""


def program_of(path: str) -> dict[str, Any]:
    """The program in an archive: `inputs`, `nodes`, `outputs`, and `shapes` and `dtypes` of values
    by name. Raises ArchiveError, OSError."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_format(archive)
            names = [one for one in _members(archive) if one.startswith("models/")]
            models = [one for one in names if one.endswith(".json") and one.count("/") == 1]
            _require(len(models) == 1, f"it holds {len(models)} models, not one")
            model = json_member(archive, models[0])
    except UNSOUND as error:
        raise ArchiveError(f"it is no sound archive ({error})") from None
    return _program(model)


def _check_format(archive: zipfile.ZipFile) -> None:
    _require(len(archive.infolist()) <= MOST_MEMBERS, f"it has more than {MOST_MEMBERS:,} members")
    _require("archive_format" in _members(archive), "it is an archive of no format that is read")
    format_ = bounded_member(archive, "archive_format", 64)
    _require(format_.strip() == b"pt2", "it is no archive of torch.export")


def _members(archive: zipfile.ZipFile) -> dict[str, str]:
    """The names of members without the folder that all are in, with those that they have."""
    return {name.partition("/")[2]: name for name in archive.namelist()}


def bounded_member(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """A member by its name inside the archive's folder, of so many bytes at most. Raises
    ArchiveError."""
    members = _members(archive)
    _require(name in members, f"it is an archive without {name}")
    with archive.open(members[name]) as member:
        data = member.read(most + 1)
    _require(len(data) <= most, f"{name} in it has more than {most:,} bytes")
    return data


def json_member(archive: zipfile.ZipFile, name: str) -> Any:
    """A member of JSON. Raises ArchiveError."""
    data = bounded_member(archive, name, LARGEST)
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise ArchiveError(f"{name} in it is no JSON, or nests too deep") from None


def _program(model: Any) -> dict[str, Any]:
    version = _field(model, "schema_version", dict)
    major = version.get("major")
    _require(major == MAJOR, f"its schema has the version {major!a:.40}, not {MAJOR}")
    module = _field(model, "graph_module", dict)
    graph, signature = _field(module, "graph", dict), _field(module, "signature", dict)
    shapes: dict[str, list[Any]] = {}
    dtypes: dict[str, str] = {}
    for name, meta in _field(graph, "tensor_values", dict).items():
        shapes[_name(name)] = [_size(one) for one in _field(meta, "sizes", list)]
        _require(len(shapes[name]) <= MOST_AXES, f"`{name}` has more than {MOST_AXES} axes")
        dtypes[name] = DTYPES.get(_field(meta, "dtype", int), "an element type that is not read")
    nodes = _field(graph, "nodes", list)
    _require(len(nodes) <= MOST_NODES, f"it has more than {MOST_NODES:,} operations")
    return {
        "inputs": [_input(one) for one in _field(signature, "input_specs", list)],
        "outputs": [_output(one) for one in _field(signature, "output_specs", list)],
        "nodes": [_node(one) for one in nodes],
        "shapes": shapes,
        "dtypes": dtypes,
    }


def _input(spec: Any) -> dict[str, Any]:
    """An input of the graph: a value that is given, or an array of the file."""
    kind, fields = _union(spec)
    if kind == "user_input":
        return {"kind": kind, **_value(_field(fields, "arg", dict))}
    _require(kind in KINDS, f"an input of the kind {kind}, which is not read")
    own = _name(_field(fields, KINDS[kind], str))
    arg = _field(fields, "arg", dict)
    return {"kind": kind, "value": _name(_field(arg, "name", str)), "array": own}


def _output(spec: Any) -> dict[str, Any]:
    kind, fields = _union(spec)
    if kind == "user_output":
        return {"kind": kind, **_value(_field(fields, "arg", dict))}
    return {"kind": kind, "value": None}


def _value(argument: Any) -> dict[str, Any]:
    """What the user gives or takes: the name of a value, or None for anything else."""
    kind, content = _union(argument)
    own = _name(_field(content, "name", str)) if kind == "as_tensor" else None
    return {"value": own, "other": kind}


def _node(node: Any) -> dict[str, Any]:
    target = _name(_field(node, "target", str))
    metadata = _field(node, "metadata", dict)
    stack = metadata.get("nn_module_stack") or ""
    _require(isinstance(stack, str), "an operation has malformed metadata")
    arguments = {}
    for one in _field(node, "inputs", list):
        arguments[_name(_field(one, "name", str))] = _argument(_field(one, "arg", dict))
    return {
        "op": target.removeprefix("torch.ops."),
        "arguments": arguments,
        "outputs": [name for one in _field(node, "outputs", list) for name in _results(one)],
        "modules": _modules(stack),
    }


def _modules(stack: str) -> list[list[str]]:
    """The modules around an operation, the network itself excepted: their paths and classes."""
    modules = []
    for entry in stack.split(";"):
        parts = entry.split(",")
        if len(parts) == 3 and parts[1] and not parts[1].startswith("_empty_nn_module_stack"):
            modules.append([_name(parts[1]), _name(parts[2].rpartition(".")[2] or "Module")])
    return modules


def _results(output: Any) -> list[str]:
    """The names of the values that an operation gives; an empty one for what is no tensor."""
    kind, content = _union(output)
    if kind == "as_tensor":
        return [_name(_field(content, "name", str))]
    if kind == "as_tensors" and isinstance(content, list):
        return [_name(_field(one, "name", str)) for one in content]
    if kind == "as_sym_int":
        return [_name(_field(content, "as_name", str))]
    return [""]


PLAIN = ("as_bool", "as_bools", "as_float", "as_floats", "as_int", "as_ints", "as_string")


def _argument(argument: Any) -> Any:
    """An argument: a plain value, `{value}` for a tensor, `{symbol}` for a size that is computed,
    `{other}` for what has no meaning here."""
    kind, content = _union(argument)
    if kind == "as_none":
        return None
    if kind in PLAIN:
        return _plain(content)
    if kind == "as_tensor":
        return {"value": _name(_field(content, "name", str))}
    if kind in ("as_tensors", "as_optional_tensors") and isinstance(content, list):
        return [
            _argument({"as_tensor": one} if "name" in one else one)
            for one in content
            if isinstance(one, dict)
        ]
    if kind == "as_sym_int":
        return _symbol(content)
    if kind == "as_sym_ints" and isinstance(content, list):
        return [_symbol(one) for one in content]
    if kind in ("as_scalar_type", "as_memory_format", "as_layout") and type(content) is int:
        return {"other": kind, "number": content}
    return {"other": kind}


def _plain(content: Any) -> Any:
    items = content if isinstance(content, list) else [content]
    fits = all(isinstance(one, int | float | str) for one in items)
    _require(fits, "an argument of an operation is malformed")
    texts = [one for one in items if isinstance(one, str)]
    for one in texts:
        _name(one or "text")
    return content


def _symbol(content: Any) -> Any:
    kind, value = _union(content)
    if kind == "as_int":
        return _field(content, "as_int", int)
    _require(kind == "as_name", "a size is malformed")
    return {"symbol": _name(value)}


def _size(size: Any) -> Any:
    """A size of an axis: a number, or `{expression, hint}` where it is open."""
    kind, content = _union(size)
    if kind == "as_int":
        number = _field(size, "as_int", int)
        _require(0 <= number <= LARGEST_SIZE, "a value has an impossible size")
        return number
    expression = _field(content, "expr_str", str)
    hint = content.get("hint")
    number = hint.get("as_int") if isinstance(hint, dict) else None
    _require(type(number) is int and 0 < number <= LARGEST_SIZE, "an open size has no example")
    return {"expression": expression[:LONGEST_NAME], "hint": number}


def _union(value: Any) -> tuple[str, Any]:
    """The kind and content of a value that is one of several kinds."""
    _require(isinstance(value, dict) and len(value) == 1, "a part of its graph is malformed")
    ((kind, content),) = value.items()
    return _name(kind), content


def _field(value: Any, key: str, kind: type) -> Any:
    """A field of an object. Raises ArchiveError where it is missing or of another kind."""
    own = value.get(key) if isinstance(value, Mapping) else None
    _require(type(own) is kind, f"a part of its graph has no `{key}`")
    return own


def _name(name: Any) -> str:
    """A name. Raises ArchiveError for one with characters that do not print."""
    _require(isinstance(name, str) and 0 < len(name) <= LONGEST_NAME, "a name is malformed")
    assert isinstance(name, str)
    _require(name.isprintable(), f"the name {name[:60]!a} has characters that do not print")
    return name


def _require(condition: object, message: str) -> None:
    if not condition:
        raise ArchiveError(message)


def guarded(path: str) -> dict[str, Any] | str:
    """The program in a file, or the error in one line."""
    limit(os.path.getsize(path), MEMORY)
    try:
        return program_of(path)
    except ArchiveError as error:
        return str(error)
    except (OSError, ValueError) as error:
        return f"it cannot be read ({error})"
    except MemoryError:
        return "reading it takes too much memory"
    except RecursionError:
        return "it nests too deep"


def _read(path: str, result: str) -> str | None:
    program = guarded(path)
    if isinstance(program, str):
        return program
    with open(result, "w", encoding="utf-8") as stream:
        json.dump(program, stream)
    return None


if __name__ == "__main__":
    _, source, target = sys.argv[1:]
    json.dump(_read(source, target), sys.stdout)
