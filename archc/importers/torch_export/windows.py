"""Convolutions, pools, padding and enlarging of PyTorch as ops of archc."""

from __future__ import annotations

import math

from archc.importers.network import Array
from archc.importers.padding import Pairs, compact, padding_of
from archc.importers.torch_export.calls import Bound, Call, Constant, Node, Unknown
from archc.importers.torch_export.layouts import map_of
from archc.ops.convolution import Conv, ConvTranspose, DepthwiseConv
from archc.ops.pooling import (
    AdaptiveAvgPool,
    AvgPool,
    GlobalAvgPool,
    GlobalMaxPool,
    MaxPool,
)
from archc.ops.shape import Crop, Pad, Upsample


def spread(node: Node, name: str, rank: int, default: list[int], least: int = 1) -> tuple[int, ...]:
    """An argument with a number for each spatial axis; a single one is for all. Raises
    RefusedError."""
    values = node.integers(name, default) or default
    if len(values) == 1:
        values = values * rank
    if len(values) != rank or min(values) < least:
        node.refuse(f"with {name} {values} over {rank} axes")
    return tuple(values)


def groups_of(node: Node) -> int:
    """The groups of a convolution. Raises RefusedError."""
    groups = node.get("groups", 1)
    if groups < 1:
        node.refuse(f"with {groups} groups")
    return groups


def kernel_of(node: Node) -> Constant:
    """The kernel of a convolution. Raises RefusedError."""
    kernel = node.array("weight")
    if kernel is None or not 3 <= len(kernel.shape) <= 5:
        node.refuse("without a kernel")
    return kernel


def weights_of(node: Node, kernel: Constant, filters: int) -> dict[str, Array]:
    """The weights of a convolution. Raises RefusedError."""
    weights = {"weight": kernel.array}
    bias = node.array("bias")
    if bias is not None:
        if bias.shape != (filters,):
            node.refuse(f"with a bias of {list(bias.shape)}")
        weights["bias"] = bias.array
    return weights


def conv(node: Node) -> Bound:
    """A convolution, with the zeros that are padded before it; one whose groups are its channels is
    depthwise."""
    if node.get("transposed", False):
        return conv_transpose(node)
    node.require(output_padding=[0] * (len(node.shape) - 2))
    kernel = kernel_of(node)
    rank = len(kernel.shape) - 2
    x, padded = _padded(map_of(node.tensor(), node))
    pairs = _conv_padding(node, rank, kernel)
    if padded is not None:
        pairs = tuple((a + c, b + d) for (a, b), (c, d) in zip(pairs, padded, strict=True))
    filters, groups = kernel.shape[0], groups_of(node)
    weights = weights_of(node, kernel, filters)
    size = compact(kernel.shape[2:])
    stride = compact(spread(node, "stride", rank, [1]))
    dilation = compact(spread(node, "dilation", rank, [1]))
    padding = padding_of(pairs)
    bias = "bias" in weights
    if groups == x.axes.width > 1:
        op: Conv | DepthwiseConv = DepthwiseConv(
            kernel_size=size,
            multiplier=filters // groups,
            stride=stride,
            padding=padding,
            dilation=dilation,
            bias=bias,
        )
    else:
        op = Conv(
            filters=filters,
            kernel_size=size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=bias,
        )
    return node.call(op, (x,), weights)


def _padded(x: Call) -> tuple[Call, Pairs | None]:
    """What a layer takes, and the zeros that are added to it first."""
    if isinstance(x.op, Pad) and x.op.mode == "constant" and x.op.value == 0:
        (source,) = x.inputs
        return source, x.op.amounts(source.axes)
    return x, None


