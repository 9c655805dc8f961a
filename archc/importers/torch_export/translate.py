"""Operations of PyTorch as ops of archc: one table, with a rule for each."""

from __future__ import annotations

from decimal import Decimal
from typing import TypeGuard

from archc.importers.network import Array
from archc.importers.torch_export import attention, gates, views, windows
from archc.importers.torch_export.arrangement import ordered
from archc.importers.torch_export.calls import (
    Bound,
    Constant,
    Node,
    Rule,
    Unknown,
    View,
    reshaped,
    short,
)
from archc.importers.torch_export.layouts import map_of, value_of
from archc.ops import activation, merge
from archc.ops.activation import Activation
from archc.ops.base import Op
from archc.ops.convolution import Conv
from archc.ops.dense import Dense, Embedding
from archc.ops.normalization import BatchNorm, GroupNorm, LayerNorm, RmsNorm
from archc.ops.parameter import ClassToken, PositionEmbedding, Scale
from archc.ops.pooling import GlobalAvgPool
from archc.ops.regularization import Dropout

TRAINING = "in training: call `model.eval()` before the export"


def _pointwise(node: Node, op: Op, view: View, weights: dict[str, Array] | None = None) -> View:
    """An op that keeps every element at its place, whatever the arrangement."""
    return node.call(op, (view.call,), weights or {}, arrangement=view.arrangement)


PLAIN: dict[str, type[Activation]] = {
    "relu": activation.Relu,
    "relu6": activation.Relu6,
    "selu": activation.Selu,
    "silu": activation.Silu,
    "sigmoid": activation.Sigmoid,
    "hardsigmoid": activation.HardSigmoid,
    "hardswish": activation.HardSwish,
    "tanh": activation.Tanh,
}


RECTIFIERS: dict[type[Activation], tuple[int, int | None]] = {
    activation.Relu: (0, None),
    activation.Relu6: (0, 6),
}
"""The bounds of activations that cut their input off."""


def _plain(node: Node) -> Bound:
    view, op = node.tensor(), PLAIN[node.kind.rstrip("_")]()
    bounds = RECTIFIERS.get(type(op))
    gate = gates.clipped(node, view, *bounds) if bounds else None
    return gate or _pointwise(node, op, view)


def _gelu(node: Node) -> Bound:
    op = activation.Gelu(approximate=node.get("approximate", "none"))
    return _pointwise(node, op, node.tensor())


def _leaky_relu(node: Node) -> Bound:
    op = activation.LeakyRelu(slope=node.get("negative_slope", 0.01))
    return _pointwise(node, op, node.tensor())


def _elu(node: Node) -> Bound:
    node.require(scale=1.0, input_scale=1.0)
    return _pointwise(node, activation.Elu(alpha=node.get("alpha", 1.0)), node.tensor())


def _softplus(node: Node) -> Bound:
    node.require(beta=1.0, threshold=20.0)
    return _pointwise(node, activation.Softplus(), node.tensor())


def _clamp(node: Node) -> Bound:
    names = ("min_val", "max_val") if node.kind.startswith("hardtanh") else ("min", "max")
    default = -1.0 if names[0] == "min_val" else None
    low = node.arguments.get(names[0], default)
    high = node.arguments.get(names[1], None if default is None else 1.0)
    gate = gates.clipped(node, node.tensor(), low, high)
    if gate is not None:
        return gate
    for op, bounds in RECTIFIERS.items():
        if bounds == (low, high):
            return _pointwise(node, op(), node.tensor())
    node.refuse(f"between {short(low)} and {short(high)}")


def _prelu(node: Node) -> Bound:
    view, slope = node.tensor(), node.array("weight")
    if slope is None or slope.shape != (view.call.axes.width,):
        node.refuse("with slopes that are not one a channel")
    if len(view.arrangement.dims) < 2 or view.arrangement.whole(1) != view.channels:
        node.refuse(f"of {list(view.arrangement.shape)}")
    return _pointwise(node, activation.Prelu(), view, {"slope": slope.array})


