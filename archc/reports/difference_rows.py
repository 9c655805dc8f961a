"""What the table and the Markdown comment of a difference share: its words and its figures."""

from __future__ import annotations

from typing import NamedTuple

from archc.difference import Difference, Pair
from archc.difference.causes import Cause, Cost
from archc.language.writer import inline
from archc.ops.axes import Axes
from archc.reports.rows import human, size_of
from archc.reports.table import shortened

ARROW = "\u2192"
LONGEST_VALUE = 48
"""Characters of a field's value; the codes of `rbf` fill pages."""


class Total(NamedTuple):
    """A line of the totals: what it is, the values of A and B, B less A, and that in percent."""

    name: str
    a: str
    b: str
    delta: str
    growth: str


def signed(number: int) -> str:
    """A difference, thousands separated; `0` where there is none."""
    return f"{number:+,}" if number else "0"


def growth(before: int, after: int) -> str:
    """`+3.84%`; empty where nothing was before, or nothing has changed."""
    if not before or after == before:
        return ""
    hundredths = (abs(after - before) * 20_000 + before) // (2 * before)
    sign = "-" if after < before else "+"
    return f"{sign}{hundredths // 100:,}.{hundredths % 100:02}%"


def names(found: Difference) -> tuple[str, str]:
    """What the two networks are called."""
    return found.a.graph.about.name, found.b.graph.about.name


def shown(found: Difference, *, everything: bool) -> list[Pair]:
    """The rows to show: those that differ, or all."""
    return [pair for pair in found.pairs if everything or pair.status != "same"]


def label(pair: Pair) -> str:
    """The path of a layer, in A and in B where they differ."""
    paths = [side.node.path for side in (pair.a, pair.b) if side is not None]
    return f" {ARROW} ".join(dict.fromkeys(paths))


def op_name(pair: Pair) -> str:
    """The op of a row."""
    return next(side.node.op.name for side in (pair.a, pair.b) if side is not None)


def changes(pair: Pair) -> list[str]:
    """What differs in a row: fields with both values; else shapes, with what they come from."""
    told = [f"{field} {_values(*values)}" for field, values in pair.changes.items()]
    if pair.a is None or pair.b is None or pair.status == "same":
        return told
    causes = dict.fromkeys(effect.cause for effect in pair.effects if effect.downstream)
    origin = f" ({', '.join(map(_origin, causes))})" if causes else ""
    if pair.a.inputs != pair.b.inputs and (origin or not told):
        told.append(f"input {_shapes(pair.a.inputs)} {ARROW} {_shapes(pair.b.inputs)}{origin}")
    elif pair.a.node.output != pair.b.node.output:
        told.append(
            f"output {_shapes((pair.a.node.output,))} {ARROW} {_shapes((pair.b.node.output,))}"
        )
    return told


def _origin(cause: Cause) -> str:
    return cause.kind if cause.layer is None else f"{cause.kind}: {cause.layer}"


def _values(*sides: object) -> str:
    return f" {ARROW} ".join(shortened(inline(value), LONGEST_VALUE) for value in sides)


def _shapes(axes: tuple[Axes, ...]) -> str:
    return ", ".join(human(one.sizes) for one in axes)


def interface(found: Difference) -> list[str]:
    """The inputs and outputs of the network that differ."""
    told = []
    for name, a, b in (
        ("input", found.a.graph.inputs, found.b.graph.inputs),
        ("output", found.a.graph.outputs, found.b.graph.outputs),
    ):
        sides = (
            [human(costs.graph.nodes[index].output.sizes) for index in indices]
            for costs, indices in ((found.a, a), (found.b, b))
        )
        before, after = (", ".join(side) for side in sides)
        if before != after:
            told.append(f"{name}: {before} {ARROW} {after}")
    return told


def recipe(found: Difference) -> list[str]:
    """The fields of the training recipe that differ, with both values."""
    return [f"{place}: {_values(*values)}" for place, values in found.recipe.items()]


def totals(found: Difference) -> list[Total]:
    """The totals that are not zero in both."""
    one, two = found.a.totals, found.b.totals
    told = [
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
    told.append(Total("weights in float32", size_of(a), size_of(b), size, growth(a, b)))
    return told


def figures(found: Difference) -> list[str]:
    """The totals that differ, in short: `parameters +135,616 (+0.22%)`."""
    one, two = found.a.totals, found.b.totals
    return [
        f"{name} {signed(b - a)}" + (f" ({growth(a, b)})" if a else "")
        for name, a, b in (
            ("parameters", one.params, two.params),
            ("MACs", one.macs, two.macs),
            ("activations", one.activations, two.activations),
        )
        if a != b
    ]


def causes(found: Difference) -> list[tuple[str, Cost]]:
    """The causes of the difference, each followed by how much of it lies downstream, and all
    together. Causes that cost nothing at all are left out."""
    told: list[tuple[str, Cost]] = []
    for share in found.shares():
        if any(share.cost) or any(share.downstream):
            told.append((share.kind, share.cost))
            if any(share.downstream) and share.cost != share.downstream:
                told.append(("  of this in what follows", share.downstream))
    if told:
        one, two = found.a.totals, found.b.totals
        told.append(
            (
                "together",
                Cost(
                    two.params - one.params,
                    two.macs - one.macs,
                    two.activations - one.activations,
                ),
            )
        )
    return told


def summary(found: Difference) -> str:
    """How many rows are of each kind that differs: `3 layers added, 1 reshaped` (by what comes
    in)."""
    counts: dict[str, int] = {}
    kind: str
    for pair in found.pairs:
        if pair.status != "same":
            # Layers that only take other shapes have not been changed by anybody.
            reshaped = pair.status == "changed" and not pair.changes
            kind = "reshaped" if reshaped else pair.status
            counts[kind] = counts.get(kind, 0) + 1
    order = ("changed", "added", "removed", "reshaped")
    told = [f"{counts[kind]:,} {kind}" for kind in order if kind in counts]
    if not told:
        if not found.same_network:
            return "the same layers on other inputs or outputs"
        return "the same network, trained otherwise" if found.recipe else "no difference"
    number, _, kind = told[0].partition(" ")
    told[0] = f"{number} layer{'' if number == '1' else 's'} {kind}"
    return ", ".join(told)
