"""Pooling over the spatial axes of a feature map."""

from __future__ import annotations

from typing import Annotated, ClassVar

from archc.ops.axes import Axes, vector
from archc.ops.base import Op, Reach, ShapeFault, Sign, need_map, spread
from archc.ops.fields import WINDOW, Doc, Flag, Padding, Window
from archc.ops.sliding import Slide, slides
from archc.records import record


def _pool_slides(op: MaxPool | AvgPool, x: Axes) -> tuple[Slide, ...]:
    found = slides(
        op.name,
        x,
        kernel_size=op.kernel_size,
        stride=op.kernel_size if op.stride is None else op.stride,
        padding=op.padding,
        ceil_mode=op.ceil_mode,
    )
    for slide in found:
        if max(slide.begin, slide.end) >= slide.kernel:
            raise ShapeFault(
                "ARC101",
                f"{op.name} with kernel_size {slide.kernel} and padding "
                f"{max(slide.begin, slide.end)} has windows that see padding alone",
                "keep the padding below kernel_size",
                "padding",
            )
    return found


@record
class MaxPool(Op):
    """The largest element of each window. Padding is minus infinity: it never wins."""

    name: ClassVar[str] = "max_pool"
    sign: ClassVar[Sign] = "kept"
    scalar: ClassVar[str] = "kernel_size"

    kernel_size: Annotated[Window, Doc("elements of the window along each spatial axis")]
    stride: Annotated[
        int | tuple[int, ...] | None, WINDOW, Doc("step between two windows; default kernel_size")
    ] = None
    padding: Annotated[Padding, Doc("elements around the input")] = "valid"
    ceil_mode: Annotated[Flag, Doc("whether a last, partial window counts")] = False

    def slides(self, x: Axes) -> tuple[Slide, ...]:
        """The windows over each spatial axis of `x`."""
        return _pool_slides(self, x)

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        (x,) = inputs
        need_map(self.name, x)
        return x.with_spatial(tuple(slide.output for slide in self.slides(x)))

    def reach(self, inputs: tuple[Axes, ...]) -> tuple[Reach, ...]:
        return tuple(slide.reach for slide in self.slides(inputs[0]))


@record
class AvgPool(Op):
    """The mean of each window; without `count_include_pad`, of its elements inside the map."""

    name: ClassVar[str] = "avg_pool"
    sign: ClassVar[Sign] = "kept"
    scalar: ClassVar[str] = "kernel_size"

    kernel_size: Annotated[Window, Doc("elements of the window along each spatial axis")]
    stride: Annotated[
        int | tuple[int, ...] | None, WINDOW, Doc("step between two windows; default kernel_size")
    ] = None
    padding: Annotated[Padding, Doc("elements around the input")] = "valid"
    ceil_mode: Annotated[Flag, Doc("whether a last, partial window counts")] = False
    count_include_pad: Annotated[Flag, Doc("whether padding counts as zeros in the mean")] = False

    def slides(self, x: Axes) -> tuple[Slide, ...]:
        """The windows over each spatial axis of `x`."""
        return _pool_slides(self, x)

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        (x,) = inputs
        need_map(self.name, x)
        return x.with_spatial(tuple(slide.output for slide in self.slides(x)))

    def reach(self, inputs: tuple[Axes, ...]) -> tuple[Reach, ...]:
        return tuple(slide.reach for slide in self.slides(inputs[0]))


@record
class AdaptiveAvgPool(Op):
    """Means of a fixed number of windows, which cover the map evenly and may overlap by one:
    window i goes from floor(i n / out) up to ceil((i + 1) n / out)."""

    name: ClassVar[str] = "adaptive_avg_pool"
    sign: ClassVar[Sign] = "kept"
    scalar: ClassVar[str] = "output_size"

    output_size: Annotated[Window, Doc("elements of the output along each spatial axis")]

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        (x,) = inputs
        need_map(self.name, x)
        return x.with_spatial(spread(self.name, "output_size", self.output_size, x))

    def reach(self, inputs: tuple[Axes, ...]) -> tuple[Reach, ...]:
        (x,) = inputs
        outputs = spread(self.name, "output_size", self.output_size, x)
        return tuple(
            Reach(max(1, -(-size // output) + (size % output != 0)), size / output)
            if size % output
            else Reach(size // output, size // output)
            for size, output in zip(x.spatial, outputs, strict=True)
        )


def _global_axes(op: GlobalAvgPool | GlobalMaxPool, x: Axes) -> Axes:
    need_map(op.name, x)
    return x.with_spatial((1,) * len(x.spatial)) if op.keep_dims else vector(x.width)


@record
class GlobalAvgPool(Op):
    """The mean of each channel: a vector, or a map of one element with `keep_dims`."""

    name: ClassVar[str] = "global_avg_pool"
    also: ClassVar[tuple[str, ...]] = ("gap",)
    sign: ClassVar[Sign] = "kept"

    keep_dims: Annotated[Flag, Doc("whether the spatial axes stay, with one element each")] = False

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        return _global_axes(self, inputs[0])

    def reach(self, inputs: tuple[Axes, ...]) -> tuple[Reach, ...]:
        return tuple(Reach(size, size) for size in inputs[0].spatial)


@record
class GlobalMaxPool(Op):
    """The largest element of each channel: a vector, or a map of one element with `keep_dims`."""

    name: ClassVar[str] = "global_max_pool"
    sign: ClassVar[Sign] = "kept"

    keep_dims: Annotated[Flag, Doc("whether the spatial axes stay, with one element each")] = False

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        return _global_axes(self, inputs[0])

    def reach(self, inputs: tuple[Axes, ...]) -> tuple[Reach, ...]:
        return tuple(Reach(size, size) for size in inputs[0].spatial)


OPS = (MaxPool, AvgPool, AdaptiveAvgPool, GlobalAvgPool, GlobalMaxPool)
