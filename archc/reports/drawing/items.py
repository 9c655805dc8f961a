"""The items of a drawing, before the layout."""

from __future__ import annotations

from typing import NamedTuple

from archc.ir.graph import Node, Region


class Stack(NamedTuple):
    """Ops in one box: each is the only consumer of the one above."""

    nodes: tuple[Node, ...]


class Output(NamedTuple):
    """An output of the network."""

    node: Node


class Gap(NamedTuple):
    """What a folded drawing leaves out: ops, and outputs of the network. `output` is the index of
    the node whose value leaves it, None without a single one."""

    nodes: tuple[Node, ...]
    output: int | None
    outputs: int = 0


class Frame(NamedTuple):
    """A section or block instance."""

    region: Region
    body: Series


class Repeat(NamedTuple):
    """Consecutive equal series, drawn as one: two or more of a frame, else three or more. `folded`
    is how many they are where a gap stands for some of them."""

    units: tuple[Series, ...]
    folded: int = 0

    @property
    def times(self) -> int:
        """How often the series is repeated."""
        return self.folded or len(self.units)

    @property
    def alone(self) -> Frame | None:
        """The section or block that is the only item of a unit."""
        items = self.units[0].items
        return items[0] if len(items) == 1 and isinstance(items[0], Frame) else None

    @property
    def body(self) -> Series:
        """The series that is drawn for all units."""
        return self.units[0] if self.alone is None else self.alone.body


class Parallel(NamedTuple):
    """Branches side by side, from the item before to the item after."""

    branches: tuple[Series, ...]


Item = Stack | Output | Frame | Repeat | Parallel | Gap


class Series(NamedTuple):
    """Items from top to bottom. `linked` is true for an item that is fed by the one before it (or
    by the input of the series), `leaves` if the last one feeds what follows the series. `output` is
    the index of the node that the series ends in, None without a single one. Without items it is
    the identity."""

    items: tuple[Item, ...]
    linked: tuple[bool, ...]
    leaves: bool
    output: int | None


def output_of(item: Item) -> int | None:
    """The index of the node whose value leaves an item."""
    if isinstance(item, Stack):
        return item.nodes[-1].index
    if isinstance(item, Frame):
        return item.region.output
    if isinstance(item, Repeat):
        return item.units[-1].output
    if isinstance(item, Gap):
        return item.output
    return None
