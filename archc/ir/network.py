"""What a backend compiles: a costed graph, and what other values of the spec's parameters would
make of it.

The latter is worked out here, by building the graph once more for each parameter, so that nothing
below has to read the spec again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import NamedTuple, TypeAlias

from archc.diagnostics import SpecError
from archc.ir.costs import Costs
from archc.ir.graph import Graph, Node
from archc.ir.parameters import filling_parameters

SYMBOLIC = frozenset({"filters", "units", "rate"})
"""Fields whose parameters may become arguments: any value of theirs gives the same layers."""

MOST_VARIED = 16
"""Parameters that are tried: each costs as much as the network."""

Rebuild: TypeAlias = "Callable[[Mapping[str, object]], Costs]"
"""Builds the network under values for some parameters. Raises SpecError."""


class Variation(NamedTuple):
    """The graph that another value of a parameter gives: the same but for the widths and rates that
    the parameter alone fills. `values` are that of the network, and the other; `fields` the fields
    that it fills, by the node's index."""

    parameter: str
    values: tuple[int | float, int | float]
    fields: Mapping[int, frozenset[str]]
    graph: Graph


class Network:
    """A costed graph that knows how it varies with the parameters of its spec."""

    def __init__(self, costs: Costs, rebuild: Rebuild) -> None:
        self.costs = costs
        self._rebuild = rebuild

    @cached_property
    def variations(self) -> tuple[Variation, ...]:
        """One for each parameter that fills widths and rates of ops, also by way of blocks, and
        changes nothing else; of the first `MOST_VARIED` that may be one."""
        fields: dict[str, dict[int, frozenset[str]]] = {}
        for (index, field), parameter in filling_parameters(self.costs.graph).items():
            if field in SYMBOLIC:
                own = fields.setdefault(parameter, {})
                own[index] = own.get(index, frozenset()) | {field}
        names = [name for name in self.costs.graph.about.params if name in fields][:MOST_VARIED]
        return tuple(one for name in names for one in self._variation(name, fields[name]))

    def _variation(self, name: str, fields: Mapping[int, frozenset[str]]) -> Iterator[Variation]:
        graph = self.costs.graph
        value = graph.about.params[name]
        if isinstance(value, bool) or not isinstance(value, int | float):
            return
        other = value + 1 if isinstance(value, int) else value / 2 + 0.03125
        try:
            varied = self._rebuild({**graph.about.overrides, name: other}).graph
        except SpecError:
            return
        if len(varied.nodes) == len(graph.nodes) and all(
            _is_alike(node, graph, varied, filled=node.index in fields) for node in graph.layers
        ):
            yield Variation(name, (value, other), fields, varied)


def _is_alike(node: Node, graph: Graph, varied: Graph, *, filled: bool) -> bool:
    """Whether a node differs in two graphs, if at all, in the fields that a parameter fills. One
    that the parameter fills nothing of has the same op and variables: what one backend must be
    told, no backend may leave to the other's layers."""
    other = varied.nodes[node.index]
    axes, other_axes = graph.input_axes(node), varied.input_axes(other)
    if node.inputs != other.inputs:
        return False
    if filled:
        return axes == other_axes
    return node.op == other.op and node.op.variables(axes) == other.op.variables(other_axes)
