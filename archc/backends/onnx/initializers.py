"""The weights in an ONNX file as safetensors, by a process of its own: `python -m
archc.backends.onnx.initializers read FILE RESULT`.

No other file is opened, and `onnx` is not needed.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import sys
from typing import Any

from archc.backends.runtime.safetensors import write_safetensors
from archc.backends.runtime.sandbox import limit
from archc.onnx_format.elements import ELEMENTS
from archc.onnx_format.messages import ModelProto
from archc.onnx_format.protobuf import FIXED32, FIXED64, LENGTH, FormatError
from archc.onnx_format.reader import Message, Part

MOST_ARRAYS = 200_000
LONGEST_NAME = 4096
FLOATS = ("float16", "bfloat16", "float32", "float64")
TYPED = ("float_data", "int32_data", "double_data")
"""The fields that hold floating-point numbers where they are no bytes: 16-bit ones as the whole
numbers of their bits."""


def arrays_of(data: memoryview) -> dict[str, Any]:
    """The floating-point arrays of a model by their names, bfloat16 as float32, which holds it.
    Raises FormatError."""
    message = Message(ModelProto, data, 0, len(data))
    arrays: dict[str, Any] = {}
    for part in message.parts():
        if part.name != "graph":
            continue
        graph = message.message(part)
        for inner in graph.parts():
            if inner.name == "initializer":
                name, array = _array(graph.message(inner))
                if name in arrays:
                    raise FormatError(f"two arrays have the name `{name}`")
                if array is not None:
                    arrays[name] = array
                if len(arrays) > MOST_ARRAYS:
                    raise FormatError(f"it has more than {MOST_ARRAYS:,} arrays")
    return arrays


def _array(tensor: Message) -> tuple[str, Any]:
    """An array with its name; None for one of other than floating-point numbers."""
    import numpy

    name, code = "", 0
    shape: list[int] = []
    raw: Part | None = None
    typed: list[Part] = []
    elsewhere = False
    for part in tensor.parts():
        if part.name == "name":
            name = tensor.text(part, LONGEST_NAME)
        elif part.name == "data_type":
            code = tensor.whole(part)
        elif part.name == "dims":
            shape += tensor.wholes(part)
        elif part.name == "raw_data":
            raw = part
        elif part.name in TYPED:
            typed.append(part)
        elif part.name in ("external_data", "segment"):
            elsewhere = True
    element = ELEMENTS.get(code)
    if element is None or element.name not in FLOATS:
        return name, None
    if elsewhere:
        raise FormatError(f"the array `{name}` is not in it but in another file, which is not read")
    kept = {"bfloat16": "<u2"}.get(element.name, f"<f{element.size}")
    if raw is not None:
        data: Any = tensor.bytes(raw)
    else:
        data = b"".join(_bytes(tensor, part, element.size) for part in typed)
    if any(size < 0 for size in shape) or len(data) != math.prod(shape) * element.size:
        raise FormatError(f"the array `{name}` of {shape} has {len(data):,} bytes")
    array = numpy.frombuffer(data, kept).reshape(shape)
    if element.name == "bfloat16":
        array = (array.astype("<u4") << 16).view("<f4")
    return name, array


def _bytes(tensor: Message, part: Part, size: int) -> bytes | memoryview:
    """The numbers of a typed field as bytes."""
    if part.wire in (FIXED32, FIXED64) or (part.wire == LENGTH and part.field.kind is float):
        return tensor.bytes(part)
    if size != 2:
        raise FormatError(f"`{part.name}` has numbers of another type")
    return b"".join((number & 0xFFFF).to_bytes(2, "little") for number in tensor.wholes(part))


def _read(path: str, result: str) -> str | None:
    limit(os.path.getsize(path))
    try:
        with open(path, "rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        # What is mapped is never closed: the arrays are views of it.
        write_safetensors(result, arrays_of(memoryview(data)), {})
    except FormatError as error:
        return str(error)
    except (OSError, ValueError) as error:
        return f"it cannot be read ({error})"
    except MemoryError:
        return "reading it takes too much memory"
    return None


if __name__ == "__main__":
    json.dump({"read": _read}[sys.argv[1]](*sys.argv[2:]), sys.stdout)
