"""Files of arrays: the header is read at first, each array only when it is used.

Formats, distinguished by the first bytes of a file: safetensors, and those of the backends'
frameworks. No code in a file is executed, and files that are not safetensors are read by a child
process.

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

from archc import backends
from archc.backends.base import WeightFormat
from archc.backends.runtime.safetensors import GROUPS, ORDER, STORABLE
from archc.backends.runtime.sandbox import run_isolated
from archc.diagnostics import Diagnostic, SourceText, Span, SpecError, encodable

FORMAT = "archc-weights"
VERSION = "1"
DTYPES = ("float16", "bfloat16", "float32", "float64")
"""The dtypes that arrays may have. NumPy has no bfloat16: such arrays are read as float32,
which holds them exactly."""
LONGEST_HEADER = 64 << 20
"""Bytes of a safetensors header: enough for half a million arrays."""


class Entry(NamedTuple):
    """An array of a file, which `read` loads."""

    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], Any]


class WeightFile(NamedTuple):
    """An open file of weights. `backend` is the one whose framework writes such files, None for the
    neutral format; `entries` are by their names in the file. `metadata` is that of safetensors;
    `groups` has these names by others that do not depend on the names of layers."""

    path: str
    backend: str | None
    entries: Mapping[str, Entry]
    metadata: Mapping[str, str]
    groups: Mapping[str, str] = {}

    @property
    def format(self) -> WeightFormat | None:
        """The format of the backend's framework; None for the neutral format."""
        return None if self.backend is None else formats()[self.backend]


def formats() -> dict[str, WeightFormat]:
    """The formats of all backends that have one, by the names of the backends."""
    all_formats = {name: backends.backend(name).weights for name in backends.names()}
    return {name: one for name, one in all_formats.items() if one is not None}


def filled(shape: tuple[int, ...], value: float) -> Entry:
    """An array with one value, which a file need not have."""

    def read() -> Any:
        import numpy

        return numpy.full(shape, value, "float32")

    return Entry(shape, "float32", read)


def span_of(path: str) -> Span:
    """The span of an error of a whole file."""
    return Span(SourceText(encodable(path), ""), 1, 1, 1, 1)


def reject(path: str, reason: str, hint: str | None = None) -> NoReturn:
    """Raise the error of a file that cannot be read."""
    raise SpecError([Diagnostic("ARC603", f"cannot be read: {reason}", span_of(path), hint)])


@contextmanager
def open_weights(path: str) -> Iterator[WeightFile]:
    """A file of weights, open inside the context. Raises SpecError (ARC001 where it cannot be
    opened, ARC603)."""
    try:
        # Opening a pipe would block until it has a writer.
        with open(path, "rb", opener=_open_nonblocking) as stream:
            status = os.fstat(stream.fileno())
            size = status.st_size
            first = stream.read(16) if stat.S_ISREG(status.st_mode) else b""
    except ValueError:
        reject(path, "no file name has such characters")
    except OSError as error:
        reason = (error.strerror or "input/output error").lower()
        message = f"cannot be read: {reason}"
        raise SpecError([Diagnostic("ARC001", message, span_of(path))]) from None
    with ExitStack() as stack:
        backend = _backend_of(first)
        # Safetensors first: the length with which such a file begins may read `PK`, or as the begin
        # of an ONNX file.
        is_safetensors = len(first) >= 9 and first[8:9] == b"{"
        if is_safetensors and 8 + _header_size(first) <= size:
            yield _safetensors(path, path, stack, None)
        elif backend is not None and not is_safetensors:
            reader = formats()[backend].reader
            assert reader is not None
            converted = stack.enter_context(_as_safetensors(reader, path))
            yield _safetensors(converted, path, stack, backend)
        else:
            endings = [one.endings[0] for one in formats().values() if one.reader is not None]
            hint = f"{', '.join(['safetensors', *endings[:-1]])} and {endings[-1]} are read"
            reject(path, "it is no file of weights, or is truncated", hint)


@contextmanager
def _as_safetensors(module: str, path: str) -> Iterator[str]:
    """A temporary safetensors file with the arrays of a file, inside the context. Raises SpecError
    (ARC603)."""
    with tempfile.TemporaryDirectory(prefix="archc-") as folder:
        converted = os.path.join(folder, "weights.safetensors")
        error = run_isolated(module, "read", os.path.abspath(path), converted)
        if error is not None:
            reject(path, error)
        yield converted


def _backend_of(first: bytes) -> str | None:
    """The backend whose framework's files have these first bytes."""
    items = formats().items()
    return next((name for name, one in items if first.startswith(one.beginnings)), None)


def _open_nonblocking(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _header_size(first: bytes) -> int:
    return int.from_bytes(first[:8], "little")


def _safetensors(path: str, source: str, stack: ExitStack, backend: str | None) -> WeightFile:
    """A safetensors file at `path`: `source` itself, or, where a `backend` is named, the conversion
    of the file `source` of that backend's framework."""
    from safetensors import SafetensorError, safe_open

    with open(path, "rb") as stream:
        if _header_size(stream.read(8)) > LONGEST_HEADER:
            reject(source, "its header is too long")
    try:
        file = stack.enter_context(safe_open(path, framework="numpy"))
        names = file.keys()
    except (SafetensorError, OSError) as error:
        reject(source, f"it is no valid safetensors file ({_line(error)})")
    metadata = file.metadata() or {}
    groups: Mapping[str, str] = {}
    if backend is not None:
        names = json.loads(metadata[ORDER]) if ORDER in metadata else names
        groups = json.loads(metadata.get(GROUPS, "{}"))
    elif metadata.get("format") != FORMAT:
        backend = next(name for name, one in formats().items() if one.plain_safetensors)
    elif metadata.get("version") != VERSION:
        reject(source, f"its version is not {VERSION}, the one that this archc reads")
    entries = {name: _entry(file, name) for name in names}
    return WeightFile(source, backend, entries, metadata, groups)


_TYPES = {"BF16": "bfloat16", **{code: dtype for dtype, code in STORABLE.items()}}


def _entry(file: Any, name: str) -> Entry:
    view = file.get_slice(name)
    dtype = _TYPES.get(view.get_dtype(), view.get_dtype().lower())

    def read() -> Any:
        if dtype != "bfloat16":
            return file.get_tensor(name)
        import ml_dtypes  # noqa: F401 - registers the dtype with NumPy

        return file.get_tensor(name).astype("float32")

    return Entry(tuple(view.get_shape()), dtype, read)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
