"""Operations on constants, and on the shapes of values: what exporters write for arithmetic of
shapes, computed once and for all."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

from archc.importers.network import Array, rows_of
from archc.importers.onnx.values import (
    MOST_VALUES,
    OPERATIONS,
    UNARY,
    Constant,
    FoldError,
    applied,
    broadcast_shape,
    elements,
    filled,
    integers,
    is_literal,
    joined,
    of_integers,
    of_values,
    repeated,
    reshaped,
    transposed,
)

Attributes = Mapping[str, Any]
Fold = Callable[[Sequence[Any], Attributes, int], Constant]


def fold(op: str, inputs: Sequence[Any], attributes: Attributes, opset: int) -> Constant | None:
    """The constant that an operation of `FOLDED` computes; None where it depends on an input.
    Raises FoldError."""
    if op == "Shape":
        return _shape(inputs, attributes)
    if op == "Constant":
        return _constant(attributes)
    if not all(one is None or isinstance(one, Constant) for one in inputs):
        return None
    if op in OPERATIONS:
        return joined(op, *_operands(op, inputs, 3 if op == "Where" else 2))
    if op in UNARY:
        return applied(op, *_operands(op, inputs, 1))
    return FOLDED[op](inputs, attributes, opset)


def _operands(op: str, inputs: Sequence[Any], count: int) -> list[Constant]:
    if len(inputs) < count or any(one is None for one in inputs[:count]):
        raise FoldError(f"{op} without its {count} inputs")
    return list(inputs[:count])


def _shape(inputs: Sequence[Any], attributes: Attributes) -> Constant | None:
    (value,) = inputs
    shape = getattr(value, "shape", None)
    if shape is None:
        return None
    return of_integers(shape[attributes.get("start", 0) : attributes.get("end")])


DTYPES = {1: "float32", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "float64"}


def _constant(attributes: Attributes) -> Constant:
    if "value" in attributes:
        return _tensor(attributes["value"])
    for name, dtype in (("value_float", "float32"), ("value_int", "int64")):
        if name in attributes:
            return of_values([attributes[name]], dtype, ())
    for name, dtype in (("value_floats", "float32"), ("value_ints", "int64")):
        if name in attributes:
            values = attributes[name]
            return of_values(values, dtype, (len(values),))
    raise FoldError("a Constant of no array of numbers")


def _tensor(tensor: Mapping[str, Any]) -> Constant:
    if tensor["values"] is None:
        raise FoldError(f"a Constant of more than {MOST_VALUES:,} elements")
    return of_values(tensor["values"], tensor["dtype"], tuple(tensor["shape"]))


def _constant_of_shape(inputs: Sequence[Any], attributes: Attributes, opset: int) -> Constant:
    (shape,) = _operands("ConstantOfShape", inputs, 1)
    sizes = tuple(integers(shape))
    if len(sizes) > 8 or any(size < 0 or size > 1 << 40 for size in sizes):
        raise FoldError(f"a ConstantOfShape of {sizes}")
    tensor = attributes.get("value")
    if tensor is None:
        return filled(0.0, "float32", sizes)
    if tensor["values"] is None or len(tensor["values"]) != 1:
        raise FoldError("a ConstantOfShape of other than one value")
    return filled(tensor["values"][0], tensor["dtype"], sizes)


def _identity(inputs: Sequence[Any], attributes: Attributes, opset: int) -> Constant:
    return _operands("Identity", inputs, 1)[0]


def _cast(inputs: Sequence[Any], attributes: Attributes, opset: int) -> Constant:
    (value,) = _operands("Cast", inputs, 1)
    dtype = DTYPES.get(attributes.get("to", 0))
    if dtype is None:
        raise FoldError("a Cast to an element type that archc does not have")
    if dtype.startswith("float") and value.dtype.startswith("float"):
        return Constant(dtype, value.array, value.values)
    convert: Callable[[Any], Any] = float if dtype.startswith("float") else int
    if dtype == "bool":
        convert = bool
    try:
        if value.values is None and value.halves is not None:
            low, high = value.halves
            array = Array("Cast", value.shape, (value.array,), (dtype,))
            return Constant(dtype, array, known_halves=(convert(low), convert(high)))
        if value.values is None:
            raise FoldError("a Cast of an array that is not known")
        return of_values([convert(one) for one in value.values], dtype, value.shape)
    except (ValueError, OverflowError):
        raise FoldError("a Cast of a number that has no whole part") from None


def _transpose(inputs: Sequence[Any], attributes: Attributes, opset: int) -> Constant:
    (value,) = _operands("Transpose", inputs, 1)
    order = attributes.get("perm", list(range(len(value.shape)))[::-1])
    return transposed(value, order)


def _reshape(inputs: Sequence[Any], attributes: Attributes, opset: int) -> Constant:
    if opset < 5:
        (value,), target = _operands("Reshape", inputs, 1), attributes.get("shape", [])
    else:
        value, shape = _operands("Reshape", inputs, 2)
        target = integers(shape)
    return reshaped(value, reshape_sizes(value.shape, target, attributes.get("allowzero", 0)))


def reshape_sizes(
    shape: tuple[int, ...], target: Sequence[int], allow_zero: int = 0
) -> tuple[int, ...]:
    """The sizes of a Reshape: 0 keeps an axis, -1 takes what is left. Raises FoldError."""
    sizes = list(target)
    if len(sizes) > 8:
        raise FoldError("a Reshape to more than 8 axes")
    for axis, size in enumerate(sizes):
        if size == 0 and not allow_zero:
            if axis >= len(shape):
                raise FoldError("a Reshape that keeps an axis that is not there")
            sizes[axis] = shape[axis]
    free = [axis for axis, size in enumerate(sizes) if size == -1]
    known = math.prod(size for size in sizes if size != -1)
    if len(free) > 1 or any(size < -1 for size in sizes):
        raise FoldError(f"a Reshape to {sizes}")
    if free:
        if known == 0 or math.prod(shape) % known:
            raise FoldError(f"a Reshape of {shape} to {sizes}")
        sizes[free[0]] = math.prod(shape) // known
    if math.prod(sizes) != math.prod(shape):
        raise FoldError(f"a Reshape of {shape} to {sizes}")
    return tuple(sizes)


def axes_of(
    inputs: Sequence[Any], attributes: Attributes, opset: int, since: int
) -> list[int] | None:
    """The axes of an operation that has them as an attribute, and as an input from some version
    on; None where it names none. Raises FoldError."""
    if opset < since:
        axes: list[int] | None = attributes.get("axes")
        return axes
    return integers(inputs[1]) if len(inputs) > 1 and inputs[1] is not None else None


def unsqueezed(shape: tuple[int, ...], axes: Sequence[int]) -> tuple[int, ...]:
    """A shape with axes of one element at positions of the result. Raises FoldError."""
    rank = len(shape) + len(axes)
    positions = {axis % rank for axis in axes if -rank <= axis < rank}
    if len(positions) != len(axes) or rank > 8:
        raise FoldError(f"an Unsqueeze at {list(axes)}")
    rest = iter(shape)
    return tuple(1 if axis in positions else next(rest) for axis in range(rank))


def squeezed(shape: tuple[int, ...], axes: Sequence[int] | None) -> tuple[int, ...]:
    """A shape without some axes of one element, all where none are named. Raises FoldError."""
    rank = len(shape)
    if axes is None:
        return tuple(size for size in shape if size != 1)
    positions = {axis % rank for axis in axes if -rank <= axis < rank}
    if len(positions) != len(axes) or any(shape[axis] != 1 for axis in positions):
        raise FoldError(f"a Squeeze of {shape} at {list(axes)}")
    return tuple(size for axis, size in enumerate(shape) if axis not in positions)


def _unsqueeze(inputs: Sequence[Any], attributes: Attributes, opset: int) -> Constant:
    value = _operands("Unsqueeze", inputs, 1)[0]
    axes = axes_of(inputs, attributes, opset, 13)
    if axes is None:
        raise FoldError("an Unsqueeze at no axes")
    return reshaped(value, unsqueezed(value.shape, axes))


def _squeeze(inputs: Sequence[Any], attributes: Attributes, opset: int) -> Constant:
    value = _operands("Squeeze", inputs, 1)[0]
    return reshaped(value, squeezed(value.shape, axes_of(inputs, attributes, opset, 13)))


def _concat(inputs: Sequence[Any], attributes: Attributes, opset: int) -> Constant:
    parts = _operands("Concat", inputs, len(inputs))
    if any(len(part.shape) == 1 for part in parts) and attributes.get("axis") not in (0, -1):
        raise FoldError(f"a Concat of lists along the axis {attributes.get('axis')}")
    if any(len(part.shape) != 1 or part.values is None or not is_literal(part) for part in parts):
        return _concatenated(parts, attributes.get("axis", 0))
    values = [one for part in parts for one in part.values or ()]
    if len(values) > MOST_VALUES:
        raise FoldError("a Concat of too many constants")
    return of_values(values, parts[0].dtype, (len(values),))


def _concatenated(parts: Sequence[Constant], axis: int) -> Constant:
    """Arrays one behind the other along an axis."""
    first = parts[0].shape
    if not first or not -len(first) <= axis < len(first):
        raise FoldError(f"a Concat of {first} along the axis {axis}")
    axis %= len(first)
    rests = {(*one.shape[:axis], *one.shape[axis + 1 :]) for one in parts}
    if len(rests) != 1 or any(len(one.shape) != len(first) for one in parts):
        raise FoldError("a Concat of arrays that do not fit together")
    total = sum(one.shape[axis] for one in parts)
    shape = (*first[:axis], total, *first[axis + 1 :])
    array = Array("concat", shape, tuple(one.array for one in parts), (axis,))
    return Constant(parts[0].dtype, array)


def _gather(inputs: Sequence[Any], attributes: Attributes, opset: int) -> Constant:
    value, index = _operands("Gather", inputs, 2)
    axis = attributes.get("axis", 0)
    if len(value.shape) == 2 and axis == 0 and index.values and len(index.shape) in (1, 2):
        return _rows(value, index)
    known = value.values is not None and index.values is not None and is_literal(value)
    if len(value.shape) != 1 or not known or value.values is None or index.values is None:
        raise FoldError("a Gather from an array that is no list of known numbers")
    size = len(value.values)
    if axis not in (0, -1) or not all(
        isinstance(one, int) and -size <= one < size for one in index.values
    ):
        raise FoldError("a Gather outside its list")
    return of_values([value.values[one] for one in index.values], value.dtype, index.shape)


def _rows(table: Constant, index: Constant) -> Constant:
    """Neighbours of a table's rows, in its order."""
    places, count = index.values or (), table.shape[0]
    begin = places[0]
    if places != tuple(range(begin, begin + len(places))) or not 0 <= begin <= places[-1] < count:
        raise FoldError("a Gather of rows that are no neighbours")
    array = rows_of(table.array, begin, begin + len(places))
    shape = (*index.shape, table.shape[1])
    if shape != array.shape:
        array = Array("reshape", shape, (array,))
    return Constant(table.dtype, array)


