"""The values of a Keras function, in the order in which they are computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import dropwhile, islice
from types import MappingProxyType

from archc.backends.blocks.branches import detours, gates, is_merge, shortcut_first
from archc.backends.blocks.dataflow import Uses, is_empty, nodes_of, result_name
from archc.backends.blocks.items import (
    Item,
    LoweredOp,
    LoweredOptional,
    LoweredScope,
    trees_in,
)
from archc.backends.blocks.repetition import ListedMerge, repetition
from archc.backends.blocks.symbols import symbols_in
from archc.backends.blocks.turns import repetitions
from archc.backends.blocks.variables import CHAIN, Operation
from archc.codegen.tree import Expr
from archc.language.names import EMITTED

NameOf = Callable[[str], Expr]
"""The name of a layer, from its path within the function's part of the network."""

Paths = Mapping[int | str, str]
"""The path of each step within its function, by the index of its node or the path of its region."""


class Values:
    """The values of the items of a function: their order, and the variables that have them.
    `widths` has what a block's function takes, by the symbol of its channels or features."""

    def __init__(
        self,
        uses: Uses,
        name_of: NameOf,
        paths: Paths,
        reserved: frozenset[str],
        widths: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self.uses = uses
        self.name_of = name_of
        self.paths = paths
        self.reserved = reserved | EMITTED.difference(CHAIN)
        self.widths = widths
        self.captured = ""
        self.kept: frozenset[int] = frozenset()
        self.names: dict[int, str] = {}
        self.shortcuts: dict[int, int] = {}
        self.merges: dict[int, ListedMerge] = {}

    def asks_late(self, items: Sequence[Item], symbol: str, value: int) -> bool:
        """Whether a step that does not take a value asks for its width, which is `symbol`, or one
        does so behind a layer that may give another width."""
        for item in items:
            if isinstance(item, LoweredOptional) or (
                isinstance(item, LoweredScope) and item.call is None
            ):
                if self.asks_late(item.items, symbol, value):
                    return True
                continue
            taken = value in self.uses.inputs(item)
            asking = self.asked_behind(item, value) if taken else trees_in([item])
            if symbol in symbols_in(list(asking)):
                return True
        return False

    def asked_behind(self, item: Item, value: int) -> Iterator[Expr | None]:
        """The trees of an op's layers behind its first with weights, which alone change a width,
        where the op is in the variable of the value that it takes."""
        if isinstance(item, LoweredOp) and self.names[item.node.index] == self.names[value]:
            for op in (item, *(alternative.op for alternative in item.alternatives)):
                behind = dropwhile(lambda layer: not layer.weighted, op.layers)
                for layer in islice(behind, 1, None):
                    yield from layer.trees

    def values_of_branches(self, items: Sequence[Item]) -> dict[int, str]:
        """What the values of shortcuts and gates are called."""
        values = gates(items, self.uses)
        for detour in detours(items, self.uses):
            inside = (index for one in detour.shortcut for index in nodes_of(one))
            values |= dict.fromkeys(inside, "shortcut")
        for item in items:
            if isinstance(item, LoweredScope):
                values |= self.values_of_branches(item.items)
        return values

    def ordered(self, items: Sequence[Item]) -> list[Item]:
        """The items that do something, shortcuts before the branches that they go around."""
        kept = [item for item in items if not is_empty(item)]
        return shortcut_first(kept, self.uses)

    def operations(self, items: Sequence[Item], *, optional: bool = False) -> Iterator[Operation]:
        aliases = {} if optional else self.aliases(items)
        for turns, (item, *more) in repetitions(items):
            for item_alias, source in aliases.get(id(item), ()):
                self.shortcuts[item_alias] = source
                yield Operation((source,), (item_alias,), ("shortcut",), names_result=True)
            if turns is not None:
                whole = repetition(turns, [item, *more], items, self.uses)
                self.merges.update(whole.merges)
                yield whole.operation
                continue
            if isinstance(item, LoweredScope) and item.call is None:
                yield from self.operations(self.ordered(item.items))
                continue
            inputs, outputs = self.uses.inputs(item), self.uses.outputs(item)
            if isinstance(item, LoweredOptional):
                *before, last = self.operations(item.items, optional=True)
                yield from before
                inputs = tuple(dict.fromkeys([*last.inputs, item.source]))
                yield last._replace(inputs=inputs, in_place_of=item.source)
                continue
            if isinstance(item, LoweredOp) and -1 - item.node.index in self.shortcuts:
                alias = -1 - item.node.index
                source = self.shortcuts[alias]
                inputs = tuple(alias if index == source else index for index in inputs)
            if isinstance(item, LoweredOp) and item.node.index in self.merges:
                inputs = self.merges[item.node.index].inputs(inputs)
            names: tuple[str | None, ...] = (_name(item),)
            if isinstance(item, LoweredScope):
                names = self.uses.result_names(item.region)
            yield Operation(inputs, outputs, names, is_merge(item))

    def aliases(self, items: Sequence[Item]) -> dict[int, list[tuple[int, int]]]:
        """The sums whose shortcut is what comes in itself, by the first item of the main branch:
        a value of its own for the shortcut, and what it stands for."""
        aliases: dict[int, list[tuple[int, int]]] = {}
        for detour in detours(items, self.uses):
            if not detour.shortcut and detour.source not in self.kept:
                pair = (-1 - detour.end.node.index, detour.source)
                aliases.setdefault(id(detour.main[0]), []).append(pair)
        return aliases


def _name(item: Item) -> str | None:
    if isinstance(item, LoweredOp):
        return result_name(item.node)
    if isinstance(item, LoweredScope):
        return result_name(item.region)
    return None
