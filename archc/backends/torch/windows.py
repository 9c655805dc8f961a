"""Convolutions and pools in PyTorch, and the padding and cropping around them.

PyTorch pads both sides of an axis alike, a pool by half its kernel at most; a convolution of stride
1 also as `same` has it, the odd element at the end. Any other padding is a layer of its own before
the window's.
"""

from __future__ import annotations

from collections.abc import Sequence

from archc.backends.base import LoweredLayer, LoweringContext, placeholder
from archc.backends.blocks.symbols import value_of
from archc.backends.constructors import layer, option, per_axis
from archc.backends.shared_padding import PAD
from archc.backends.torch.activations import fused
from archc.backends.torch.initializers import initialize
from archc.backends.torch.layers import PARAMETERS, incoming
from archc.backends.torch.shapes import FLATTEN
from archc.codegen.tree import (
    Attribute,
    Binary,
    Call,
    Expr,
    Index,
    Keyword,
    Lit,
    Ref,
    Slice,
    TupleOf,
    call,
)
from archc.ops.convolution import Conv, ConvTranspose, DepthwiseConv
from archc.ops.pooling import AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool
from archc.ops.shape import Crop, Pad
from archc.ops.sliding import Window

MOST_AXES = 3
"""Spatial axes of a map: the means of PyTorch over so many need a window that fits into it."""

Pairs = Sequence[tuple[int, int]]
"""Elements at the begin and end of each spatial axis."""


def _last_first(pairs: Pairs) -> tuple[int, ...]:
    """`pairs` in PyTorch's order: the last axis first, each begin before its end."""
    return tuple(amount for pair in reversed(pairs) for amount in pair)


def _padding(pairs: Pairs, field: str | None = None) -> Lit:
    return per_axis(_last_first(pairs), field)


def pairs_of(padding: Call) -> tuple[tuple[int, int], ...]:
    """The elements that a padding layer adds at the begin and end of each spatial axis."""
    assert isinstance(padding.function, Ref)
    rank = int(padding.function.name[-2])
    amounts, *_ = padding.arguments
    if isinstance(amounts, TupleOf):
        numbers = [value_of(amount, {}) for amount in amounts.items]
        amounts = Lit(tuple(one for one in numbers if isinstance(one, int)))
    assert isinstance(amounts, Lit)
    value = amounts.value
    flat = value if isinstance(value, tuple) else (value,) * (2 * rank)
    counts = [number for number in flat if isinstance(number, int)]
    return tuple(zip(counts[::2], counts[1::2], strict=True))[::-1]


def _zeros(pairs: Pairs) -> tuple[LoweredLayer, ...]:
    """A layer that pads with zeros; none where there is nothing to pad."""
    if not any(map(any, pairs)):
        return ()
    return (_pad(len(pairs), _padding(pairs, "padding")),)


def _pad(rank: int, padding: Expr) -> LoweredLayer:
    return LoweredLayer(layer(f"nn.ZeroPad{rank}d", padding), label=PAD)


def _causal(window: Window) -> LoweredLayer:
    """The zeros before a causal window, by what their number follows from."""
    before = Binary("-", Lit(window.kernel, "kernel_size"), Lit(1))
    return _pad(1, TupleOf((Binary("*", before, Lit(window.dilation, "dilation")), Lit(0))))


def _cut(pairs: Pairs) -> tuple[Call, Expr]:
    """The layer and the expression that cut `pairs` off."""
    amounts = [(-begin, -end) for begin, end in pairs]
    keys = (
        Slice(Lit(begin) if begin else None, Lit(-end) if end else None) for begin, end in pairs
    )
    return (
        layer(f"nn.ZeroPad{len(pairs)}d", _padding(amounts)),
        Index(placeholder(0), (Slice(), Slice(), *keys)),
    )