def _slice(inputs: Sequence[Any], attributes: Attributes, opset: int) -> Constant:
    value = _operands("Slice", inputs, 1)[0]
    rank = len(value.shape)
    places = [range(size) for size in value.shape]
    for axis, (start, stop, step) in slice_bounds(inputs, attributes, opset).items():
        if not -rank <= axis < rank:
            raise FoldError(f"a Slice of {value.shape} along the axis {axis}")
        places[axis] = places[axis][start:stop:step]
    shape = tuple(len(one) for one in places)
    chosen = None if value.values is None else elements(value, places)
    if chosen is not None and is_literal(value):
        return of_values(chosen, value.dtype, shape)
    halves = value.halves
    from_first = all((one.start, one.step) == (0, 1) for one in places[-2:])
    if halves is not None and halves[0] != halves[1] and from_first and 0 not in shape:
        fields = tuple((one.start, one.stop, one.step) for one in places)
        array = Array("Slice", shape, (value.array,), fields)
        return Constant(value.dtype, array, chosen, halves)
    changed = [axis for axis, size in enumerate(value.shape) if shape[axis] != size]
    if len(changed) != 1 or 0 in shape or places[changed[0]].step != 1:
        raise FoldError("a Slice of an array whose numbers are not known")
    axis = changed[0]
    return _neighbours(value, axis, places[axis].start, places[axis].stop)


