"""The names of steps in emitted code: the spec's where it gives one, else the op's or block's, with
a number where there are several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from archc.backends.blocks.dataflow import is_empty
from archc.backends.blocks.items import Item, LoweredOp, LoweredOptional, LoweredScope
from archc.ir.graph import Node, Region
from archc.language.names import step_error


def step_names(items: Sequence[Item]) -> dict[int | str, str]:
    """The own name of each step of some items and of the sections in them, by the index of its
    node or the path of its region. They differ within a section."""
    names: dict[int | str, str] = {}
    spec_names: dict[int | str, str] = {}
    parts = [part_of(item) for item in steps_in(items)]
    explicit = {part.name for part in parts if part.named}
    counts = Counter(kind_of(part) for part in parts if not part.named)
    numbers: Counter[str] = Counter()
    for part in parts:
        key = part.index if isinstance(part, Node) else part.path
        kind = kind_of(part)
        numbers[kind] += not part.named
        names[key] = part.name if part.named else _counted(kind, numbers[kind], counts[kind])
        if not part.named and (names[key] in explicit or step_error(names[key])):
            names[key] = part.name
        spec_names[key] = part.name
    # The second `unit` is called as a single `unit2`: each of them has its name in the spec then.
    while several := {name for name, count in Counter(names.values()).items() if count > 1}:
        names |= {key: spec_names[key] for key, name in names.items() if name in several}
    for item in steps_in(items):
        if isinstance(item, LoweredScope):
            names |= step_names(item.items)
    return names


def steps_in(items: Iterable[Item]) -> Iterator[LoweredOp | LoweredScope]:
    """The ops and scopes of some items that do something, those that are there under one condition
    among them."""
    for item in items:
        if isinstance(item, LoweredOptional):
            yield from steps_in(item.items)
        elif not is_empty(item):
            yield item


def part_of(item: LoweredOp | LoweredScope) -> Node | Region:
    """The node or region of an item."""
    return item.node if isinstance(item, LoweredOp) else item.region


def key_of(item: LoweredOp | LoweredScope) -> int | str:
    """The index of an op's node, or the path of a scope's region."""
    return item.node.index if isinstance(item, LoweredOp) else item.region.path


def kind_of(part: Node | Region) -> str:
    """What a step without a name is called by: its op, its block, or that it is a section."""
    return part.name.rpartition("_")[0] if isinstance(part, Node) else part.block or part.kind


def _counted(kind: str, number: int, count: int) -> str:
    return kind if count == 1 else f"{kind}{number}"