def _conv_padding(node: Node, rank: int, kernel: Constant) -> Pairs:
    """The padding of a convolution: numbers, or in words."""
    value = node.arguments.get("padding")
    if value == "same":
        pairs = []
        for extent, step in zip(kernel.shape[2:], spread(node, "dilation", rank, [1]), strict=True):
            total = step * (extent - 1)
            pairs.append((total // 2, total - total // 2))
        return tuple(pairs)
    if value == "valid":
        return ((0, 0),) * rank
    return tuple((one, one) for one in spread(node, "padding", rank, [0], 0))


def conv_transpose(node: Node) -> Bound:
    """A transposed convolution."""
    kernel = kernel_of(node)
    rank = len(kernel.shape) - 2
    x = map_of(node.tensor(), node)
    groups = groups_of(node)
    filters = kernel.shape[1] * groups
    weights = weights_of(node, kernel, filters)
    op = ConvTranspose(
        filters=filters,
        kernel_size=compact(kernel.shape[2:]),
        stride=compact(spread(node, "stride", rank, [1])),
        padding=padding_of(tuple((one, one) for one in spread(node, "padding", rank, [0], 0))),
        output_padding=compact(spread(node, "output_padding", rank, [0], 0)),
        dilation=compact(spread(node, "dilation", rank, [1])),
        groups=groups,
        bias="bias" in weights,
    )
    return node.call(op, (x,), weights)


def pool(node: Node) -> Bound:
    """A pool of the largest, or of the mean."""
    x = map_of(node.tensor(), node)
    rank = len(x.axes.spatial)
    node.require(dilation=[1] * rank, divisor_override=None)
    kernel = spread(node, "kernel_size", rank, [])
    stride = spread(node, "stride", rank, list(kernel))
    pads = spread(node, "padding", rank, [0], 0)
    size, step = compact(kernel), None if stride == kernel else compact(stride)
    padding = padding_of(tuple((one, one) for one in pads))
    ceil_mode = node.get("ceil_mode", False)
    if node.kind.startswith("max_pool"):
        op: MaxPool | AvgPool = MaxPool(
            kernel_size=size, stride=step, padding=padding, ceil_mode=ceil_mode
        )
    else:
        counted = node.get("count_include_pad", True) and any(pads)
        op = AvgPool(
            kernel_size=size,
            stride=step,
            padding=padding,
            ceil_mode=ceil_mode,
            count_include_pad=counted,
        )
    return node.call(op, (x,))


PLACES = "the places of the largest elements"


def pool_with_places(node: Node) -> list[Bound]:
    """A pool of the largest, and where they are, which nothing takes."""
    return [pool(node), Unknown(PLACES)]


def adaptive_pool(node: Node) -> Bound:
    """A pool of the mean to a fixed size; to a single element, over all of space."""
    x, sizes = _adaptive(node)
    if math.prod(sizes) == 1:
        return node.call(GlobalAvgPool(keep_dims=True), (x,))
    return node.call(AdaptiveAvgPool(output_size=compact(sizes)), (x,))


def adaptive_max_pool(node: Node) -> list[Bound]:
    """A pool of the largest over all of space, or over parts of equal size, and where they are,
    which nothing takes."""
    x, sizes = _adaptive(node)
    if math.prod(sizes) == 1:
        return [node.call(GlobalMaxPool(keep_dims=True), (x,)), Unknown(PLACES)]
    pairs = list(zip(x.axes.spatial, sizes, strict=True))
    if any(before % after for before, after in pairs):
        node.refuse(f"of {list(x.axes.spatial)} to {list(sizes)}")
    kernel = compact(tuple(before // after for before, after in pairs))
    return [node.call(MaxPool(kernel_size=kernel), (x,)), Unknown(PLACES)]


def _adaptive(node: Node) -> tuple[Call, tuple[int, ...]]:
    x = map_of(node.tensor(), node)
    return x, spread(node, "output_size", len(x.axes.spatial), [])


def pad(node: Node) -> Bound:
    """Padding by a constant, or mirrored; below zero, elements cut off."""
    mode = node.get("mode", "constant")
    amounts = node.integers("pad", [])
    if not any(amounts):
        return node.tensor()._replace(name=node.outputs[0])
    x = map_of(node.tensor(), node)
    rank = len(x.axes.spatial)
    if mode not in ("constant", "reflect") or len(amounts) % 2 or len(amounts) > 2 * rank:
        node.refuse(f"with pad {amounts} and mode {mode}")
    cuts = max(amounts) <= 0
    if min(amounts) < 0 and not (cuts and mode == "constant"):
        node.refuse(f"with pad {amounts}")
    # The last axis comes first.
    pairs = [(abs(amounts[i]), abs(amounts[i + 1])) for i in range(0, len(amounts), 2)]
    pairs += [(0, 0)] * (rank - len(pairs))
    own = padding_of(tuple(reversed(pairs)))
    assert not isinstance(own, str)
    if cuts:
        return node.call(Crop(cropping=own), (x,))
    return node.call(Pad(padding=own, mode=mode, value=node.get("value", 0.0)), (x,))


MODES = {
    "upsample_nearest": "nearest",
    **dict.fromkeys((f"upsample_{kind}" for kind in ("linear", "bilinear", "trilinear")), "linear"),
}


def upsample(node: Node) -> Bound:
    """A map enlarged by a whole factor."""
    x = map_of(node.tensor(), node)
    node.require(align_corners=False)
    mode = MODES.get(node.kind[:-2])
    pairs = list(zip(node.shape[2:], x.axes.spatial, strict=True))
    if mode is None or any(after % before for after, before in pairs):
        node.refuse(f"of {list(x.axes.spatial)} to {list(node.shape[2:])}")
    factors = tuple(after // before for after, before in pairs)
    for name in ("scale_factors", "scales_h", "scales_w", "scales"):
        scales = node.arguments.get(name)
        items = scales if isinstance(scales, list) else [scales] if scales is not None else []
        if any(one not in factors for one in items):
            node.refuse(f"with {name} {items}")
    return node.call(Upsample(scale=compact(factors), mode=mode), (x,))
