"""The texts and figures shared by the table and the Markdown comment of a difference."""

from __future__ import annotations

from typing import NamedTuple

from archc.difference import Difference, Pair
from archc.difference.causes import Cause, Cost
from archc.language.writer import inline
from archc.ops.axes import Axes
from archc.reports.rows import human, size_of
from archc.reports.table import shorten

ARROW = "\u2192"
LONGEST_VALUE = 48
"""The longest value of a field in characters; the codes of `rbf` fill pages."""


class Total(NamedTuple):
    """A line of the totals: its name, the values of A and B, B minus A, and that in percent."""

    name: str
    a: str
    b: str
    delta: str
    growth: str


def signed(number: int) -> str:
    """A signed number with thousands separators; `0` without a sign."""
    return f"{number:+,}" if number else "0"


def growth(before: int, after: int) -> str:
    """The growth in percent, `+3.84%`; empty without a change or for growth from zero."""
    if not before or after == before:
        return ""
    hundredths = (abs(after - before) * 20_000 + before) // (2 * before)
    sign = "-" if after < before else "+"
    return f"{sign}{hundredths // 100:,}.{hundredths % 100:02}%"


def names(result: Difference) -> tuple[str, str]:
    """The names of the two networks."""
    return result.a.graph.about.name, result.b.graph.about.name


def rows_to_show(result: Difference, *, everything: bool) -> list[Pair]:
    """The rows to show: those that differ, or all."""
    return [pair for pair in result.pairs if everything or pair.status != "same"]


def label(pair: Pair) -> str:
    """The path of a layer, in A and in B where they differ."""
    paths = [side.node.path for side in (pair.a, pair.b) if side is not None]
    return f" {ARROW} ".join(dict.fromkeys(paths))


def op_name(pair: Pair) -> str:
    """The op of a row."""
    return next(side.node.op.name for side in (pair.a, pair.b) if side is not None)


def changes(pair: Pair) -> list[str]:
    """The differences in a row: fields with both values; else shapes, with their causes."""
    parts = [f"{field} {_values(*values)}" for field, values in pair.changes.items()]
    if pair.a is None or pair.b is None or pair.status == "same":
        return parts
    causes = dict.fromkeys(effect.cause for effect in pair.effects if effect.downstream)
    origin = f" ({', '.join(map(_origin, causes))})" if causes else ""
    if pair.a.inputs != pair.b.inputs and (origin or not parts):
        parts.append(f"input {_shapes(pair.a.inputs)} {ARROW} {_shapes(pair.b.inputs)}{origin}")
    elif pair.a.node.output != pair.b.node.output:
        parts.append(
            f"output {_shapes((pair.a.node.output,))} {ARROW} {_shapes((pair.b.node.output,))}"
        )
    return parts


def _origin(cause: Cause) -> str:
    return cause.kind if cause.layer is None else f"{cause.kind}: {cause.layer}"


def _values(*sides: object) -> str:
    return f" {ARROW} ".join(shorten(inline(value), LONGEST_VALUE) for value in sides)


def _shapes(axes: tuple[Axes, ...]) -> str:
    return ", ".join(human(one.sizes) for one in axes)


def interface(result: Difference) -> list[str]:
    """The inputs and outputs of the network that differ."""
    lines = []
    for name, a, b in (
        ("input", result.a.graph.inputs, result.b.graph.inputs),
        ("output", result.a.graph.outputs, result.b.graph.outputs),
    ):
        sides = (
            [human(costs.graph.nodes[index].output.sizes) for index in indices]
            for costs, indices in ((result.a, a), (result.b, b))
        )
        before, after = (", ".join(side) for side in sides)
        if before != after:
            lines.append(f"{name}: {before} {ARROW} {after}")
    return lines


def recipe(result: Difference) -> list[str]:
    """The fields of the training recipe that differ, with both values."""
    return [f"{field}: {_values(*values)}" for field, values in result.recipe.items()]


def totals(result: Difference) -> list[Total]:
    """The totals that are not zero in both."""
    one, two = result.a.totals, result.b.totals
    rows = [
        Total(name, f"{a:,}", f"{b:,}", signed(b - a), growth(a, b))
        for name, a, b in (
            ("parameters", one.params, two.params),
            ("running statistics", one.state, two.state),
            ("MACs per sample", one.macs, two.macs),
            ("activations per sample", one.activations, two.activations),
        )
        if a or b
    ]
    a, b = one.weight_bytes, two.weight_bytes
    size = f"{'-' if b < a else '+'}{size_of(abs(b - a))}" if a != b else "0"
    rows.append(Total("weights in float32", size_of(a), size_of(b), size, growth(a, b)))
    return rows


def figures(result: Difference) -> list[str]:
    """The totals that differ, in short: `parameters +135,616 (+0.22%)`."""
    one, two = result.a.totals, result.b.totals
    return [
        f"{name} {signed(b - a)}" + (f" ({growth(a, b)})" if a else "")
        for name, a, b in (
            ("parameters", one.params, two.params),
            ("MACs", one.macs, two.macs),
            ("activations", one.activations, two.activations),
        )
        if a != b
    ]


def causes(result: Difference) -> list[tuple[str, Cost]]:
    """The causes of the difference, each followed by its downstream part, and their sum. Causes
    without any cost are omitted."""
    rows: list[tuple[str, Cost]] = []
    for share in result.shares():
        if any(share.cost) or any(share.downstream):
            rows.append((share.kind, share.cost))
            if any(share.downstream) and share.cost != share.downstream:
                rows.append(("  of this downstream", share.downstream))
    if rows:
        one, two = result.a.totals, result.b.totals
        rows.append(
            (
                "total",
                Cost(
                    two.params - one.params,
                    two.macs - one.macs,
                    two.activations - one.activations,
                ),
            )
        )
    return rows


def summary(result: Difference) -> str:
    """The number of rows of each kind of difference: `3 layers added, 1 reshaped` (by a different
    input)."""
    counts: dict[str, int] = {}
    kind: str
    for pair in result.pairs:
        if pair.status != "same":
            # Layers whose input shapes alone differ are not changed in the spec.
            reshaped = pair.status == "changed" and not pair.changes
            kind = "reshaped" if reshaped else pair.status
            counts[kind] = counts.get(kind, 0) + 1
    order = ("changed", "added", "removed", "reshaped")
    parts = [f"{counts[kind]:,} {kind}" for kind in order if kind in counts]
    if not parts:
        if not result.same_network:
            return "same layers, different inputs or outputs"
        return "same network, different training" if result.recipe else "no difference"
    number, _, kind = parts[0].partition(" ")
    parts[0] = f"{number} layer{'' if number == '1' else 's'} {kind}"
    return ", ".join(parts)
