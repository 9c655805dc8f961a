"""What is known of some instances of a block while they are joined to one definition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from archc.backends.blocks.symbols import value_of
from archc.codegen.tree import Expr, Ref
from archc.ir.graph import Region
from archc.ops.axes import Axes


@dataclass(slots=True)
class UnifyContext:
    """What is known while the instances of one block are joined."""

    regions: Sequence[Region]
    names: dict[str, Expr | None]
    columns: dict[Expr, list[object]]
    defaults: Mapping[str, object]
    incoming: Ref
    widths: dict[int, Expr | None] = field(default_factory=dict)
    filled: dict[tuple[int, str], Expr] = field(default_factory=dict)
    fresh: dict[str, list[object]] = field(default_factory=dict)

    def evaluate(self, expr: Expr, present: Sequence[int]) -> list[object]:
        """What an expression comes to in each instance of `present`."""
        return [value_of(expr, self.values(index)) for index in present]

    def values(self, index: int) -> dict[Expr, object]:
        """The value of each symbol in one instance."""
        return {symbol: column[index] for symbol, column in self.columns.items()}

    def common(self, outputs: Sequence[Axes]) -> Axes | None:
        """The axes that an output has in every instance of the block."""
        everywhere = len(outputs) == len(self.regions) and len(set(outputs)) == 1
        return outputs[0] if everywhere else None
