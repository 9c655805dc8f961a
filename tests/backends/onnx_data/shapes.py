"""Operators of ONNX that move elements or join tensors, as steps of archc: one function each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from tests.backends.onnx_data.reasons import NotApplicableError, Reason
from tests.backends.onnx_data.translation import Node, Translation, Value

# Shapes


def flatten(to: Translation, node: Node) -> Value:
    x = to.value(node.inputs[0])
    axis = node.get("axis", 1) % len(x.shape)
    if axis == 1 and not to.whole:
        return to.step("flatten", {}, [x], (prod(x.shape[1:]),))
    return to.as_tensor(x, (prod(x.shape[:axis]), prod(x.shape[axis:])))


def reshape(to: Translation, node: Node) -> Value:
    return to.as_tensor(to.value(node.inputs[0]), to.shape(node.outputs[0]))


def transpose(to: Translation, node: Node) -> Value:
    x = to.value(node.inputs[0])
    order = node.get("perm", range(len(x.shape))[::-1])
    if not to.whole:
        if order[0] != 0:
            raise NotApplicableError(Reason.ALONG_BATCH)
        order = [axis - 1 for axis in order[1:]]
    return to.permuted(x, list(order))


def pad(to: Translation, node: Node) -> Value:
    mode = node.get("mode", "constant")
    if mode not in ("constant", "reflect"):
        raise NotApplicableError(Reason.PAD_MODE)
    x = to.value(node.inputs[0])
    pads = to.array(node.inputs[1]) if node.has_input(1) else node.attributes["pads"]
    value = float(to.array(node.inputs[2])) if node.has_input(2) else node.get("value", 0.0)
    axes = to.array(node.inputs[3]) if node.has_input(3) else range(len(x.shape))
    amounts = [[0, 0] for _ in x.shape]
    for axis, begin, end in zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True):
        amounts[axis] = [int(begin), int(end)]
    return _padded(to, x, amounts, {"mode": mode, "value": value})


def _padded(
    to: Translation, x: Value, amounts: Sequence[list[int]], fields: Mapping[str, Any]
) -> Value:
    """The tensor with elements added at the begin and the end of each axis."""
    of_sample = amounts if to.whole else amounts[1:]
    if sum(map(sum, amounts)) != sum(map(sum, of_sample[1:])):
        raise NotApplicableError(Reason.PAD_CHANNELS)
    sizes = [size + sum(pair) for size, pair in zip(to.sizes(x), of_sample, strict=True)]
    return to.step("pad", {"padding": of_sample[1:], **fields}, [x], sizes)


def _taken(to: Translation, x: Value, axis: int, indices: Sequence[int]) -> Value:
    """Some elements of an axis: channels by index; of space a run is cropped, and other elements
    are taken as channels are."""
    size, axis = x.shape[axis], axis % len(x.shape)
    indices = [int(index) for index in indices]
    if indices == list(range(size)):
        return x
    if not indices:
        raise NotApplicableError(Reason.EMPTY)
    position = to.position(x, axis)
    if position == 0 or indices != list(range(indices[0], indices[-1] + 1)):
        return to.along("select", {"channels": indices}, x, axis, size=len(indices))
    cropping = [[0, 0] for _ in to.sizes(x)[1:]]
    cropping[position - 1] = [indices[0], size - 1 - indices[-1]]
    sizes = list(to.sizes(x))
    sizes[position] = len(indices)
    return to.step("crop", {"cropping": cropping}, [x], sizes)


def slice_(to: Translation, node: Node) -> Value:
    x = to.value(node.inputs[0])
    arguments = [
        to.array(node.inputs[index]) if node.has_input(index) else node.get(name, None)
        for index, name in enumerate(("starts", "ends", "axes", "steps"), start=1)
    ]
    starts, ends, axes, steps = arguments
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    for axis, *limits in zip(axes, starts, ends, steps, strict=True):
        x = _taken(to, x, int(axis), range(x.shape[axis])[slice(*map(int, limits))])
    return x


def gather(to: Translation, node: Node) -> Value:
    if node.inputs[0] in to.constants:
        raise NotApplicableError(Reason.EMBEDDING)
    x, indices = to.value(node.inputs[0]), to.array(node.inputs[1])
    if indices.ndim != 1:
        raise NotApplicableError(Reason.SELECT_MATRIX)
    axis = node.get("axis", 0)
    return _taken(to, x, axis, indices % x.shape[axis])


def split(to: Translation, node: Node) -> list[Value]:
    x, axis = to.value(node.inputs[0]), node.get("axis", 0)
    values, begin = [], 0
    for output in node.outputs:
        end = begin + to.shape(output)[axis]
        values.append(_taken(to, x, axis, range(begin, end)))
        begin = end
    return values


def center_crop_pad(to: Translation, node: Node) -> Value:
    x, lengths = to.value(node.inputs[0]), to.array(node.inputs[1])
    amounts = [[0, 0] for _ in x.shape]
    for axis, size in zip(node.get("axes", range(len(x.shape))), map(int, lengths), strict=True):
        less = x.shape[axis] - size
        if less > 0:
            x = _taken(to, x, axis, range(less // 2, less // 2 + size))
        else:
            amounts[axis] = [-less // 2, -less - (-less // 2)]
    return _padded(to, x, amounts, {}) if any(map(any, amounts)) else x


def resize(to: Translation, node: Node) -> Value:
    x = to.value(node.inputs[0])
    to.need_batch()
    sizes = to.shape(node.outputs[0])
    factors = [after // before for before, after in zip(x.shape, sizes, strict=True)]
    if [size * factor for size, factor in zip(x.shape, factors, strict=True)] != list(sizes):
        raise NotApplicableError(Reason.PARTIAL_FACTOR)
    mode = node.get("mode", "nearest")
    if mode == "cubic":
        raise NotApplicableError(Reason.CUBIC)
    where = node.get("coordinate_transformation_mode", "half_pixel")
    if mode == "linear" and where not in ("half_pixel", "pytorch_half_pixel"):
        raise NotApplicableError(Reason.ALIGNED_CORNERS)
    if mode == "nearest" and node.operator == "Resize":
        for before, after in zip(x.shape, sizes, strict=True):
            if _nearest(before, after, where, node) != [i * before // after for i in range(after)]:
                raise NotApplicableError(Reason.UNEVEN_NEAREST)
    return to.step("upsample", {"scale": factors[2:], "mode": mode}, [x], sizes[1:])


def _nearest(before: int, after: int, where: str, node: Node) -> list[int]:
    """Which element each of a resized axis is, by ONNX's formulas."""
    steps = np.arange(after)
    points = {
        "half_pixel": (steps + 0.5) * before / after - 0.5,
        "asymmetric": steps * before / after,
        "align_corners": steps * (before - 1) / max(after - 1, 1),
    }[where]
    rounded = {
        "round_prefer_floor": np.ceil(points - 0.5),
        "round_prefer_ceil": np.floor(points + 0.5),
        "floor": np.floor(points),
        "ceil": np.ceil(points),
    }[node.get("nearest_mode", "round_prefer_floor")]
    return np.clip(rounded, 0, before - 1).astype(int).tolist()


