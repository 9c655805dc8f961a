"""Distributions of random weights, such that values keep their size through a network.

Kernels have the variance 1 / fan-in, or 2 / fan-in before a rectifier (He et al. 2015), so that
values neither vanish nor explode through the depth of a network; running statistics are
independent of the batch: means around zero, variances around one.
"""

from __future__ import annotations

from math import sqrt

from archc.backends.runtime.random_values import Distribution
from archc.ir.arrays import Array
from archc.ir.graph import Graph, Node
from archc.ops.base import Op, Role

_OFFSET = Distribution(0.3)
_FACTOR = Distribution(low=0.5, high=1.5)
_DISTRIBUTIONS: dict[Role, Distribution] = {
    "bias": _OFFSET,
    "mean": _OFFSET,
    "scale": _FACTOR,
    "variance": _FACTOR,
    "slope": Distribution(low=0.1, high=0.4),
    "table": Distribution(1.0),
}


def distribution_of(array: Array, graph: Graph, users: list[list[int]]) -> Distribution:
    """The distribution of an array. `users` holds the users of each node's output, by index."""
    variable, node = array.variable, array.node
    consumer = _consumer(node, graph, users[node.index] if users else [])
    deviation = consumer.input_deviation
    if variable.role == "kernel":
        return Distribution(deviation * sqrt(consumer.kernel_gain / variable.fan_in))
    distribution = _DISTRIBUTIONS[variable.role]
    if variable.role == "scale":
        return Distribution(low=deviation * distribution.low, high=deviation * distribution.high)
    return distribution


def _consumer(node: Node, graph: Graph, users: list[int]) -> Op:
    """The op's own activation, or else the op that takes its output alone; where there is neither,
    the op itself, which no kernel precedes."""
    if node.op.last is node.op and len(users) == 1 and users[0] >= 0:
        return graph.nodes[users[0]].op
    return node.op.last
