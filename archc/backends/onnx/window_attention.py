"""Attention within windows in ONNX. A sample has as many masks as windows, which ONNX's own
operator cannot take: heads weigh by `MatMul` and `Softmax`."""

from __future__ import annotations

from math import inf, log, sqrt

from archc.backends.base import LoweringContext
from archc.backends.onnx.operators import (
    X,
    channels_first,
    channels_last,
    linear,
    op,
    reshape,
    transpose,
    variable,
)
from archc.codegen.tree import Expr
from archc.onnx_format.messages import INT64
from archc.ops.attention import WindowAttention
from archc.ops.axes import Axes

SMALLEST_NORM = 1e-12
"""Vectors are divided by no less, so that one of zeros stays so."""
LARGEST_FACTOR = 100.0
"""Of a cosine (Liu et al. 2022, section 3.1)."""
LARGEST_BIAS = 16.0


def window_attention(context: LoweringContext) -> Expr:
    own, x = context.op, context.x
    assert isinstance(own, WindowAttention)
    size = x.width // own.heads
    rows, columns = (n // own.window for n in x.spatial)
    windows, positions = rows * columns, own.window**2
    # Along an axis with a single window nothing is shifted.
    shifts = [own.shift if n > own.window else 0 for n in x.spatial]
    y = channels_last(X, 2)
    for axis, (shift, n) in enumerate(zip(shifts, x.spatial, strict=True)):
        y = _rolled(y, axis + 1, shift, n)
    y = _split(y, own, x)
    query, key, value = (
        transpose(
            reshape(_projection(own, part, y), windows, positions, own.heads, size), 0, 2, 1, 3
        )
        for part in ("query", "key", "value")
    )
    if own.cosine:
        query, key = _unit(query), _unit(key)
    scores = op("MatMul", query, transpose(key, 0, 1, 3, 2))
    if own.cosine:
        factor = op("Exp", op("Min", variable("logit_scale"), log(LARGEST_FACTOR)))
        scores = op("Mul", scores, op("Unsqueeze", factor, (1, 2)))
    else:
        scores = op("Div", scores, sqrt(size))
    if own.relative_bias != "none":
        scores = op("Add", scores, _bias(own))
    if any(shifts):
        scores = op("Add", scores, _barrier(own, x, shifts))
    heads = op("MatMul", op("Softmax", scores, axis=-1), value)
    together = reshape(transpose(heads, 0, 2, 1, 3), windows, positions, x.width)
    y = _merged(_projection(own, "output", together), own, x)
    for axis, (shift, n) in enumerate(zip(shifts, x.spatial, strict=True)):
        y = _rolled(y, axis + 1, n - shift if shift else 0, n)
    return channels_first(y, 2)


def _projection(own: WindowAttention, part: str, x: Expr) -> Expr:
    has_bias = part != "key" or not own.cosine
    return linear(x, f"{part}_weight", f"{part}_bias" if has_bias else None)


def _rolled(x: Expr, axis: int, begin: int, size: int) -> Expr:
    """An axis of so many elements from the element `begin` on, those before it at the end."""
    if not begin:
        return x
    behind = op("Slice", x, (begin,), (size,), (axis,))
    return op("Concat", behind, op("Slice", x, (0,), (begin,), (axis,)), axis=axis)


def _split(x: Expr, own: WindowAttention, axes: Axes) -> Expr:
    """Rows and columns as windows and the positions in them."""
    rows, columns = (n // own.window for n in axes.spatial)
    window = own.window
    if own.grid:
        y = transpose(reshape(x, window, rows, window, columns, axes.width), 1, 3, 0, 2, 4)
    else:
        y = transpose(reshape(x, rows, window, columns, window, axes.width), 0, 2, 1, 3, 4)
    return reshape(y, rows * columns, window**2, axes.width)


def _merged(x: Expr, own: WindowAttention, axes: Axes) -> Expr:
    """The way back from `_split`."""
    rows, columns = (n // own.window for n in axes.spatial)
    y = reshape(x, rows, columns, own.window, own.window, axes.width)
    y = transpose(y, 2, 0, 3, 1, 4) if own.grid else transpose(y, 0, 2, 1, 3, 4)
    return reshape(y, *axes.spatial, axes.width)


def _unit(x: Expr) -> Expr:
    """Vectors of length one."""
    return op("Div", x, op("Max", op("ReduceL2", x, (-1,), keepdims=1), SMALLEST_NORM))


def _bias(own: WindowAttention) -> Expr:
    """What each head adds for each query and key: by how many rows and columns they lie apart,
    the row of a table."""
    window = own.window
    table = variable("bias_table") if own.relative_bias == "table" else _continuous(window)
    places = op("Range", 0, window, 1)
    apart = op("Add", op("Sub", op("Unsqueeze", places, (1,)), places), window - 1)
    rows = op("Unsqueeze", op("Mul", apart, 2 * window - 1), (1, 3))
    index = op("Add", rows, op("Unsqueeze", apart, (0, 2)))
    index = op("Reshape", index, (window**2, window**2))
    return op("Transpose", op("Gather", table, index, axis=0), perm=(2, 0, 1))


def _continuous(window: int) -> Expr:
    """A row for each distance, by a small network of its logarithm."""
    count = 2 * window - 1
    places = op("Range", float(1 - window), float(window), 1.0)
    apart = op("Div", places, float(window - 1))
    amounts = op("Log", op("Add", op("Mul", op("Abs", apart), 8.0), 1.0))
    distances = op("Mul", op("Sign", apart), op("Div", amounts, log(8)))
    rows = op("Expand", op("Unsqueeze", distances, (1,)), (count, count))
    columns = op("Transpose", rows, perm=(1, 0))
    pairs = op("Concat", op("Unsqueeze", rows, (2,)), op("Unsqueeze", columns, (2,)), axis=2)
    hidden = op("Relu", linear(pairs, "distance_weight", "distance_bias"))
    heads = op("Sigmoid", linear(hidden, "head_weight", None))
    return op("Flatten", op("Mul", heads, LARGEST_BIAS), axis=2)


def _barrier(own: WindowAttention, x: Axes, shifts: list[int]) -> Expr:
    """Minus infinity between positions of a window that only rolling has brought together."""
    window = own.window
    rows, columns = (n // window for n in x.spatial)
    below, beside = (
        op("Cast", op("GreaterOrEqual", op("Range", 0, n, 1), n - shift), to=INT64)
        for n, shift in zip(x.spatial, shifts, strict=True)
    )
    parts = op("Add", op("Unsqueeze", op("Mul", below, 2), (1,)), beside)
    parts = op("Reshape", parts, (rows, window, columns, window))
    parts = op("Transpose", parts, perm=(0, 2, 1, 3))
    parts = op("Reshape", parts, (rows * columns, 1, window**2, 1))
    others = op("Transpose", parts, perm=(0, 1, 3, 2))
    return op("Where", op("Equal", parts, others), 0.0, -inf)