# Several inputs


def merge(op: str, to: Translation, node: Node) -> Value:
    if len(node.inputs) == 1:
        raise NotApplicableError(Reason.ONE_INPUT)
    values = [to.value(name) for name in node.inputs]
    return to.step(op, {}, values, to.sizes(values[0]))


def add_or_multiply(op: str, to: Translation, node: Node) -> Value:
    """Of two tensors of one shape; else the second is a learned `scale`, or the offset of one."""
    x, other = to.value(node.inputs[0]), node.inputs[1]
    if other not in to.constants and to.shape(other) == to.shape(node.inputs[0]):
        return merge(op, to, node)
    array = to.array(other)
    if "axis" in node.attributes:  # an old node says where the axes of the second begin
        after = len(x.shape) - node.attributes["axis"] - array.ndim
        array = array.reshape(*array.shape, *[1] * after)
    axis, values = to.vector(array, x)
    if op == "multiply":
        return to.along("scale", {}, x, axis, weights={"weight": values})
    weights = {"weight": np.ones(len(values)), "bias": values}
    return to.along("scale", {"bias": True}, x, axis, weights=weights)


def concat(to: Translation, node: Node) -> Value:
    values = [to.value(name) for name in node.inputs]
    position = to.position(values[0], node.attributes["axis"])
    moved = [to.first(value, position) for value in values]
    width = sum(to.sizes(value)[0] for value in moved)
    joined = to.step("concat", {}, moved, (width, *to.sizes(moved[0])[1:]))
    return to.back(joined, position)
