"""Convolutions and pools in PyTorch, and the padding and cropping around them.

PyTorch pads both sides of an axis alike, a pool by half its kernel at most. Any other padding is a
layer of its own before the window's.
"""

from __future__ import annotations

from collections.abc import Sequence

from archc.backends.base import Site, Stage, hole
from archc.backends.constructors import layer, option, per_axis
from archc.backends.torch.activations import fused
from archc.backends.torch.initializers import initialize
from archc.backends.torch.layers import incoming
from archc.codegen.tree import Call, Expr, Index, Keyword, Lit, Slice, call
from archc.ops.convolution import Conv, ConvTranspose, DepthwiseConv
from archc.ops.pooling import AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool
from archc.ops.shape import Crop, Pad
from archc.ops.sliding import Slide

Pairs = Sequence[tuple[int, int]]
"""Elements at the begin and end of each spatial axis."""


def _last_first(pairs: Pairs) -> tuple[int, ...]:
    """`pairs` in PyTorch's order: the last axis first, each begin before its end."""
    return tuple(amount for pair in reversed(pairs) for amount in pair)


def _padding(pairs: Pairs, field: str | None = None) -> Lit:
    return per_axis(_last_first(pairs), field)


def _zeros(pairs: Pairs) -> tuple[Stage, ...]:
    """A stage that pads with zeros, where there is anything to pad."""
    if not any(map(any, pairs)):
        return ()
    return (Stage(layer(f"nn.ZeroPad{len(pairs)}d", _padding(pairs)), label="pad"),)


def _cut(pairs: Pairs) -> tuple[Call, Expr]:
    """The layer and the expression that cut `pairs` off."""
    amounts = [(-begin, -end) for begin, end in pairs]
    keys = (
        Slice(Lit(begin) if begin else None, Lit(-end) if end else None) for begin, end in pairs
    )
    return (
        layer(f"nn.ZeroPad{len(pairs)}d", _padding(amounts)),
        Index(hole(0), (Slice(), Slice(), *keys)),
    )


def lower_pad(site: Site) -> tuple[Stage, ...]:
    op = site.op
    assert isinstance(op, Pad)
    padding = _padding(op.amounts(site.x), "padding")
    if op.mode == "reflect":
        made = layer(f"nn.ReflectionPad{site.rank}d", padding)
    elif op.value == 0:
        made = layer(f"nn.ZeroPad{site.rank}d", padding)
    else:
        made = layer(f"nn.ConstantPad{site.rank}d", padding, Lit(op.value, "value"))
    return (Stage(made, label=op.name, main=True),)


def lower_crop(site: Site) -> tuple[Stage, ...]:
    op = site.op
    assert isinstance(op, Crop)
    made, expression = _cut(op.amounts(site.x))
    return (Stage(made, expression, label=op.name, main=True),)


def lower_conv(site: Site) -> tuple[Stage, ...]:
    op = site.op
    assert isinstance(op, Conv)
    return _convolution(site, op, Lit(op.filters, "filters"), Lit(op.groups, "groups"))


def lower_depthwise_conv(site: Site) -> tuple[Stage, ...]:
    op, width = site.op, incoming(site.x)
    assert isinstance(op, DepthwiseConv)
    filters = width if op.multiplier == 1 else Lit(site.output.width, "filters")
    return _convolution(site, op, filters, width)


def _convolution(
    site: Site, op: Conv | DepthwiseConv, filters: Lit, groups: Lit
) -> tuple[Stage, ...]:
    slides = op.slides(site.x)
    pairs = [(slide.begin, slide.end) for slide in slides]
    symmetric = all(begin == end for begin, end in pairs)
    around = per_axis([begin if symmetric else 0 for begin, _ in pairs], "padding")
    made = layer(
        f"nn.Conv{site.rank}d",
        incoming(site.x),
        filters,
        keywords=[
            Keyword("kernel_size", per_axis([slide.kernel for slide in slides], "kernel_size")),
            Keyword("stride", per_axis([slide.stride for slide in slides], "stride"), Lit(1)),
            Keyword("padding", around, Lit(0)),
            Keyword("dilation", per_axis([slide.dilation for slide in slides], "dilation"), Lit(1)),
            Keyword("groups", groups, Lit(1)),
            option("bias", op.bias, True, "bias"),
        ],
    )
    return (
        *(() if symmetric else _zeros(pairs)),
        _weighted(op, made),
        *fused(op.activation, site.output, filters),
    )


