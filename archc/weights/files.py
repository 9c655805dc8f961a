"""Files of arrays: what they hold is read from their headers, and single arrays only when asked.

Formats, told apart by what the files begin with: safetensors (archc's own files and PyTorch's state
dicts), PyTorch's `.pth`, and HDF5 as Keras writes it (`.weights.h5`, and the older files with
`layer_names`). Nothing in a file is run: PyTorch's pickles are read by a process of its own with
`weights_only=True`, links and objects in HDF5 are refused.

Code: ARC603 a file of weights that cannot be read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple, NoReturn

from archc.diagnostics import Diagnostic, Place, SourceText, SpecError, encodable

FORMAT = "archc-weights"
VERSION = "1"
DTYPES = ("float16", "float32", "float64")
"""The types of number that arrays may have."""
ORDER = "archc-order"
"""In the metadata of a file, the names of its arrays in the order of the model."""
LONGEST_HEADER = 64 << 20
"""Bytes of a safetensors header: room for half a million arrays."""


class Entry(NamedTuple):
    """One array of a file, which `read` loads."""

    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], Any]


class Stored(NamedTuple):
    """What a file holds. `kind` is neutral, torch or keras; `entries` are by their names there:
    the key of a state dict, or `LAYER/NUMBER` of Keras. `metadata` is that of safetensors; `groups`
    has the names by those that do not hang on what the layers are called."""

    path: str
    kind: str
    entries: Mapping[str, Entry]
    metadata: Mapping[str, str]
    groups: Mapping[str, str] = {}


def place_of(path: str) -> Place:
    """The place of a fault of a whole file."""
    return Place(SourceText(encodable(path), ""), 1, 1, 1, 1)


def refuse(path: str, reason: str, hint: str | None = None) -> NoReturn:
    """Raise the fault of a file that cannot be read."""
    raise SpecError([Diagnostic("ARC603", f"cannot be read: {reason}", place_of(path), hint)])


@contextmanager
def opened(path: str) -> Iterator[Stored]:
    """What a file holds, readable inside the context. Raises SpecError (ARC603)."""
    try:
        with open(path, "rb") as stream:
            first = stream.read(16)
            size = os.fstat(stream.fileno()).st_size
    except ValueError:
        refuse(path, "no file name has such characters")
    except OSError as error:
        refuse(path, (error.strerror or "input/output error").lower())
    with ExitStack() as stack:
        if first[:8] == b"\x89HDF\r\n\x1a\n":
            from archc.weights.hdf5 import read

            entries, names = read(path, stack)
            yield Stored(path, "keras", entries, {}, names)
        elif first[:2] in (b"PK", b"\x80\x02"):
            from archc.weights.pickled import as_safetensors

            converted = stack.enter_context(as_safetensors(path))
            stored = _safetensors(converted, path, stack)
            yield stored._replace(kind="torch")
        elif len(first) >= 9 and first[8:9] == b"{" and 8 + _header_size(first) <= size:
            yield _safetensors(path, path, stack)
        else:
            hint = "safetensors, .pth and .h5 are read"
            refuse(path, "it is no file of weights, or is cut off", hint)


def _header_size(first: bytes) -> int:
    return int.from_bytes(first[:8], "little")


def _safetensors(path: str, told: str, stack: ExitStack) -> Stored:
    """What a safetensors file holds; messages call it `told`."""
    from safetensors import SafetensorError, safe_open

    with open(path, "rb") as stream:
        if _header_size(stream.read(8)) > LONGEST_HEADER:
            refuse(told, "its header is too long")
    try:
        file = stack.enter_context(safe_open(path, framework="numpy"))
        names = file.keys()
    except (SafetensorError, OSError) as error:
        refuse(told, f"it is no sound safetensors file ({_line(error)})")
    metadata = file.metadata() or {}
    entries = {}
    for name in json.loads(metadata[ORDER]) if ORDER in metadata and path != told else names:
        view = file.get_slice(name)
        dtype = _TYPES.get(view.get_dtype(), view.get_dtype().lower())
        entries[name] = Entry(tuple(view.get_shape()), dtype, _reader(file, name))
    kind = "neutral" if metadata.get("format") == FORMAT else "torch"
    return Stored(told, kind, entries, metadata)


_TYPES = {
    "BF16": "bfloat16",
    "F16": "float16",
    "F32": "float32",
    "F64": "float64",
    "I32": "int32",
    "I64": "int64",
}


def _reader(file: Any, name: str) -> Callable[[], Any]:
    return lambda: file.get_tensor(name)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def write_safetensors(path: str, arrays: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
    """Write arrays, in the order of their names."""
    import numpy
    from safetensors.numpy import save_file

    kept = {name: numpy.ascontiguousarray(arrays[name]) for name in sorted(arrays)}
    save_file(kept, path, metadata=dict(metadata))
