"""Convolutions, pools and padding of ONNX as ops of archc."""

from __future__ import annotations

from archc.importers.network import Array
from archc.importers.onnx.rules.drafts import (
    Context,
    Draft,
    RefusedError,
    check_attributes,
    constant,
    is_op,
    only_term,
    operand,
    scalar,
    vector_of,
)
from archc.importers.onnx.shapes import pads_of, window_of
from archc.importers.onnx.terms import Term
from archc.importers.onnx.values import Constant, FoldError
from archc.importers.padding import Pairs, compact, padding_of
from archc.ops.convolution import Conv, ConvTranspose, DepthwiseConv
from archc.ops.pooling import AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool
from archc.ops.shape import Pad

WINDOW = ("auto_pad", "dilations", "kernel_shape", "pads", "strides")


def _shape(term: Term) -> tuple[int, ...]:
    assert term.shape is not None
    return term.shape


def conv(term: Term, context: Context) -> Draft:
    """Conv, with the padding of a Pad before it."""
    check_attributes(term, "group", *WINDOW)
    x, kernel = only_term(term), constant(term, 1)
    window = window_of(_shape(x)[2:], term.attributes, kernel.shape[2:])
    pairs = window.padding
    if is_op(x, "Pad"):
        own = zero_padding(x, context)
        if own is not None:
            x = only_term(x)
            pairs = tuple((a + c, b + d) for (a, b), (c, d) in zip(pairs, own, strict=True))
    weights = {"weight": kernel.array}
    bias = _bias(term, kernel.shape[0], weights)
    groups, channels, filters = term.attributes.get("group", 1), _shape(x)[1], kernel.shape[0]
    size, stride = compact(window.kernel), compact(window.stride)
    dilation = compact(window.dilation)
    if groups == channels > 1:
        op: Conv | DepthwiseConv = DepthwiseConv(
            kernel_size=size,
            multiplier=filters // channels,
            stride=stride,
            padding=padding_of(pairs),
            dilation=dilation,
            bias=bias,
        )
    else:
        op = Conv(
            filters=filters,
            kernel_size=size,
            stride=stride,
            padding=padding_of(pairs),
            dilation=dilation,
            groups=groups,
            bias=bias,
        )
    return Draft(op, (x,), weights)


def _bias(term: Term, size: int, weights: dict[str, Array]) -> bool:
    """Whether a term has a bias as its third input, which is then added to the weights."""
    if operand(term, 2) is None:
        return False
    bias = constant(term, 2)
    array = vector_of(bias, size)
    if array is None:
        raise RefusedError(f"{term.op} with a bias of {list(bias.shape)}")
    weights["bias"] = array
    return True


def conv_transpose(term: Term, context: Context) -> Draft:
    """ConvTranspose."""
    check_attributes(term, "group", "output_padding", *WINDOW)
    x, kernel = only_term(term), constant(term, 1)
    rank = len(_shape(x)) - 2
    window = window_of(_shape(x)[2:], term.attributes, kernel.shape[2:])
    groups = term.attributes.get("group", 1)
    weights = {"weight": kernel.array}
    filters = kernel.shape[1] * groups
    bias = _bias(term, filters, weights)
    op = ConvTranspose(
        filters=filters,
        kernel_size=compact(window.kernel),
        stride=compact(window.stride),
        padding=padding_of(window.padding),
        output_padding=compact(tuple(term.attributes.get("output_padding", [0] * rank))),
        dilation=compact(window.dilation),
        groups=groups,
        bias=bias,
    )
    return Draft(op, (x,), weights)