def _softmax(node: Node) -> Bound:
    view = node.tensor()
    axis = node.axis("dim", len(view.arrangement.dims), -1)
    weights = attention.weighed(node, view, axis) if "log" not in node.kind else None
    if weights is not None:
        return weights
    if view.arrangement.whole(axis) != view.channels:
        node.refuse(f"of {list(view.arrangement.shape)} along the axis {axis}")
    op = activation.LogSoftmax if "log" in node.kind else activation.Softmax
    return _pointwise(node, op(), view)


def _dropout(node: Node) -> Bound:
    if node.get("train", False):
        node.refuse(TRAINING)
    rate = node.get("p", 0.5)
    if not rate:
        return views.same(node)
    view = node.tensor()
    return attention.dropped(node, view, rate) or _pointwise(node, Dropout(rate=rate), view)


def _vector(node: Node, name: str, size: int) -> Array | None:
    """An array of one number a channel; None where there is none. Raises RefusedError."""
    array = node.array(name)
    if array is not None and array.shape != (size,):
        node.refuse(f"with a {name} of {list(array.shape)}")
    return None if array is None else array.array


def _affine(node: Node, width: int) -> dict[str, Array]:
    """The weight and bias of a normalisation, both or none. Raises RefusedError."""
    arrays = {name: _vector(node, name, width) for name in ("weight", "bias")}
    present = {name: array for name, array in arrays.items() if array is not None}
    if len(present) == 1:
        node.refuse(f"with a {next(iter(present))} alone")
    return present


def _batch_norm(node: Node) -> Bound:
    if node.get("training", False):
        node.refuse(TRAINING)
    view = node.tensor()
    is_vector = view.call.axes.is_vector and view.arrangement.matches([0], [1])
    x = view.call if is_vector else map_of(view, node)
    weights = _affine(node, x.axes.width)
    affine = bool(weights)
    for name in ("running_mean", "running_var"):
        array = _vector(node, name, x.axes.width)
        if array is None:
            node.refuse("without running statistics")
        weights[name] = array
    # PyTorch's momentum is the share of the batch.
    kept = float(1 - Decimal(repr(node.get("momentum", 0.1))))
    op = BatchNorm(epsilon=node.get("eps", 1e-5), momentum=kept, affine=affine)
    return node.call(op, (x,), weights)


def _core_batch_norm(node: Node) -> list[Bound]:
    return [_batch_norm(node), Unknown(), Unknown()]


def _core_layer_norm(node: Node) -> list[Bound]:
    return [_layer_norm(node), Unknown(), Unknown()]


def _core_max_pool(node: Node) -> list[Bound]:
    return [windows.pool(node), Unknown()]


def _layer_norm(node: Node) -> Bound:
    view = node.tensor()
    width = view.call.axes.width
    sizes = node.integers("normalized_shape", [])
    if sizes != [width] or view.arrangement.whole(-1) != view.channels:
        node.refuse(f"of {list(view.arrangement.shape)} over {sizes}")
    if node.kind == "rms_norm":
        weight = _vector(node, "weight", width)
        if weight is None or "eps" not in node.arguments:
            node.refuse("without a weight or epsilon")
        return _pointwise(node, RmsNorm(epsilon=node.get("eps", 0.0)), view, {"weight": weight})
    weights = _affine(node, width)
    op = LayerNorm(epsilon=node.get("eps", 1e-5), affine=bool(weights))
    return _pointwise(node, op, view, weights)


def _group_norm(node: Node) -> Bound:
    x = map_of(node.tensor(), node)
    weights = _affine(node, x.axes.width)
    op = GroupNorm(
        groups=node.get("num_groups", 1), epsilon=node.get("eps", 1e-5), affine=bool(weights)
    )
    return node.call(op, (x,), weights)


def _linear(node: Node) -> Bound:
    """A matrix applied to the features of a vector, of each token, or, with channels last, of each
    position of a map."""
    return _product(node, node.tensor(), node.array("weight"), "bias")


def _addmm(node: Node) -> Bound:
    """A product with a matrix that lies column by column, and a bias."""
    node.require(beta=1, alpha=1)
    return _product(node, node.tensor("mat1"), _turned(node), "self")


def _mm(node: Node) -> Bound:
    """A product with a matrix that lies column by column."""
    return _product(node, node.tensor(), _turned(node), "")


