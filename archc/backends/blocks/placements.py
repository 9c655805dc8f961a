"""Every node of a network with the op of a definition that computes it, now that each block is
written once."""

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
from archc.backends.blocks.names import key_of, part_of
from archc.backends.blocks.turns import turns_of
from archc.codegen.tree import Ref
from archc.ir.graph import Node, Region


class NodePlacement(NamedTuple):
    """A node, and the op that computes it. `scopes` are the sections and block instances around
    that op, from the outermost, as their own definitions have them; `lacking` what these have under
    a condition, and the turns of their repetitions, that do not stand here: the indices of nodes,
    and the paths of regions."""

    node: Node
    op: LoweredOp
    scopes: tuple[LoweredScope, ...]
    lacking: frozenset[int | str] = frozenset()


def definition_of(scope: LoweredScope, network: ModuleOutline) -> Definition | None:
    """The definition that a scope calls, if it is a block's instance."""
    if scope.call is None:
        return None
    assert isinstance(scope.call.function, Ref)
    name = scope.call.function.name
    return next(one for one in network.definitions if one.name == name)


def node_placements(network: ModuleOutline, root: Region) -> Iterator[NodePlacement]:
    """The placements of all nodes in the network."""
    inside = {
        scope.region.path: scope.items if definition is None else definition.items
        for items in (network.items, *(one.items for one in network.definitions))
        for scope in _scopes(items)
        for definition in [definition_of(scope, network)]
    }
    yield from _placements_in(network.items, root, (), frozenset(), inside, network.counterparts)


def _scopes(items: Sequence[Item]) -> Iterator[LoweredScope]:
    for item in items:
        if isinstance(item, LoweredScope):
            if not is_empty(item):
                yield item
            yield from _scopes(item.items)
        elif isinstance(item, LoweredOptional):
            yield from _scopes(item.items)


def _placements_in(
    items: Sequence[Item],
    region: Region,
    scopes: tuple[LoweredScope, ...],
    lacking: frozenset[int | str],
    inside: Mapping[str, Sequence[Item]],
    counterparts: Counterparts,
) -> Iterator[NodePlacement]:
    """The placements of the nodes in a region, which is an instance of the items; not of those in
    instances that share another one's layers."""
    own = counterparts[region.path]
    lacking |= {
        key_of(item)
        for item in items
        if not isinstance(item, LoweredOptional)
        and (item.condition is not None or turns_of(item) is not None)
        and alignment_key(part_of(item)) not in own
    }
    for item in items:
        if isinstance(item, LoweredOp):
            node = own.get(alignment_key(item.node))
            if isinstance(node, Node):
                yield NodePlacement(node, item, scopes, lacking)
        elif isinstance(item, LoweredOptional):
            yield from _placements_in(item.items, region, scopes, lacking, inside, counterparts)
        elif not is_empty(item) and not item.region.weights:
            inner = own.get(alignment_key(item.region))
            if isinstance(inner, Region):
                path = item.region.path
                yield from _placements_in(
                    inside[path], inner, (*scopes, item), lacking, inside, counterparts
                )
