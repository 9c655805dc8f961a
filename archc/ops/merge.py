"""Ops that join several values."""

from __future__ import annotations

from typing import ClassVar

from archc.ops.axes import Axes
from archc.ops.base import Op, ShapeError, Sign


class Merge(Op):
    """An op of two or more inputs, written with a list of branches or with `from`."""


class Elementwise(Merge):
    """Joins values element by element. Of feature maps, an axis of one element is spread over the
    others': a map of one channel over all channels, a single position over all of space."""

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        first = inputs[0]
        sizes = list(first.sizes)
        for x in inputs[1:]:
            if x.names != first.names:
                raise _disagree(self.name, inputs)
            for axis, size in enumerate(x.sizes):
                broadcasts = x.is_map and 1 in (size, sizes[axis])
                if size != sizes[axis] and not broadcasts:
                    raise _disagree(self.name, inputs)
                sizes[axis] = max(size, sizes[axis])
        return first._replace(sizes=tuple(sizes))


def _disagree(op: str, inputs: tuple[Axes, ...]) -> ShapeError:
    shapes = "; ".join(str(x) for x in inputs)
    message = f"{op} needs inputs of one shape, got {shapes}"
    return ShapeError("ARC106", message, _disagreement_hint(inputs))


def _disagreement_hint(inputs: tuple[Axes, ...]) -> str:
    """How the first of the inputs and the first that has other axes or sizes are made alike."""
    first = inputs[0]
    if any(x.names != first.names for x in inputs):
        return "give all of them the same axes, as by `flatten`, `to_tokens` or `reshape`"
    if any(x.with_width(first.width) != first for x in inputs):
        if first.is_map:
            return "let all branches keep the size, as by `padding: same`, with the same strides"
        return "give all of them as many tokens"
    layer = "`conv` with kernel_size 1" if first.is_map else "`dense`"
    what = "channels" if first.is_map else "features"
    return f"a {layer} brings a branch to as many {what} as the other has"


class Add(Elementwise):
    """The sum of the inputs.

    A spatial axis of one element is broadcast over those of the others: a map of 1 x 1 joins
    every map of as many channels.
    """

    name: ClassVar[str] = "add"
    aliases: ClassVar[tuple[str, ...]] = ("sum", "plus", "elementwise_add")
    sign: ClassVar[Sign] = "kept"


class Multiply(Elementwise):
    """The product of the inputs.

    A spatial axis of one element is broadcast over those of the others: a map of 1 x 1 joins
    every map of as many channels.
    """

    name: ClassVar[str] = "multiply"
    aliases: ClassVar[tuple[str, ...]] = ("mul", "product", "elementwise_multiply")
    gates: ClassVar[bool] = True
    sign: ClassVar[Sign] = "kept"


class Average(Elementwise):
    """The mean of the inputs.

    A spatial axis of one element is broadcast over those of the others: a map of 1 x 1 joins
    every map of as many channels.
    """

    name: ClassVar[str] = "average"
    sign: ClassVar[Sign] = "kept"


class Maximum(Elementwise):
    """The largest of the inputs, element by element.

    A spatial axis of one element is broadcast over those of the others: a map of 1 x 1 joins
    every map of as many channels.
    """

    name: ClassVar[str] = "maximum"
    aliases: ClassVar[tuple[str, ...]] = ("max", "elementwise_max")
    sign: ClassVar[Sign] = "kept"


class Concat(Merge):
    """The inputs one after another along the channels, or the features."""

    name: ClassVar[str] = "concat"
    aliases: ClassVar[tuple[str, ...]] = ("concatenate", "concatenation", "cat", "depth_concat")
    sign: ClassVar[Sign] = "kept"

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        first = inputs[0]
        for x in inputs[1:]:
            if x.names != first.names or x.with_width(first.width) != first:
                shapes = "; ".join(str(item) for item in inputs)
                along = "channels" if first.is_map else "features"
                message = f"concat needs inputs that differ in {along} alone, got {shapes}"
                raise ShapeError("ARC106", message, _disagreement_hint(inputs))
        return first.with_width(sum(x.width for x in inputs))


OPS: tuple[type[Merge], ...] = (Add, Multiply, Average, Maximum, Concat)
