"""Ops that move elements, in ONNX: reshapes, transposes, slices and chosen elements."""

from __future__ import annotations

from archc.backends.base import LoweringContext
from archc.backends.fusion import move_of
from archc.backends.movement import View, steps
from archc.backends.onnx.operators import X, op, reshape, transpose
from archc.codegen.tree import Expr
from archc.ops.arrangement import DepthToSpace
from archc.ops.shape import ChannelShuffle, Select, Split, Upsample


def flattened(_: LoweringContext) -> Expr:
    return op("Flatten", X, axis=1)


def moved(context: LoweringContext) -> Expr:
    """Axes joined, split and transposed within each sample."""
    y: Expr = X
    for step in steps(context.x.sizes, [move_of(context.op, context.x, context.output)]):
        y = reshape(y, *step.sizes) if isinstance(step, View) else transpose(y, *step.order)
    return y


def depth_to_space(context: LoweringContext) -> Expr:
    assert isinstance(context.op, DepthToSpace)
    return op("DepthToSpace", X, blocksize=context.op.block_size, mode="CRD")


def channel_shuffle(context: LoweringContext) -> Expr:
    own, x = context.op, context.x
    assert isinstance(own, ChannelShuffle)
    split = reshape(X, own.groups, x.width // own.groups, *x.spatial)
    swapped = transpose(split, 1, 0, *range(2, 2 + len(x.spatial)))
    return reshape(swapped, *x.sizes)


def _width_axis(context: LoweringContext) -> int:
    """The axis of the channels or features, the batch counted."""
    return 2 if context.x.is_sequence else 1


def select(context: LoweringContext) -> Expr:
    own = context.op
    assert isinstance(own, Select)
    if own.channels is not None:
        return op("Gather", X, tuple(own.channels), axis=_width_axis(context))
    return op("Gather", X, own.tokens, axis=1)


def split(context: LoweringContext) -> Expr:
    own = context.op
    assert isinstance(own, Split)
    size = context.output.width
    begin = own.index * size
    return op("Slice", X, (begin,), (begin + size,), (_width_axis(context),))


def upsample(context: LoweringContext) -> Expr:
    own = context.op
    assert isinstance(own, Upsample)
    scales = (1.0, 1.0, *map(float, own.scales(context.x)))
    if own.mode == "linear":
        return op("Resize", X, None, scales, mode="linear")
    return op(
        "Resize",
        X,
        None,
        scales,
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
