"""A program of `torch.export` run as it is, by a process of its own: `python -m
archc.importers.torch_export.evaluate VERB PLAN`.

`run` gives the program seeded random weights and inputs, and writes the values that it computes,
and the weights as the spec's network has them. `weights` writes those of the file itself. Nothing
is unpickled: PyTorch runs the operations of the graph one by one, and those alone that are
translated; in 64 bits, so that no rounding of 32 hides a difference or looks like one.
"""

from __future__ import annotations

import json
import math
import operator
import os
import sys
import zipfile
from collections.abc import Mapping
from typing import Any

from archc.backends.runtime.sandbox import limit, line, not_installed
from archc.importers.archives import UNSOUND
from archc.importers.arrays import (
    LARGEST,
    bytes_of_sources,
    random_inputs,
    random_sources,
    write_weights,
)
from archc.importers.torch_export.archive import (
    DTYPES,
    ArchiveError,
    bounded_member,
    json_member,
    program_of,
)
from archc.importers.torch_export.translate import TABLE
from archc.importers.torch_export.views import FLOATS

SIZES = {
    "mul": operator.mul,
    "add": operator.add,
    "sub": operator.sub,
    "floordiv": operator.floordiv,
}
"""Arithmetic of sizes that depend on the batch."""


def _run(plan: Mapping[str, Any]) -> str | None:
    """Run the file. Returns an error, or None."""
    try:
        import torch
    except ImportError as error:
        return not_installed(error, "torch")
    needed = bytes_of_sources(plan)
    if needed > LARGEST:
        return f"its weights take {needed:,} bytes"
    limit(os.path.getsize(plan["file"]) + 4 * needed)
    arrays = random_sources(plan)
    try:
        program = program_of(plan["file"])
    except (ArchiveError, OSError) as error:
        return line(error)
    # Weights that play no part may be missing: the file's buffers of counts.
    tensors: dict[str, Any] = {
        one["value"]: torch.from_numpy(arrays[one["array"]].astype("float64"))
        for one in program["inputs"]
        if one.get("array") in arrays
    }
    for name, value in random_inputs(plan).items():
        is_float = value.dtype.kind == "f"
        dtype = "float64" if is_float else program["dtypes"][name]
        tensors[name] = torch.from_numpy(value.astype(dtype))
    places = {name: number for number, name in enumerate(plan["values"])}
    try:
        with torch.no_grad():
            _execute(program, tensors, places, plan["folder"])
    except Exception as error:
        return f"PyTorch does not run it ({line(error)})"
    return None


def _execute(
    program: Mapping[str, Any],
    tensors: dict[str, Any],
    places: Mapping[str, int],
    folder: str,
) -> None:
    """Run the operations in order, and write the values that have places, each before a later
    operation can change it."""
    import numpy

    def write(name: str, tensor: Any) -> None:
        if name in places:
            numpy.save(os.path.join(folder, f"value_{places[name]}.npy"), tensor.numpy())

    for name, tensor in tensors.items():  # of an input, a view may be all that is compared
        write(name, tensor)
    last = _last_uses(program)
    for number, node in enumerate(program["nodes"]):
        # A layout is left out: the usual one is what is translated.
        arguments = {
            name: _resolved(one, tensors)
            for name, one in node["arguments"].items()
            if not isinstance(one, dict) or one.get("other") in (None, "as_scalar_type")
        }
        operation = _operation(node["op"])
        if operation is None or any(_is_missing(one) for one in arguments.values()):
            continue  # no part of the network: a check, a count of batches
        found = operation(**arguments)
        results = found if isinstance(found, tuple | list) else [found]
        for name, result in zip(node["outputs"], results, strict=True):
            tensors[name] = result
            write(name, result)
        for name in last[number]:
            tensors.pop(name, None)


MISSING = object()


def _is_missing(argument: Any) -> bool:
    items = argument if isinstance(argument, list) else [argument]
    return any(one is MISSING for one in items)


def _operation(name: str) -> Any:
    """The function of an operation; None for one that is not translated."""
    import torch

    namespace, _, rest = name.partition(".")
    if namespace == "_operator" and rest in SIZES:
        return lambda a, b: SIZES[rest](a, b)
    kind, _, overload = rest.partition(".")
    if namespace != "aten" or kind not in TABLE:
        return None
    return getattr(getattr(torch.ops.aten, kind), overload)


def _resolved(argument: Any, tensors: Mapping[str, Any]) -> Any:
    """An argument as PyTorch takes it; MISSING where a tensor of it is."""
    if isinstance(argument, list):
        return [_resolved(one, tensors) for one in argument]
    if not isinstance(argument, dict):
        return argument
    if "number" in argument:
        import torch

        name = DTYPES[argument["number"]]
        return torch.float64 if name in FLOATS else getattr(torch, name)
    return tensors.get(_tensor_name(argument), MISSING)


