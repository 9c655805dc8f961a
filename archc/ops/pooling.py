"""Pooling over the spatial axes of a feature map."""

from __future__ import annotations

from math import gcd
from typing import Annotated, ClassVar

from archc.ops.axes import Axes, vector
from archc.ops.base import (
    Op,
    ReceptiveField,
    ShapeError,
    Sign,
    broadcast,
    require_feature_map,
    whole_axes,
)
from archc.ops.fields import WINDOW, Doc, Flag, Padding, WindowSize
from archc.ops.sliding import Window, windows
from archc.records import record

KEEP_DIMS = Doc("whether the axes that are pooled over stay, with one element each")


def _pool_windows(op: MaxPool | AvgPool, x: Axes) -> tuple[Window, ...]:
    own = windows(
        op.name,
        x,
        kernel_size=op.kernel_size,
        stride=op.kernel_size if op.stride is None else op.stride,
        padding=op.padding,
        ceil_mode=op.ceil_mode,
    )
    for window, size in zip(own, x.spatial, strict=True):
        last = (window.output - 1) * window.stride - window.begin
        if window.begin >= window.kernel or last >= size:
            raise ShapeError(
                "ARC101",
                f"{op.name} with kernel_size {window.kernel} and padding "
                f"{max(window.begin, window.end)} has windows that see padding alone",
                "keep the padding below kernel_size",
                "padding",
            )
    return own


@record
class MaxPool(Op):
    """The largest element of each window. Padding is minus infinity: it never wins."""

    name: ClassVar[str] = "max_pool"
    aliases: ClassVar[tuple[str, ...]] = ("max_pooling",)
    sign: ClassVar[Sign] = "kept"
    shorthand: ClassVar[str] = "kernel_size"

    kernel_size: Annotated[WindowSize, Doc("elements of the window along each spatial axis")]
    stride: Annotated[
        int | tuple[int, ...] | None, WINDOW, Doc("step between two windows; default kernel_size")
    ] = None
    padding: Annotated[Padding, Doc("elements around the input")] = "valid"
    ceil_mode: Annotated[Flag, Doc("whether a last, partial window counts")] = False

    def windows(self, x: Axes) -> tuple[Window, ...]:
        """The windows over each spatial axis of `x`."""
        return _pool_windows(self, x)

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        (x,) = inputs
        require_feature_map(self.name, x)
        return x.with_spatial(tuple(window.output for window in self.windows(x)))

    def receptive_field(self, inputs: tuple[Axes, ...]) -> tuple[ReceptiveField, ...]:
        return tuple(window.receptive_field for window in self.windows(inputs[0]))


@record
class AvgPool(Op):
    """The mean of each window; without `count_include_pad`, of its elements inside the map."""

    name: ClassVar[str] = "avg_pool"
    aliases: ClassVar[tuple[str, ...]] = (
        "avg_pooling",
        "average_pool",
        "average_pooling",
        "mean_pool",
    )
    sign: ClassVar[Sign] = "kept"
    shorthand: ClassVar[str] = "kernel_size"

    kernel_size: Annotated[WindowSize, Doc("elements of the window along each spatial axis")]
    stride: Annotated[
        int | tuple[int, ...] | None, WINDOW, Doc("step between two windows; default kernel_size")
    ] = None
    padding: Annotated[Padding, Doc("elements around the input")] = "valid"
    ceil_mode: Annotated[Flag, Doc("whether a last, partial window counts")] = False
    count_include_pad: Annotated[Flag, Doc("whether padding counts as zeros in the mean")] = False

    def windows(self, x: Axes) -> tuple[Window, ...]:
        """The windows over each spatial axis of `x`."""
        return _pool_windows(self, x)

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        (x,) = inputs
        require_feature_map(self.name, x)
        return x.with_spatial(tuple(window.output for window in self.windows(x)))

    def receptive_field(self, inputs: tuple[Axes, ...]) -> tuple[ReceptiveField, ...]:
        return tuple(window.receptive_field for window in self.windows(inputs[0]))


@record
class AdaptiveAvgPool(Op):
    """Means of a fixed number of windows, which cover the map evenly and may overlap by one:
    window i goes from floor(i n / out) up to ceil((i + 1) n / out)."""

    name: ClassVar[str] = "adaptive_avg_pool"
    aliases: ClassVar[tuple[str, ...]] = (
        "adaptive_avg_pooling",
        "adaptive_average_pool",
        "adaptive_average_pooling",
    )
    sign: ClassVar[Sign] = "kept"
    shorthand: ClassVar[str] = "output_size"

    output_size: Annotated[WindowSize, Doc("elements of the output along each spatial axis")]

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        (x,) = inputs
        require_feature_map(self.name, x)
        return x.with_spatial(broadcast(self.name, "output_size", self.output_size, x))

    def receptive_field(self, inputs: tuple[Axes, ...]) -> tuple[ReceptiveField, ...]:
        (x,) = inputs
        outputs = broadcast(self.name, "output_size", self.output_size, x)
        return tuple(
            _even_windows(size, output) for size, output in zip(x.spatial, outputs, strict=True)
        )


LONGEST_PERIOD = 1024
"""Windows of different positions up to which each is kept: an output may have millions."""


def _even_windows(size: int, output: int) -> ReceptiveField:
    period, shift = output // gcd(size, output), size // gcd(size, output)
    if period > LONGEST_PERIOD:
        return ReceptiveField(period, shift, (range(shift),), exact=False)
    taps = tuple(
        range(phase * size // output, -(-(phase + 1) * size // output)) for phase in range(period)
    )
    return ReceptiveField(period, shift, taps)


def _global_axes(op: GlobalAvgPool | GlobalMaxPool, x: Axes) -> Axes:
    if not (x.is_map or x.is_sequence):
        message = f"{op.name} needs a feature map or a sequence, got {x}"
        raise ShapeError("ARC102", message, "a vector has no positions to pool: leave this out")
    if not op.keep_dims:
        return vector(x.width)
    return x.with_spatial((1,) * len(x.spatial)) if x.is_map else x._replace(sizes=(1, x.width))


@record
class GlobalAvgPool(Op):
    """The mean of each channel over space, or of each feature over the tokens: a vector, or with
    `keep_dims` a map of one element or a sequence of one token."""

    name: ClassVar[str] = "global_avg_pool"
    aliases: ClassVar[tuple[str, ...]] = (
        "gap",
        "global_avg_pooling",
        "global_average_pool",
        "global_average_pooling",
        "reduce_mean",
    )
    sign: ClassVar[Sign] = "kept"

    keep_dims: Annotated[Flag, KEEP_DIMS] = False

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        return _global_axes(self, inputs[0])

    def receptive_field(self, inputs: tuple[Axes, ...]) -> tuple[ReceptiveField, ...]:
        return whole_axes(inputs[0])


@record
class GlobalMaxPool(Op):
    """The largest element of each channel over space, or of each feature over the tokens: a vector,
    or with `keep_dims` a map of one element or a sequence of one token."""

    name: ClassVar[str] = "global_max_pool"
    aliases: ClassVar[tuple[str, ...]] = ("gmp", "global_max_pooling", "reduce_max")
    sign: ClassVar[Sign] = "kept"

    keep_dims: Annotated[Flag, KEEP_DIMS] = False

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        return _global_axes(self, inputs[0])

    def receptive_field(self, inputs: tuple[Axes, ...]) -> tuple[ReceptiveField, ...]:
        return whole_axes(inputs[0])


OPS = (MaxPool, AvgPool, AdaptiveAvgPool, GlobalAvgPool, GlobalMaxPool)
