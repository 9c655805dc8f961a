"""Where the ops of a network come to stand once its blocks are written once: every op of every
instance with the part of the definition that computes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from archc.backends.blocks.dataflow import is_empty
from archc.backends.blocks.instances import alignment_key
from archc.backends.blocks.items import (
    Counterparts,
    Definition,
    Item,
    LoweredOp,
    LoweredOptional,
    LoweredScope,
    ModuleOutline,
)
from archc.codegen.tree import Ref
from archc.ir.graph import Node, Region


class NodePlacement(NamedTuple):
    """A node, and the part that computes it. `around` holds the sections and block instances in
    which that part stands, from the outermost, as their own definitions have them."""

    node: Node
    part: LoweredOp
    around: tuple[LoweredScope, ...]


def definition_of(group: LoweredScope, network: ModuleOutline) -> Definition | None:
    """The definition that a group calls, if it is a block's instance."""
    if group.call is None:
        return None
    assert isinstance(group.call.function, Ref)
    name = group.call.function.name
    return next(one for one in network.definitions if one.name == name)


def placings(network: ModuleOutline, root: Region) -> Iterator[NodePlacement]:
    """Those of all nodes in the network."""
    inside = {
        group.region.path: group.items if definition is None else definition.items
        for items in (network.items, *(one.items for one in network.definitions))
        for group in _groups(items)
        for definition in [definition_of(group, network)]
    }
    yield from _placings(network.items, root, (), inside, network.counterparts)


def _groups(items: Sequence[Item]) -> Iterator[LoweredScope]:
    for item in items:
        if isinstance(item, LoweredScope):
            if not is_empty(item):
                yield item
            yield from _groups(item.items)
        elif isinstance(item, LoweredOptional):
            yield from _groups(item.items)


def _placings(
    items: Sequence[Item],
    region: Region,
    around: tuple[LoweredScope, ...],
    inside: Mapping[str, Sequence[Item]],
    counterparts: Counterparts,
) -> Iterator[NodePlacement]:
    """Those of the nodes in a region, which is an instance of the items."""
    own = counterparts[region.path]
    for item in items:
        if isinstance(item, LoweredOp):
            node = own.get(alignment_key(item.node))
            if isinstance(node, Node):
                yield NodePlacement(node, item, around)
        elif isinstance(item, LoweredOptional):
            yield from _placings(item.items, region, around, inside, counterparts)
        elif not is_empty(item):
            inner = own.get(alignment_key(item.region))
            if isinstance(inner, Region):
                path = item.region.path
                yield from _placings(inside[path], inner, (*around, item), inside, counterparts)
