"""The branches of merges: which is the way around, and in what order they are written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from archc.backends.blocks.dataflow import OUTSIDE, Uses, nodes_of
from archc.backends.blocks.items import Item, LoweredOp, LoweredScope
from archc.ops.merge import Add, Merge


def shortcut_first(items: Sequence[Item], uses: Uses) -> list[Item]:
    """The items with the shortcut of each sum before its main branch, which can then go on with
    the variable of what comes in."""
    ordered = list(items)
    for item in items:
        branches = shortcut_of(item, ordered, uses)
        if branches is None:
            continue
        _, main, shortcut = branches
        if main and shortcut and ordered.index(main[0]) < ordered.index(shortcut[0]):
            position = ordered.index(main[0])
            rest = [one for one in ordered if one not in shortcut]
            ordered = [*rest[:position], *shortcut, *rest[position:]]
    return ordered


class Detour(NamedTuple):
    """The main branch of a sum of two that one value feeds, and its shortcut: the branch of less
    work, which may be empty."""

    source: int
    main: list[Item]
    shortcut: list[Item]


def shortcut_of(item: Item, items: Sequence[Item], uses: Uses) -> Detour | None:
    """The branches of a sum of two; None for what is no such sum."""
    if not isinstance(item, LoweredOp) or not isinstance(item.node.op, Add):
        return None
    if len(item.node.inputs) != 2:
        return None
    first, second = (_branch_to(value, items, uses) for value in item.node.inputs)
    if first.source != second.source:
        return None
    main, shortcut = first.items, second.items
    if _work(main) < _work(shortcut):
        main, shortcut = shortcut, main
    if _work(main) == _work(shortcut):
        return None
    return Detour(first.source, main, shortcut)


class _Branch(NamedTuple):
    source: int
    items: list[Item]


def _branch_to(value: int, items: Sequence[Item], uses: Uses) -> _Branch:
    """The items that lead to one value, each to the next alone, and the value that they go out
    from."""
    makers = {output: item for item in items for output in uses.outputs(item)}
    takers = Counter(index for item in items for index in uses.inputs(item))
    chain: list[Item] = []
    while value in makers and takers[value] == 1 and OUTSIDE not in uses.users[value]:
        inputs = uses.inputs(makers[value])
        if len(inputs) != 1 or len(uses.outputs(makers[value])) != 1:
            break
        chain.append(makers[value])
        (value,) = inputs
    return _Branch(value, chain[::-1])


def _work(items: Sequence[Item]) -> int:
    """How much a branch does: a part under a condition is less than one that is always there."""
    return sum(
        2 * len(nodes_of(item))
        - (not isinstance(item, LoweredScope | LoweredOp))
        - bool(getattr(item, "condition", None))
        for item in items
    )


def is_merge(item: Item) -> bool:
    """Whether an item joins several values."""
    return isinstance(item, LoweredOp) and isinstance(item.node.op, Merge)