def _matmul(node: Node) -> Bound:
    """A product with a matrix, or of two values."""
    matrix = node.arguments.get("other")
    if isinstance(matrix, Constant):
        return _product(node, node.tensor(), _turned(node, "other"), "")
    return attention.matmul(node)


def _turned(node: Node, name: str = "mat2") -> Constant | None:
    matrix = node.array(name)
    if matrix is None or len(matrix.shape) != 2 or matrix.array.shape != matrix.shape:
        return None
    shape = matrix.shape[::-1]
    if matrix.array.kind == "transpose":  # the matrix of a linear layer
        return matrix._replace(array=matrix.array.operands[0], shape=shape)
    return matrix._replace(array=Array("transpose", shape, (matrix.array,), (1, 0)), shape=shape)


def _product(node: Node, view: View, matrix: Constant | None, name: str) -> Bound:
    if matrix is None or len(matrix.shape) != 2:
        node.refuse("without a matrix")
    if view.arrangement.whole(-1) != view.channels:
        view = views.canonical(view, node)[1]
    if view.call.axes.is_map and view.arrangement.whole(-1) != 1:
        node.refuse(f"of {list(view.arrangement.shape)}, along a spatial axis")
    units = matrix.shape[0]
    weights = {"weight": matrix.array}
    bias = _vector(node, name, units)
    if bias is not None:
        weights["bias"] = bias
    if view.call.partial == attention.CORE:
        op: Op = attention.with_projection(view.call, weights, node)
        inputs = view.call.inputs
        own = {f"output_{name}": array for name, array in weights.items()}
        weights = {**view.call.weights, **own}
    elif view.call.axes.is_map:
        op = Conv(filters=units, kernel_size=1, bias=bias is not None)
        inputs = (view.call,)
        ones = (1,) * len(view.call.axes.spatial)
        weights["weight"] = reshaped(matrix.array, (*matrix.shape, *ones))
    else:
        op = Dense(units=units, bias=bias is not None)
        inputs = (view.call,)
    sizes = list(view.arrangement.sizes)
    sizes[view.channels] = units
    dims = view.arrangement.dims[:-1]
    last = ordered(sizes, [view.channels]).dims
    return node.call(
        op, inputs, weights, view.arrangement._replace(sizes=tuple(sizes), dims=(*dims, *last))
    )


def _embedding(node: Node) -> Bound:
    table, view = node.array("weight"), node.tensor("indices")
    if table is None or len(table.shape) != 2 or not view.arrangement.matches([0], [1]):
        node.refuse(f"of {list(view.arrangement.shape)}")
    op = Embedding(vocabulary=table.shape[0], features=table.shape[1])
    return node.call(op, (view.call,), {"weight": table.array})


def _add(node: Node) -> Bound:
    a, b = node.arguments.get("self"), node.arguments.get("other")
    node.require(alpha=1)
    for x, other in ((a, b), (b, a)):
        if isinstance(x, View) and isinstance(other, Constant):
            return _embedded(node, x, other)
        if isinstance(x, View) and _is_number(other):
            return gates.shifted(node, x, other)
    return _merge(node, merge.Add())


def _embedded(node: Node, view: View, table: Constant) -> Bound:
    """A learned vector added to each token."""
    x = value_of(view, node)
    if not x.axes.is_sequence or table.shape not in (x.axes.sizes, (1, *x.axes.sizes)):
        node.refuse(f"of {x.axes} and an array of {list(table.shape)}")
    if not table.learned:
        node.refuse("of an array that is not learned")
    return node.call(PositionEmbedding(), (x,), {"weight": reshaped(table.array, x.axes.sizes)})


def _multiply(node: Node) -> Bound:
    a, b = node.arguments.get("self"), node.arguments.get("other")
    for x, other in ((a, b), (b, a)):
        if isinstance(x, View) and _is_number(other):
            return _multiple(node, x, float(other))
        if isinstance(x, View) and isinstance(other, View):
            product = gates.weighted(node, x, other)
            if product is not None:
                return product
        if isinstance(x, View) and isinstance(other, Constant):
            return _scaled(node, x, other)
    return _merge(node, merge.Multiply())


