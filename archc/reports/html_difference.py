"""The difference of two networks as an HTML page: two drawings side by side, corresponding layers
on one line, and beside them what differs and the lines of the specs that cause it.

The page is a single file without a script. Whole blocks that one network has alone, and stretches
that are the same, are folded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from archc.diagnostics import Span
from archc.difference import Difference, Pair, Status
from archc.difference.causes import Cost, sum_of
from archc.difference.side_by_side import Cell, Fold, Line, side_by_side
from archc.ir.graph import Region
from archc.reports.difference_rows import (
    ARROW,
    causes,
    changes,
    headline,
    interface,
    names,
    params,
    recipe,
    signed,
    totals,
)
from archc.reports.drawing.labels import family, op_label, region_label, shape
from archc.reports.html_page import page, text
from archc.reports.text_columns import shorten

MOST_LINES = 10_000
"""Lines of a page; browsers are slow with more."""
MOST_FOLDED = 200
"""Lines of a fold."""
MOST_FRAMES = 6
"""Nested frames that are drawn around a layer: the inner ones."""
MOST_INPUTS = 3
LONGEST_SOURCE = 160
_SIGNS = {"same": "", "changed": "~", "added": "+", "removed": "\u2212"}


def report(result: Difference) -> str:
    """The page of a difference."""
    one, two = names(result)
    title = f"{text(one)} {ARROW} {text(two)}"
    outside = [*params(result), *interface(result), *recipe(result)]
    notes = "".join(f"<li>{text(note)}</li>\n" for note in outside)
    sums = [(name, *map(signed, cost)) for name, cost in causes(result)]
    tables = _table(("", "A", "B", "B \u2212 A", "growth"), totals(result))
    if sums:
        tables += _table(("cause", "parameters", "MACs", "activations"), sums)
    header = (
        f"<header>\n<h1>{title}</h1>\n<p>{text(headline(result))}</p>\n"
        f"{f'<ul>{notes}</ul>' if notes else ''}\n</header>\n"
    )
    drawings = "".join(_Writer(result).drawings())
    return page(
        title,
        f'{header}<main>\n<div class="heads"><h2>{text(one)}</h2><span></span>'
        f"<h2>{text(two)}</h2><h2>what differs, and its causes</h2></div>\n"
        f'{drawings}</main>\n<footer class="tables">\n{tables}</footer>\n',
        "difference.css",
    )


def _table(titles: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{text(one)}</th>' for one in titles)
    rows = "".join(
        f'<tr><th scope="row">{text(name)}</th>'
        + "".join(f"<td>{text(cell)}</td>" for cell in cells)
        + "</tr>\n"
        for name, *cells in lines
    )
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n"


class _Writer:
    """Writes the lines in order, with the edges that lead from one layer to the next."""

    def __init__(self, result: Difference) -> None:
        self._result = result
        self._graphs = result.a.graph, result.b.graph
        self._above = [-1, -1]  # the node that stands last on each side
        self._ends = [graph.nodes[-1].index for graph in self._graphs]
        self._spans = {
            node.path: (letter, node.origin.span)
            for letter, graph in zip("AB", self._graphs, strict=True)
            for node in graph.layers
        }

    def drawings(self) -> Iterator[str]:
        """Both drawings, line by line; of too many the last ones are left out."""
        shown = missing = 0
        for entry in side_by_side(self._result):
            if shown > MOST_LINES:
                missing += 1
            elif isinstance(entry, Fold):
                shown += 1 + min(len(entry.lines), MOST_FOLDED)
                yield from self._fold(entry)
            else:
                shown += 1
                yield self._line(entry)
        if missing:
            yield f"<p>too large to be shown whole: without {missing:,} more lines</p>\n"

    def _fold(self, fold: Fold) -> Iterator[str]:
        yield f'<details class="{fold.status}">\n<summary>'
        label = f"{fold.layers:,} layers"
        if fold.status == "same":
            more = f'<div class="box more">{label} the same</div>'
            yield self._row(fold.status, [_cell(cell, more) for cell in fold.head.cells], "")
        else:
            pairs = [line.pair for line in fold.lines if line.pair is not None]
            cost = sum_of(pair.delta for pair in pairs)
            side = 1 if fold.status == "added" else 0
            region = fold.head.cells[side].item
            spans = {} if region is None else {("AB"[side], region.origin.span): None}
            yield self._row(
                fold.status,
                [self._content(cell, number) for number, cell in enumerate(fold.head.cells)],
                f"<p>{label} {fold.status}: {_figures(cost)}</p>{_sources(spans)}",
            )
        yield "</summary>\n"
        half = MOST_FOLDED // 2
        if len(fold.lines) <= MOST_FOLDED:
            yield from (self._line(line, explain=False) for line in fold.lines)
        else:
            yield from (self._line(line, explain=False) for line in fold.lines[:half])
            yield f'<p class="more">\u2026 {len(fold.lines) - 2 * half:,} lines \u2026</p>\n'
            yield from (self._line(line, explain=False) for line in fold.lines[-half:])
        yield "</details>\n"

    def _line(self, line: Line, *, explain: bool = True) -> str:
        cells = [self._content(cell, side) for side, cell in enumerate(line.cells)]
        pair = line.pair
        if pair is None or pair.status == "same":
            return self._row("same", cells, "")
        return self._row(pair.status, cells, self._causes(pair) if explain else "")

    def _row(self, status: Status, cells: Sequence[str], cause: str) -> str:
        sign = f'<span title="{status}">{_SIGNS[status]}</span>' if _SIGNS[status] else ""
        return (
            f'<div class="line {status}">{cells[0]}<div class="sign">{sign}</div>{cells[1]}'
            f'<div class="cause">{cause}</div></div>\n'
        )

    def _content(self, cell: Cell, side: int) -> str:
        item = cell.item
        if isinstance(item, Region):
            return _cell(cell, f'<div class="title">{text(region_label(item))}</div>')
        if item is None:
            between = 0 <= self._above[side] < self._ends[side]
            return _cell(cell, '<div class="wire"></div>' if between else "")
        graph = self._graphs[side]
        others = [index for index in item.inputs if index != self._above[side]]
        if self._above[side] < 0:
            others = [index for index in others if index not in graph.inputs[:1]]
        linked = len(others) < len(item.inputs)
        self._above[side] = item.index
        paths = ", ".join(graph.nodes[index].path for index in others[:MOST_INPUTS])
        paths += ", \u2026" if len(others) > MOST_INPUTS else ""
        source = f'<small class="from">from {text(paths)}</small>' if others else ""
        return _cell(
            cell,
            f'<div class="edge{" arrow" if linked else ""}"></div>'
            f'<div class="box {family(item.op)}"><b>{text(item.name)}</b> '
            f"<span>{text(op_label(item))}</span> <small>{text(shape(item.output))}</small>"
            f"{source}</div>" + '<div class="wire"></div>' * (item.index < self._ends[side]),
        )

    def _causes(self, pair: Pair) -> str:
        """What differs in a layer, and the lines of the specs: its own where it is changed there,
        and those that its input is changed by."""
        spans: dict[tuple[str, Span], None] = {}
        if pair.changes or pair.status != "changed":
            for letter, layer in zip("AB", (pair.a, pair.b), strict=True):
                if layer is not None:
                    spans[letter, layer.node.origin.span] = None
        for effect in pair.effects:
            if effect.downstream and effect.cause.layer in self._spans:
                spans[self._spans[effect.cause.layer]] = None
        what = ", ".join(changes(pair)) or pair.status
        costs = _figures(pair.delta)
        costs = f" <small>{costs}</small>" if costs else ""
        return f"<p>{text(what)}{costs}</p>{_sources(spans)}"


def _cell(cell: Cell, content: str) -> str:
    """One side of a line inside its frames."""
    drawn = cell.frames[-MOST_FRAMES:]
    opened = ""
    for number, region in enumerate(drawn):
        ends = number >= len(drawn) - cell.ending
        kind = "frame" + " begins" * (region is cell.item) + " ends" * ends
        opened += f'<div class="{kind}">'
    return (
        f'<div class="cell">{opened}<div class="slot">{content}</div>{"</div>" * len(drawn)}</div>'
    )


def _figures(cost: Cost) -> str:
    """The change of parameters and MACs, those that there are."""
    parts = ((cost.params, "parameters"), (cost.macs, "MACs"))
    return ", ".join(f"{signed(number)} {name}" for number, name in parts if number)


def _sources(spans: Iterable[tuple[str, Span]]) -> str:
    """The lines of specs at some spans, each once."""
    lines: dict[tuple[str, int, str], list[str]] = {}
    for letter, span in spans:
        name = span.source.name.rpartition("/")[2]
        content = span.source.line(span.line).strip()
        letters = lines.setdefault((name, span.line, content), [])
        letters += [letter] * (letter not in letters)
    return "".join(
        f'<p class="source"><span>{" and ".join(letters)}: {text(name)}:{number}</span> '
        f"<code>{text(shorten(content, LONGEST_SOURCE))}</code></p>"
        for (name, number, content), letters in lines.items()
    )
