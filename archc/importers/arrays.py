"""Arrays as they are computed from those of a file, for weights; by a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def computed(array: list[Any], source: Callable[[str], Any]) -> Any:
    """An array as `network.Array.plain` describes it, from those that `source` gives by name."""
    import numpy

    kind, shape, operands, fields = array
    values = [computed(one, source) for one in operands]
    if kind == "source":
        return numpy.asarray(source(fields[0])).reshape(shape)
    if kind == "fill":
        return numpy.full(shape, fields[0], "float64")
    if kind == "values":
        return numpy.array(fields).reshape(shape)
    if kind == "reshape":
        return values[0].reshape(shape)
    if kind == "transpose":
        return values[0].transpose(fields)
    if kind == "slice":
        return values[0][fields[0] : fields[1]]
    operations = {
        "add": numpy.add,
        "subtract": numpy.subtract,
        "multiply": numpy.multiply,
        "divide": numpy.divide,
    }
    return operations[kind](*values)
