"""Arrays written as safetensors, the same bytes for the same arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

STORABLE = {
    "bool": "BOOL",
    "uint8": "U8",
    "int8": "I8",
    "int32": "I32",
    "int64": "I64",
    "float16": "F16",
    "float32": "F32",
    "float64": "F64",
}
"""What safetensors calls the types of NumPy's arrays that are written."""
ORDER = "archc-order"
GROUPS = "archc-groups"
"""Keys of the metadata of a converted file: the names of its arrays in the order of the model;
their names by others that do not depend on the names of layers."""


class Sink(Protocol):
    """What bytes are written to."""

    def write(self, data: bytes | memoryview, /) -> object: ...


def write_safetensors(path: str, arrays: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
    """Write arrays to a file. Raises OSError."""
    with open(path, "wb") as stream:
        dump_safetensors(stream, arrays, metadata)


def dump_safetensors(stream: Sink, arrays: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
    """Write arrays one after the other, so that no second copy of them all is in memory: the widest
    numbers first, which keeps each aligned, then in the order of their names. The same arrays give
    the same bytes (the library has metadata in another order each time). Raises OSError.
    """
    import numpy

    names = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))}
    end = 0
    for name in names:
        array = arrays[name]
        start, end = end, end + array.nbytes
        header[name] = {
            "dtype": STORABLE[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode("ascii")
    text += b" " * (-len(text) % 8)
    stream.write(len(text).to_bytes(8, "little"))
    stream.write(text)
    for name in names:
        array = numpy.asarray(arrays[name])  # one of HDF5 is read here
        array = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
        stream.write(array.tobytes() if array.ndim == 0 else array.data)
