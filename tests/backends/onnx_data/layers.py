"""Operators of ONNX with windows, weights or norms, and activations, as steps of archc: one
function each. The formulas are those of ONNX's operator documentation."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from tests.backends.onnx_data.reasons import NotApplicableError, Reason
from tests.backends.onnx_data.translation import Node, Translation, Value

# Windows


def _windows(node: Node, rank: int) -> tuple[list[int], list[int]]:
    """Strides and dilations."""
    return node.get("strides", [1] * rank), node.get("dilations", [1] * rank)


def _padding(
    node: Node, sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int]
) -> str | list[list[int]]:
    """`padding` of an undilated window. SAME_LOWER has the odd element at the begin."""
    automatic = node.get("auto_pad", "NOTSET")
    if automatic == "SAME_UPPER":
        return "same"
    if automatic == "SAME_LOWER":
        totals = [
            max((-(-size // stride) - 1) * stride + window - size, 0)
            for size, window, stride in zip(sizes, kernel, strides, strict=True)
        ]
        return [[total - total // 2, total // 2] for total in totals]
    pads = node.get("pads", [0] * 2 * len(sizes))
    return [list(pair) for pair in zip(pads[: len(sizes)], pads[len(sizes) :], strict=True)]


def conv(to: Translation, node: Node) -> Value:
    x, weight = to.value(node.inputs[0]), to.array(node.inputs[1])
    to.need_batch()
    groups, (width, *spatial), kernel = node.get("group", 1), to.sizes(x), weight.shape[2:]
    strides, dilations = _windows(node, len(spatial))
    fields: dict[str, Any] = {
        "kernel_size": kernel,
        "stride": strides,
        "dilation": dilations,
        "padding": _padding(node, spatial, kernel, strides),
        "bias": node.has_input(2),
    }
    weights = {"weight": weight}
    if fields["bias"]:
        weights["bias"] = to.array(node.inputs[2])
    sizes = to.shape(node.outputs[0])[1:]
    if groups == width > 1:
        fields["multiplier"] = len(weight) // width
        return to.step("depthwise_conv", fields, [x], sizes, weights)
    fields |= {"filters": len(weight), "groups": groups}
    return to.step("conv", fields, [x], sizes, weights)


def conv_transpose(to: Translation, node: Node) -> Value:
    x, weight = to.value(node.inputs[0]), to.array(node.inputs[1])
    to.need_batch()
    if node.get("group", 1) > 1:
        raise NotApplicableError(Reason.GROUPED_TRANSPOSE)
    spatial, kernel = to.sizes(x)[1:], weight.shape[2:]
    strides, dilations = _windows(node, len(spatial))
    extra = list(node.get("output_padding", [0] * len(spatial)))
    padding: Any = _padding(node, spatial, kernel, strides)
    if "output_shape" in node.attributes:
        padding = []
        for axis, length in enumerate(node.attributes["output_shape"]):
            extent = dilations[axis] * (kernel[axis] - 1) + 1
            total = (spatial[axis] - 1) * strides[axis] + extra[axis] + extent - length
            begin, end = total - total // 2, total // 2
            padding.append([begin, max(end, 0)])
            extra[axis] += max(-end, 0)
    fields = {
        "filters": weight.shape[1],
        "kernel_size": kernel,
        "stride": strides,
        "dilation": dilations,
        "padding": padding,
        "output_padding": extra,
        "bias": node.has_input(2),
    }
    weights = {"weight": weight}
    if fields["bias"]:
        weights["bias"] = to.array(node.inputs[2])
    return to.step("conv_transpose", fields, [x], to.shape(node.outputs[0])[1:], weights)


def _pool(to: Translation, node: Node, op: str, fields: dict[str, Any]) -> Value:
    x = to.value(node.inputs[0])
    to.need_batch()
    kernel, spatial = node.attributes["kernel_shape"], to.sizes(x)[1:]
    strides, dilations = _windows(node, len(spatial))
    if set(dilations) != {1}:
        raise NotApplicableError(Reason.DILATED_POOL)
    fields |= {
        "kernel_size": kernel,
        "stride": strides,
        "padding": _padding(node, spatial, kernel, strides),
        "ceil_mode": bool(node.get("ceil_mode", 0)),
    }
    return to.step(op, fields, [x], to.shape(node.outputs[0])[1:])


def max_pool(to: Translation, node: Node) -> Value:
    return _pool(to, node, "max_pool", {})


def average_pool(to: Translation, node: Node) -> Value:
    return _pool(
        to, node, "avg_pool", {"count_include_pad": bool(node.get("count_include_pad", 0))}
    )


def global_pool(op: str, to: Translation, node: Node) -> Value:
    x = to.value(node.inputs[0])
    to.need_batch()
    return to.step(op, {"keep_dims": True}, [x], to.shape(node.outputs[0])[1:])


def reduce(op: str, to: Translation, node: Node) -> Value:
    """Means or maxima over a sample but for one axis at most, which is taken for the channels."""
    x = to.value(node.inputs[0])
    axes = to.array(node.inputs[1]) if node.has_input(1) else node.get("axes", [])
    reduced = {to.position(x, int(axis)) for axis in axes}
    if not len(axes):
        if not to.whole:
            raise NotApplicableError(Reason.ALONG_BATCH)
        reduced = set(range(len(x.shape)))
    kept = [one for one in range(len(to.sizes(x))) if one not in reduced]
    if len(kept) > 1:
        raise NotApplicableError(Reason.PARTIAL_REDUCTION)
    if kept:
        x = to.first(x, kept[0])
    else:
        elements = prod(to.sizes(x))
        x = to.reshaped(x, (1, elements))
    pooled = to.step(op, {}, [x], to.sizes(x)[:1])
    return to.as_tensor(pooled, to.shape(node.outputs[0]))


# Products


def gemm(to: Translation, node: Node) -> Value:
    to.need_batch()
    if node.get("transA", 0):
        raise NotApplicableError(Reason.BATCH_SECOND)
    x, weight = to.value(node.inputs[0]), to.array(node.inputs[1])
    weight = node.get("alpha", 1.0) * (weight if node.get("transB", 0) else weight.T)
    fields: dict[str, Any] = {"units": len(weight)}
    weights = {"weight": weight}
    beta = node.get("beta", 1.0)
    fields["bias"] = node.has_input(2) and beta != 0
    if fields["bias"]:
        bias = beta * to.array(node.inputs[2])
        if bias.ndim == 2 and len(bias) > 1:
            raise NotApplicableError(Reason.BIAS_OF_SAMPLE)
        weights["bias"] = np.broadcast_to(bias.reshape(-1), (len(weight),))
    return to.step("dense", fields, [x], (len(weight),), weights)


def matmul(to: Translation, node: Node) -> Value:
    to.need_batch()
    x, weight = to.value(node.inputs[0]), to.array(node.inputs[1])
    if weight.ndim != 2 or len(to.sizes(x)) != 1:
        raise NotApplicableError(Reason.PRODUCT_OF_VALUES)
    fields = {"units": weight.shape[1], "bias": False}
    return to.step("dense", fields, [x], weight.shape[1:], {"weight": weight.T})


# Normalisation


def batch_norm(to: Translation, node: Node) -> Value:
    to.need_batch()
    if node.get("training_mode", 0):
        raise NotApplicableError(Reason.TRAINING)
    names = ("weight", "bias", "running_mean", "running_var")
    weights = {name: to.array(one) for name, one in zip(names, node.inputs[1:], strict=True)}
    fields = {"epsilon": node.get("epsilon", 1e-5), "momentum": node.get("momentum", 0.9)}
    return to.same("batch_norm", fields, to.value(node.inputs[0]), weights)


def _affine(to: Translation, node: Node) -> dict[str, Any]:
    weight, bias = (to.array(name).reshape(-1) for name in node.inputs[1:])
    return {"weight": weight, "bias": bias}


def layer_norm(to: Translation, node: Node) -> Value:
    """Along the last axis alone: over the channels of a map. Along more: over a vector, or where
    other axes are left, over each token's features."""
    x = to.value(node.inputs[0])
    fields = {"epsilon": node.get("epsilon", 1e-5)}
    axis = node.get("axis", -1) % len(x.shape)
    sizes = to.sizes(x)
    position = to.position(x, axis)
    weights = _affine(to, node)
    if position == len(sizes) - 1:
        return to.along("layer_norm", fields, x, axis, weights=weights)
    inner = prod(sizes[position:])
    if position == 0:
        flat = to.reshaped(x, (inner,))
    else:
        flat = to.reshaped(x, (prod(sizes[:position]), inner), ("tokens", "features"))
    return to.reshaped(to.same("layer_norm", fields, flat, weights), sizes)


