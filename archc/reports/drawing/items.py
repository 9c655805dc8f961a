"""What a drawing is made of, before anything has a place."""

from __future__ import annotations

from typing import NamedTuple

from archc.ir.graph import Node, Region


class Stack(NamedTuple):
    """Ops in one box: each takes what the one above gives, and nothing else does."""

    nodes: tuple[Node, ...]


class Output(NamedTuple):
    """Where a value leaves the network."""

    node: Node


class Frame(NamedTuple):
    """A section or block instance."""

    region: Region
    body: Series


class Repeat(NamedTuple):
    """Three or more equal stretches in a row, the first of which stands for all."""

    units: tuple[Series, ...]

    @property
    def alone(self) -> Frame | None:
        """The section or block that is all there is to the first stretch."""
        items = self.units[0].items
        return items[0] if len(items) == 1 and isinstance(items[0], Frame) else None

    @property
    def body(self) -> Series:
        """What is drawn for all of them."""
        return self.units[0] if self.alone is None else self.alone.body


class Parallel(NamedTuple):
    """Branches beside each other. Each begins with what comes before this item, and ends in what
    comes after it."""

    branches: tuple[Series, ...]


Item = Stack | Output | Frame | Repeat | Parallel


class Series(NamedTuple):
    """Items below each other. `linked` tells of each whether the one before it (or what comes into
    the series) feeds it, `leaves` whether the last one feeds what follows the series. `output` is
    the index of the node that the series ends in, None where that is not one. Without items it is
    the identity."""

    items: tuple[Item, ...]
    linked: tuple[bool, ...]
    leaves: bool
    output: int | None


def output_of(item: Item) -> int | None:
    """The index of the node whose value leaves an item at its end."""
    if isinstance(item, Stack):
        return item.nodes[-1].index
    if isinstance(item, Frame):
        return item.region.output
    if isinstance(item, Repeat):
        return item.units[-1].output
    return None
