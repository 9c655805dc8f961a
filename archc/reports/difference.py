"""The difference of two networks as a table for people."""

from __future__ import annotations

from collections.abc import Sequence

from archc.difference import Difference, Pair
from archc.ops.axes import Axes
from archc.reports.ansi import paint
from archc.reports.rows import human, mebibytes
from archc.reports.written import inline

_MARKS = {"same": " ", "changed": "~", "added": "+", "removed": "-"}
_COLORS = {"changed": "yellow", "added": "green", "removed": "red"}
_TITLES = ("", "layer", "op", "parameters", "MACs", "changes")
_RIGHT = (False, False, False, True, True, False)


def table(found: Difference, *, color: bool = False) -> str:
    """One line a row, marked `~` changed, `+` in B alone, `-` in A alone; then the totals."""
    lines = [_TITLES, *map(_cells, found.pairs)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(_TITLES))]
    statuses = [None, *(pair.status for pair in found.pairs)]
    a, b = found.a.graph.about.name, found.b.graph.about.name
    told = [f"A: {a}", f"B: {b}", ""]
    for status, line in zip(statuses, lines, strict=True):
        cells = (
            f"{cell:>{width}}" if right else f"{cell:<{width}}"
            for cell, width, right in zip(line, widths, _RIGHT, strict=True)
        )
        text = "  ".join(cells).rstrip()
        style = "bold" if status is None else _COLORS.get(status)
        told.append(paint(text, style) if color and style is not None else text)
    return "\n".join([*told, "", *_totals(found)]) + "\n"


def _cells(pair: Pair) -> tuple[str, ...]:
    one, two = pair.a, pair.b
    paths = [side.node.path for side in (one, two) if side is not None]
    changes = [
        f"{field} {inline(before)} -> {inline(after)}"
        for field, (before, after) in pair.changes.items()
    ]
    if one is not None and two is not None:
        if one.node.output != two.node.output:
            changes.append(f"output {_shapes([one.node.output])} -> {_shapes([two.node.output])}")
        elif pair.status == "changed" and not changes:
            changes.append(f"input {_shapes(one.inputs)} -> {_shapes(two.inputs)}")
    return (
        _MARKS[pair.status],
        " -> ".join(dict.fromkeys(paths)),
        next(side.node.op.name for side in (one, two) if side is not None),
        _number(None if one is None else one.params, None if two is None else two.params),
        _number(None if one is None else one.macs, None if two is None else two.macs),
        ", ".join(changes),
    )


def _shapes(axes: Sequence[Axes]) -> str:
    return ", ".join(human(one.sizes) for one in axes)


def _number(a: int | None, b: int | None) -> str:
    if a is None or b is None or a == b:
        return human(b if a is None else a)
    return f"{a:,} -> {b:,}"


def _totals(found: Difference) -> list[str]:
    one, two = found.a.totals, found.b.totals
    rows: list[tuple[str, ...]] = [
        (name, f"{a:,}", f"{b:,}", f"{b - a:+,}")
        for name, a, b in (
            ("parameters", one.params, two.params),
            ("running statistics", one.state, two.state),
            ("multiply-accumulates (MACs) per sample", one.macs, two.macs),
            ("activations per sample", one.activations, two.activations),
        )
        if a or b
    ]
    sizes = one.weight_bytes, two.weight_bytes
    delta = sizes[1] - sizes[0]
    rows.append(
        (
            "weights in float32",
            *map(mebibytes, sizes),
            ("-" if delta < 0 else "+") + mebibytes(abs(delta)),
        )
    )
    lines = [("", "A", "B", "B - A"), *rows]
    widths = [max(len(line[index]) for line in lines) for index in range(4)]
    return [
        f"{name:<{widths[0]}}  {a:>{widths[1]}}  {b:>{widths[2]}}  {delta:>{widths[3]}}"
        for name, a, b, delta in lines
    ]