def _scaled(node: Node, view: View, factor: Constant) -> Bound:
    """A learned factor for each channel."""
    own = view.arrangement
    rank = len(own.dims)
    shape = (1,) * (rank - len(factor.shape)) + factor.shape
    places = [place for place, size in enumerate(shape) if size != 1]
    if len(shape) != rank or len(places) != 1 or own.whole(places[0]) != view.channels:
        node.refuse(f"of {list(own.shape)} and an array of {list(factor.shape)}")
    if not factor.learned:
        node.refuse("with an array that is not learned")
    width = view.call.axes.width
    return _pointwise(node, Scale(), view, {"weight": reshaped(factor.array, (width,))})


def _divide(node: Node) -> Bound:
    node.require(rounding_mode=None)
    divisor = node.arguments.get("other")
    if not _is_number(divisor) or not divisor:
        node.refuse("by anything but a number")
    return _multiple(node, node.tensor(), 1 / divisor)


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _multiple(node: Node, view: View, factor: float) -> Bound:
    """A constant factor: of scores, or the last step of a hard gate."""
    known = gates.divided(node, view, factor) or attention.scaled(node, view, factor)
    return known or _pointwise(node, Scale(initial=factor, learned=False), view)


def _maximum(node: Node) -> Bound:
    return _merge(node, merge.Maximum())


def _merge(node: Node, op: Op) -> Bound:
    """Two values joined element by element, arranged alike."""
    a, b = (node.tensor(name) for name in ("self", "other"))
    if len(a.arrangement.dims) != len(b.arrangement.dims):
        node.refuse(f"of {list(a.arrangement.shape)} and {list(b.arrangement.shape)}")
    if a.arrangement == b.arrangement and a.call.axes == b.call.axes:
        return node.call(op, (a.call, b.call), arrangement=a.arrangement)
    return node.call(op, (value_of(a, node), value_of(b, node)))


def _concat(node: Node) -> Bound:
    tensors: list[Bound] = node.get("tensors", [])
    axis = node.axis("dim", len(node.shape))
    found = [one for one in tensors if isinstance(one, View)]
    if len(tensors) == 2 and isinstance(tensors[0], Constant) and len(found) == 1:
        return _class_token(node, tensors[0], found[0], axis)
    if not found or len(found) != len(tensors):
        node.refuse("of an array")
    if len(found) == 1:
        return found[0]
    orders = {one.arrangement.order() for one in found}
    if len(orders) != 1 or None in orders:
        found = [views.canonical(one, node)[1] for one in found]
    first = found[0]
    order = first.arrangement.order()
    if order is None or order[axis] != first.channels:
        node.refuse(f"of {list(first.arrangement.shape)} along the axis {axis}")
    op = merge.Concat()
    calls = tuple(one.call for one in found)
    axes = op.infer(tuple(one.axes for one in calls))
    # All that came before, once more: DenseNet's blocks.
    before = node.made.get(calls[:-1])
    taken = calls if before is None else (before, calls[-1])
    view = node.call(op, taken, arrangement=ordered((node.batch, *axes.sizes), order))
    node.made.setdefault(calls, view.call)
    return view


def _class_token(node: Node, token: Constant, view: View, axis: int) -> Bound:
    x = value_of(view, node)
    width = x.axes.width
    if not x.axes.is_sequence or axis != 1 or token.shape != (node.batch, 1, width):
        node.refuse(f"of an array of {list(token.shape)} and {x.axes}")
    if not token.learned or token.array.shape not in ((1, 1, width), (1, width), (width,)):
        node.refuse("of an array that is no learned token")
    return node.call(ClassToken(), (x,), {"token": reshaped(token.array, (width,))})


def _mean(node: Node) -> Bound:
    """The mean over all of space, or over all tokens."""
    view = node.tensor()
    own = view.arrangement
    rank = len(own.dims)
    node.require(dtype=None)
    pooled = {axis % rank for axis in node.integers("dim", [])}
    axes = {own.whole(axis) for axis in pooled}
    others = [own.whole(axis) for axis in range(rank) if axis not in pooled]
    if others != [0, view.channels] or axes != set(range(1, rank)) - {view.channels}:
        node.refuse(f"of {list(own.shape)} over the axes {sorted(pooled)}")
    keep = node.get("keepdim", False)
    op = GlobalAvgPool(keep_dims=keep)
    if not keep:
        return node.call(op, (view.call,))
    sizes = (node.batch, *op.infer((view.call.axes,)).sizes)
    order = own.order()
    return node.call(op, (view.call,), arrangement=ordered(sizes, order or range(rank)))


