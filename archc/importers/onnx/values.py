"""Values that an ONNX graph computes from constants alone: shapes, which are folded here, and
weights, of which it is kept how they are computed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeAlias

from archc.importers.network import Array

MOST_VALUES = 4096
"""Elements of an array whose values are computed."""


class FoldError(Exception):
    """A constant cannot be computed. The message says why."""


Halves: TypeAlias = "tuple[Any, Any] | None"


@dataclass(frozen=True)
class Constant:
    """An array that depends on no input: its element type, where it comes from, and its values row
    by row where they are few and known. `known_halves` are its `halves` where they are many."""

    dtype: str
    array: Array
    values: tuple[Any, ...] | None = None
    known_halves: Halves = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Its sizes."""
        return self.array.shape

    @property
    def scalar(self) -> float | None:
        """Its value where it has a single one; None otherwise."""
        return self.values[0] if self.values is not None and len(self.values) == 1 else None

    @property
    def halves(self) -> Halves:
        """Its value up to the diagonal of its last two axes, and the one beyond, where it has no
        others, as what hides later tokens has; None otherwise."""
        if self.array.kind == "fill":
            return self.array.fields[0], self.array.fields[0]
        if not self.values:
            return self.known_halves
        columns = self.shape[-1] if self.shape else 1
        rows = self.shape[-2] if len(self.shape) > 1 else 1
        later = [place % columns > place // columns % rows for place in range(len(self.values))]
        low, high = self.values[0], self.values[later.index(True) if True in later else 0]
        pairs = zip(self.values, later, strict=True)
        return (low, high) if all(one == (high if end else low) for one, end in pairs) else None


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
    halves = value.known_halves if shape[-2:] == value.shape[-2:] else None
    return Constant(value.dtype, Array("reshape", shape, (value.array,)), value.values, halves)


def transposed(value: Constant, order: Sequence[int]) -> Constant:
    """The axes in another order."""
    if sorted(order) != list(range(len(value.shape))):
        raise FoldError(f"axes in the order {list(order)}")
    shape = tuple(value.shape[axis] for axis in order)
    values = None
    if value.values is not None:
        strides = _strides(value.shape)
        values = _strided(value.values, map(range, shape), [strides[axis] for axis in order])
    array = Array("transpose", shape, (value.array,), tuple(order))
    return Constant(value.dtype, array, values)


def elements(value: Constant, places: Sequence[range]) -> tuple[Any, ...]:
    """The elements of a constant of known values at some places along each axis, row by row."""
    assert value.values is not None
    return _strided(value.values, places, _strides(value.shape))


def _strided(
    values: Sequence[Any], places: Iterable[range], strides: Sequence[int]
) -> tuple[Any, ...]:
    return tuple(
        values[sum(i * step for i, step in zip(index, strides, strict=True))]
        for index in product(*places)
    )


def _strides(shape: tuple[int, ...]) -> list[int]:
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


UNARY: dict[str, Callable[[Any], Any]] = {
    "Abs": abs,
    "Cos": math.cos,
    "Exp": math.exp,
    "Log": math.log,
    "Neg": lambda x: -x,
    "Not": lambda x: not x,
    "Reciprocal": lambda x: 1 / x,
    "Sin": math.sin,
    "Sqrt": math.sqrt,
}


def applied(op: str, value: Constant) -> Constant:
    """One of `UNARY` of each element. Raises FoldError where one has none."""
    array = Array(op, value.shape, (value.array,))
    dtype = "bool" if op in PREDICATES else value.dtype
    try:
        if value.values is None:
            low, high = value.halves or (None, None)
            halves = (UNARY[op](low), UNARY[op](high)) if value.halves else None
            return Constant(dtype, array, known_halves=halves)
        values = tuple(UNARY[op](one) for one in value.values)
    except (ValueError, ZeroDivisionError, OverflowError):
        raise FoldError(f"the {op} of a number that has none") from None
    return Constant(dtype, array, values)


OPERATIONS: dict[str, tuple[str, Callable[..., Any]]] = {
    "Add": ("add", lambda a, b: a + b),
    "Sub": ("subtract", lambda a, b: a - b),
    "Mul": ("multiply", lambda a, b: a * b),
    "Div": ("divide", lambda a, b: a / b),
    "Mod": ("Mod", lambda a, b: a % b),
    "Equal": ("Equal", lambda a, b: a == b),
    "Less": ("Less", lambda a, b: a < b),
    "LessOrEqual": ("LessOrEqual", lambda a, b: a <= b),
    "Greater": ("Greater", lambda a, b: a > b),
    "GreaterOrEqual": ("GreaterOrEqual", lambda a, b: a >= b),
    "And": ("And", lambda a, b: a and b),
    "Or": ("Or", lambda a, b: a or b),
    "Where": ("Where", lambda condition, a, b: a if condition else b),
}
"""What is computed element by element: the kind of its arrays, and the function."""
PREDICATES = frozenset(
    {"Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "And", "Or", "Not"}
)
"""Operations whose elements are true or false."""


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


def joined(op: str, *operands: Constant) -> Constant:
    """Constants joined element by element by one of `OPERATIONS`. Raises FoldError."""
    shape: tuple[int, ...] = ()
    for one in operands:
        shape = broadcast_shape(shape, one.shape)
    name, function = OPERATIONS[op]
    own = [one.values for one in operands]
    if op == "Div" and all(isinstance(one, int) for values in own for one in values or (0.0,)):
        function = _truncated
    dtype = "bool" if op in PREDICATES else operands[-1 if op == "Where" else 0].dtype
    array = Array(name, shape, tuple(one.array for one in operands))
    try:
        if None not in own and math.prod(shape) <= MOST_VALUES:
            places = [_spread(one.shape, shape) for one in operands]
            values = tuple(
                function(*(values[place] for values, place in zip(own, row, strict=True) if values))
                for row in zip(*places, strict=True)
            )
            return Constant(dtype, array, values)
        halves = [_halves_in(one, shape) for one in operands]
        if None not in halves:
            own = [function(*half) for half in zip(*(one for one in halves if one), strict=True)]
            return Constant(dtype, array, known_halves=(own[0], own[1]))
    except (ZeroDivisionError, OverflowError):
        raise FoldError("a division by zero") from None
    except TypeError:
        raise FoldError("elements of different types") from None
    return Constant(dtype, array)


def _halves_in(value: Constant, shape: tuple[int, ...]) -> Halves:
    """The halves of a constant that is spread over a shape."""
    if value.halves is None or value.halves[0] == value.halves[1]:
        return value.halves
    return value.halves if value.shape[-2:] == shape[-2:] else None


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
