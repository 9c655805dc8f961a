"""Where the layers of a network stand in the emitted modules: their paths as attributes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from archc.backends.blocks.items import Item, LoweredOp, LoweredScope, ModuleOutline
from archc.backends.blocks.placements import placings
from archc.ir.graph import Region

Places: TypeAlias = "dict[int | str, tuple[str | None, ...]]"
"""By the index of a node, or the path of a section or block instance: the keys of its modules in
the class around it. A node has one for each stage, which is None for an expression."""


def in_sequence(items: Iterable[Item], keys: Iterable[str]) -> Places:
    """The keys of an `nn.Sequential` dealt out to its items: one for each section, block instance
    and op under a condition, and one for each layer of any other op."""
    coming = iter(keys)
    found: Places = {}
    for item in items:
        if isinstance(item, LoweredScope):
            found[item.region.path] = (next(coming),)
        elif item.condition is not None:
            found[item.node.index] = in_optional(next(coming), item)
        else:
            found[item.node.index] = tuple(next(coming) for _ in item.stages)
    return found


def in_optional(key: str, part: LoweredOp) -> tuple[str, ...]:
    """The keys of an op under a condition: several layers make a sequence of their own."""
    if len(part.stages) == 1:
        return (key,)
    return tuple(f"{key}.{position}" for position in range(len(part.stages)))


def whole_paths(
    made: ModuleOutline, keys: Places, root: Region
) -> dict[int, tuple[str | None, ...]]:
    """The paths of every node's modules from the whole network, one for each stage."""
    paths: dict[int, tuple[str | None, ...]] = {}
    for node, part, around in placings(made, root):
        prefix = "".join(f"{keys[group.region.path][0]}." for group in around)
        paths[node.index] = tuple(key and prefix + key for key in keys[part.node.index])
    return paths
