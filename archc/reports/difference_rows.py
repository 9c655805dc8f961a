"""The texts and figures shared by the table and the Markdown comment of a difference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from archc.difference import Difference, Pair
from archc.difference.causes import Cause, Cost
from archc.difference.folding import Part, Row, whole_parts
from archc.ir.graph import Region
from archc.language.writer import inline
from archc.ops.axes import Axes
from archc.reports.rows import TIMES, human, size_of
from archc.reports.text_columns import shorten

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


def label(row: Row) -> str:
    """The path of a layer, block or section, in A and in B where they differ; of several parts
    their number and what they are: `13 × conv`."""
    if len(row.parts) > 1:
        return f"{len(row.parts):,}{TIMES}{kind(row)}"
    return _path(row.parts[0])


def _path(part: Part) -> str:
    paths = [item.path for item in (part.a, part.b) if item is not None]
    return f" {ARROW} ".join(dict.fromkeys(paths))


def kind(row: Row) -> str:
    """The op, the block, or `section`."""
    item = row.parts[0].item
    return item.block or item.kind if isinstance(item, Region) else item.op.name


def description(row: Row) -> str:
    """What is different: the changes of a layer, those in a block or section, and from where to
    where several equal ones are."""
    first, last = row.parts[0], row.parts[-1]
    if isinstance(first.item, Region):
        text = _summary(first.inner)
    else:
        text = ", ".join(changes(first.pairs[0]) if first is last else _shared(row))
    if first is last:
        return text
    if row.status != "changed":
        text = row.status
    return f"{text}; {first.item.path} \u2026 {last.item.path}"


def changes(pair: Pair) -> list[str]:
    """The differences in a row: fields with both values; else shapes, with their causes."""
    parts = _fields(pair)
    if pair.a is None or pair.b is None or pair.status == "same":
        return parts
    origin = _in_brackets(_causes(pair))
    if pair.a.inputs != pair.b.inputs and (origin or not parts):
        parts.append(f"input {_shapes(pair.a.inputs)} {ARROW} {_shapes(pair.b.inputs)}{origin}")
    elif pair.a.node.output != pair.b.node.output:
        parts.append(
            f"output {_shapes((pair.a.node.output,))} {ARROW} {_shapes((pair.b.node.output,))}"
        )
    return parts


def _fields(pair: Pair) -> list[str]:
    return [f"{field} {_values(*values)}" for field, values in pair.changes.items()]


def _causes(pair: Pair) -> list[Cause]:
    """The causes of another input."""
    return list(dict.fromkeys(effect.cause for effect in pair.effects if effect.downstream))


def _shared(row: Row) -> list[str]:
    """The changes that several layers have in common."""
    pair = row.parts[0].pairs[0]
    if pair.changes or row.status != "changed":
        return _fields(pair)
    return [f"input reshaped{_in_brackets(_causes(pair))}"]


def _in_brackets(causes: Sequence[Cause]) -> str:
    return f" ({', '.join(map(_origin, causes))})" if causes else ""


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


def params(result: Difference) -> list[str]:
    """The parameters of both specs that differ, with both values."""
    one, two = result.a.graph.about.params, result.b.graph.about.params
    return [
        f"params.{name}: {_values(one[name], two[name])}"
        for name in one
        if name in two and one[name] != two[name]
    ]


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


def headline(result: Difference, whole: list[Part] | None = None) -> str:
    """The difference in one line, blocks and sections that are added, removed or, of blocks, the
    same counted as such: `8 blocks added, 8 blocks and 6 layers the same: +10,108,160 parameters
    (+86.47%)`."""
    figures = [
        f"{signed(b - a)} {name}" + (f" ({growth(a, b)})" if a else "")
        for name, a, b in (
            ("parameters", result.a.totals.params, result.b.totals.params),
            ("MACs", result.a.totals.macs, result.b.totals.macs),
        )
        if a != b
    ]
    text = _summary(whole_parts(result) if whole is None else whole)
    if not text.rpartition(",")[0] and all(pair.status == "same" for pair in result.pairs):
        text = "no difference"
        if not result.same_network:
            text = "same layers, different inputs or outputs"
        elif result.recipe:
            text = "same network, different training"
    return ": ".join([text, ", ".join(figures)] if figures else [text])


def _summary(parts: Sequence[Part]) -> str:
    """The number of parts of each kind of difference, and of those that are the same: `3 layers
    added, 1 reshaped` (by another input)."""
    counts: dict[str, dict[str, int]] = {}
    for part in parts:
        # Layers whose input shapes alone differ are not changed in the spec.
        reshaped = part.status == "changed" and not part.pairs[0].changes
        kinds = counts.setdefault("reshaped" if reshaped else part.status, {})
        kinds[part.kind] = kinds.get(part.kind, 0) + 1
    texts: list[str] = []
    nouns: list[str] = []  # of the status before
    for status, words in _STATUSES.items():
        kinds = counts.get(status, {})
        numbers = [(kinds[noun], noun) for noun in _NOUNS if noun in kinds]
        if not numbers:
            continue
        # A noun that stands before is not said again.
        if [noun for _, noun in numbers] == nouns:
            text = f"{numbers[0][0]:,}"
        else:
            *before, final = [f"{n:,} {noun}{'' if n == 1 else 's'}" for n, noun in numbers]
            text = f"{', '.join(before)} and {final}" if before else final
        nouns = [noun for _, noun in numbers] if len(numbers) == 1 else []
        texts.append(f"{text} {words}")
    return ", ".join(texts)


_NOUNS = "block", "section", "layer"
_STATUSES = {
    "changed": "changed",
    "added": "added",
    "removed": "removed",
    "reshaped": "reshaped",
    "same": "the same",
}
