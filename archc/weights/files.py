"""Files of arrays: what they hold is read from their headers, and single arrays only when asked.

Formats, told apart by what the files begin with: safetensors (archc's own files and PyTorch's state
dicts), PyTorch's `.pth`, and HDF5 as Keras writes it (`.weights.h5`, and the older files with
`layer_names`). Nothing in a file is run: PyTorch's pickles are read with `weights_only=True`, links
and objects in HDF5 are refused, both by processes of their own.

Code: ARC603 a file of weights that cannot be read.
"""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple, NoReturn

from archc.diagnostics import Diagnostic, SourceText, Span, SpecError, encodable
from archc.weights.sandbox import asked

FORMAT = "archc-weights"
VERSION = "1"
DTYPES = ("float16", "bfloat16", "float32", "float64")
"""The types of number that arrays may have. NumPy has no bfloat16: such arrays are read as float32,
which holds them exactly."""
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
"""In the metadata of a file that a process has made of another: the names of its arrays in the
order of the model; their names by Keras' groups."""
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


def span_of(path: str) -> Span:
    """The place of a fault of a whole file."""
    return Span(SourceText(encodable(path), ""), 1, 1, 1, 1)


def refuse(path: str, reason: str, hint: str | None = None) -> NoReturn:
    """Raise the fault of a file that cannot be read."""
    raise SpecError([Diagnostic("ARC603", f"cannot be read: {reason}", span_of(path), hint)])


@contextmanager
def opened(path: str) -> Iterator[Stored]:
    """What a file holds, readable inside the context. Raises SpecError (ARC001 where it cannot be
    opened, ARC603)."""
    try:
        # Opening a pipe would wait for somebody to write to it.
        with open(path, "rb", opener=_at_once) as stream:
            found = os.fstat(stream.fileno())
            size = found.st_size
            first = stream.read(16) if stat.S_ISREG(found.st_mode) else b""
    except ValueError:
        refuse(path, "no file name has such characters")
    except OSError as error:
        reason = (error.strerror or "input/output error").lower()
        message = f"cannot be read: {reason}"
        raise SpecError([Diagnostic("ARC001", message, span_of(path))]) from None
    with ExitStack() as stack:
        foreign = _foreign(first)
        # First this: the length that a safetensors file begins with may read `PK`.
        if len(first) >= 9 and first[8:9] == b"{" and 8 + _header_size(first) <= size:
            yield _safetensors(path, path, stack, None)
        elif foreign is not None:
            made = stack.enter_context(_as_safetensors(foreign.module, path))
            yield _safetensors(made, path, stack, foreign.kind)
        else:
            hint = "safetensors, .pth and .h5 are read"
            refuse(path, "it is no file of weights, or is cut off", hint)


@contextmanager
def _as_safetensors(module: str, path: str) -> Iterator[str]:
    """A safetensors file with the arrays of a file, there within the context. Raises SpecError
    (ARC603)."""
    with tempfile.TemporaryDirectory(prefix="archc-") as folder:
        made = os.path.join(folder, "weights.safetensors")
        told = asked(module, "read", os.path.abspath(path), made)
        if told is not None:
            refuse(path, told)
        yield made


class _Foreign(NamedTuple):
    """A kind of file that a module of this folder reads in a process of its own."""

    kind: str
    module: str


def _foreign(first: bytes) -> _Foreign | None:
    if first[:8] == b"\x89HDF\r\n\x1a\n":
        return _Foreign("keras", "hdf5")
    # Since 2020 PyTorch's files are zip archives; before, pickles alone.
    if first[:2] == b"PK" or first[:1] == b"\x80":
        return _Foreign("torch", "pickled")
    return None


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _header_size(first: bytes) -> int:
    return int.from_bytes(first[:8], "little")


def _safetensors(path: str, told: str, stack: ExitStack, kind: str | None) -> Stored:
    """What a safetensors file holds: one that has been made of the file `told`, of that kind; or,
    where there is no kind, that file."""
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
    groups: Mapping[str, str] = {}
    if kind is not None:
        names = json.loads(metadata[ORDER])
        groups = json.loads(metadata.get(GROUPS, "{}"))
    elif metadata.get("format") != FORMAT:
        kind = "torch"
    elif metadata.get("version") == VERSION:
        kind = "neutral"
    else:
        refuse(told, f"it is of another version than {VERSION}, which this archc reads")
    entries = {name: _entry(file, name) for name in names}
    return Stored(told, kind, entries, metadata, groups)


_TYPES = {"BF16": "bfloat16", **{code: dtype for dtype, code in STORABLE.items()}}


def _entry(file: Any, name: str) -> Entry:
    view = file.get_slice(name)
    dtype = _TYPES.get(view.get_dtype(), view.get_dtype().lower())

    def read() -> Any:
        if dtype != "bfloat16":
            return file.get_tensor(name)
        import ml_dtypes  # noqa: F401 - gives NumPy the type

        return file.get_tensor(name).astype("float32")

    return Entry(tuple(view.get_shape()), dtype, read)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def write_safetensors(path: str, arrays: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
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
    with open(path, "wb") as stream:
        stream.write(len(text).to_bytes(8, "little"))
        stream.write(text)
        for name in names:
            array = numpy.asarray(arrays[name])  # one of HDF5 is read here
            array = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
            stream.write(array.tobytes() if array.ndim == 0 else array.data)