def _tensor_name(argument: Mapping[str, Any]) -> str:
    """The name of a tensor, or of a size that is computed."""
    name: str = argument["value"] if "value" in argument else argument["symbol"]
    return name


def _last_uses(program: Mapping[str, Any]) -> list[list[str]]:
    """For each operation, the tensors that none after it takes."""
    last: dict[str, int] = {}
    for number, node in enumerate(program["nodes"]):
        for argument in node["arguments"].values():
            for one in argument if isinstance(argument, list) else [argument]:
                if isinstance(one, dict) and "other" not in one:
                    last[_tensor_name(one)] = number
        for name in node["outputs"]:
            last.setdefault(name, number)
    ends: list[list[str]] = [[] for _ in program["nodes"]]
    for name, number in last.items():
        ends[number].append(name)
    return ends


def _weights(plan: Mapping[str, Any]) -> str | None:
    """Write the weights of the file under the names of the spec's. Returns an error, or None."""
    size = sum(8 * math.prod(array[1]) for array in plan["weights"].values())
    limit(os.path.getsize(plan["file"]) + min(size, LARGEST))
    try:
        with zipfile.ZipFile(plan["file"]) as archive:
            return write_weights(plan, _Stored(archive).array)
    except ImportError as error:
        return not_installed(error, "torch")
    except (ArchiveError, OSError) as error:
        return line(error)
    except UNSOUND as error:
        return f"it is no sound archive ({line(error)})"
    except (AttributeError, LookupError, TypeError, ValueError):
        return "its list of weights is malformed"
    except MemoryError:
        return "reading its weights takes too much memory"


class _Stored:
    """The arrays of an archive, which lie in it as plain bytes, one storage a member."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive
        if bounded_member(archive, "byteorder", 16).strip() != b"little":
            raise ValueError("its arrays are not little-endian")
        self.entries: dict[str, tuple[str, Any]] = {}
        for folder, name in (("weights", "weights"), ("constants", "constants")):
            config = json_member(archive, f"data/{folder}/model_{name}_config.json")
            for key, entry in config["config"].items():
                self.entries.setdefault(key, (f"data/{folder}", entry))

    def array(self, name: str) -> Any:
        """An array by its name in the network. Raises ValueError, ArchiveError."""
        try:
            return self._array(name)
        except (AttributeError, LookupError, TypeError):
            raise ValueError("its list of weights is malformed") from None

    def _array(self, name: str) -> Any:
        import numpy

        if name not in self.entries:
            raise ValueError(f"it does not hold the array `{name}`")
        folder, entry = self.entries[name]
        if entry["use_pickle"]:
            raise ValueError(f"the array `{name}` is pickled, and not read")
        meta = entry["tensor_meta"]
        shape = tuple(one["as_int"] for one in meta["sizes"])
        strides = tuple(one["as_int"] for one in meta["strides"])
        offset = meta["storage_offset"]["as_int"]
        own, width = self._dtype(meta["dtype"])
        if len(shape) != len(strides) or min((*shape, *strides, offset), default=0) < 0:
            raise ValueError(f"the array `{name}` has an impossible layout")
        last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        if math.prod(shape) * width > LARGEST or (last + 1) * width > LARGEST:
            raise ValueError(f"the array `{name}` takes more than {LARGEST:,} bytes")
        path = f"{folder}/{entry['path_name']}"
        data = bounded_member(self.archive, path, LARGEST)
        if math.prod(shape) and (last + 1) * width > len(data):
            raise ValueError(f"the array `{name}` reaches beyond its bytes: the file is cut off")
        storage = numpy.frombuffer(data, own, len(data) // width)
        steps = tuple(step * width for step in strides)
        view = numpy.lib.stride_tricks.as_strided(storage[offset:], shape, steps, writeable=False)
        if meta["dtype"] == BFLOAT16:
            return (view.astype("uint32") << 16).view("float32")
        return view

    def _dtype(self, number: int) -> tuple[Any, int]:
        """The element type of an array, and its bytes."""
        import numpy

        name = {BFLOAT16: "uint16"}.get(number, DTYPES.get(number, ""))
        if not name:
            raise ValueError("an array has an element type that is not read")
        own = numpy.dtype(name).newbyteorder("<")
        return own, own.itemsize


BFLOAT16 = 13


if __name__ == "__main__":
    verb, path = sys.argv[1:]
    with open(path, encoding="utf-8") as stream:
        fields = json.load(stream)
    json.dump({"run": _run, "weights": _weights}[verb](fields), sys.stdout)
