"""The difference of two networks as an HTML page: two drawings side by side, corresponding layers
on one line, and beside them what differs and the lines of the specs that cause it.

The page is a single file without a script. Whole blocks that one network has alone, and stretches
that are the same, are folded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from archc.diagnostics import Span
from archc.difference import Difference, Pair, Status
from archc.difference.causes import Cost, sum_of
from archc.difference.side_by_side import Cell, Fold, Line, side_by_side
from archc.ir.graph import Node, Region
from archc.reports.difference_edges import Edges, Segment
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


class _Drawn(NamedTuple):
    """What stands in a cell, before and after it; the segments of the lanes beside it, and, of the
    head of a fold, those where it is open."""

    content: str
    segments: Sequence[Segment]
    opened: Sequence[Segment] | None = None
    before: str = ""
    after: str = ""


class _Writer:
    """Writes the lines in order, with the edges of the layers."""

    def __init__(self, result: Difference) -> None:
        self._graphs = result.a.graph, result.b.graph
        self._entries = list(side_by_side(result))
        self._edges = [Edges(self._entries, side, graph) for side, graph in enumerate(self._graphs)]
        self._number = 0  # of the next line, those in folds counted
        self._above = [-1, -1]  # the node that stands last on each side
        self._spans = {
            node.path: (letter, node.origin.span)
            for letter, graph in zip("AB", self._graphs, strict=True)
            for node in graph.layers
        }

    def drawings(self) -> Iterator[str]:
        """Both drawings, line by line; of too many the last ones are left out."""
        shown = missing = 0
        for entry in self._entries:
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
            cells = [
                self._cell(
                    cell, side, _Drawn(more, *self._folded(side, fold), *self._around(side, fold))
                )
                for side, cell in enumerate(fold.head.cells)
            ]
            yield self._row(fold.status, cells, "")
        else:
            pairs = [line.pair for line in fold.lines if line.pair is not None]
            cost = sum_of(pair.delta for pair in pairs)
            side = 1 if fold.status == "added" else 0
            region = fold.head.cells[side].item
            spans = {} if region is None else {("AB"[side], region.origin.span): None}
            yield self._row(
                fold.status,
                [
                    self._content(cell, number, *self._folded(number, fold))
                    for number, cell in enumerate(fold.head.cells)
                ],
                f"<p>{label} {fold.status}: {_figures(cost)}</p>{_sources(spans)}",
            )
        yield "</summary>\n"
        half = MOST_FOLDED // 2
        if len(fold.lines) <= MOST_FOLDED:
            yield from (self._line(line, explain=False) for line in fold.lines)
        else:
            begin = self._number
            yield from (self._line(line, explain=False) for line in fold.lines[:half])
            self._number = begin + len(fold.lines) - half
            yield f'<p class="more">\u2026 {len(fold.lines) - 2 * half:,} lines \u2026</p>\n'
            yield from (self._line(line, explain=False) for line in fold.lines[-half:])
        yield "</details>\n"

    def _folded(self, side: int, fold: Fold) -> tuple[list[Segment], list[Segment]]:
        """The segments beside the head of a fold, closed and open."""
        edges, begin = self._edges[side], self._number
        return edges.instead(begin, begin + len(fold.lines)), edges.above(begin)

    def _around(self, side: int, fold: Fold) -> tuple[str, str]:
        """The edges before and after the head of a fold: from the layer above its first one, and to
        the one below its last."""
        nodes = [
            cell.item for line in fold.lines if isinstance((cell := line.cells[side]).item, Node)
        ]
        if not nodes:
            return "", ""
        before = _edge(linked=self._is_fed(nodes[0], side))
        return before, _wire(nodes[-1].index in self._edges[side].continued)

    def _is_fed(self, node: Node, side: int) -> bool:
        """Whether the layer above, or the network's first input, feeds a layer."""
        above, inputs = self._above[side], self._graphs[side].inputs
        return above in node.inputs or (above < 0 and node.inputs[:1] == inputs[:1])

    def _line(self, line: Line, *, explain: bool = True) -> str:
        cells = [
            self._content(cell, side, self._edges[side].beside(self._number))
            for side, cell in enumerate(line.cells)
        ]
        self._number += 1
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

    def _content(
        self,
        cell: Cell,
        side: int,
        segments: Sequence[Segment],
        opened: Sequence[Segment] | None = None,
    ) -> str:
        item = cell.item
        if isinstance(item, Region):
            title = f'<div class="title">{text(region_label(item))}</div>'
            passing = '<div class="passing"></div>' * (opened is None and self._goes_on(side))
            return self._cell(cell, side, _Drawn(title, segments, opened, passing))
        edges = self._edges[side]
        if item is None:
            return self._cell(cell, side, _Drawn(_wire(self._goes_on(side)), segments, opened))
        graph = self._graphs[side]
        first, above = self._above[side] < 0, self._above[side]
        linked = self._is_fed(item, side)
        self._above[side] = item.index
        others = [index for index in item.inputs if index != above]
        if first:
            others = [index for index in others if index not in graph.inputs[:1]]
        seen = item.index in edges.by_name
        paths = ", ".join(graph.nodes[index].path for index in others[:MOST_INPUTS])
        paths += ", \u2026" if len(others) > MOST_INPUTS else ""
        kind = "from" if seen else "from unseen"
        source = f'<small class="{kind}">from {text(paths)}</small>' if others else ""
        box = (
            f'<div class="box {family(item.op)}"><b>{text(item.name)}</b> '
            f"<span>{text(op_label(item))}</span> <small>{text(shape(item.output))}</small>"
            f"{source}</div>"
        )
        wire = _wire(item.index in edges.continued)
        return self._cell(cell, side, _Drawn(box, segments, opened, _edge(linked=linked), wire))

    def _goes_on(self, side: int) -> bool:
        """Whether the layer above feeds the next one of its side."""
        return self._above[side] in self._edges[side].continued

    def _cell(self, cell: Cell, side: int, drawn: _Drawn) -> str:
        """One side of a line inside its frames, with the lanes beside it."""
        frames = cell.frames[-MOST_FRAMES:]
        begins = ""
        for number, region in enumerate(frames):
            ends = number >= len(frames) - cell.ending
            kind = "frame" + " begins" * (region is cell.item) + " ends" * ends
            begins += f'<div class="{kind}">'
        held = drawn.content
        variants = [(drawn.segments, "" if drawn.opened is None else " closed")]
        variants += [] if drawn.opened is None else [(drawn.opened, " opened")]
        lanes = sides = ""
        for segments, state in variants:
            for lane, kind, _ in sorted(segments):
                if kind == "through":
                    lanes += f'<i class="lane n{lane}{state}"></i>'
                else:
                    sides += f'<i class="side n{lane} {kind}{state}"></i>'
        if sides:
            held = f'<div class="held">{held}<div class="sides">{sides}</div></div>'
        return (
            f'<div class="cell of{self._edges[side].lanes} in{len(frames)}">{lanes}{begins}'
            f'<div class="slot">{drawn.before}{held}{drawn.after}</div>'
            f"{'</div>' * len(frames)}</div>"
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


def _edge(*, linked: bool) -> str:
    return f'<div class="edge{" arrow" if linked else ""}"></div>'


def _wire(there: bool) -> str:
    return '<div class="wire"></div>' if there else ""


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
