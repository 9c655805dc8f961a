"""The texts of boxes, frames and outputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from archc.diagnostics import visible
from archc.ir.costs import Costs
from archc.ir.graph import Node
from archc.reports.drawing.items import Frame, Gap, Parallel, Repeat, Series, Stack
from archc.reports.drawing.labels import FONT, TIMES, cut, op_label, region_label

WIDEST = 300
"""The largest width of a name, in CSS pixels."""


class Row(NamedTuple):
    """A line of a box: an op and its parameters."""

    node: Node
    label: str
    figure: str


def parameters(costs: Costs, nodes: Sequence[Node]) -> int:
    """The number of parameters of some ops."""
    first = costs.graph.nodes[0].index + len(costs.graph.inputs)
    return sum(costs.layers[node.index - first].params for node in nodes if node.index >= first)


def figure(params: int) -> str:
    """A number of parameters as text; empty for 0."""
    return f"{params:,}" if params else ""


def rows_of(costs: Costs, stack: Stack) -> tuple[Row, ...]:
    """The lines of a box."""
    return tuple(
        Row(node, _label(costs, node), figure(parameters(costs, [node]))) for node in stack.nodes
    )


def _label(costs: Costs, node: Node) -> str:
    """The label of an op; inputs are named if there are several."""
    if len(costs.graph.inputs) > 1 and node.index in costs.graph.inputs:
        return cut(f"input {visible(node.path)}", FONT, WIDEST)
    return op_label(node)


def titles(costs: Costs, item: Frame | Repeat) -> tuple[str, str]:
    """The heading of a frame: its name, and the parameters in it."""
    frame = item.alone if isinstance(item, Repeat) else item
    if not isinstance(item, Repeat):
        label = cut(region_label(item.region), FONT, WIDEST)
        return label, figure(parameters(costs, list(item.region.nodes())))
    params = parameters(costs, list(nodes_of(item.units[0])))
    name = "" if frame is None else visible(frame.region.block or frame.region.name)
    name = cut(name, FONT, WIDEST)
    each = f"{params:,} each" if params else ""
    return f"{name} {TIMES}{item.times}".strip(), each


def nodes_of(series: Series) -> Iterator[Node]:
    """The nodes of a series, in order."""
    for item in series.items:
        if isinstance(item, Stack | Gap):
            yield from item.nodes
        elif isinstance(item, Frame):
            yield from item.region.nodes()
        elif isinstance(item, Repeat):
            for unit in item.units:
                yield from nodes_of(unit)
        elif isinstance(item, Parallel):
            for branch in item.branches:
                yield from nodes_of(branch)


def output_label(costs: Costs, node: Node) -> str:
    """The label of an output, named if there are several."""
    graph = costs.graph
    if len(graph.all_outputs) == 1:
        return "output"
    kind = "output in training" if node.index in graph.training_outputs else "output"
    return cut(f"{kind} {visible(node.path)}", FONT, WIDEST)


def gap_label(gap: Gap) -> str:
    """What a gap stands for."""
    outputs = f", {gap.outputs:,} outputs" if gap.outputs else ""
    return f"\u2026 {len(gap.nodes):,} layers{outputs} \u2026"
