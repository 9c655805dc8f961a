"""Activations of PyTorch, and dropout, as ops of archc."""

from __future__ import annotations

from archc.importers.arrangement import ordered
from archc.importers.torch_export import attention, gates, views
from archc.importers.torch_export.calls import TRAINING, Bound, Call, Node, View, short
from archc.ops import activation
from archc.ops.activation import Activation
from archc.ops.merge import Multiply
from archc.ops.regularization import Dropout
from archc.ops.shape import Split

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


def plain(node: Node) -> Bound:
    """An activation without fields."""
    view, op = node.tensor(), PLAIN[node.kind.rstrip("_")]()
    bounds = RECTIFIERS.get(type(op))
    gate = gates.clipped(node, view, *bounds) if bounds else None
    return gate or node.pointwise(op, view)


def gelu(node: Node) -> Bound:
    """GELU, exact or by tanh."""
    op = activation.Gelu(approximate=node.get("approximate", "none"))
    return node.pointwise(op, node.tensor())


def leaky_relu(node: Node) -> Bound:
    """Leaky ReLU."""
    op = activation.LeakyRelu(slope=node.get("negative_slope", 0.01))
    return node.pointwise(op, node.tensor())


def elu(node: Node) -> Bound:
    """ELU."""
    node.require(scale=1.0, input_scale=1.0)
    return node.pointwise(activation.Elu(alpha=node.get("alpha", 1.0)), node.tensor())


def celu(node: Node) -> Bound:
    """CELU, which by an alpha of 1 is ELU."""
    node.require(alpha=1.0)
    return node.pointwise(activation.Elu(), node.tensor())


def threshold(node: Node) -> Bound:
    """What is above 0, else 0."""
    node.require(threshold=0, value=0)
    return node.pointwise(activation.Relu(), node.tensor())


def mish(node: Node) -> Bound:
    """x * tanh(softplus(x)) (Misra 2020)."""
    view = node.tensor()
    gate = node.step(activation.Tanh(), node.step(activation.Softplus(), _whole(view, node)))
    return node.call(Multiply(), (view.call, gate), arrangement=view.arrangement)


def glu(node: Node) -> Bound:
    """Half of the channels times the sigmoid of the other half (Dauphin et al. 2017)."""
    view = node.tensor()
    axis = node.axis("dim", len(view.arrangement.dims), -1)
    order = view.arrangement.order()
    if order is None or order[axis] != view.channels:
        node.refuse(f"of {list(view.arrangement.shape)} along the axis {axis}")
    x, gate = (node.step(Split(parts=2, index=index), _whole(view, node)) for index in range(2))
    gate = node.step(activation.Sigmoid(), gate)
    arrangement = ordered((node.batch, *x.axes.sizes), order)
    return node.call(Multiply(), (x, gate), arrangement=arrangement)


def _whole(view: View, node: Node) -> Call:
    """The value that a tensor arranges. Raises RefusedError for part of an op."""
    if view.call.partial:
        node.refuse(f"of {view.call.partial}")
    return view.call


def magnitude(node: Node) -> Bound:
    """The first step of softsign."""
    return gates.magnitude(node, node.tensor())


def softplus(node: Node) -> Bound:
    """Softplus."""
    node.require(beta=1.0, threshold=20.0)
    return node.pointwise(activation.Softplus(), node.tensor())


def clamp(node: Node) -> Bound:
    """A rectifier as bounds, or a step of a hard gate."""
    names = ("min_val", "max_val") if node.kind.startswith("hardtanh") else ("min", "max")
    default = -1.0 if names[0] == "min_val" else None
    low = node.arguments.get(names[0], default)
    high = node.arguments.get(names[1], None if default is None else 1.0)
    gate = gates.clipped(node, node.tensor(), low, high)
    if gate is not None:
        return gate
    for op, bounds in RECTIFIERS.items():
        if bounds == (low, high):
            return node.pointwise(op(), node.tensor())
    node.refuse(f"between {short(low)} and {short(high)}")


def prelu(node: Node) -> Bound:
    """ReLU with a learned slope a channel."""
    view, slope = node.tensor(), node.array("weight")
    if slope is None or slope.shape != (view.call.axes.width,):
        node.refuse("with slopes that are not one a channel")
    if len(view.arrangement.dims) < 2 or view.arrangement.whole(1) != view.channels:
        node.refuse(f"of {list(view.arrangement.shape)}")
    return node.pointwise(activation.Prelu(), view, {"slope": slope.array})


def softmax(node: Node) -> Bound:
    """Softmax over the channels, its logarithm, or the weights of an attention."""
    view = node.tensor()
    axis = node.axis("dim", len(view.arrangement.dims), -1)
    weights = attention.weighed(node, view, axis) if "log" not in node.kind else None
    if weights is not None:
        return weights
    if view.arrangement.whole(axis) != view.channels:
        node.refuse(f"of {list(view.arrangement.shape)} along the axis {axis}")
    op = activation.LogSoftmax if "log" in node.kind else activation.Softmax
    return node.pointwise(op(), view)


def dropout(node: Node) -> Bound:
    """Dropout, which evaluation leaves out."""
    if node.get("train", False):
        node.refuse(TRAINING)
    rate = node.get("p", 0.5)
    if not rate:
        return views.same(node)
    view = node.tensor()
    return attention.dropped(node, view, rate) or node.pointwise(Dropout(rate=rate), view)
