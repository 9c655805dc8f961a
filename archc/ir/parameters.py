"""Which parameter of the network fills a field of an op, by way of the parameters of the blocks
that the op stands in."""

from __future__ import annotations

from collections.abc import Mapping

from archc.ir.graph import Graph, Node, Region
from archc.language import expressions


def filling_parameters(graph: Graph) -> dict[tuple[int, str], str]:
    """The network's parameter that alone fills a field, by the node's index and the field."""
    filled: dict[tuple[int, str], str] = {}
    waiting: list[tuple[Region, Mapping[str, str | None]]] = [(graph.root, {})]
    while waiting:
        region, own = waiting.pop()
        for item in region.items:
            if isinstance(item, Node):
                for field, written in item.expressions.items():
                    name = _parameter(written, own)
                    if name is not None and name in graph.about.params:
                        filled[item.index, field] = name
            elif item.kind == "block":
                arguments = {
                    name: _parameter(item.expressions.get(name), own) for name in item.arguments
                }
                waiting.append((item, arguments))
            else:
                waiting.append((item, own))
    return filled


def _parameter(written: expressions.Expression | None, own: Mapping[str, str | None]) -> str | None:
    """The network's parameter that an expression is; `own` has what a block's own stand for."""
    if not isinstance(written, expressions.Name):
        return None
    return own.get(written.name, written.name)
