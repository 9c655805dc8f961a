"""The formats that are imported, told apart by the content of a file."""

from __future__ import annotations

from collections.abc import Sequence

from archc.diagnostics import Diagnostic, SpecError
from archc.files.reading import read_regular
from archc.importers import keras, onnx, torch_export
from archc.importers.network import Network, reject, span_of

KNOWN = (
    "ONNX models are read, `.keras` archives, the JSON of Keras models and `.pt2` archives of "
    "torch.export"
)
HEAD = 1024
"""Bytes that tell the format."""


def read(path: str, open_sizes: Sequence[int] = ()) -> Network:
    """The network in a file; `open_sizes` are those of axes that it leaves open, but for the batch:
    one for all, or one for each axis of an input in order. Raises SpecError (ARC001 where it cannot
    be opened, ARC801 for one that is of no known format or damaged, ARC802 for what archc has no op
    for)."""
    try:
        first = read_regular(path, HEAD)
    except ValueError:
        reject(path, "no file name has such characters")
    except OSError as error:
        reason = (error.strerror or "input/output error").lower()
        message = f"cannot be read: {reason}"
        raise SpecError([Diagnostic("ARC001", message, span_of(path))]) from None
    if first[:2] == b"PK" and _is_torch_export(first):
        return torch_export.read(path)
    # An archive, or JSON: the configuration of a Keras model.
    if first[:2] == b"PK" or first.lstrip()[:1] == b"{":
        return keras.read(path, open_sizes)
    # An ONNX model begins with its version, a varint.
    if first[:1] == b"\x08" and len(first) >= 16:
        return onnx.read(path, open_sizes)
    reject(path, "it is of no format that is imported, or is cut off", KNOWN)


def _is_torch_export(first: bytes) -> bool:
    """Whether an archive has all in one folder, as those of torch.export have; Keras' has its
    configuration at the top. The name of the first member follows 30 bytes, of which two are its
    length."""
    name = first[30 : 30 + int.from_bytes(first[26:28], "little")]
    return b"/" in name and not name.startswith((b"assets/", b"."))