def _weighted(op: Conv | DepthwiseConv | ConvTranspose, made: Call) -> Stage:
    return Stage(
        made, label=op.name, main=True, weighted=True, initialize=initialize(op.initializer)
    )


def lower_conv_transpose(site: Site) -> tuple[Stage, ...]:
    """PyTorch cuts the same number off both sides and gives back `output_padding` at the end, less
    than the stride or the dilation. Where more is cut off the end, a crop follows; where the end
    is longer, zeros behind the input make room for it."""
    op, x = site.op, site.x
    assert isinstance(op, ConvTranspose)
    spreads = op.spreads(x)
    longer: list[tuple[int, int]] = []
    given_back: list[int] = []
    cropped: list[tuple[int, int]] = []
    for axis in spreads:
        more = axis.crop_begin - axis.crop_end + axis.extra
        most = max(axis.stride, axis.dilation) - 1
        zeros = max(0, -(-(more - most) // axis.stride))
        more -= zeros * axis.stride
        longer.append((0, zeros))
        given_back.append(max(0, more))
        cropped.append((0, max(0, -more)))
    filters = Lit(op.filters, "filters")
    made = layer(
        f"nn.ConvTranspose{site.rank}d",
        incoming(x),
        filters,
        keywords=[
            Keyword("kernel_size", per_axis([axis.kernel for axis in spreads], "kernel_size")),
            Keyword("stride", per_axis([axis.stride for axis in spreads], "stride"), Lit(1)),
            Keyword("padding", per_axis([axis.crop_begin for axis in spreads], "padding"), Lit(0)),
            Keyword("output_padding", per_axis(given_back, "output_padding"), Lit(0)),
            option("groups", op.groups, 1, "groups"),
            option("bias", op.bias, True, "bias"),
            Keyword("dilation", per_axis([axis.dilation for axis in spreads], "dilation"), Lit(1)),
        ],
    )
    crop = [Stage(*_cut(cropped), label="crop")] if any(map(any, cropped)) else []
    return (
        *_zeros(longer),
        _weighted(op, made),
        *crop,
        *fused(op.activation, site.output, filters),
    )


def _outputs(size: int, slide: Slide, padding: int, *, ceil_mode: bool) -> int:
    """The number of windows that a pool of PyTorch makes along an axis."""
    room = size + 2 * padding - slide.kernel
    if not ceil_mode:
        return room // slide.stride + 1
    windows = -(-room // slide.stride)
    # A window that would start in the padding at the end is dropped.
    return windows + (windows * slide.stride < size + padding)


def _ceil_mode(site: Site, slides: Sequence[Slide], *, wanted: bool) -> bool | None:
    """The ceil mode in which PyTorch's own padding, that at the begin on both sides, makes the same
    windows; None where neither does. What lies behind the map's end is seen by no window's result.
    """
    if any(slide.begin > slide.kernel // 2 for slide in slides):
        return None
    for mode in (wanted, not wanted):
        if all(
            _outputs(size, slide, slide.begin, ceil_mode=mode) == slide.output
            for size, slide in zip(site.x.spatial, slides, strict=True)
        ):
            return mode
    return None


def _pool(
    name: str, op: MaxPool | AvgPool, slides: Sequence[Slide], pads: Sequence[int], *, ceil: bool
) -> Call:
    """A pool of PyTorch, whose stride is its kernel's size by default."""
    kernel = per_axis([slide.kernel for slide in slides], "kernel_size")
    own = "kernel_size" if op.stride is None else "stride"
    return layer(
        f"nn.{name}{len(slides)}d",
        keywords=[
            Keyword("kernel_size", kernel),
            Keyword("stride", per_axis([slide.stride for slide in slides], own), kernel),
            Keyword("padding", per_axis(pads, "padding"), Lit(0)),
            option("ceil_mode", ceil, False, "ceil_mode"),
        ],
    )


def lower_max_pool(site: Site) -> tuple[Stage, ...]:
    op = site.op
    assert isinstance(op, MaxPool)
    slides = op.slides(site.x)
    begins = [slide.begin for slide in slides]
    ceil = _ceil_mode(site, slides, wanted=op.ceil_mode)
    if ceil is not None:
        made = _pool("MaxPool", op, slides, begins, ceil=ceil)
        return (Stage(made, label=op.name, main=True),)
    pairs = [(slide.begin, slide.end + slide.overhang) for slide in slides]
    lowest = call("float", "-inf")
    pad = layer(f"nn.ConstantPad{site.rank}d", _padding(pairs), lowest)
    made = _pool("MaxPool", op, slides, [0] * site.rank, ceil=False)
    return Stage(pad, label="pad"), Stage(made, label=op.name, main=True)


def lower_avg_pool(site: Site) -> tuple[Stage, ...]:
    op = site.op
    assert isinstance(op, AvgPool)
    slides = op.slides(site.x)
    begins = [slide.begin for slide in slides]
    ceil = _ceil_mode(site, slides, wanted=op.ceil_mode)
    symmetric = all(slide.begin == slide.end for slide in slides)
    # PyTorch's kernels of three axes must fit into the map without its padding.
    fits = site.rank < 3 or all(map(_fits, slides, site.x.spatial))
    if fits and ceil is not None and (symmetric or not op.count_include_pad):
        made = _pool("AvgPool", op, slides, begins, ceil=ceil)
        counts = op.count_include_pad or not any(begins)
        counted = option("count_include_pad", counts, True, "count_include_pad")
        made = layer(f"nn.AvgPool{site.rank}d", keywords=[*made.keywords, counted])
        return (Stage(made, label=op.name, main=True),)
    if op.count_include_pad:
        return _mean_with_zeros(site, op, slides)
    made = layer(
        "PaddedAvgPool",
        keywords=[
            Keyword("kernel_size", per_axis([slide.kernel for slide in slides], "kernel_size")),
            Keyword("stride", per_axis([slide.stride for slide in slides], "stride")),
            Keyword("padding", Lit(_last_first([(s.begin, s.end + s.overhang) for s in slides]))),
        ],
    )
    return (Stage(made, label=op.name, main=True),)


def _fits(slide: Slide, size: int) -> bool:
    return slide.extent <= size


def _mean_with_zeros(site: Site, op: AvgPool, slides: Sequence[Slide]) -> tuple[Stage, ...]:
    """Zeros that count, as a layer before the pool. Ceil mode works on all axes alike: on one
    whose last window is dropped, so is the padding that this window alone would see."""
    ceil = any(slide.overhang for slide in slides)
    pairs = []
    for size, slide in zip(site.x.spatial, slides, strict=True):
        unseen = (size + slide.begin + slide.end - slide.kernel) % slide.stride
        dropped = unseen if ceil and not slide.overhang else 0
        pairs.append((slide.begin, slide.end - dropped))
    made = _pool("AvgPool", op, slides, [0] * site.rank, ceil=ceil)
    return (*_zeros(pairs), Stage(made, label=op.name, main=True))


def lower_adaptive_avg_pool(site: Site) -> tuple[Stage, ...]:
    made = layer(f"nn.AdaptiveAvgPool{site.rank}d", per_axis(site.output.spatial, "output_size"))
    return (Stage(made, label=site.op.name, main=True),)


FLATTEN = Stage(layer("nn.Flatten"), call("torch.flatten", hole(0), 1), label="flatten")
"""All axes but the batch, made one."""


def lower_global_pool(site: Site) -> tuple[Stage, ...]:
    """The mean or the largest element of each channel, with or without its spatial axes."""
    op = site.op
    assert isinstance(op, GlobalAvgPool | GlobalMaxPool)
    kind = "Avg" if isinstance(op, GlobalAvgPool) else "Max"
    pool = Stage(layer(f"nn.Adaptive{kind}Pool{site.rank}d", Lit(1)), label=op.name, main=True)
    return (pool,) if op.keep_dims else (pool, FLATTEN)
