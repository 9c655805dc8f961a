"""Layers that several steps of a function share: each is a variable, which is then called."""

from __future__ import annotations

from collections.abc import Sequence

from archc.backends.blocks.instances import regions_in
from archc.backends.blocks.items import Item, LoweredOp
from archc.backends.blocks.names import steps_in
from archc.codegen.tree import Ref
from archc.ir.graph import Graph
from archc.language.names import variable_name

Key = int | str
"""The index of a node, or the path of a section or block instance."""


def owners_in(items: Sequence[Item]) -> set[Key]:
    """The steps of some items whose layers others use."""
    owners: set[Key] = set()
    for item in steps_in(items):
        if isinstance(item, LoweredOp):
            owners |= {item.node.weights} - {-1}
        else:
            owners |= {item.region.weights} - {""} | owners_in(item.items)
    return owners


class SharedLayers:
    """The variables of a function's shared layers. `taken` are the names of its other variables."""

    def __init__(self, taken: set[str]) -> None:
        self.taken = taken
        self.names: dict[Key, dict[str, str]] = {}

    def add(self, key: Key, path: str) -> Ref:
        """The variable for a layer of a step, which has the name `path`."""
        own = self.names.setdefault(key, {})
        if path not in own:
            own[path] = self.free(variable_name(path.replace(".", "_")))
        return Ref(own[path])

    def of(self, key: Key) -> list[Ref]:
        """The variables of the layers of a step that have weights, in order."""
        return [Ref(name) for name in self.names[key].values()]

    def free(self, base: str) -> str:
        """A name that is free, which is then taken."""
        candidates = (base, f"{base}_layer", *(f"{base}_layer{count}" for count in range(2, 100)))
        name = next(name for name in candidates if name not in self.taken)
        self.taken.add(name)
        return name


def varied_inputs(graph: Graph) -> dict[tuple[str, int, int], bool]:
    """The steps whose instances of blocks are called again with inputs of another size, and whether
    that is another number of channels or features."""
    regions = {region.path: region for region in regions_in(graph.root)}
    varied: dict[tuple[str, int, int], bool] = {}
    for region in regions.values():
        if region.weights:
            owner = regions[region.weights]
            for one, other in zip(region.entering, owner.entering, strict=True):
                x, own = graph.nodes[one].output, graph.nodes[other].output
                if x != own:
                    step = owner.origin.step
                    varied[step] = varied.get(step, False) or x.width != own.width
    return varied