def split(value: Constant, axis: int, sizes: Sequence[int]) -> list[Constant]:
    """The neighbours along an axis of which an array consists, by their numbers. Raises
    FoldError."""
    rank = len(value.shape)
    if not -rank <= axis < rank or sum(sizes) != value.shape[axis] or min(sizes, default=0) < 1:
        raise FoldError(f"a Split of {value.shape} in parts of {list(sizes)}")
    ends = list(accumulate(sizes, initial=0))
    return [_neighbours(value, axis % rank, *pair) for pair in pairwise(ends)]


def _neighbours(value: Constant, axis: int, begin: int, end: int) -> Constant:
    """Some neighbours along an axis of an array."""
    order = [axis, *(one for one in range(len(value.shape)) if one != axis)]
    first = value if axis == 0 else transposed(value, order)
    places = [range(begin, end), *map(range, first.shape[1:])]
    values = None if first.values is None else elements(first, places)
    part = Constant(value.dtype, rows_of(first.array, begin, end), values)
    return part if axis == 0 else transposed(part, [order.index(one) for one in range(len(order))])


def _trilu(inputs: Sequence[Any], attributes: Attributes, opset: int) -> Constant:
    value = _operands("Trilu", inputs, 1)[0]
    places = integers(inputs[1]) if len(inputs) > 1 and inputs[1] is not None else [0]
    upper, halves = attributes.get("upper", 1), value.halves
    if halves is None or len(value.shape) < 2 or len(places) != 1:
        raise FoldError("a Trilu of other than one value on each side of the diagonal")
    if places[0] != (1 if upper else 0):
        raise FoldError(f"a Trilu from the diagonal {places[0]} on")
    zero = type(halves[0])(0)
    low, high = (zero, halves[1]) if upper else (halves[0], zero)
    array = Array("Trilu", value.shape, (value.array,), (upper,))
    return Constant(value.dtype, array, known_halves=(low, high))


