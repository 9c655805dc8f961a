"""The properties of layers by which two networks are aligned."""

from __future__ import annotations

from typing import NamedTuple

from archc.ir.costs import Costs
from archc.ir.graph import Region
from archc.ops.axes import Axes
from archc.ops.base import Op

Address = tuple[object, ...]


class Row(NamedTuple):
    """The properties of a layer. `name` is None for a counted one; `around` are the enclosing
    blocks and sections, outermost first; `address` distinguishes their instances and repetitions;
    `shapes` are those of the inputs and the output. `sources` are the positions of the input
    layers, -1 - n for the network's input n."""

    op: Op
    name: str | None
    around: tuple[str, ...]
    address: Address
    path: str
    shapes: tuple[Axes, ...]
    has_weights: bool
    sources: tuple[int, ...]


def rows_of(costs: Costs) -> list[Row]:
    """The layers of a network, in order."""
    layers = {layer.node.index: layer for layer in costs.layers}
    positions = {index: -1 - number for number, index in enumerate(costs.graph.inputs)}
    positions |= {index: number for number, index in enumerate(layers)}
    rows: dict[int, Row] = {}
    waiting: list[tuple[Region, tuple[str, ...], Address]]
    waiting = [(costs.graph.root, (), ())]
    while waiting:
        region, around, address = waiting.pop()
        for item in region.items:
            here = (*address, *item.origin.iteration)
            if isinstance(item, Region):
                enclosing = (*around, item.block or item.name)
                waiting.append((item, enclosing, (*here, item.name)))
            elif item.index in layers:
                layer = layers[item.index]
                rows[item.index] = Row(
                    op=item.op,
                    name=item.name if item.named else None,
                    around=around,
                    address=here,
                    path=item.path,
                    shapes=(*layer.inputs, item.output),
                    has_weights=bool(layer.variables),
                    sources=tuple(positions[index] for index in item.inputs),
                )
    return [rows[index] for index in layers]