def group_norm(to: Translation, node: Node) -> Value:
    x = to.value(node.inputs[0])
    to.need_batch()
    fields = {"groups": node.attributes["num_groups"], "epsilon": node.get("epsilon", 1e-5)}
    return to.same("group_norm", fields, x, _affine(to, node))


def instance_norm(to: Translation, node: Node) -> Value:
    x = to.value(node.inputs[0])
    to.need_batch()
    width = to.sizes(x)[0]
    fields = {"groups": width, "epsilon": node.get("epsilon", 1e-5)}
    return to.same("group_norm", fields, x, _affine(to, node))


def local_response_norm(to: Translation, node: Node) -> Value:
    """ONNX divides alpha by the size."""
    x = to.value(node.inputs[0])
    to.need_batch()
    size = node.attributes["size"]
    fields = {
        "size": size,
        "alpha": node.get("alpha", 1e-4) / size,
        "beta": node.get("beta", 0.75),
        "k": node.get("bias", 1.0),
    }
    return to.same("local_response_norm", fields, x)


# Activations


def plain(op: str, to: Translation, node: Node) -> Value:
    return to.same(op, {}, to.value(node.inputs[0]))


def leaky_relu(to: Translation, node: Node) -> Value:
    return to.same("leaky_relu", {"slope": node.get("alpha", 0.01)}, to.value(node.inputs[0]))