def _range(inputs: Sequence[Any], attributes: Attributes, opset: int) -> Constant:
    bounds = _operands("Range", inputs, 3)
    start, limit, step = (one.scalar for one in bounds)
    if start is None or limit is None or not step or not math.isfinite(start + limit + step):
        raise FoldError("a Range between numbers that are not known")
    count = max(0, math.ceil((limit - start) / step))
    if count > 1 << 40:
        raise FoldError(f"a Range of {count:,} numbers")
    array = Array("Range", (count,), (), (start, limit, step))
    values = None
    if count <= MOST_VALUES:
        values = tuple(start + number * step for number in range(count))
    return Constant(bounds[0].dtype, array, values)


def _expand(inputs: Sequence[Any], attributes: Attributes, opset: int) -> Constant:
    value, target = _operands("Expand", inputs, 2)
    shape = broadcast_shape(value.shape, tuple(integers(target)))
    if shape == value.shape:
        return value
    if value.scalar is not None and is_literal(value):
        return filled(value.scalar, value.dtype, shape)
    if math.prod(shape) == math.prod(value.shape):
        return reshaped(value, shape)
    halves = value.halves
    if halves is not None and halves[0] != halves[1] and shape[-2:] != value.shape[-2:]:
        halves = None
    array = Array("Expand", shape, (value.array,))
    return Constant(value.dtype, array, repeated(value, shape), halves)


def slice_bounds(
    inputs: Sequence[Any], attributes: Attributes, opset: int
) -> dict[int, tuple[int, int | None, int]]:
    """Begin, end and step of a Slice for each of its axes. Raises FoldError."""
    if opset < 10:
        starts, ends = attributes.get("starts", []), attributes.get("ends", [])
        axes, steps = attributes.get("axes"), None
    elif len(inputs) < 3:
        raise FoldError("a Slice without its bounds")
    else:
        starts, ends = integers(inputs[1]), integers(inputs[2])
        axes = integers(inputs[3]) if len(inputs) > 3 and inputs[3] is not None else None
        steps = integers(inputs[4]) if len(inputs) > 4 and inputs[4] is not None else None
    axes = list(range(len(starts))) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise FoldError("a Slice whose bounds do not fit together")
    return {
        axis: (start, end, step)
        for axis, start, end, step in zip(axes, starts, ends, steps, strict=True)
    }


FOLDED: dict[str, Fold] = {
    "Shape": _identity,
    "Constant": _identity,
    "ConstantOfShape": _constant_of_shape,
    "Identity": _identity,
    "Cast": _cast,
    "Transpose": _transpose,
    "Reshape": _reshape,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Concat": _concat,
    "Expand": _expand,
    "Gather": _gather,
    "Range": _range,
    "Slice": _slice,
    "Trilu": _trilu,
    **dict.fromkeys((*OPERATIONS, *UNARY), _identity),
}
"""Operations that are computed where they depend on constants alone; `fold` has the first two, and
the arithmetic."""