def lower_pad(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op = context.op
    assert isinstance(op, Pad)
    padding = _padding(op.amounts(context.x), "padding")
    if op.mode == "reflect":
        constructor = layer(f"nn.ReflectionPad{context.rank}d", padding)
    elif op.value == 0:
        constructor = layer(f"nn.ZeroPad{context.rank}d", padding)
    else:
        constructor = layer(f"nn.ConstantPad{context.rank}d", padding, Lit(op.value, "value"))
    return (LoweredLayer(constructor, label=op.name, main=True),)


def lower_crop(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op = context.op
    assert isinstance(op, Crop)
    constructor, expression = _cut(op.amounts(context.x))
    return (LoweredLayer(constructor, expression, label=op.name, main=True),)


def lower_conv(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op = context.op
    assert isinstance(op, Conv)
    return _convolution(context, op, Lit(op.filters, "filters"), Lit(op.groups, "groups"))


def lower_depthwise_conv(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op, width = context.op, incoming(context.x)
    assert isinstance(op, DepthwiseConv)
    filters = width if op.multiplier == 1 else Lit(context.output.width, "filters")
    return _convolution(context, op, filters, width)


def _convolution(
    context: LoweringContext, op: Conv | DepthwiseConv, filters: Lit, groups: Lit
) -> tuple[LoweredLayer, ...]:
    windows = op.windows(context.x)
    pairs = [(window.begin, window.end) for window in windows]
    symmetric = all(begin == end for begin, end in pairs)
    same = not symmetric and all(map(_keeps_size, windows))
    if same:
        padding = Lit("same", "padding")
    else:
        padding = per_axis([begin if symmetric else 0 for begin, _ in pairs], "padding")
    convolution = layer(
        f"nn.Conv{context.rank}d",
        incoming(context.x),
        filters,
        keywords=[
            Keyword("kernel_size", per_axis([window.kernel for window in windows], "kernel_size")),
            Keyword("stride", per_axis([window.stride for window in windows], "stride"), Lit(1)),
            Keyword("padding", padding, Lit(0)),
            Keyword(
                "dilation", per_axis([window.dilation for window in windows], "dilation"), Lit(1)
            ),
            Keyword("groups", groups, Lit(1)),
            option("bias", op.bias, True, "bias"),
        ],
    )
    zeros: tuple[LoweredLayer, ...] = ()
    if not symmetric and not same:
        zeros = (_causal(windows[0]),) if op.padding == "causal" else _zeros(pairs)
    return (
        *zeros,
        _weighted(op, convolution),
        *fused(op.activation, context.output, filters),
    )


def _keeps_size(window: Window) -> bool:
    """Whether `padding="same"` of PyTorch lays a window just so."""
    total = window.extent - 1
    begin = total // 2
    return window.stride == 1 and (window.begin, window.end) == (begin, total - begin)


def _weighted(op: Conv | DepthwiseConv | ConvTranspose, constructor: Call) -> LoweredLayer:
    return LoweredLayer(
        constructor,
        label=op.name,
        main=True,
        variables=PARAMETERS,
        initialize=initialize(op.initializer),
    )


def lower_conv_transpose(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    """PyTorch cuts the same number off both sides and gives back `output_padding` at the end, less
    than the stride or the dilation. Where more is cut off the end, a crop follows; where the end
    is longer, zeros behind the input make room for it."""
    op, x = context.op, context.x
    assert isinstance(op, ConvTranspose)
    transposed_windows = op.transposed_windows(x)
    longer: list[tuple[int, int]] = []
    output_padding: list[int] = []
    cropped: list[tuple[int, int]] = []
    for axis in transposed_windows:
        more = axis.crop_begin - axis.crop_end + axis.extra
        most = max(axis.stride, axis.dilation) - 1
        zeros = max(0, -(-(more - most) // axis.stride))
        more -= zeros * axis.stride
        longer.append((0, zeros))
        output_padding.append(max(0, more))
        cropped.append((0, max(0, -more)))
    filters = Lit(op.filters, "filters")
    constructor = layer(
        f"nn.ConvTranspose{context.rank}d",
        incoming(x),
        filters,
        keywords=[
            Keyword(
                "kernel_size", per_axis([axis.kernel for axis in transposed_windows], "kernel_size")
            ),
            Keyword(
                "stride", per_axis([axis.stride for axis in transposed_windows], "stride"), Lit(1)
            ),
            Keyword(
                "padding",
                per_axis([axis.crop_begin for axis in transposed_windows], "padding"),
                Lit(0),
            ),
            Keyword("output_padding", per_axis(output_padding, "output_padding"), Lit(0)),
            option("groups", op.groups, 1, "groups"),
            option("bias", op.bias, True, "bias"),
            Keyword(
                "dilation",
                per_axis([axis.dilation for axis in transposed_windows], "dilation"),
                Lit(1),
            ),
        ],
    )
    crop = [LoweredLayer(*_cut(cropped), label="crop")] if any(map(any, cropped)) else []
    return (
        *_zeros(longer),
        _weighted(op, constructor),
        *crop,
        *fused(op.activation, context.output, filters),
    )


def _outputs(size: int, window: Window, padding: int, *, ceil_mode: bool) -> int:
    """The number of windows that a pool of PyTorch makes along an axis."""
    room = size + 2 * padding - window.kernel
    if not ceil_mode:
        return room // window.stride + 1
    windows = -(-room // window.stride)
    # A window that would start in the padding at the end is dropped.
    return windows + (windows * window.stride < size + padding)


def _ceil_mode(
    context: LoweringContext, windows: Sequence[Window], *, preferred: bool
) -> bool | None:
    """The ceil mode in which PyTorch's own padding, that at the begin on both sides, makes the same
    windows; None where neither does. What lies behind the map's end is seen by no window's result.
    """
    if any(window.begin > window.kernel // 2 for window in windows):
        return None
    for mode in (preferred, not preferred):
        if all(
            _outputs(size, window, window.begin, ceil_mode=mode) == window.output
            for size, window in zip(context.x.spatial, windows, strict=True)
        ):
            return mode
    return None


def _pool(
    name: str, op: MaxPool | AvgPool, windows: Sequence[Window], pads: Sequence[int], *, ceil: bool
) -> Call:
    """A pool of PyTorch, whose stride is its kernel's size by default."""
    kernel = per_axis([window.kernel for window in windows], "kernel_size")
    own = "kernel_size" if op.stride is None else "stride"
    return layer(
        f"nn.{name}{len(windows)}d",
        keywords=[
            Keyword("kernel_size", kernel),
            Keyword("stride", per_axis([window.stride for window in windows], own), kernel),
            Keyword("padding", per_axis(pads, "padding"), Lit(0)),
            option("ceil_mode", ceil, False, "ceil_mode"),
        ],
    )


def lower_max_pool(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op = context.op
    assert isinstance(op, MaxPool)
    windows = op.windows(context.x)
    begins = [window.begin for window in windows]
    ceil = _ceil_mode(context, windows, preferred=op.ceil_mode)
    if ceil is not None:
        constructor = _pool("MaxPool", op, windows, begins, ceil=ceil)
        return (LoweredLayer(constructor, label=op.name, main=True),)
    pairs = [(window.begin, window.end + window.overhang) for window in windows]
    lowest = call("float", "-inf")
    pad = layer(f"nn.ConstantPad{context.rank}d", _padding(pairs), lowest)
    constructor = _pool("MaxPool", op, windows, [0] * context.rank, ceil=False)
    return LoweredLayer(pad, label=PAD), LoweredLayer(constructor, label=op.name, main=True)


def lower_avg_pool(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op = context.op
    assert isinstance(op, AvgPool)
    windows = op.windows(context.x)
    begins = [window.begin for window in windows]
    ceil = _ceil_mode(context, windows, preferred=op.ceil_mode)
    symmetric = all(window.begin == window.end for window in windows)
    # There the padding of the pool itself is no part of the map.
    fits = context.rank < MOST_AXES or all(map(_fits, windows, context.x.spatial))
    if fits and ceil is not None and (symmetric or not op.count_include_pad):
        constructor = _pool("AvgPool", op, windows, begins, ceil=ceil)
        counts = op.count_include_pad or not any(begins)
        counted = option("count_include_pad", counts, True, "count_include_pad")
        constructor = layer(f"nn.AvgPool{context.rank}d", keywords=[*constructor.keywords, counted])
        return (LoweredLayer(constructor, label=op.name, main=True),)
    if op.count_include_pad:
        return _mean_with_zeros(context, op, windows)
    pairs = [(window.begin, window.end + window.overhang) for window in windows]
    return (LoweredLayer(_mean_inside(windows, pairs), label=op.name, main=True),)


def _mean_inside(windows: Sequence[Window], pairs: Pairs) -> Call:
    """The mean of what lies inside the map, which is padded by pairs of begin and end."""
    return layer(
        "PaddedAvgPool",
        keywords=[
            Keyword("kernel_size", per_axis([window.kernel for window in windows], "kernel_size")),
            Keyword("stride", per_axis([window.stride for window in windows], "stride")),
            Keyword("padding", Lit(_last_first(pairs))),
        ],
    )


def _fits(window: Window, size: int) -> bool:
    return window.extent <= size


def _mean_with_zeros(
    context: LoweringContext, op: AvgPool, windows: Sequence[Window]
) -> tuple[LoweredLayer, ...]:
    """Zeros that count, as a layer before the pool. Ceil mode works on all axes alike: on one
    whose last window is dropped, so is the padding that this window alone would see."""
    ceil = any(window.overhang for window in windows)
    pairs = []
    for size, window in zip(context.x.spatial, windows, strict=True):
        unseen = (size + window.begin + window.end - window.kernel) % window.stride
        dropped = unseen if ceil and not window.overhang else 0
        pairs.append((window.begin, window.end - dropped))
    sizes = [
        size + begin + end for size, (begin, end) in zip(context.x.spatial, pairs, strict=True)
    ]
    if context.rank == MOST_AXES and not all(map(_fits, windows, sizes)):
        overhangs = [(0, window.overhang) for window in windows]
        constructor = _mean_inside(windows, overhangs)
    else:
        constructor = _pool("AvgPool", op, windows, [0] * context.rank, ceil=ceil)
    return (*_zeros(pairs), LoweredLayer(constructor, label=op.name, main=True))


def lower_adaptive_avg_pool(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    constructor = layer(
        f"nn.AdaptiveAvgPool{context.rank}d", per_axis(context.output.spatial, "output_size")
    )
    return (LoweredLayer(constructor, label=context.op.name, main=True),)


def lower_global_pool(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    """The mean or the largest element of each channel, with or without its spatial axes; of each
    feature over the tokens."""
    op = context.op
    assert isinstance(op, GlobalAvgPool | GlobalMaxPool)
    if context.x.is_sequence:
        function = Attribute(placeholder(0), "mean" if isinstance(op, GlobalAvgPool) else "amax")
        kept = option("keepdim", op.keep_dims, False, "keep_dims")
        pooled = Call(function, (), (Keyword("dim", Lit(1)), kept))
        return (LoweredLayer(expression=pooled, label=op.name, main=True),)
    kind = "Avg" if isinstance(op, GlobalAvgPool) else "Max"
    pool = LoweredLayer(
        layer(f"nn.Adaptive{kind}Pool{context.rank}d", Lit(1)), label=op.name, main=True
    )
    return (pool,) if op.keep_dims else (pool, FLATTEN)