def elu(to: Translation, node: Node) -> Value:
    return to.same("elu", {"alpha": node.get("alpha", 1.0)}, to.value(node.inputs[0]))


def gelu(to: Translation, node: Node) -> Value:
    fields = {"approximate": node.get("approximate", "none")}
    return to.same("gelu", fields, to.value(node.inputs[0]))


def selu(to: Translation, node: Node) -> Value:
    own = (1.6732632423543772, 1.0507009873554805)
    if not np.allclose((node.get("alpha", own[0]), node.get("gamma", own[1])), own, atol=1e-6):
        raise NotApplicableError(Reason.OTHER_SELU)
    return plain("selu", to, node)


def hard_sigmoid(to: Translation, node: Node) -> Value:
    if not np.allclose((node.get("alpha", 0.2), node.get("beta", 0.5)), (1 / 6, 0.5), atol=1e-6):
        raise NotApplicableError(Reason.OTHER_HARD_SIGMOID)
    return plain("hard_sigmoid", to, node)


def swish(to: Translation, node: Node) -> Value:
    if node.get("alpha", 1.0) != 1.0:
        raise NotApplicableError(Reason.OTHER_SILU)
    return plain("silu", to, node)


def prelu(to: Translation, node: Node) -> Value:
    x, slope = to.value(node.inputs[0]), to.array(node.inputs[1])
    if to.case.opset < 7:  # one slope, or one for each channel
        slope = slope.reshape(-1, *[1] * (len(x.shape) - 2))
    axis, values = to.vector(slope, x)
    return to.along("prelu", {}, x, axis, weights={"slope": values})


def softmax(op: str, to: Translation, node: Node) -> Value:
    x = to.value(node.inputs[0])
    axis = node.get("axis", -1 if to.case.opset >= 13 else 1) % len(x.shape)
    if to.case.opset < 13:  # over all axes from that one on
        assert prod(x.shape[axis + 1 :]) == 1
    return to.along(op, {}, x, axis)


def dropout(to: Translation, node: Node) -> Value:
    rate = float(to.array(node.inputs[1])) if node.has_input(1) else node.get("ratio", 0.5)
    if rate and node.has_input(2) and to.array(node.inputs[2]):
        raise NotApplicableError(Reason.RANDOM)
    return to.same("dropout", {"rate": rate}, to.value(node.inputs[0]))
