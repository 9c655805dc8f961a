"""Arrays of a file, from which those of a spec's network are computed, in the process that reads
the file."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from typing import Any

from archc.backends.runtime.random_values import Distribution, random_array
from archc.backends.runtime.safetensors import write_safetensors
from archc.backends.runtime.sandbox import line

LARGEST = 1 << 33
"""Bytes of the arrays that are made."""


def computed(array: list[Any], source: Callable[..., Any]) -> Any:
    """An array as `network.Array.plain` describes it, from those that `source` gives by the fields
    of what is read: the name first."""
    import numpy

    kind, shape, operands, fields = array
    values = [computed(one, source) for one in operands]
    if kind == "source":
        return numpy.asarray(source(*fields)).reshape(shape)
    if kind == "fill":
        return numpy.full(shape, fields[0], "float64")
    if kind == "values":
        return numpy.array(fields).reshape(shape)
    if kind == "reshape":
        return values[0].reshape(shape)
    if kind == "transpose":
        return values[0].transpose(fields)
    if kind == "rows":
        return values[0][fields[0] : fields[1]]
    if kind == "take":
        return values[0].take(fields, axis=0)
    if kind == "concat":
        return numpy.concatenate(values, axis=fields[0])
    operations = {
        "add": numpy.add,
        "subtract": numpy.subtract,
        "multiply": numpy.multiply,
        "divide": numpy.divide,
    }
    return operations[kind](*values)


def random_sources(plan: Mapping[str, Any]) -> dict[str, Any]:
    """The seeded random arrays that a file is given in the place of its own, in 32 bits; those of
    the spec's network are written, in 64 bits, for the comparison."""
    import numpy

    sources = {}
    for name, (shape, distribution) in plan["sources"].items():
        values = random_array(plan["seed"], name, tuple(shape), Distribution(*distribution))
        sources[name] = values.astype("float32")
    for number, array in enumerate(plan["weights"]):
        value = computed(array, lambda name, *_: sources[name].astype("float64"))
        numpy.save(os.path.join(plan["folder"], f"fixed_weight_{number}.npy"), value)
    return sources


def bytes_of_sources(plan: Mapping[str, Any]) -> int:
    """Bytes of the random arrays, in 64 bits."""
    return sum(8 * math.prod(shape) for shape, _ in plan["sources"].values())


def random_inputs(plan: Mapping[str, Any]) -> dict[str, Any]:
    """The seeded random inputs of a file by their names, in canonical layout; they are written for
    the comparison."""
    import numpy

    inputs = {}
    for number, (name, shape, ids) in enumerate(plan["inputs"]):
        distribution = Distribution(1.0) if ids is None else Distribution(low=0, high=ids)
        values = random_array(plan["seed"], f"input:{name}", tuple(shape), distribution)
        inputs[name] = values.astype("float32" if ids is None else plan["ids"][name])
        numpy.save(os.path.join(plan["folder"], f"fixed_input_{number}.npy"), inputs[name])
    return inputs


def write_weights(plan: Mapping[str, Any], source: Callable[..., Any]) -> str | None:
    """Write the arrays of the spec's network, from those of the file itself. They have 64 bits
    where the file's have, else 32. Returns an error, or None."""
    import numpy

    arrays = {}
    size = 0
    for key, array in plan["weights"].items():
        size += 8 * math.prod(array[1])
        if size > LARGEST:
            return f"its weights take more than {LARGEST:,} bytes"
        types: set[str] = set()

        def typed(*fields: Any, types: set[str] = types) -> Any:
            value = numpy.asarray(source(*fields))
            types.add(value.dtype.name)
            return value

        try:
            value = computed(array, typed)
        except (ValueError, KeyError, TypeError) as error:
            return line(error)
        dtype = "float64" if "float64" in types else "float32"
        arrays[key] = numpy.ascontiguousarray(value, dtype=dtype)
    write_safetensors(plan["result"], arrays, plan["metadata"])
    return None
