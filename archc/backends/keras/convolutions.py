"""Convolutions in Keras, channels last, and the padding and cropping around them."""

from __future__ import annotations

from archc.backends.base import INCOMING, Refusal, Site, Stage
from archc.backends.constructors import layer, option, per_axis
from archc.backends.keras.activations import fused
from archc.backends.keras.initializers import depthwise_initializer, kernel_initializer
from archc.backends.keras.padding import Pairs, around_stage
from archc.backends.keras.windows import lays_same_right, matches_same
from archc.codegen.tree import Keyword, Lit
from archc.ops.convolution import Conv, ConvTranspose, DepthwiseConv, Spread


def lower_conv(site: Site) -> tuple[Stage, ...]:
    op = site.op
    assert isinstance(op, Conv)
    return _convolution(site, op, Lit(op.filters, "filters"), Lit(op.groups, "groups"))


def _convolution(site: Site, op: Conv, filters: Lit, groups: Lit) -> tuple[Stage, ...]:
    """A convolution, after zeros where Keras has no such padding. Keras refuses a stride and a
    dilation at once: then every position is computed, and a pool of one element takes the stride.
    """
    slides = op.slides(site.x)
    strides = [slide.stride for slide in slides]
    dilations = [slide.dilation for slide in slides]
    subsampled = max(strides) > 1 and max(dilations) > 1
    pads: Pairs = [(slide.begin, slide.end) for slide in slides]
    fits = max(strides) == 1 and any(map(any, pads)) and matches_same(slides, site.x)
    same = not subsampled and (op.padding == "same" or fits) and lays_same_right(slides, site.x)
    activation, after = fused(op.activation, site.output)
    made = layer(
        f"layers.Conv{site.rank}D",
        filters,
        per_axis([slide.kernel for slide in slides], "kernel_size"),
        keywords=[
            option("strides", 1, 1)
            if subsampled
            else Keyword("strides", per_axis(strides, "stride"), Lit(1)),
            option("padding", "same" if same else "valid", "valid", "padding"),
            Keyword("dilation_rate", per_axis(dilations, "dilation"), Lit(1)),
            Keyword("groups", groups, Lit(1)),
            option("use_bias", op.bias, True, "bias"),
            activation,
            kernel_initializer(op.initializer),
        ],
    )
    stages = () if same else around_stage("ZeroPadding", "pad", pads, "padding")
    stages += (Stage(made, label=site.op.name, main=True, weighted=True),)
    if subsampled:
        every = Keyword("strides", per_axis(strides, "stride"), Lit(1))
        pool = layer(f"layers.MaxPooling{site.rank}D", Lit(1), keywords=[every])
        stages += (Stage(pool, label="subsample"),)
    return stages + after


def lower_depthwise_conv(site: Site) -> tuple[Stage, ...]:
    """Keras has a layer in 1-D and 2-D, for which TensorFlow wants one stride for all axes."""
    op = site.op
    assert isinstance(op, DepthwiseConv)
    slides = op.slides(site.x)
    orthogonal = op.initializer is not None and op.initializer.name == "orthogonal"
    if site.rank == 3 or len({slide.stride for slide in slides}) > 1 or orthogonal:
        incoming = Lit(site.x.width, INCOMING)
        filters = incoming if op.multiplier == 1 else Lit(site.output.width)
        return _convolution(site, op.as_conv(site.x), filters, incoming)
    pads: Pairs = [(slide.begin, slide.end) for slide in slides]
    fits = slides[0].stride == 1 and any(map(any, pads)) and matches_same(slides, site.x)
    same = op.padding == "same" or fits
    activation, after = fused(op.activation, site.output)
    kernel = [slide.kernel for slide in slides]
    made = layer(
        f"layers.DepthwiseConv{site.rank}D",
        per_axis(kernel, "kernel_size"),
        keywords=[
            Keyword("strides", per_axis([slide.stride for slide in slides], "stride"), Lit(1)),
            option("padding", "same" if same else "valid", "valid", "padding"),
            option("depth_multiplier", op.multiplier, 1, "multiplier"),
            Keyword(
                "dilation_rate", per_axis([slide.dilation for slide in slides], "dilation"), Lit(1)
            ),
            option("use_bias", op.bias, True, "bias"),
            activation,
            depthwise_initializer(op.initializer, kernel, site.output.width),
        ],
    )
    stages = () if same else around_stage("ZeroPadding", "pad", pads, "padding")
    return (*stages, Stage(made, label=op.name, main=True, weighted=True), *after)


def lower_conv_transpose(site: Site) -> tuple[Stage, ...]:
    """The kernel's whole spread is computed, and what the op does not keep is cropped."""
    op = site.op
    assert isinstance(op, ConvTranspose)
    if op.groups > 1:
        raise Refusal("Keras has no transposed convolution in groups", "groups")
    spreads = op.spreads(site.x)
    strides = [spread.stride for spread in spreads]
    dilations = [spread.dilation for spread in spreads]
    if max(strides) > 1 and max(dilations) > 1:
        raise Refusal(
            "Keras has no transposed convolution with both a stride and a dilation", "dilation"
        )
    axes = list(zip(spreads, site.x.spatial, strict=True))
    same = all(_is_same(spread, size) for spread, size in axes)
    beyond = [max(0, _beyond(spread, size)) for spread, size in axes]
    appended: int | tuple[int, ...] | None = None
    added = [0] * len(axes)
    if same or all(n <= _gap(one) for n, one in zip(beyond, spreads, strict=True)):
        extras = [_gap(spread) for spread in spreads]
    elif all(n < spread.stride for n, spread in zip(beyond, spreads, strict=True)):
        extras = beyond
        appended = beyond[0] if len(set(beyond)) == 1 else tuple(beyond)
    else:
        # Zeros after the input are spread to positions that hold the bias alone.
        added = [-(-n // one.stride) for n, one in zip(beyond, spreads, strict=True)]
        extras = [n * one.stride + _gap(one) for n, one in zip(added, spreads, strict=True)]
    crops = [
        (spread.crop_begin, extra - _beyond(spread, size))
        for (spread, size), extra in zip(axes, extras, strict=True)
    ]
    # Where both paddings give the same, the one that the spec names; in 3-D that whose gradient
    # TensorFlow has right, too, where a stride is longer than the kernel.
    same = same and (op.padding == "same" or any(map(any, crops)))
    same = same and (site.rank < 3 or all(_gap(spread) < 2 for spread in spreads))
    activation, after = fused(op.activation, site.output)
    made = layer(
        f"layers.Conv{site.rank}DTranspose",
        Lit(op.filters, "filters"),
        per_axis([spread.kernel for spread in spreads], "kernel_size"),
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
        *around_stage("ZeroPadding", "pad", [(0, n) for n in added]),
        Stage(made, label=op.name, main=True, weighted=True),
        *(() if same else around_stage("Cropping", "crop", crops, "padding")),
        *after,
    )


def _extent(spread: Spread) -> int:
    return spread.dilation * (spread.kernel - 1) + 1


def _gap(spread: Spread) -> int:
    """Elements that Keras appends by itself, to fill the last stride."""
    return max(spread.stride - _extent(spread), 0)


def _beyond(spread: Spread, size: int) -> int:
    """Elements from the kernel's whole spread to the end of what the op keeps."""
    whole = (size - 1) * spread.stride + _extent(spread)
    return spread.crop_begin + spread.output - whole


def _is_same(spread: Spread, size: int) -> bool:
    """Whether Keras' `same` keeps just what the op keeps."""
    begin = max(_extent(spread) - spread.stride, 0) // 2
    return spread.output == size * spread.stride and spread.crop_begin == begin
