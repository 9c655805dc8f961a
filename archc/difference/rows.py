"""What the alignment of two networks knows of their layers."""

from __future__ import annotations

from typing import NamedTuple

from archc.ir.costs import Costs
from archc.ir.graph import Region
from archc.ops.axes import Axes
from archc.ops.base import Op

Address = tuple[object, ...]


class Row(NamedTuple):
    """What the alignment knows of a layer. `name` is None where it is counted; `around` are the
    blocks and sections it stands in, from the outside in; `address` tells apart those that are
    called the same, and repetitions; `shapes` are what comes in and what leaves. `sources` are the
    positions of the layers that it takes, -1 - n for the network's input n."""

    op: Op
    name: str | None
    around: tuple[str, ...]
    address: Address
    path: str
    shapes: tuple[Axes, ...]
    has_weights: bool
    sources: tuple[int, ...]


def rows_of(costs: Costs) -> list[Row]:
    """The layers of a network in order."""
    layers = {layer.node.index: layer for layer in costs.layers}
    positions = {index: -1 - number for number, index in enumerate(costs.graph.inputs)}
    positions |= {index: number for number, index in enumerate(layers)}
    found: dict[int, Row] = {}
    waiting: list[tuple[Region, tuple[str, ...], Address]]
    waiting = [(costs.graph.root, (), ())]
    while waiting:
        region, around, address = waiting.pop()
        for item in region.items:
            here = (*address, *item.origin.iteration)
            if isinstance(item, Region):
                called = (*around, item.block or item.name)
                waiting.append((item, called, (*here, item.name)))
            elif item.index in layers:
                layer = layers[item.index]
                found[item.index] = Row(
                    op=item.op,
                    name=item.name if item.named else None,
                    around=around,
                    address=here,
                    path=item.path,
                    shapes=(*layer.inputs, item.output),
                    has_weights=bool(layer.variables),
                    sources=tuple(positions[index] for index in item.inputs),
                )
    return [found[index] for index in layers]
