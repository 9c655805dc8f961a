"""ONNX operators in lowered ops: expressions whose calls become nodes.

A positional argument is a value: a placeholder, a variable of the op by its name, another call, or
a constant; None stands for an optional input that is left out. A keyword is an attribute. Which
type of attribute or constant a number becomes is that of Python: 1.0 is a float, 1 an int64.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import TypeAlias

from archc.backends.base import (
    LoweredLayer,
    Lowering,
    LoweringContext,
    RefusalError,
    placeholder,
)
from archc.backends.layouts import Layout
from archc.codegen.tree import Call, Expr, Index, Keyword, Lit, Ref, Value

X = placeholder(0)
"""The first value that comes in."""

Argument: TypeAlias = "Expr | Value"


def op(name: str, *arguments: Argument, **attributes: Value) -> Call:
    """A call of an operator. Raises RefusalError for a number that float32 cannot hold."""
    return Call(
        Ref(name),
        tuple(map(_expression, arguments)),
        tuple(Keyword(key, Lit(_checked(value))) for key, value in attributes.items()),
    )


def _expression(argument: Argument) -> Expr:
    if argument is None or isinstance(argument, bool | int | float | str | tuple):
        return Lit(_checked(argument))
    assert argument is not ...
    return argument


def _checked(value: Value) -> Value:
    if isinstance(value, tuple):
        for one in value:
            _checked(one)
    elif isinstance(value, float):
        try:
            held = struct.unpack("<f", struct.pack("<f", value))[0]
        except OverflowError:
            held = 0.0
        if value and not held:
            raise RefusalError(f"ONNX keeps numbers as float32, which cannot hold {value}")
    return value


def variable(name: str) -> Ref:
    """The variable of the op of a name."""
    return Ref(name)


def result(call: Call, number: int) -> Index:
    """One of several results of an operator."""
    return Index(call, (Lit(number),))


def lowered(
    context: LoweringContext, expression: Expr, layouts: Mapping[str, Layout] | None = None
) -> tuple[LoweredLayer, ...]:
    """An op as one expression, that uses its variables by their names."""
    names = {one.name: one.name for one in context.op.variables(context.inputs)}
    layer = LoweredLayer(
        expression=expression,
        label=context.op.name,
        main=True,
        variables=names,
        layouts=layouts or {},
    )
    return (layer,)


def simple(name: str, **attributes: Value) -> Lowering:
    """The lowering to one operator of all values that come in."""

    def lower(context: LoweringContext) -> tuple[LoweredLayer, ...]:
        values = [placeholder(index) for index in range(len(context.inputs))]
        return lowered(context, op(name, *values, **attributes))

    return lower


ToExpression = Callable[[LoweringContext], Expr]


def as_lowering(expression_of: ToExpression) -> Lowering:
    """The lowering to the expression that a function gives."""

    def lower(context: LoweringContext) -> tuple[LoweredLayer, ...]:
        return lowered(context, expression_of(context))

    return lower


def linear(x: Expr, weight: str, bias: str | None) -> Expr:
    """The last axis through a matrix (out, in) of weights."""
    product = op("MatMul", x, op("Transpose", variable(weight), perm=(1, 0)))
    return product if bias is None else op("Add", product, variable(bias))


def per_channel(name: str, spatial_axes: int) -> Expr:
    """A variable of one value a channel, beside a map with so many spatial axes or, with none, a
    vector or sequence."""
    if not spatial_axes:
        return variable(name)
    return op("Unsqueeze", variable(name), tuple(range(1, spatial_axes + 1)))


def reshape(x: Expr, *sizes: int) -> Expr:
    """The elements of each sample under other sizes."""
    return op("Reshape", x, (0, *sizes))


def transpose(x: Expr, *order: int) -> Expr:
    """The axes of each sample, from 0, in another order."""
    return op("Transpose", x, perm=(0, *(axis + 1 for axis in order)))


def channels_last(x: Expr, spatial_axes: int) -> Expr:
    """A feature map with its channels behind its space."""
    return transpose(x, *range(1, spatial_axes + 1), 0)


def channels_first(x: Expr, spatial_axes: int) -> Expr:
    """The way back from `channels_last`."""
    return transpose(x, spatial_axes, *range(spatial_axes))