def pool(term: Term, context: Context) -> Draft:
    """MaxPool and AveragePool."""
    known = {"MaxPool": ("storage_order",), "AveragePool": ("count_include_pad",)}[term.op]
    check_attributes(term, "ceil_mode", *known, *WINDOW)
    x = only_term(term)
    kernel = term.attributes["kernel_shape"]
    window = window_of(_shape(x)[2:], term.attributes, kernel)
    if max(window.dilation) > 1:
        raise RefusedError(f"{term.op} with dilations {list(window.dilation)}")
    size = compact(window.kernel)
    stride = None if window.stride == window.kernel else compact(window.stride)
    padding = padding_of(window.padding)
    ceil_mode = bool(term.attributes.get("ceil_mode", 0))
    if term.op == "MaxPool":
        op: MaxPool | AvgPool = MaxPool(
            kernel_size=size, stride=stride, padding=padding, ceil_mode=ceil_mode
        )
        return Draft(op, (x,))
    # Without padding there is nothing to include.
    includes = bool(term.attributes.get("count_include_pad", 0)) and padding != "valid"
    op = AvgPool(
        kernel_size=size,
        stride=stride,
        padding=padding,
        ceil_mode=ceil_mode,
        count_include_pad=includes,
    )
    return Draft(op, (x,))


def global_pool(term: Term, context: Context) -> Draft:
    """GlobalAveragePool and GlobalMaxPool, which keep the axes."""
    check_attributes(term)
    op = GlobalAvgPool if term.op == "GlobalAveragePool" else GlobalMaxPool
    return Draft(op(keep_dims=True), (only_term(term),))


def reduce(term: Term, context: Context) -> Draft:
    """ReduceMean and ReduceMax over all of space."""
    check_attributes(term, "axes", "keepdims", noop_with_empty_axes=0)
    x = only_term(term)
    shape, rank = _shape(x), len(_shape(x))
    reduced = _shape(term)
    spatial = tuple(range(2, rank))
    axes = term.attributes.get("axes")
    if axes is None:
        axes = constant(term, 1).values or ()
    if context.is_sequence(x):
        spatial = (1,)
    if rank < 3 or tuple(sorted(axis % rank for axis in axes)) != spatial:
        raise RefusedError(f"{term.op} of {list(shape)} to {list(reduced)}")
    op = GlobalAvgPool if term.op == "ReduceMean" else GlobalMaxPool
    return Draft(op(keep_dims=bool(term.attributes.get("keepdims", 1))), (x,))


def zero_padding(term: Term, context: Context) -> Pairs | None:
    """What a Pad of zeros adds at both sides of each spatial axis; None for another Pad."""
    check_attributes(term, "mode", "pads", "paddings", "value")
    value = term.attributes.get("value", 0.0)
    if context.opset >= 11 and operand(term, 2) is not None:
        value = scalar(operand(term, 2))
    if value != 0 or term.attributes.get("mode", "constant") != "constant":
        return None
    return _spatial_pads(term, context)


def _spatial_pads(term: Term, context: Context) -> Pairs:
    try:
        pads = pads_of(term.inputs, term.attributes, context.opset)
    except FoldError as error:
        raise RefusedError(f"Pad of {error}") from None
    rank = len(pads) // 2
    pairs = tuple((pads[axis], pads[axis + rank]) for axis in range(rank))
    if any(map(any, pairs[:2])) or rank < 3 or min(pads) < 0:
        raise RefusedError(f"Pad with {pads}")
    return pairs[2:]


def pad(term: Term, context: Context) -> Draft:
    """Pad by a constant, or by mirroring."""
    check_attributes(term, "mode", "pads", "paddings", "value")
    pairs = _spatial_pads(term, context)
    mode = term.attributes.get("mode", "constant")
    value = term.attributes.get("value", 0.0)
    if context.opset >= 11 and isinstance(operand(term, 2), Constant):
        value = scalar(operand(term, 2))
    if mode not in ("constant", "reflect") or value is None or abs(value) > 1e30:
        raise RefusedError(f"Pad with mode {mode} and value {value}")
    amounts = padding_of(pairs)
    if amounts == "valid":
        return Draft(None, (only_term(term),))
    assert not isinstance(amounts, str)
    return Draft(Pad(padding=amounts, mode=mode, value=float(value)), (only_term(term),))
