"""The arithmetic of sliding windows, shared by convolutions and pools.

Output sizes after Dumoulin & Visin 2016, A guide to convolution arithmetic for deep learning,
section 4; `same` after TensorFlow's rule; ceil mode after PyTorch's (`pooling_output_shape`).
"""

from __future__ import annotations

from typing import NamedTuple

from archc.ops.axes import Axes
from archc.ops.base import ReceptiveField, ShapeError, broadcast, broadcast_pairs
from archc.ops.fields import Amounts


class Window(NamedTuple):
    """A window over one spatial axis: sizes in elements. `overhang` is what ceil mode adds."""

    kernel: int
    stride: int
    dilation: int
    begin: int
    end: int
    output: int
    overhang: int = 0

    @property
    def extent(self) -> int:
        """Elements from the first to the last that the window touches."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def receptive_field(self) -> ReceptiveField:
        """What one output position sees."""
        taps = range(-self.begin, self.extent - self.begin, self.dilation)
        return ReceptiveField(1, self.stride, (taps,))


def windows(
    op: str,
    x: Axes,
    *,
    kernel_size: int | tuple[int, ...],
    stride: int | tuple[int, ...],
    padding: str | Amounts,
    dilation: int | tuple[int, ...] = 1,
    ceil_mode: bool = False,
) -> tuple[Window, ...]:
    """The windows of an op over each spatial axis of `x`. Raises ShapeError."""
    kernels = broadcast(op, "kernel_size", kernel_size, x)
    strides = broadcast(op, "stride", stride, x)
    dilations = broadcast(op, "dilation", dilation, x)
    explicit: tuple[tuple[int, int], ...] | None = None
    if padding == "valid":
        explicit = ((0, 0),) * len(kernels)
    elif padding == "causal":
        if len(kernels) != 1:
            raise ShapeError(
                "ARC103",
                f"causal padding of {op} is along a single spatial axis, got {x}",
                "give the elements at both sides of each axis, as [[top, bottom], [left, right]]",
                "padding",
            )
        explicit = ((dilations[0] * (kernels[0] - 1), 0),)
    elif not isinstance(padding, str):
        explicit = broadcast_pairs(op, "padding", padding, x)
    windows: list[Window] = []
    for axis, (size, kernel, step, spacing) in enumerate(
        zip(x.spatial, kernels, strides, dilations, strict=True)
    ):
        extent = spacing * (kernel - 1) + 1
        if explicit is None:
            output = -(-size // step)
            total = max((output - 1) * step + extent - size, 0)
            begin, end = total // 2, total - total // 2
        else:
            begin, end = explicit[axis]
        room = size + begin + end - extent
        # In ceil mode one window may reach beyond a map that is smaller than the kernel.
        if room < 0 and not (ceil_mode and room > -step):
            padded = f" (with padding {size + begin + end})" if begin + end else ""
            raise ShapeError(
                "ARC101",
                f"{op} needs at least {extent} elements along {x.names[axis + 1]}, got {x}{padded}",
                "make the kernel smaller, or pad",
                "kernel_size",
            )
        output = room // step + 1
        overhang = 0
        if ceil_mode and room % step and output * step < size + begin:
            # PyTorch drops a window that would start in the end padding.
            overhang = step - room % step
            output += 1
        windows.append(Window(kernel, step, spacing, begin, end, output, overhang))
    return tuple(windows)
