"""The branches of merges: which is the way around, and in what order they are written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from archc.backends.blocks.dataflow import OUTSIDE, Uses, nodes_of
from archc.backends.blocks.items import Item, LoweredOp, LoweredOptional
from archc.ops.merge import Add, Merge, Multiply


class Detour(NamedTuple):
    """The two branches of a merge that one value, `source`, feeds: the main one, and the shortcut,
    which does less and may be empty."""

    end: LoweredOp
    source: int
    main: list[Item]
    shortcut: list[Item]


def gates(items: Sequence[Item], uses: Uses) -> dict[int, str]:
    """What the values are called that scale what they are computed from."""
    names: dict[int, str] = {}
    for detour in detours(items, uses, Multiply):
        if not detour.shortcut:
            inside = (index for one in detour.main for index in nodes_of(one))
            names |= dict.fromkeys(inside, "scale")
    return names


def detours(items: Sequence[Item], uses: Uses, kind: type[Merge] = Add) -> list[Detour]:
    """Those of all merges of two among some items, of one kind."""
    makers = {output: item for item in items for output in uses.outputs(item)}
    takers = Counter(index for item in items for index in uses.inputs(item))

    def branch_to(value: int) -> tuple[int, list[Item]]:
        """The value that a branch goes out from, and its items, each to the next alone."""
        chain: list[Item] = []
        while value in makers and takers[value] == 1 and OUTSIDE not in uses.users[value]:
            inputs = uses.inputs(makers[value])
            if len(inputs) != 1 or len(uses.outputs(makers[value])) != 1:
                break
            chain.append(makers[value])
            (value,) = inputs
        return value, chain[::-1]

    result: list[Detour] = []
    for item in items:
        if not isinstance(item, LoweredOp) or not isinstance(item.node.op, kind):
            continue
        if len(item.node.inputs) != 2:
            continue
        (source, main), (other, shortcut) = map(branch_to, item.node.inputs)
        if source != other or _work(main) == _work(shortcut):
            continue
        if _work(main) < _work(shortcut):
            main, shortcut = shortcut, main
        result.append(Detour(item, source, main, shortcut))
    return result


def shortcut_first(items: Sequence[Item], uses: Uses) -> list[Item]:
    """The items with the shortcut of each sum before its main branch, which can then go on with
    the variable of what comes in."""
    positions = {id(item): position for position, item in enumerate(items)}
    before: dict[int, list[Item]] = {}
    moved: set[int] = set()
    for detour in detours(items, uses):
        first = detour.main[0]
        if detour.shortcut and positions[id(first)] < positions[id(detour.shortcut[0])]:
            before[id(first)] = detour.shortcut
            moved.update(map(id, detour.shortcut))
    ordered: list[Item] = []
    for item in items:
        if id(item) not in moved:
            ordered += [*before.get(id(item), ()), item]
    return ordered


def _work(items: Sequence[Item]) -> int:
    """How much a branch does: a part under a condition is less than one that is always there."""
    return sum(2 * len(nodes_of(item)) - _is_optional(item) for item in items)


def _is_optional(item: Item) -> bool:
    return isinstance(item, LoweredOptional) or item.condition is not None


def is_merge(item: Item) -> bool:
    """Whether an item joins several values."""
    return isinstance(item, LoweredOp) and isinstance(item.node.op, Merge)
