"""What weights are drawn from: distributions that keep the size of values through a network.

Kernels have the variance 1 / fan-in, or 2 / fan-in before a rectifier (He et al. 2015), so that
values neither vanish nor explode through the depth of a network; running statistics are those of
no batch: means around zero, variances around one.
"""

from __future__ import annotations

from math import sqrt

from archc.backends.runtime.random_values import Draw
from archc.ir.arrays import Array
from archc.ir.graph import Graph, Node
from archc.ops.base import Op, Role

_OFFSET = Draw(0.3)
_FACTOR = Draw(low=0.5, high=1.5)
_DRAWS: dict[Role, Draw] = {
    "bias": _OFFSET,
    "mean": _OFFSET,
    "scale": _FACTOR,
    "variance": _FACTOR,
    "slope": Draw(low=0.1, high=0.4),
}


def draw_of(array: Array, graph: Graph, users: list[list[int]]) -> Draw:
    """The distribution of an array. `users` holds those of each node's output, by index."""
    variable, node = array.variable, array.node
    following = _following(node, graph, users[node.index] if users else [])
    deviation = following.input_deviation
    if variable.role == "kernel":
        return Draw(deviation * sqrt(following.kernel_gain / variable.fan_in))
    draw = _DRAWS[variable.role]
    if variable.role == "scale":
        return Draw(low=deviation * draw.low, high=deviation * draw.high)
    return draw


def _following(node: Node, graph: Graph, users: list[int]) -> Op:
    """The op's own activation, or else the op that takes its output alone; where there is neither,
    the op itself, which no kernel stands before."""
    if node.op.last is node.op and len(users) == 1 and users[0] >= 0:
        return graph.nodes[users[0]].op
    return node.op.last
