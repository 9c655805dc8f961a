"""The instances of a network's blocks: where they are, and how their items are aligned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from archc.backends.base import LoweredLayer
from archc.codegen.rewrite import transform
from archc.codegen.tree import Expr, Lit
from archc.ir.graph import Node, Region
from archc.ops.activation import Activation


def alignment_key(item: Node | Region) -> tuple[object, ...]:
    """What aligns the items of two instances: the step and the repetition that they come from. One
    step may be several activations."""
    op = item.kind if isinstance(item, Region) else type(item.op).__name__
    if isinstance(item, Node) and isinstance(item.op, Activation):
        op = "Activation"
    return item.origin.step, item.origin.iteration, op


def structure(lowered_layers: Sequence[LoweredLayer]) -> tuple[object, ...]:
    def blank(expr: Expr) -> Expr:
        return Lit(None) if isinstance(expr, Lit) else expr

    return tuple(
        tuple(None if tree is None else transform(tree, blank) for tree in layer.trees)
        for layer in lowered_layers
    )


def fullest(regions: Sequence[Region | None]) -> Region:
    """The first of the regions with the most nodes: it has every optional part."""
    whole = [region for region in regions if region is not None]
    return max(whole, key=lambda region: sum(1 for _ in region.nodes()))


def entry_of(regions: Sequence[Region]) -> int:
    """The value that stands for what comes into each of some instances: the earliest, which is in
    none of them."""
    return min(region.input for region in regions)


def instances_in(root: Region) -> dict[str, list[Region]]:
    """The instances of each block, in order; not those that share another one's variables."""
    instances: dict[str, list[Region]] = {}
    waiting = [root]
    while waiting:
        region = waiting.pop()
        if region.weights:
            continue
        if region.block is not None:
            instances.setdefault(region.block, []).append(region)
        waiting += reversed([item for item in region.items if isinstance(item, Region)])
    return instances


def inner_first(instances: Mapping[str, Sequence[Region]]) -> list[str]:
    """The blocks, each after those that its instances contain."""
    uses = {
        block: {
            inner.block
            for region in regions
            for inner in regions_in(region)
            if inner.block is not None
        }
        for block, regions in instances.items()
    }
    order: list[str] = []
    while len(order) < len(uses):
        ready = [block for block in uses if block not in order and uses[block] <= set(order)]
        order += ready
    return order


def regions_in(region: Region) -> Iterator[Region]:
    """All regions inside a region, each before those in it."""
    for item in region.items:
        if isinstance(item, Region):
            yield item
            yield from regions_in(item)
