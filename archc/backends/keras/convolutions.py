"""Convolutions in Keras, channels last, and the padding and cropping around them."""

from __future__ import annotations

from collections.abc import Sequence

from archc.backends.base import INCOMING, LoweredLayer, LoweringContext, RefusalError
from archc.backends.constructors import layer, option, per_axis
from archc.backends.keras.activations import fused
from archc.backends.keras.initializers import depthwise_initializer, kernel_initializer
from archc.backends.keras.layout import KERNEL, depthwise_kernel
from archc.backends.keras.padding import Pairs, margin_layers
from archc.backends.keras.windows import is_causal, lays_same_right, matches_same
from archc.backends.shared_padding import PAD
from archc.codegen.tree import Binary, Expr, Keyword, Lit
from archc.ops.convolution import Conv, ConvTranspose, DepthwiseConv, TransposedWindow
from archc.ops.sliding import Window


def lower_conv(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    """A group for each channel is a depthwise convolution, which TensorFlow computes many times
    faster on a CPU."""
    op = context.op
    assert isinstance(op, Conv)
    if 1 < op.groups == context.x.width and _has_depthwise_layer(context, op):
        filters, incoming = Lit(op.filters, "filters"), Lit(context.x.width, INCOMING)
        alone = Binary("==", Lit(op.groups, "groups"), incoming)
        return _depthwise(context, op, Binary("//", filters, incoming), alone)
    return _convolution(context, op, Lit(op.filters, "filters"), Lit(op.groups, "groups"))


def _convolution(
    context: LoweringContext, op: Conv, filters: Lit, groups: Lit
) -> tuple[LoweredLayer, ...]:
    """A convolution, after zeros where Keras has no such padding. Keras rejects a stride and a
    dilation at once: then every position is computed, and a pool of one element takes the stride.
    """
    windows = op.windows(context.x)
    strides = [window.stride for window in windows]
    dilations = [window.dilation for window in windows]
    subsampled = max(strides) > 1 and max(dilations) > 1
    pads: Pairs = [(window.begin, window.end) for window in windows]
    fits = max(strides) == 1 and any(map(any, pads)) and matches_same(windows, context.x)
    same = not subsampled and (op.padding == "same" or fits) and lays_same_right(windows, context.x)
    causal = not subsampled and not same and is_causal(windows)
    activation, after = fused(op.activation, context.output)
    convolution = layer(
        f"layers.Conv{context.rank}D",
        filters,
        per_axis([window.kernel for window in windows], "kernel_size"),
        keywords=[
            option("strides", 1, 1)
            if subsampled
            else Keyword("strides", per_axis(strides, "stride"), Lit(1)),
            option(
                "padding", "same" if same else "causal" if causal else "valid", "valid", "padding"
            ),
            Keyword("dilation_rate", per_axis(dilations, "dilation"), Lit(1)),
            Keyword("groups", groups, Lit(1)),
            option("use_bias", op.bias, True, "bias"),
            activation,
            kernel_initializer(op.initializer),
        ],
    )
    lowered = () if same or causal else margin_layers("ZeroPadding", PAD, pads, "padding")
    lowered += (
        LoweredLayer(
            convolution,
            label=context.op.name,
            main=True,
            variables=KERNEL,
            presumes=_presumed(op, windows, fits=same),
        ),
    )
    if subsampled:
        every = Keyword("strides", per_axis(strides, "stride"), Lit(1))
        pool = layer(f"layers.MaxPooling{context.rank}D", Lit(1), keywords=[every])
        lowered += (LoweredLayer(pool, label="subsample"),)
    return lowered + after


def lower_depthwise_conv(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op = context.op
    assert isinstance(op, DepthwiseConv)
    if _has_depthwise_layer(context, op):
        return _depthwise(context, op, Lit(op.multiplier, "multiplier"))
    incoming = Lit(context.x.width, INCOMING)
    filters = incoming if op.multiplier == 1 else Lit(context.output.width)
    return _convolution(context, op.as_conv(context.x), filters, incoming)


def _has_depthwise_layer(context: LoweringContext, op: Conv | DepthwiseConv) -> bool:
    """Whether Keras computes a convolution of each channel alone by a layer of its own: in 1-D and
    2-D, for which TensorFlow wants one stride for all axes. An orthogonal kernel would be one over
    all channels."""
    strides = {window.stride for window in op.windows(context.x)}
    orthogonal = op.initializer is not None and op.initializer.name == "orthogonal"
    return context.rank < 3 and len(strides) == 1 and not orthogonal


def _depthwise(
    context: LoweringContext,
    op: Conv | DepthwiseConv,
    multiplier: Expr,
    condition: Expr | None = None,
) -> tuple[LoweredLayer, ...]:
    windows = op.windows(context.x)
    pads: Pairs = [(window.begin, window.end) for window in windows]
    fits = windows[0].stride == 1 and any(map(any, pads)) and matches_same(windows, context.x)
    same = op.padding == "same" or fits
    activation, after = fused(op.activation, context.output)
    kernel = [window.kernel for window in windows]
    depthwise = layer(
        f"layers.DepthwiseConv{context.rank}D",
        per_axis(kernel, "kernel_size"),
        keywords=[
            Keyword("strides", per_axis([window.stride for window in windows], "stride"), Lit(1)),
            option("padding", "same" if same else "valid", "valid", "padding"),
            Keyword("depth_multiplier", multiplier, Lit(1)),
            Keyword(
                "dilation_rate",
                per_axis([window.dilation for window in windows], "dilation"),
                Lit(1),
            ),
            option("use_bias", op.bias, True, "bias"),
            activation,
            depthwise_initializer(op.initializer, kernel, context.output.width),
        ],
    )
    lowered = () if same else margin_layers("ZeroPadding", PAD, pads, "padding")
    channels = context.x.width
    layouts = {"weight": depthwise_kernel(channels, context.output.width // channels, kernel)}
    main = LoweredLayer(
        depthwise,
        label=op.name,
        main=True,
        variables=KERNEL,
        layouts=layouts,
        condition=condition,
        presumes=_presumed(op, windows, fits=same),
    )
    return (*lowered, main, *after)


def _presumed(op: Conv | DepthwiseConv, windows: Sequence[Window], *, fits: bool) -> frozenset[str]:
    """The fields that a layer without zeros around presumes. A way of padding that the spec calls
    by its name is the layer's own."""
    if isinstance(op.padding, str):
        return frozenset()
    if fits:
        return frozenset({"kernel_size", "stride", "padding", "dilation"})
    none = not any(window.begin or window.end for window in windows)
    return frozenset({"padding"}) if none else frozenset()


def lower_conv_transpose(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    """The whole transposed convolution is computed, and what the op does not keep is cropped."""
    op = context.op
    assert isinstance(op, ConvTranspose)
    if op.groups > 1:
        raise RefusalError("Keras has no transposed convolution in groups", "groups")
    transposed_windows = op.transposed_windows(context.x)
    strides = [window.stride for window in transposed_windows]
    dilations = [window.dilation for window in transposed_windows]
    if max(strides) > 1 and max(dilations) > 1:
        raise RefusalError(
            "Keras has no transposed convolution with both a stride and a dilation", "dilation"
        )
    axes = list(zip(transposed_windows, context.x.spatial, strict=True))
    same = all(_is_same(window, size) for window, size in axes)
    beyond = [max(0, _beyond(window, size)) for window, size in axes]
    appended: int | tuple[int, ...] | None = None
    added = [0] * len(axes)
    if same or all(n <= _gap(one) for n, one in zip(beyond, transposed_windows, strict=True)):
        extras = [_gap(window) for window in transposed_windows]
    elif all(n < window.stride for n, window in zip(beyond, transposed_windows, strict=True)):
        extras = beyond
        appended = beyond[0] if len(set(beyond)) == 1 else tuple(beyond)
    else:
        # Zeros after the input give positions that hold the bias alone.
        added = [-(-n // one.stride) for n, one in zip(beyond, transposed_windows, strict=True)]
        extras = [
            n * one.stride + _gap(one) for n, one in zip(added, transposed_windows, strict=True)
        ]
    crops = [
        (window.crop_begin, extra - _beyond(window, size))
        for (window, size), extra in zip(axes, extras, strict=True)
    ]
    # Where both paddings give the same, the one that the spec names; in 3-D that whose gradient
    # TensorFlow has right, too, where a stride is longer than the kernel.
    same = same and (op.padding == "same" or any(map(any, crops)))
    same = same and (context.rank < 3 or all(_gap(window) < 2 for window in transposed_windows))
    activation, after = fused(op.activation, context.output)
    convolution = layer(
        f"layers.Conv{context.rank}DTranspose",
        Lit(op.filters, "filters"),
        per_axis([window.kernel for window in transposed_windows], "kernel_size"),
        keywords=[
            Keyword("strides", per_axis(strides, "stride"), Lit(1)),
            option("padding", "same" if same else "valid", "valid", "padding"),
            option("output_padding", appended, None, "output_padding"),
            Keyword("dilation_rate", per_axis(dilations, "dilation"), Lit(1)),
            option("use_bias", op.bias, True, "bias"),
            activation,
            kernel_initializer(op.initializer),
        ],
    )
    return (
        *margin_layers("ZeroPadding", PAD, [(0, n) for n in added]),
        LoweredLayer(convolution, label=op.name, main=True, variables=KERNEL),
        *(() if same else margin_layers("Cropping", "crop", crops, "padding")),
        *after,
    )


def _extent(window: TransposedWindow) -> int:
    return window.dilation * (window.kernel - 1) + 1


def _gap(window: TransposedWindow) -> int:
    """Elements that Keras appends by itself, to fill the last stride."""
    return max(window.stride - _extent(window), 0)


def _beyond(window: TransposedWindow, size: int) -> int:
    """Elements from the end of the whole transposed convolution to the end of what the op keeps."""
    whole = (size - 1) * window.stride + _extent(window)
    return window.crop_begin + window.output - whole


def _is_same(window: TransposedWindow, size: int) -> bool:
    """Whether Keras' `same` keeps just what the op keeps."""
    begin = max(_extent(window) - window.stride, 0) // 2
    return window.output == size * window.stride and window.crop_begin == begin
