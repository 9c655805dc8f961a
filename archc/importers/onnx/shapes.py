"""The shapes of what ONNX's operations compute, the batch first."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from archc.importers.onnx.folding import (
    axes_of,
    reshape_sizes,
    slice_bounds,
    squeezed,
    unsqueezed,
)
from archc.importers.onnx.values import OPERATIONS, Constant, FoldError, broadcast_shape, integers

Shape = tuple[int, ...]
Attributes = Mapping[str, Any]
Rule = Callable[[Sequence[Any], Attributes, int], Shape]


OF_TWO = frozenset({"Add", "Div", "Mul", "Pow", "Sub"})
"""Operations on two values, neither of which may be left out."""


def shape_of(
    op: str, inputs: Sequence[Any], attributes: Attributes, opset: int, count: int
) -> list[Shape] | None:
    """The shapes of the outputs of an operation; None where it is not known. Raises FoldError where
    its inputs or attributes are invalid: the message ends `OP of ...`."""
    if op == "Split":
        return _split(inputs, attributes, opset, count)
    if op in ("LSTM", "GRU"):
        return _recurrence(inputs, attributes)[:count]
    rule = RULES.get(op)
    if rule is None:
        return None
    if not inputs or inputs[0] is None:
        raise FoldError("no input")
    if op in OF_TWO and (len(inputs) != 2 or inputs[1] is None):
        raise FoldError(f"{len(inputs)} inputs, not two")
    shape = rule(inputs, attributes, opset)
    is_scalar = not shape and all(one is None or isinstance(one, Constant) for one in inputs)
    if not (shape or is_scalar) or 0 in shape or math.prod(shape) > 1 << 53:
        raise FoldError(f"{list(_first(inputs))}, which leaves {list(shape)}")
    return [shape] * count


def _first(inputs: Sequence[Any]) -> Shape:
    shape: Shape = inputs[0].shape
    return shape


def _same(inputs: Sequence[Any], attributes: Attributes, opset: int) -> Shape:
    return _first(inputs)


class Window(NamedTuple):
    """A sliding window along each spatial axis: its sizes, and what is padded at both sides."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]


