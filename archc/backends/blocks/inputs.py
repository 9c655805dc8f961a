"""The further inputs that a block has in emitted source: those that its instances take.

An instance may leave out the only step that takes an input, or be given one value for two. What it
is given all the same is no argument that somebody reads, and need not be computed for it.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from operator import is_

from archc.backends.blocks.instances import regions_in
from archc.ir.graph import Node, Region
from archc.records import replace


def with_used_inputs(root: Region) -> Region:
    """A network whose blocks are without the inputs that no instance takes, or that are one value
    with an input before them in all. Where other instances take what one does not, that one gets
    its first input once more."""
    root = _with_inputs(root)
    used: dict[str, set[str]] = {}
    for region in regions_in(root):
        before, own = {region.input}, used.setdefault(str(region.block), set())
        for name, index in region.inputs.items():
            if index not in before:
                own.add(name)
            before.add(index)
    return _with_inputs(root, used)


def _with_inputs(region: Region, used: Mapping[str, Container[str]] | None = None) -> Region:
    """A region whose blocks have their `used` inputs; without these, all of them, of which those
    that an instance does not take are its first."""
    items = tuple(
        item if isinstance(item, Node) else _with_inputs(item, used) for item in region.items
    )
    inputs = region.inputs
    if inputs and used is not None:
        own = used[str(region.block)]
        inputs = {name: index for name, index in inputs.items() if name in own}
    elif inputs:
        taken = {*_taken(items), region.output, *region.outputs.values()}
        inputs = {name: index if index in taken else region.input for name, index in inputs.items()}
    if inputs == region.inputs and all(map(is_, items, region.items)):
        return region
    return replace(region, items=items, inputs=inputs)


def _taken(items: tuple[Node | Region, ...]) -> Iterator[int]:
    """The values that some steps take, those in sections among them."""
    for item in items:
        if isinstance(item, Node):
            yield from item.inputs
            yield item.bypass
            if item.branches is not None:
                yield item.branches.input
        elif item.kind == "block":
            yield from item.entering
        else:
            yield from _taken(item.items)
            yield item.output
