"""What is known of some instances of a block while they are joined to one definition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from archc.backends.blocks.items import Turns
from archc.backends.blocks.symbols import value_of
from archc.codegen.rewrite import walk
from archc.codegen.tree import Expr, Ref
from archc.ir.graph import Node, Region
from archc.ops.axes import Axes


class MismatchError(Exception):
    """Instances that one definition cannot cover."""


@dataclass(slots=True)
class UnifyContext:
    """What is known while the instances of one block are joined.

    `entries` has the value of each input of the block by its name, `widths_in` the symbol of
    the width of each, in order.
    `names` has what a name of the spec stands for, `columns` each symbol's value in every instance,
    `widths` the channels or features of each value, `partial` those that are right in some
    instances alone. `filled` are the symbols that fill fields of
    nodes, `fresh` the parameters that are not the spec's, with their default if any. `general` are
    the nodes that are lowered the general way, `counterparts` each region's items by the steps of
    the definition, `joined` the definition's path for the path of each region in an instance,
    `gathered` the repetitions that instances run differently often, with how often each does.
    """

    regions: Sequence[Region]
    names: dict[str, Expr | None]
    columns: dict[Expr, list[object]]
    defaults: Mapping[str, object]
    entries: Mapping[str, int]
    widths_in: Sequence[Ref]
    handed: Sequence[str]
    widths: dict[int, Expr | None] = field(default_factory=dict)
    partial: dict[int, list[Expr]] = field(default_factory=dict)
    filled: dict[tuple[int, str], Expr] = field(default_factory=dict)
    fresh: dict[str, Expr | None] = field(default_factory=dict)
    general: set[int] = field(default_factory=set)
    counterparts: dict[str, dict[tuple[object, ...], Node | Region]] = field(default_factory=dict)
    joined: dict[str, str] = field(default_factory=dict)
    gathered: list[tuple[Turns, Mapping[int, int]]] = field(default_factory=list)

    @property
    def incoming(self) -> Ref:
        """The symbol of the width of what comes in first."""
        return self.widths_in[0]

    def evaluate(self, expr: Expr, present: Sequence[int]) -> list[object]:
        """What an expression comes to in each instance of `present`."""
        return [value_of(expr, self.values(index)) for index in present]

    def values(self, index: int) -> dict[Expr, object]:
        """The value of each symbol in one instance."""
        return {symbol: column[index] for symbol, column in self.columns.items()}

    def common(self, value: int, outputs: Sequence[Axes]) -> Axes | None:
        """The axes that a value has in the network, whatever it is built with; None in a block,
        which is for any."""
        width = self.widths.get(value)
        depends = width is not None and any(isinstance(node, Ref) for node in walk(width))
        return None if depends or self.regions[0].kind == "block" else outputs[0]

    def symbols_of(self, value: int) -> list[Expr]:
        """What the channels or features of a value may be, the best first."""
        whole = self.widths.get(value)
        return [*([] if whole is None else [whole]), *self.partial.get(value, ())]

    def add_fresh(self, base: str, column: list[object], default: Expr | None = None) -> Ref:
        """A parameter that the spec has not, under a name that is free."""
        name, count = base, 1
        while name in self.names or Ref(name) in self.columns:
            count += 1
            name = f"{base}_{count}"
        self.fresh[name] = default
        self.columns[Ref(name)] = column
        return Ref(name)

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Whatever is entered within is taken back where it ends in a MismatchError."""
        kept = dict(self.columns), dict(self.filled), dict(self.fresh), set(self.general)
        try:
            yield
        except MismatchError:
            self.columns, self.filled, self.fresh, self.general = kept
            raise
