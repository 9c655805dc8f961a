"""Pooling in Keras, channels last."""

from __future__ import annotations

from collections.abc import Sequence

from archc.backends.base import Site, Stage
from archc.backends.constructors import layer, option, per_axis
from archc.backends.keras.padding import Pairs, around_stage
from archc.backends.keras.windows import lays_same_right, matches_same
from archc.codegen.tree import Keyword, Lit
from archc.ops.base import spread
from archc.ops.pooling import AdaptiveAvgPool, AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool
from archc.ops.sliding import Slide


def _pool(site: Site, name: str, slides: Sequence[Slide], *, same: bool) -> Stage:
    """A pooling layer of Keras; its stride is the size of its window unless it says otherwise."""
    size = per_axis([slide.kernel for slide in slides], "kernel_size")
    assert isinstance(site.op, MaxPool | AvgPool)
    own = "kernel_size" if site.op.stride is None else "stride"
    strides = per_axis([slide.stride for slide in slides], own)
    made = layer(
        f"layers.{name}{site.rank}D",
        size,
        keywords=[
            Keyword("strides", strides, size),
            option("padding", "same" if same else "valid", "valid", "padding"),
        ],
    )
    return Stage(made, label=site.op.name, main=True)


def _padded_pool(site: Site, name: str, slides: Sequence[Slide], pads: Pairs) -> Stage:
    """A pooling layer whose padding never counts."""
    made = layer(
        name,
        per_axis([slide.kernel for slide in slides], "kernel_size"),
        per_axis([slide.stride for slide in slides], "stride"),
        Lit(tuple(pads)),
    )
    return Stage(made, label=site.op.name, main=True)


def lower_max_pool(site: Site) -> tuple[Stage, ...]:
    """Zeros pad what is never below zero: they win only where nothing is above them."""
    op = site.op
    assert isinstance(op, MaxPool)
    slides = op.slides(site.x)
    pads = [(slide.begin, slide.end + slide.overhang) for slide in slides]
    padded = any(map(any, pads))
    same = op.padding == "same" and lays_same_right(slides, site.x)
    if same or (padded and matches_same(slides, site.x)):
        return (_pool(site, "MaxPooling", slides, same=True),)
    if padded and not site.nonnegative:
        return (_padded_pool(site, "PaddedMaxPooling", slides, pads),)
    zeros = around_stage("ZeroPadding", "pad", pads, "padding")
    return (*zeros, _pool(site, "MaxPooling", slides, same=False))


def lower_avg_pool(site: Site) -> tuple[Stage, ...]:
    """Keras leaves the padding of `same` out of the mean, but on PyTorch only where it is the same
    on both sides of each axis."""
    op = site.op
    assert isinstance(op, AvgPool)
    slides = op.slides(site.x)
    counted = [(slide.begin, slide.end) if op.count_include_pad else (0, 0) for slide in slides]
    pads = [
        (0, slide.overhang) if op.count_include_pad else (slide.begin, slide.end + slide.overhang)
        for slide in slides
    ]
    zeros = around_stage("ZeroPadding", "pad", counted, "padding")
    if not any(map(any, pads)):
        return (*zeros, _pool(site, "AveragePooling", slides, same=False))
    if not zeros and matches_same(slides, site.x) and _is_symmetric(slides, site):
        return (_pool(site, "AveragePooling", slides, same=True),)
    return (*zeros, _padded_pool(site, "PaddedAveragePooling", slides, pads))


def _is_symmetric(slides: Sequence[Slide], site: Site) -> bool:
    """Whether `padding="same"` pads both sides of each axis alike."""
    return all(
        max((slide.output - 1) * slide.stride + slide.extent - size, 0) % 2 == 0
        for slide, size in zip(slides, site.x.spatial, strict=True)
    )


def lower_adaptive_avg_pool(site: Site) -> tuple[Stage, ...]:
    """Equal windows are a plain pool. Keras' `AdaptiveAveragePooling2D` finds the edges of others
    in floating point, which on JAX puts some one element off: 13 to 7, for one."""
    op = site.op
    assert isinstance(op, AdaptiveAvgPool)
    outputs = spread(op.name, "output_size", op.output_size, site.x)
    pairs = list(zip(site.x.spatial, outputs, strict=True))
    if any(size % output for size, output in pairs):
        made = layer("AdaptiveAveragePooling", Lit(outputs, "output_size"))
    else:
        windows = per_axis([size // output for size, output in pairs])
        made = layer(f"layers.AveragePooling{site.rank}D", windows)
    return (Stage(made, label=op.name, main=True),)


def lower_global_pool(site: Site) -> tuple[Stage, ...]:
    op = site.op
    assert isinstance(op, GlobalAvgPool | GlobalMaxPool)
    kind = "Average" if isinstance(op, GlobalAvgPool) else "Max"
    kept = option("keepdims", op.keep_dims, False, "keep_dims")
    made = layer(f"layers.Global{kind}Pooling{site.rank}D", keywords=[kept])
    return (Stage(made, label=op.name, main=True),)