def window_of(spatial: Shape, attributes: Attributes, kernel: Sequence[int]) -> Window:
    """The window of a convolution or pool over a map of so many positions. Raises FoldError."""
    rank = len(spatial)
    strides = attributes.get("strides", [1] * rank)
    dilations = attributes.get("dilations", [1] * rank)
    pads = attributes.get("pads", [0] * (2 * rank))
    sizes = (kernel, strides, dilations)
    if not 1 <= rank <= 3 or any(len(one) != rank for one in sizes) or len(pads) != 2 * rank:
        raise FoldError(f"a window of {list(kernel)} over a map of {list(spatial)}")
    if any(min(one) < 1 for one in sizes) or min(pads) < 0:
        raise FoldError(f"a window with strides {strides}, dilations {dilations}, pads {pads}")
    pairs = [(pads[axis], pads[axis + rank]) for axis in range(rank)]
    auto = attributes.get("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        pairs = []
        for size, extent, stride, spacing in zip(spatial, kernel, strides, dilations, strict=True):
            total = max((-(-size // stride) - 1) * stride + spacing * (extent - 1) + 1 - size, 0)
            small, large = total // 2, total - total // 2
            pairs.append((small, large) if auto == "SAME_UPPER" else (large, small))
    elif auto == "VALID":
        pairs = [(0, 0)] * rank
    elif auto != "NOTSET":
        raise FoldError(f"auto_pad {auto}")
    return Window(tuple(kernel), tuple(strides), tuple(dilations), tuple(pairs))


def _slid(spatial: Shape, window: Window, ceil_mode: int = 0) -> Shape:
    sizes = []
    for axis, size in enumerate(spatial):
        begin, end = window.padding[axis]
        room = size + begin + end - window.dilation[axis] * (window.kernel[axis] - 1) - 1
        stride = window.stride[axis]
        output = room // stride + 1
        if ceil_mode and room % stride and output * stride < size + begin:
            output += 1
        sizes.append(output)
    return tuple(sizes)


def _conv(inputs: Sequence[Any], attributes: Attributes, opset: int) -> Shape:
    x = _first(inputs)
    if len(inputs) < 2 or not isinstance(inputs[1], Constant):
        raise FoldError("a kernel that is no array of the file")
    kernel = inputs[1].shape
    groups = attributes.get("group", 1)
    if len(kernel) != len(x) or len(x) < 3:
        raise FoldError(f"{list(x)} with a kernel of {list(kernel)}")
    if list(attributes.get("kernel_shape", kernel[2:])) != list(kernel[2:]):
        raise FoldError(f"a kernel of {list(kernel)}, which is not the shape that it states")
    if groups < 1 or kernel[1] * groups != x[1] or kernel[0] % groups:
        raise FoldError(f"{x[1]} channels in {groups} groups with a kernel of {list(kernel)}")
    window = window_of(x[2:], attributes, kernel[2:])
    return (x[0], kernel[0], *_slid(x[2:], window))


def _conv_transpose(inputs: Sequence[Any], attributes: Attributes, opset: int) -> Shape:
    x = _first(inputs)
    if len(inputs) < 2 or not isinstance(inputs[1], Constant):
        raise FoldError("a kernel that is no array of the file")
    kernel = inputs[1].shape
    groups = attributes.get("group", 1)
    if len(kernel) != len(x) or len(x) < 3 or kernel[0] != x[1] or groups < 1:
        raise FoldError(f"{list(x)} with a kernel of {list(kernel)}")
    if attributes.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise FoldError(f"auto_pad {attributes['auto_pad']}")
    if "output_shape" in attributes:
        raise FoldError("an output_shape")
    if list(attributes.get("kernel_shape", kernel[2:])) != list(kernel[2:]):
        raise FoldError(f"a kernel of {list(kernel)}, which is not the shape that it states")
    window = window_of(x[2:], attributes, kernel[2:])
    extra = attributes.get("output_padding", [0] * (len(x) - 2))
    sizes = [
        (size - 1) * window.stride[axis]
        + window.dilation[axis] * (window.kernel[axis] - 1)
        + 1
        - sum(window.padding[axis])
        + extra[axis]
        for axis, size in enumerate(x[2:])
    ]
    return (x[0], kernel[1] * groups, *sizes)


def _pool(inputs: Sequence[Any], attributes: Attributes, opset: int) -> Shape:
    x = _first(inputs)
    window = window_of(x[2:], attributes, attributes.get("kernel_shape", []))
    return (*x[:2], *_slid(x[2:], window, attributes.get("ceil_mode", 0)))


def _global_pool(inputs: Sequence[Any], attributes: Attributes, opset: int) -> Shape:
    x = _first(inputs)
    if len(x) < 3:
        raise FoldError(f"{list(x)}, which is no map")
    return (*x[:2], *[1] * (len(x) - 2))


def _gemm(inputs: Sequence[Any], attributes: Attributes, opset: int) -> Shape:
    x = _first(inputs)
    if len(inputs) < 2 or not isinstance(inputs[1], Constant) or len(inputs[1].shape) != 2:
        raise FoldError("a matrix that is no array of the file")
    rows, columns = inputs[1].shape
    if attributes.get("transB", 0):
        rows, columns = columns, rows
    if len(x) != 2 or x[1] != rows or attributes.get("transA", 0):
        raise FoldError(f"{list(x)} with a matrix of {rows} x {columns}")
    return (x[0], columns)


def _matmul(inputs: Sequence[Any], attributes: Attributes, opset: int) -> Shape:
    if len(inputs) != 2 or inputs[1] is None:
        raise FoldError("one input")
    a, b = inputs[0].shape, inputs[1].shape
    if len(a) < 2 or len(b) < 2 or a[-1] != b[-2]:
        raise FoldError(f"{list(a)} with {list(b)}")
    return (*broadcast_shape(a[:-2], b[:-2]), a[-2], b[-1])


def _broadcast(inputs: Sequence[Any], attributes: Attributes, opset: int) -> Shape:
    shape: Shape = ()
    for one in inputs:
        if one is None:
            raise FoldError("a missing input")
        shape = broadcast_shape(shape, one.shape)
    return shape


def _concat(inputs: Sequence[Any], attributes: Attributes, opset: int) -> Shape:
    first = _first(inputs)
    axis = attributes.get("axis", 1 if opset < 4 else None)
    if axis is None or not -len(first) <= axis < len(first):
        raise FoldError(f"{list(first)} along the axis {axis}")
    axis %= len(first)
    total = 0
    for one in inputs:
        if one is None or len(one.shape) != len(first):
            raise FoldError("values of different ranks")
        if (*one.shape[:axis], *one.shape[axis + 1 :]) != (*first[:axis], *first[axis + 1 :]):
            raise FoldError(f"{list(first)} and {list(one.shape)} along the axis {axis}")
        total += one.shape[axis]
    return (*first[:axis], total, *first[axis + 1 :])


def _reshape(inputs: Sequence[Any], attributes: Attributes, opset: int) -> Shape:
    if opset < 5:
        target = attributes.get("shape", [])
    elif len(inputs) < 2:
        raise FoldError("no shape")
    else:
        target = integers(inputs[1])
    return reshape_sizes(_first(inputs), target, attributes.get("allowzero", 0))


def _flatten(inputs: Sequence[Any], attributes: Attributes, opset: int) -> Shape:
    x = _first(inputs)
    axis = attributes.get("axis", 1)
    if not -len(x) <= axis <= len(x):
        raise FoldError(f"{list(x)} at the axis {axis}")
    axis = axis % len(x) if axis < 0 else axis
    return (math.prod(x[:axis]), math.prod(x[axis:]))


def _transpose(inputs: Sequence[Any], attributes: Attributes, opset: int) -> Shape:
    x = _first(inputs)
    order = attributes.get("perm", list(range(len(x)))[::-1])
    if sorted(order) != list(range(len(x))):
        raise FoldError(f"{list(x)} in the order {order}")
    return tuple(x[axis] for axis in order)


def _unsqueeze(inputs: Sequence[Any], attributes: Attributes, opset: int) -> Shape:
    axes = axes_of(inputs, attributes, opset, 13)
    return unsqueezed(_first(inputs), axes or [])


def _squeeze(inputs: Sequence[Any], attributes: Attributes, opset: int) -> Shape:
    return squeezed(_first(inputs), axes_of(inputs, attributes, opset, 13))


def _reduce(inputs: Sequence[Any], attributes: Attributes, opset: int) -> Shape:
    x = _first(inputs)
    axes = axes_of(inputs, attributes, opset, 18)
    if axes is None:
        raise FoldError("all axes, the batch among them")
    if any(not -len(x) <= axis < len(x) for axis in axes):
        raise FoldError(f"{list(x)} over the axes {axes}")
    positions = {axis % len(x) for axis in axes}
    if attributes.get("keepdims", 1):
        return tuple(1 if axis in positions else size for axis, size in enumerate(x))
    return tuple(size for axis, size in enumerate(x) if axis not in positions)


def _pad(inputs: Sequence[Any], attributes: Attributes, opset: int) -> Shape:
    x = _first(inputs)
    pads = pads_of(inputs, attributes, opset)
    if len(pads) != 2 * len(x):
        raise FoldError(f"{list(x)} with pads {pads}")
    return tuple(size + pads[axis] + pads[axis + len(x)] for axis, size in enumerate(x))


def pads_of(inputs: Sequence[Any], attributes: Attributes, opset: int) -> list[int]:
    """The elements that a Pad adds: at the begin of each axis, then at the end. Raises
    FoldError."""
    if opset < 11:
        pads: list[int] = attributes.get("pads", attributes.get("paddings", []))
        return pads
    if len(inputs) > 3 and inputs[3] is not None:
        raise FoldError("some axes alone")
    return integers(inputs[1]) if len(inputs) > 1 else []


def _slice(inputs: Sequence[Any], attributes: Attributes, opset: int) -> Shape:
    sizes = list(_first(inputs))
    for axis, (start, end, step) in slice_bounds(inputs, attributes, opset).items():
        if not -len(sizes) <= axis < len(sizes):
            raise FoldError(f"{sizes} along the axis {axis}")
        sizes[axis] = len(range(sizes[axis])[start:end:step])
    return tuple(sizes)


def _split(inputs: Sequence[Any], attributes: Attributes, opset: int, count: int) -> list[Shape]:
    x = _first(inputs)
    axis = attributes.get("axis", 0)
    if not -len(x) <= axis < len(x):
        raise FoldError(f"{list(x)} along the axis {axis}")
    axis %= len(x)
    if opset < 13:
        parts = attributes.get("split")
    else:
        parts = integers(inputs[1]) if len(inputs) > 1 and inputs[1] is not None else None
    if parts is None:
        if x[axis] % count:
            raise FoldError(f"{list(x)} in {count} parts")
        parts = [x[axis] // count] * count
    if sum(parts) != x[axis] or len(parts) != count or min(parts) < 1:
        raise FoldError(f"{list(x)} in parts of {parts}")
    return [(*x[:axis], part, *x[axis + 1 :]) for part in parts]


def _recurrence(inputs: Sequence[Any], attributes: Attributes) -> list[Shape]:
    """The states after each token (tokens, directions, batch, units), and after the last."""
    if len(inputs) < 3 or not all(isinstance(one, Constant) for one in inputs[1:3]):
        raise FoldError("matrices that are no arrays of the file")
    x, units = _first(inputs), attributes.get("hidden_size", 0)
    kernel, state = inputs[1].shape, inputs[2].shape
    directions = 2 if attributes.get("direction") == "bidirectional" else 1
    if len(x) != 3 or len(kernel) != 3 or len(state) != 3 or attributes.get("layout", 0):
        raise FoldError(f"{list(x)} with matrices of {list(kernel)} and {list(state)}")
    rows = kernel[1]
    fits = kernel == (directions, rows, x[2]) and state == (directions, rows, units)
    if not fits or units < 1 or rows % units:
        raise FoldError(f"{list(x)} with matrices of {list(kernel)} and {list(state)}")
    last = (directions, x[1], units)
    return [(x[0], *last), last, last]


def _gather(inputs: Sequence[Any], attributes: Attributes, opset: int) -> Shape:
    x = _first(inputs)
    axis = attributes.get("axis", 0)
    if len(inputs) != 2 or inputs[1] is None or not -len(x) <= axis < len(x):
        raise FoldError(f"{list(x)} along the axis {axis}")
    axis %= len(x)
    return (*x[:axis], *inputs[1].shape, *x[axis + 1 :])


def _expand(inputs: Sequence[Any], attributes: Attributes, opset: int) -> Shape:
    return broadcast_shape(_first(inputs), tuple(integers(inputs[1])))


def scales_of(inputs: Sequence[Any], attributes: Attributes, opset: int) -> list[float]:
    """The factor of each axis of a Resize or Upsample. Raises FoldError."""
    x = _first(inputs)
    scales: Any = attributes.get("scales")
    if scales is None:
        place = 1 if opset < 11 else 2
        one = inputs[place] if len(inputs) > place else None
        if isinstance(one, Constant) and one.values:
            scales = one.values
        elif opset >= 11 and len(inputs) > 3:
            sizes = integers(inputs[3])
            if len(sizes) == len(x):
                scales = [size / before for size, before in zip(sizes, x, strict=True)]
    if scales is None or len(scales) != len(x) or not all(0 < one <= 1 << 20 for one in scales):
        raise FoldError(f"{list(x)} by factors that are not known")
    return list(scales)


def _resize(inputs: Sequence[Any], attributes: Attributes, opset: int) -> Shape:
    scales = scales_of(inputs, attributes, opset)
    return tuple(
        math.floor(size * scale + 1e-6) for size, scale in zip(_first(inputs), scales, strict=True)
    )


def _depth_to_space(inputs: Sequence[Any], attributes: Attributes, opset: int) -> Shape:
    x, block = _first(inputs), attributes.get("blocksize", 0)
    if len(x) != 4 or block < 1 or x[1] % block**2:
        raise FoldError(f"{list(x)} with blocks of {block}")
    return (x[0], x[1] // block**2, x[2] * block, x[3] * block)


def _attention(inputs: Sequence[Any], attributes: Attributes, opset: int) -> Shape:
    if len(inputs) < 3 or None in inputs[:3]:
        raise FoldError("no queries, keys and values")
    query, key, value = (one.shape for one in inputs[:3])
    ranks = {len(query), len(key), len(value)}
    if ranks == {4}:
        return (*query[:3], value[3])
    heads, key_heads = attributes.get("q_num_heads", 0), attributes.get("kv_num_heads", 0)
    if ranks != {3} or heads < 1 or key_heads < 1 or value[2] % key_heads:
        raise FoldError(f"{list(query)}, {list(key)} and {list(value)}")
    return (*query[:2], value[2] // key_heads * heads)


UNARY = frozenset(
    {
        *("BatchNormalization", "GroupNormalization", "InstanceNormalization"),
        *("LayerNormalization", "LRN", "Cast", "Clip", "Dropout", "Identity"),
        *("Elu", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "PRelu", "Relu", "Selu"),
        *("Sigmoid", "Softplus", "Softsign", "Tanh", "Softmax", "LogSoftmax"),
        *("Erf", "Exp", "IsNaN", "Neg", "Not", "Reciprocal", "Sqrt"),
        *("Abs", "Celu", "Ceil", "Cos", "Floor", "Log", "Mish", "Round", "Sign", "Sin", "Trilu"),
        *("Hardmax", "Swish", "ThresholdedRelu", "RMSNormalization", "RotaryEmbedding"),
    }
)
"""Operations whose output has the shape of their first input."""

RULES: dict[str, Rule] = {
    **dict.fromkeys(UNARY, _same),
    **dict.fromkeys(("Pow", "Sum", "Max", "Min", "Mean"), _broadcast),
    **dict.fromkeys(OPERATIONS, _broadcast),
    **dict.fromkeys(("MaxPool", "AveragePool"), _pool),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool"), _global_pool),
    **dict.fromkeys(("ReduceL2", "ReduceMax", "ReduceMean", "ReduceSumSquare"), _reduce),
    **dict.fromkeys(("Resize", "Upsample"), _resize),
    "Attention": _attention,
    "DepthToSpace": _depth_to_space,
    "Expand": _expand,
    "Gather": _gather,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Concat": _concat,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Pad": _pad,
    "Slice": _slice,
}
