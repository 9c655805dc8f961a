"""Seeded values of weights, inputs and losses: each drawn from the run's seed and its own key, so
that two processes have the same values and exchange none.

Kernels have the variance 1 / fan-in, or 2 / fan-in before a rectifier (He et al. 2015), so that
values neither vanish nor explode through the depth of a network; running statistics are those of
no batch: means around zero, variances around one.
"""

from __future__ import annotations

from hashlib import sha256
from math import prod, sqrt
from typing import Any, NamedTuple

from archc.ir.graph import Graph, Node
from archc.ops import activation
from archc.ops.base import Op
from archc.ops.convolution import ConvTranspose
from archc.weights.layout import Array


class Draw(NamedTuple):
    """A distribution: normal with mean zero, or uniform between `low` and `high`."""

    deviation: float = 0.0
    low: float = 0.0
    high: float = 0.0


NORMAL = Draw(1.0)
_OFFSET = Draw(0.3)
_FACTOR = Draw(low=0.5, high=1.5)
_DRAWS = {
    "bias": _OFFSET,
    "running_mean": _OFFSET,
    "running_var": _FACTOR,
    "slope": Draw(low=0.1, high=0.4),
}
_RECTIFIERS = (
    activation.Relu,
    activation.Relu6,
    activation.LeakyRelu,
    activation.Prelu,
    activation.Elu,
    activation.Selu,
    activation.Gelu,
    activation.Silu,
    activation.HardSwish,
    activation.Softplus,
)

_BOUNDED = (activation.Relu6, activation.HardSigmoid, activation.HardSwish)


def draw_of(array: Array, graph: Graph, users: list[list[int]]) -> Draw:
    """The distribution of an array. `users` holds those of each node's output, by index."""
    shape, node = array.weight.shape, array.node
    if array.weight.name != "weight":
        return _DRAWS[array.weight.name]
    following = _activation(node, graph, users[node.index] if users else [])
    # Both ends of what is flat beyond 3 or 6 are to be seen.
    wider = 3.0 if isinstance(following, _BOUNDED) else 1.0
    if len(shape) == 1:
        return Draw(low=wider * _FACTOR.low, high=wider * _FACTOR.high)
    fan_in = float(prod(shape[1:]))
    if isinstance(node.op, ConvTranspose):
        (x,) = graph.input_axes(node)
        strides = prod(axis.stride for axis in node.op.transposed_windows(x))
        fan_in = max(1.0, shape[0] / node.op.groups * prod(shape[2:]) / strides)
    gain = 2 if isinstance(following, _RECTIFIERS) else 1
    return Draw(wider * sqrt(gain / fan_in))


def _activation(node: Node, graph: Graph, users: list[int]) -> Op | None:
    """The op's own activation, or else the op that takes its output alone."""
    own: Op | None = getattr(node.op, "activation", None)
    if own is None and len(users) == 1 and users[0] >= 0:
        return graph.nodes[users[0]].op
    return own


def drawn(seed: int, key: str, shape: tuple[int, ...], draw: Draw) -> Any:
    """An array of float64."""
    import numpy

    digest = int.from_bytes(sha256(key.encode("utf-8")).digest()[:8], "little")
    generator = numpy.random.default_rng([seed, digest])
    if draw.deviation:
        values = generator.standard_normal(shape)
        values *= draw.deviation
        return values
    return generator.uniform(draw.low, draw.high, shape)
