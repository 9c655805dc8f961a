"""Convolutions over feature maps of one to three spatial axes.

Parameter and multiply-accumulate counts: Dumoulin & Visin 2016; each output element of a
convolution takes kernel elements x (input channels / groups) multiply-accumulates.
"""

from __future__ import annotations

from math import gcd, prod
from typing import Annotated, ClassVar, NamedTuple

from archc.ops.activation import ActivationField
from archc.ops.axes import Axes, feature_map
from archc.ops.base import (
    Op,
    ReceptiveField,
    ShapeError,
    Variable,
    broadcast,
    broadcast_pairs,
    require_divisible,
    require_feature_map,
)
from archc.ops.fields import CausalPadding, Count, Doc, Flag, Offsets, Padding, WindowSize
from archc.ops.initializer import InitializerField
from archc.ops.kernel import kernel_variables
from archc.ops.sliding import Window, windows
from archc.records import record


def _conv_windows(op: Conv | DepthwiseConv, x: Axes) -> tuple[Window, ...]:
    return windows(
        op.name,
        x,
        kernel_size=op.kernel_size,
        stride=op.stride,
        padding=op.padding,
        dilation=op.dilation,
    )


@record
class Conv(Op):
    """Convolution: each filter slides over the feature map (cross-correlation, as everywhere). With
    `padding: causal`, in 1-D, a position sees itself and what came before (van den Oord et al.
    2016): all zeros are at the begin."""

    name: ClassVar[str] = "conv"
    aliases: ClassVar[tuple[str, ...]] = ("convolution",)

    filters: Annotated[Count, Doc("output channels")]
    kernel_size: Annotated[WindowSize, Doc("elements of the kernel along each spatial axis")]
    stride: Annotated[WindowSize, Doc("step between two positions of the kernel")] = 1
    padding: Annotated[CausalPadding, Doc("zeros around the input; causal: before it")] = "valid"
    dilation: Annotated[WindowSize, Doc("distance between two elements of the kernel")] = 1
    groups: Annotated[Count, Doc("parts the channels are split into, each convolved alone")] = 1
    bias: Annotated[Flag, Doc("whether a learned value is added to each output channel")] = True
    activation: Annotated[ActivationField, Doc("applied to the result")] = None
    initializer: InitializerField = None

    def windows(self, x: Axes) -> tuple[Window, ...]:
        """The kernel's windows over each spatial axis of `x`."""
        return _conv_windows(self, x)

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        (x,) = inputs
        require_feature_map(self.name, x)
        require_divisible(self.name, "groups", self.groups, "input channels", x.width)
        require_divisible(self.name, "groups", self.groups, "filters", self.filters)
        return feature_map(self.filters, tuple(window.output for window in self.windows(x)))

    def variables(self, inputs: tuple[Axes, ...]) -> tuple[Variable, ...]:
        (x,) = inputs
        kernel = broadcast(self.name, "kernel_size", self.kernel_size, x)
        shape = (self.filters, x.width // self.groups, *kernel)
        output = x.with_width(self.filters)
        return kernel_variables(
            shape,
            output,
            bias=self.bias,
            activation=self.activation,
            initializer=self.initializer,
        )

    def macs(self, inputs: tuple[Axes, ...], output: Axes) -> int:
        (x,) = inputs
        kernel = prod(broadcast(self.name, "kernel_size", self.kernel_size, x))
        return output.elements * kernel * (x.width // self.groups)

    def receptive_field(self, inputs: tuple[Axes, ...]) -> tuple[ReceptiveField, ...]:
        return tuple(window.receptive_field for window in self.windows(inputs[0]))


@record
class DepthwiseConv(Op):
    """Convolution of each channel alone, `multiplier` filters a channel."""

    name: ClassVar[str] = "depthwise_conv"
    aliases: ClassVar[tuple[str, ...]] = ("depthwise", "depthwise_convolution", "dw_conv")

    kernel_size: Annotated[WindowSize, Doc("elements of the kernel along each spatial axis")]
    multiplier: Annotated[Count, Doc("filters for each input channel")] = 1
    stride: Annotated[WindowSize, Doc("step between two positions of the kernel")] = 1
    padding: Annotated[Padding, Doc("zeros around the input")] = "valid"
    dilation: Annotated[WindowSize, Doc("distance between two elements of the kernel")] = 1
    bias: Annotated[Flag, Doc("whether a learned value is added to each output channel")] = True
    activation: Annotated[ActivationField, Doc("applied to the result")] = None
    initializer: InitializerField = None

    def as_conv(self, x: Axes) -> Conv:
        """The same op as a grouped convolution of `x`: filters channel by channel."""
        return Conv(
            filters=x.width * self.multiplier,
            kernel_size=self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=x.width,
            bias=self.bias,
            activation=self.activation,
            initializer=self.initializer,
        )

    def windows(self, x: Axes) -> tuple[Window, ...]:
        """The kernel's windows over each spatial axis of `x`."""
        return _conv_windows(self, x)

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        (x,) = inputs
        require_feature_map(self.name, x)
        spatial = tuple(window.output for window in self.windows(x))
        return feature_map(x.width * self.multiplier, spatial)

    def variables(self, inputs: tuple[Axes, ...]) -> tuple[Variable, ...]:
        return self.as_conv(inputs[0]).variables(inputs)

    def macs(self, inputs: tuple[Axes, ...], output: Axes) -> int:
        return self.as_conv(inputs[0]).macs(inputs, output)

    def receptive_field(self, inputs: tuple[Axes, ...]) -> tuple[ReceptiveField, ...]:
        return tuple(window.receptive_field for window in self.windows(inputs[0]))


LONGEST_STRIDE = 1024
"""Phases of a transposed convolution whose receptive fields are computed one by one."""


class TransposedWindow(NamedTuple):
    """A transposed convolution along one spatial axis: sizes in elements.

    The kernel laid down at every input element covers `(input - 1) * stride + extent` elements, of
    which `crop_begin` and `crop_end` are cut off and to which `extra` are appended.
    """

    kernel: int
    stride: int
    dilation: int
    crop_begin: int
    crop_end: int
    extra: int
    output: int

    @property
    def receptive_field(self) -> ReceptiveField:
        """What the output positions see: those of a phase are reached by every so-many-th element
        of the kernel, each from another input position."""
        if self.stride > LONGEST_STRIDE:
            reach = self.dilation * (self.kernel - 1) // self.stride
            taps = range(-reach - 1, self.crop_begin // self.stride + 2)
            return ReceptiveField(self.stride, 1, (taps,), exact=False)
        return ReceptiveField(self.stride, 1, tuple(map(self._taps, range(self.stride))))

    def _taps(self, phase: int) -> range:
        """The input positions i of output position `phase`: those with a kernel element j for
        which i * stride + j * dilation = phase + crop_begin."""
        reached = phase + self.crop_begin
        every = self.stride // gcd(self.stride, self.dilation)
        for element in range(min(every, self.kernel)):
            if (reached - element * self.dilation) % self.stride == 0:
                last = (reached - element * self.dilation) // self.stride
                count = (self.kernel - 1 - element) // every + 1
                step = every * self.dilation // self.stride
                return range(last - (count - 1) * step, last + 1, step)
        return range(0)


@record
class ConvTranspose(Op):
    """Transposed convolution: the gradient of `conv` with the same fields, it enlarges the map.

    `padding` is what the convolution that it reverses would pad: `same` gives input x stride.
    """

    name: ClassVar[str] = "conv_transpose"
    aliases: ClassVar[tuple[str, ...]] = (
        "deconv",
        "deconvolution",
        "upconv",
        "transposed_conv",
        "transpose_conv",
        "conv_transposed",
        "transposed_convolution",
        "convolution_transpose",
    )

    filters: Annotated[Count, Doc("output channels")]
    kernel_size: Annotated[WindowSize, Doc("elements of the kernel along each spatial axis")]
    stride: Annotated[WindowSize, Doc("step between two positions of the kernel in the output")] = 1
    padding: Annotated[Padding, Doc("elements cut off at each side of the output")] = "valid"
    output_padding: Annotated[Offsets, Doc("elements appended at the end of each axis")] = 0
    dilation: Annotated[WindowSize, Doc("distance between two elements of the kernel")] = 1
    groups: Annotated[Count, Doc("parts the channels are split into, each convolved alone")] = 1
    bias: Annotated[Flag, Doc("whether a learned value is added to each output channel")] = True
    activation: Annotated[ActivationField, Doc("applied to the result")] = None
    initializer: InitializerField = None

    def transposed_windows(self, x: Axes) -> tuple[TransposedWindow, ...]:
        """The transposed window along each spatial axis of `x`. Raises ShapeError."""
        kernels = broadcast(self.name, "kernel_size", self.kernel_size, x)
        strides = broadcast(self.name, "stride", self.stride, x)
        dilations = broadcast(self.name, "dilation", self.dilation, x)
        extras = broadcast(self.name, "output_padding", self.output_padding, x)
        explicit: tuple[tuple[int, int], ...] | None = None
        if self.padding == "valid":
            explicit = ((0, 0),) * len(kernels)
        elif not isinstance(self.padding, str):
            explicit = broadcast_pairs(self.name, "padding", self.padding, x)
        windows = []
        for axis, (size, kernel, step, spacing, extra) in enumerate(
            zip(x.spatial, kernels, strides, dilations, extras, strict=True)
        ):
            if extra and extra >= max(step, spacing):
                raise ShapeError(
                    "ARC101",
                    f"output_padding {extra} of {self.name} must be smaller than "
                    f"its stride {step} or its dilation {spacing}",
                    f"choose at most {max(step, spacing) - 1}",
                    "output_padding",
                )
            extent = spacing * (kernel - 1) + 1
            if explicit is None:
                total = max(extent - step, 0)
                begin, end = total // 2, total - total // 2
                extra += max(step - extent, 0)
            else:
                begin, end = explicit[axis]
            output = (size - 1) * step + extent - begin - end + extra
            if output < 1:
                raise ShapeError(
                    "ARC101",
                    f"{self.name} leaves nothing along {x.names[axis + 1]} of {x}: "
                    f"padding {begin + end} cuts off all of it",
                    "cut off less",
                    "padding",
                )
            windows.append(TransposedWindow(kernel, step, spacing, begin, end, extra, output))
        return tuple(windows)

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        (x,) = inputs
        require_feature_map(self.name, x)
        require_divisible(self.name, "groups", self.groups, "input channels", x.width)
        require_divisible(self.name, "groups", self.groups, "filters", self.filters)
        return feature_map(self.filters, tuple(axis.output for axis in self.transposed_windows(x)))

    def variables(self, inputs: tuple[Axes, ...]) -> tuple[Variable, ...]:
        (x,) = inputs
        kernel = broadcast(self.name, "kernel_size", self.kernel_size, x)
        shape = (x.width, self.filters // self.groups, *kernel)
        strides = prod(axis.stride for axis in self.transposed_windows(x))
        return kernel_variables(
            shape,
            x.with_width(self.filters),
            bias=self.bias,
            activation=self.activation,
            initializer=self.initializer,
            fan_in=max(1.0, x.width / self.groups * prod(kernel) / strides),
        )

    def macs(self, inputs: tuple[Axes, ...], output: Axes) -> int:
        (x,) = inputs
        kernel = prod(broadcast(self.name, "kernel_size", self.kernel_size, x))
        return x.elements * kernel * (self.filters // self.groups)

    def receptive_field(self, inputs: tuple[Axes, ...]) -> tuple[ReceptiveField, ...]:
        return tuple(axis.receptive_field for axis in self.transposed_windows(inputs[0]))


OPS = (Conv, DepthwiseConv, ConvTranspose)
