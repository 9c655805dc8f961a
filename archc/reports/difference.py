"""The difference of two networks as a table for people."""

from __future__ import annotations

from collections.abc import Sequence

from archc.diagnostics.ansi import paint
from archc.difference import Difference, Pair
from archc.reports.difference_rows import (
    causes,
    changes,
    interface,
    label,
    names,
    op_name,
    recipe,
    shown,
    signed,
    summary,
    totals,
)
from archc.reports.table import shortened

_MARKS = {"same": " ", "changed": "~", "added": "+", "removed": "-"}
_COLORS = {"changed": "yellow", "added": "green", "removed": "red"}
_TITLES = ("", "layer", "op", "parameters", "MACs", "activations")
_RIGHT = (False, False, False, True, True, True)
_LAYER, _OP, _ACTIVATIONS = 1, 2, 5
_GAP = "  "
_INDENT = " " * 5
_SHORTEST_LABEL = 12


def table(
    found: Difference, *, width: int | None = None, color: bool = False, everything: bool = False
) -> str:
    """One line a row that differs (with `everything`, all), marked `~` changed, `+` in B alone, `-`
    in A alone; figures are B less A. Then the totals and the causes. At most `width` columns wide
    where that is given, as far as the narrowest columns leave it."""
    a, b = names(found)
    told = [f"A: {a}", f"B: {b}", *interface(found)]
    for line in recipe(found):
        told += [line] if width is None else _wrapped(line, width, first="")
    told.append("")
    pairs = shown(found, everything=everything)
    if pairs:
        told += [*_rows(pairs, width, color=color), ""]
    same = sum(pair.status == "same" for pair in found.pairs)
    told.append(summary(found))
    if same and not everything:
        told[-1] += f"; {same:,} the same (--all shows them)"
    head = ("", "A", "B", "B - A", "")
    told += ["", *_columns([head, *totals(found)], 1, color=color)]
    parts = causes(found)
    if parts:
        lines = [(name, *map(signed, cost)) for name, cost in parts]
        told += ["", *_columns([("cause", *_TITLES[3:]), *lines], 1, color=color)]
    return "\n".join(told) + "\n"


def _rows(pairs: Sequence[Pair], width: int | None, *, color: bool) -> list[str]:
    lines: list[tuple[str, ...]] = [_TITLES, *map(_cells, pairs)]
    ends = ["changes" if any(map(changes, pairs)) else "", *(", ".join(changes(p)) for p in pairs)]
    kept = list(range(len(_TITLES)))
    widths = [max(len(line[index]) for line in lines) for index in kept]
    beside = True
    if width is not None:
        longest = max(map(len, ends))
        beside = _total(widths, kept) + len(_GAP) + longest <= width
        for index in (_ACTIVATIONS, _OP):
            if _total(widths, kept) > width:
                kept.remove(index)
        over = _total(widths, kept) - width
        if over > 0:
            widths[_LAYER] = max(widths[_LAYER] - over, _SHORTEST_LABEL)
    told = []
    for status, line, end in zip([None, *(p.status for p in pairs)], lines, ends, strict=True):
        cells = []
        for index in kept:
            cell = shortened(line[index], widths[index]) if index == _LAYER else line[index]
            cells.append(
                f"{cell:>{widths[index]}}" if _RIGHT[index] else f"{cell:<{widths[index]}}"
            )
        texts = [_GAP.join([*cells, end] if beside else cells).rstrip()]
        if not beside and status is not None and width is not None:
            texts += _wrapped(end, width, first=_INDENT)
        style = "bold" if status is None else _COLORS.get(status)
        told += [paint(text, style) if color and style is not None else text for text in texts]
    return told


def _total(widths: Sequence[int], kept: Sequence[int]) -> int:
    return sum(widths[index] for index in kept) + len(_GAP) * (len(kept) - 1)


def _wrapped(text: str, width: int, *, first: str) -> list[str]:
    """Text broken between words; the first line begins with `first`, the others are indented."""
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(f"{_INDENT if lines else first}{word}")
    return lines


def _cells(pair: Pair) -> tuple[str, ...]:
    return (_MARKS[pair.status], label(pair), op_name(pair), *map(signed, pair.delta))


def _columns(lines: Sequence[tuple[str, ...]], left: int, *, color: bool) -> list[str]:
    """Aligned text: the first `left` columns to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    told = [
        _GAP.join(
            f"{cell:<{size}}" if index < left else f"{cell:>{size}}"
            for index, (cell, size) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return [paint(told[0], "bold"), *told[1:]] if color else told
