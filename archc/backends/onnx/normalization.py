"""Normalisation in ONNX."""

from __future__ import annotations

from archc.backends.base import LoweringContext
from archc.backends.onnx.operators import X, channels_first, channels_last, op, reshape, variable
from archc.codegen.tree import Expr
from archc.ops.normalization import BatchNorm, GroupNorm, LayerNorm, LocalResponseNorm, RmsNorm

USUAL_MOMENTUM = 0.9
"""ONNX's default, by the same rule as archc's: evaluation does not use it, another export may."""


def _affine(width: int, *, affine: bool) -> tuple[Expr, Expr]:
    """The weight and bias of each channel: ones and zeros where none are learned."""
    if affine:
        return variable("weight"), variable("bias")
    return op("Expand", 1.0, (width,)), op("Expand", 0.0, (width,))


def batch_norm(context: LoweringContext) -> Expr:
    own = context.op
    assert isinstance(own, BatchNorm)
    return op(
        "BatchNormalization",
        X,
        *_affine(context.x.width, affine=own.affine),
        variable("running_mean"),
        variable("running_var"),
        epsilon=own.epsilon,
        **({} if own.momentum == USUAL_MOMENTUM else {"momentum": float(own.momentum)}),
    )


def layer_norm(context: LoweringContext) -> Expr:
    own, rank = context.op, context.rank
    assert isinstance(own, LayerNorm)
    weight, bias = _affine(context.x.width, affine=own.affine)
    bias_if_any = [bias] if own.affine else []
    x = channels_last(X, rank) if rank else X
    y = op("LayerNormalization", x, weight, *bias_if_any, axis=-1, epsilon=own.epsilon)
    return channels_first(y, rank) if rank else y


def rms_norm(context: LoweringContext) -> Expr:
    own, rank = context.op, context.rank
    assert isinstance(own, RmsNorm)
    x = channels_last(X, rank) if rank else X
    y = op("RMSNormalization", x, variable("weight"), axis=-1, epsilon=own.epsilon)
    return channels_first(y, rank) if rank else y


def group_norm(context: LoweringContext) -> Expr:
    """ONNX's operator needs an axis behind the channels."""
    own, x = context.op, context.x
    assert isinstance(own, GroupNorm)
    y = op(
        "GroupNormalization",
        X if context.rank else reshape(X, x.width, 1),
        *_affine(x.width, affine=own.affine),
        num_groups=own.groups,
        epsilon=own.epsilon,
    )
    return y if context.rank else reshape(y, x.width)


def local_response_norm(context: LoweringContext) -> Expr:
    """ONNX divides alpha by the size, and has the extra channel of an even size behind: then, and
    of other maps than images, the sum is a mean along the channels, as an image's rows; so it is
    where a runtime refuses the exponent or the factor."""
    own, x = context.op, context.x
    assert isinstance(own, LocalResponseNorm)
    if context.rank == 2 and own.size % 2 and own.alpha > 0 and own.beta > 0:
        return op(
            "LRN",
            X,
            alpha=own.alpha * own.size,
            beta=float(own.beta),
            bias=own.k,
            size=own.size,
        )
    before = own.size // 2
    rows = reshape(op("Mul", X, X), 1, x.width, x.elements // x.width)
    means = op(
        "AveragePool",
        rows,
        kernel_shape=(own.size, 1),
        pads=(before, 0, own.size - 1 - before, 0),
        count_include_pad=1,
    )
    sums = op("Mul", reshape(means, *x.sizes), float(own.size * own.alpha))
    return op("Div", X, op("Pow", op("Add", sums, float(own.k)), float(own.beta)))
