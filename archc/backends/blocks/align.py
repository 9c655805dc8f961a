"""The steps of a block's instances laid beside each other: those that all of them have, and those
that only some have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archc.backends.blocks.instances import alignment_key
from archc.ir.graph import Node, Region
from archc.language.expressions import Expression

Key = tuple[object, ...]


@dataclass(slots=True)
class Row:
    """A step of a definition: the item of each instance, None where an instance lacks it. `merge`
    is the key of the innermost merge under a condition whose branch the step stands in, or which
    it is."""

    items: list[Node | Region | None]
    merge: Key | None

    @property
    def present(self) -> list[int]:
        """The instances that have the step."""
        return [index for index, item in enumerate(self.items) if item is not None]

    @property
    def first(self) -> Node | Region:
        """The step in the first instance that has it."""
        return next(item for item in self.items if item is not None)


def aligned(regions: Sequence[Region | None]) -> list[Row]:
    """The rows of some instances, in an order that is each instance's own. A step that an
    instance has instead of another of the same kind and name is in that one's row."""
    count = len(regions)
    keys: list[Key] = []
    rows: list[Row] = []
    order = sorted(
        (index for index, region in enumerate(regions) if region is not None),
        key=lambda index: -_size(regions[index]),
    )
    for index in order:
        region = regions[index]
        assert region is not None
        if not rows:
            merges = _merges(region)
            keys = [alignment_key(item) for item in region.items]
            for key, item in zip(keys, region.items, strict=True):
                alone: list[Node | Region | None] = [None] * count
                alone[index] = item
                rows.append(Row(alone, merges.get(key)))
            continue
        own = {alignment_key(item) for item in region.items}
        positions = {key: position for position, key in enumerate(keys)}
        merges = _merges(region)
        last = -1
        for item in region.items:
            key = alignment_key(item)
            position = positions.get(key)
            if position is None:
                position = _substitute(item, rows, keys, own, index, last)
            if position is None:
                position = last + 1
                row = Row([None] * count, merges.get(key))
                rows.insert(position, row)
                keys.insert(position, key)
                positions = {key: position for position, key in enumerate(keys)}
            rows[position].items[index] = item
            last = max(last, position)
    return rows


def _size(region: Region | None) -> int:
    return 0 if region is None else sum(1 for _ in region.nodes())


def _substitute(
    item: Node | Region,
    rows: Sequence[Row],
    keys: Sequence[Key],
    own: set[Key],
    index: int,
    last: int,
) -> int | None:
    """The row of a step that the instance lacks and that this one replaces."""
    for position in range(last + 1, len(rows)):
        if keys[position] in own or rows[position].items[index] is not None:
            continue
        if _is_alike(item, rows[position].first):
            return position
    return None


def _is_alike(a: Node | Region, b: Node | Region) -> bool:
    if a.named != b.named or (a.named and a.name != b.name):
        return False
    if isinstance(a, Node) or isinstance(b, Node):
        return isinstance(a, Node) and isinstance(b, Node) and type(a.op) is type(b.op)
    return a.kind == b.kind and a.block == b.block and _is_called_alike(a, b)


def _is_called_alike(a: Region, b: Region) -> bool:
    """Whether two instances of a block have the same arguments as the spec writes them, but for
    what one of them leaves at its default."""
    for name in a.arguments:
        written = [one.expressions.get(name) for one in (a, b)]
        if written[0] is not None and written[1] is not None:
            if not _is_same_text(*written):
                return False
        elif written[0] is None and written[1] is None:
            if a.arguments[name] != b.arguments.get(name):
                return False
        else:
            plain = a if written[0] is None else b
            if name not in plain.defaults or plain.arguments[name] != plain.defaults[name]:
                return False
    return True


def _is_same_text(a: object, b: object) -> bool:
    """Whether two expressions are the same, wherever they stand."""
    if not isinstance(a, tuple) or type(a) is not type(b):
        return a == b
    positions = {"offset", "length"}
    fields = getattr(a, "_fields", range(len(a)))
    assert isinstance(b, tuple)
    return len(a) == len(b) and all(
        field in positions or _is_same_text(x, y) for field, x, y in zip(fields, a, b, strict=True)
    )


def _merges(region: Region) -> dict[Key, Key]:
    """For each step in a branch of a merge that carries a condition, and for that merge itself,
    the merge's key."""
    inside: dict[Key, Key] = {}
    for position, item in enumerate(region.items):
        if isinstance(item, Node) and item.branches is not None and item.origin.when is not None:
            key = alignment_key(item)
            for other in region.items[min(item.branches.starts) : position + 1]:
                inside.setdefault(alignment_key(other), key)
    return inside


def condition_of(item: Node | Region) -> tuple[Expression | None, int]:
    """The condition that a step carries, and the value that comes in where it is asked."""
    if isinstance(item, Region):
        return item.origin.when, item.input
    return item.origin.when, item.bypass if item.bypass >= 0 else item.inputs[0]
