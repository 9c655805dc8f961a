"""The arrays of a network, known by their keys: the path of the op and the variable's own name, as
in `features.conv_1.weight`.

In canonical layout kernels are (out, in / groups, *space), those of transposed convolutions
(in, out / groups, *space), and those of dense layers (out, in).
"""

from __future__ import annotations

from typing import NamedTuple

from archc.ir.costs import Costs
from archc.ir.graph import Node
from archc.ops.base import Variable


class Array(NamedTuple):
    """A variable of one op of the network."""

    key: str
    node: Node
    variable: Variable


def arrays(costs: Costs) -> tuple[Array, ...]:
    """All arrays of a network, in the order of its layers."""
    return tuple(
        Array(f"{layer.node.path}.{variable.name}", layer.node, variable)
        for layer in costs.layers
        for variable in layer.variables
    )
