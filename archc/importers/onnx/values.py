"""Values that an ONNX graph computes from constants alone: shapes, which are folded here, and
weights, of which it is kept how they are computed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from archc.importers.network import Array

MOST_VALUES = 4096
"""Elements of an array whose values are computed."""


class FoldError(Exception):
    """A constant cannot be computed. The message says why."""


@dataclass(frozen=True)
class Constant:
    """An array that depends on no input: its element type, where it comes from, and its values row
    by row where they are few and known."""

    dtype: str
    array: Array
    values: tuple[Any, ...] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Its sizes."""
        return self.array.shape

    @property
    def scalar(self) -> float | None:
        """Its value where it has a single one; None otherwise."""
        return self.values[0] if self.values is not None and len(self.values) == 1 else None


def of_values(values: Sequence[Any], dtype: str, shape: tuple[int, ...]) -> Constant:
    """A constant of known values."""
    return Constant(dtype, Array("values", shape, (), tuple(values)), tuple(values))


def of_integers(values: Sequence[int]) -> Constant:
    """A list of whole numbers, as shapes are."""
    return of_values(values, "int64", (len(values),))


def filled(value: Any, dtype: str, shape: tuple[int, ...]) -> Constant:
    """A constant of one value."""
    count = math.prod(shape)
    values = (value,) * count if count <= MOST_VALUES else None
    return Constant(dtype, Array("fill", shape, (), (value,)), values)


def repeated(value: Constant, shape: tuple[int, ...]) -> tuple[Any, ...] | None:
    """The values of an array of some shape that has elements of a constant whose values are all
    the same; None where they are not, or are many."""
    count = math.prod(shape)
    if value.values is None or len(set(value.values)) != 1 or count > MOST_VALUES:
        return None
    return value.values[:1] * count


def is_literal(value: Constant) -> bool:
    """Whether a constant is written in the graph, so that none of it may be a weight."""
    return not value.dtype.startswith("float") or "source" not in value.array.kinds()


def integers(value: object) -> list[int]:
    """The whole numbers of a constant. Raises FoldError where it is none, or they are not known."""
    if not isinstance(value, Constant) or value.values is None:
        raise FoldError("a shape that is not known before the network runs")
    if len(value.shape) > 1 or not all(isinstance(one, int) for one in value.values):
        raise FoldError("a shape that is no list of whole numbers")
    return [int(one) for one in value.values]


def reshaped(value: Constant, shape: tuple[int, ...]) -> Constant:
    """The same elements under another shape."""
    if math.prod(shape) != math.prod(value.shape):
        raise FoldError(f"an array of {value.shape} as {shape}")
    if value.array.kind in ("fill", "values"):
        return Constant(value.dtype, value.array._replace(shape=shape), value.values)
    return Constant(value.dtype, Array("reshape", shape, (value.array,)), value.values)


def transposed(value: Constant, order: Sequence[int]) -> Constant:
    """The axes in another order."""
    if sorted(order) != list(range(len(value.shape))):
        raise FoldError(f"axes in the order {list(order)}")
    shape = tuple(value.shape[axis] for axis in order)
    values = None
    if value.values is not None:
        strides = _strides(value.shape)
        steps = [strides[axis] for axis in order]
        positions = product(*map(range, shape))
        values = tuple(
            value.values[sum(i * step for i, step in zip(index, steps, strict=True))]
            for index in positions
        )
    array = Array("transpose", shape, (value.array,), tuple(order))
    return Constant(value.dtype, array, values)


def _strides(shape: tuple[int, ...]) -> list[int]:
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


UNARY: dict[str, Callable[[float], float]] = {
    "Abs": abs,
    "Cos": math.cos,
    "Exp": math.exp,
    "Log": math.log,
    "Neg": lambda x: -x,
    "Reciprocal": lambda x: 1 / x,
    "Sin": math.sin,
    "Sqrt": math.sqrt,
}


def applied(op: str, value: Constant) -> Constant:
    """One of `UNARY` of each element. Raises FoldError where one has none."""
    array = Array(op, value.shape, (value.array,))
    if value.values is None:
        return Constant(value.dtype, array)
    try:
        values = tuple(UNARY[op](one) for one in value.values)
    except (ValueError, ZeroDivisionError, OverflowError):
        raise FoldError(f"the {op} of a number that has none") from None
    return Constant(value.dtype, array, values)


OPERATIONS: dict[str, tuple[str, Callable[[Any, Any], Any]]] = {
    "Add": ("add", lambda a, b: a + b),
    "Sub": ("subtract", lambda a, b: a - b),
    "Mul": ("multiply", lambda a, b: a * b),
    "Div": ("divide", lambda a, b: a / b),
}


def broadcast_shape(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of two arrays joined element by element. Raises FoldError."""
    rank = max(len(a), len(b))
    left, right = (1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b
    sizes = []
    for x, y in zip(left, right, strict=True):
        if x != y and 1 not in (x, y):
            raise FoldError(f"arrays of {a} and {b}, which do not fit together")
        sizes.append(y if x == 1 else x)
    return tuple(sizes)


def joined(kind: str, a: Constant, b: Constant) -> Constant:
    """Two constants joined element by element by one of `OPERATIONS`."""
    shape = broadcast_shape(a.shape, b.shape)
    name, function = OPERATIONS[kind]
    values = None
    if a.values is not None and b.values is not None and math.prod(shape) <= MOST_VALUES:
        whole = all(isinstance(one, int) for one in (*a.values, *b.values))
        try:
            if kind == "Div" and whole:
                function = _truncated
            values = tuple(
                function(a.values[i], b.values[j])
                for i, j in zip(_spread(a.shape, shape), _spread(b.shape, shape), strict=True)
            )
        except (ZeroDivisionError, OverflowError):
            raise FoldError("a division by zero") from None
    return Constant(a.dtype, Array(name, shape, (a.array, b.array)), values)


def _truncated(a: int, b: int) -> int:
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


def _spread(own: tuple[int, ...], shape: tuple[int, ...]) -> list[int]:
    """For each element of an array of `shape`, the position of what it takes from one of `own`."""
    padded = (1,) * (len(shape) - len(own)) + own
    strides = [
        0 if size == 1 else step for size, step in zip(padded, _strides(padded), strict=True)
    ]
    return [
        sum(i * step for i, step in zip(index, strides, strict=True))
        for index in product(*map(range, shape))
    ]