def _in_place(kinds: dict[str, Rule]) -> dict[str, Rule]:
    """Rules with those of the operations that write their result into what they take."""
    return {**kinds, **{f"{kind}_": rule for kind, rule in kinds.items()}}


VIEWS: dict[str, Rule] = {
    **dict.fromkeys(("view", "unsqueeze", "squeeze", "_unsafe_view"), views.reshape),
    **dict.fromkeys(("transpose", "swapaxes", "swapdims", "t"), views.transpose),
    **dict.fromkeys(("chunk", "split", "split_with_sizes"), views.split),
    **dict.fromkeys(("alias", "detach", "detach_"), views.same),
    "dropout": _dropout,
    "expand": views.expand,
    "permute": views.permute,
    "select": views.select,
    "slice": views.slice_,
    "unbind": views.unbind,
}
"""Rules of operations whose results are memory of what they take."""

MAYBE_VIEWS: dict[str, Rule] = {
    **dict.fromkeys(("reshape", "flatten", "unflatten"), views.reshape),
    **dict.fromkeys(("contiguous", "to", "_to_copy"), views.same),
}
"""Rules of operations whose results may be memory of what they take, or a copy."""

TABLE: dict[str, Rule] = {
    **VIEWS,
    **MAYBE_VIEWS,
    **_in_place(dict.fromkeys(PLAIN, _plain)),
    **_in_place(dict.fromkeys(("hardtanh", "clamp", "clamp_min"), _clamp)),
    **_in_place({"add": _add, "mul": _multiply, "div": _divide, "dropout": _dropout}),
    **_in_place({"leaky_relu": _leaky_relu, "elu": _elu}),
    **dict.fromkeys(("conv1d", "conv2d", "conv3d", "convolution"), windows.conv),
    **dict.fromkeys((f"conv_transpose{rank}d" for rank in (1, 2, 3)), windows.conv_transpose),
    **dict.fromkeys(
        (f"{kind}_pool{rank}d" for kind in ("max", "avg") for rank in (1, 2, 3)), windows.pool
    ),
    **dict.fromkeys(
        (f"adaptive_{kind}_pool{rank}d" for kind in ("max", "avg") for rank in (1, 2, 3)),
        windows.adaptive_pool,
    ),
    **dict.fromkeys((f"reflection_pad{rank}d" for rank in (1, 2, 3)), windows.pad),
    **dict.fromkeys(("pad", "constant_pad_nd"), windows.pad),
    **dict.fromkeys((f"upsample_nearest{rank}d" for rank in (1, 2, 3)), windows.upsample),
    **dict.fromkeys(("upsample_linear1d", "upsample_bilinear2d"), windows.upsample),
    **dict.fromkeys(("layer_norm", "rms_norm"), _layer_norm),
    **dict.fromkeys(("softmax", "log_softmax", "_softmax", "_log_softmax"), _softmax),
    **dict.fromkeys(("cat", "concat"), _concat),
    "_adaptive_avg_pool2d": windows.adaptive_pool,
    "_native_batch_norm_legit_no_training": _core_batch_norm,
    "addmm": _addmm,
    "batch_norm": _batch_norm,
    "clone": views.same,
    "embedding": _embedding,
    "gelu": _gelu,
    "group_norm": _group_norm,
    "linear": _linear,
    "bmm": attention.matmul,
    "matmul": _matmul,
    "maximum": _maximum,
    "max_pool2d_with_indices": _core_max_pool,
    "mean": _mean,
    "mm": _mm,
    "native_layer_norm": _core_layer_norm,
    "prelu": _prelu,
    "scaled_dot_product_attention": attention.product,
    "softplus": _softplus,
    "sym_size": views.unknown,
}
"""The rule of each operation that archc has an op for, by its name without its overload."""
