"""The sizes of a drawing's pieces, bottom-up."""

from __future__ import annotations

from archc.ir.costs import Costs
from archc.reports.drawing.columns import columns, side_by_side
from archc.reports.drawing.contents import Row, gap_label, output_label, rows_of, titles
from archc.reports.drawing.items import (
    Gap,
    Item,
    Output,
    Parallel,
    Repeat,
    Series,
    Stack,
    output_of,
)
from archc.reports.drawing.labels import BOLD, FONT, SMALL, shape, text_width
from archc.reports.drawing.lanes import Lanes
from archc.reports.drawing.pieces import (
    BELOW,
    BESIDE,
    ENTRY,
    GAP,
    HEADER,
    LEAVE,
    PAD,
    ROW,
    SHADOW,
    Edge,
    Label,
    Piece,
    Run,
    takes_arrow,
)
from archc.reports.drawing.tree import Drawing
from archc.reports.drawing.u_layout import Measured, arrange
from archc.reports.drawing.u_shape import Level, u_shape

APART = 12
"""The gap between unconnected items, and between branches."""
IDENTITY = 28
"""The width of a branch without items."""
TALLEST = 1100
"""A taller series continues in another column."""


class Measure:
    """Computes sizes and relative positions, bottom-up."""

    def __init__(self, costs: Costs, drawing: Drawing) -> None:
        self._costs = costs
        self._nodes = costs.graph.nodes
        self._lanes = Lanes(drawing)

    def root(self, series: Series) -> Piece:
        """The whole drawing."""
        levels = u_shape(series, self._nodes, self._lanes)
        if not levels:
            return self.series(series, True)
        return arrange([self._level(level) for level in levels])

    def series(self, series: Series, may_turn: bool) -> Piece:
        """A series; in several columns if it is tall and `may_turn`."""
        pieces = [self._item(item, may_turn) for item in series.items]
        if not pieces:
            return Piece(IDENTITY, 0, IDENTITY / 2, IDENTITY / 2)
        bundles = self._lanes.of(series)
        gaps = [0.0, *(self._gap(series, index) for index in range(1, len(pieces)))]
        run = Run(series, pieces, gaps, [self._shape(item) for item in series.items])
        height = sum(gaps) + sum(piece.height for piece in pieces)
        if may_turn and height > TALLEST:
            return columns(run, height, bundles, self._lanes.through(series))
        return side_by_side(run, [0, len(pieces)], bundles)

    def _level(self, level: Level) -> Measured:
        left, skip, right = (self.series(part, False) if part.items else None for part in level)
        shapes = [self._shape(part.items[-1]) if part.items else "" for part in level]
        assert left is not None  # a fork or a pooling, at least
        return Measured(level, left, skip, right, *shapes)

    def _gap(self, series: Series, index: int) -> float:
        if not series.linked[index]:
            return APART
        return ENTRY if isinstance(series.items[index - 1], Parallel) else GAP

    def _shape(self, item: Item) -> str:
        index = output_of(item)
        return "" if index is None else shape(self._nodes[index].output)

    def _item(self, item: Item, may_turn: bool) -> Piece:
        if isinstance(item, Stack):
            rows = rows_of(self._costs, item)
            width = max(_row_width(row) for row in rows) + 2 * PAD
            return Piece(width, ROW * len(rows), width / 2, width / 2, item=item)
        if isinstance(item, Output):
            width = text_width(output_label(self._costs, item.node), FONT) + 2 * PAD
            return Piece(width, ROW, width / 2, width / 2, item=item)
        if isinstance(item, Gap):
            width = text_width(gap_label(item), FONT) + 2 * PAD
            return Piece(width, ROW, width / 2, width / 2, item=item)
        if isinstance(item, Parallel):
            return self._parallel(item)
        body = item.body
        label, figure = titles(self._costs, item)
        inner = self.series(body, may_turn)
        least = (
            text_width(label, FONT * BOLD)
            + text_width(figure, SMALL)
            + 2 * PAD
            + (PAD if figure else 0)
        )
        width = max(inner.width + 2 * PAD, least)
        left = (width - inner.width) / 2
        top = HEADER + ENTRY
        height = top + inner.height + LEAVE
        edges = []
        if body.linked and body.linked[0]:
            line = (left + inner.enter, HEADER), (left + inner.enter, top)
            edges.append(Edge(line, takes_arrow(body.items[0])))
        leave = left + inner.leave
        if body.leaves:
            edges.append(Edge(((leave, top + inner.height), (leave, height)), False))
        shadow = SHADOW * 2 if isinstance(item, Repeat) else 0
        return Piece(
            width + shadow,
            height + shadow,
            left + inner.enter,
            leave,
            ((left, top, inner),),
            tuple(edges),
            (),
            item,
        )

    def _parallel(self, item: Parallel) -> Piece:
        branches = [self.series(branch, False) for branch in item.branches]
        texts = [self._shape(branch.items[-1]) if branch.items else "" for branch in item.branches]
        lefts = []
        x = 0.0
        for piece, text in zip(branches, texts, strict=True):
            beside = piece.leave + BESIDE + text_width(text, SMALL) if text else 0
            lefts.append(x)
            x += max(piece.width, beside) + APART
        width = x - APART
        top = ENTRY
        bottom = top + max(piece.height for piece in branches) + GAP - ENTRY
        center = width / 2
        edges: list[Edge] = []
        labels: list[Label] = []
        heads: list[float] = []
        tails: list[float] = []
        for left, piece, branch, text in zip(lefts, branches, item.branches, texts, strict=True):
            enter, leave = left + piece.enter, left + piece.leave
            if not branch.items:
                edges.append(Edge(((enter, 0), (enter, bottom)), False))
                heads.append(enter)
                tails.append(leave)
                continue
            if branch.linked[0]:
                edges.append(Edge(((enter, 0), (enter, top)), takes_arrow(branch.items[0])))
                heads.append(enter)
            if branch.leaves:
                end = top + piece.height
                edges.append(Edge(((leave, end), (leave, bottom)), False))
                if text:
                    labels.append(Label(leave + BESIDE, end + BELOW, text))
                tails.append(leave)
        edges += _bars(heads, center, 0) + _bars(tails, center, bottom)
        # A single line has no bar.
        enter = heads[0] if len(heads) == 1 else center
        leave = tails[0] if len(tails) == 1 else center
        children = tuple((left, top, piece) for left, piece in zip(lefts, branches, strict=True))
        return Piece(width, bottom, enter, leave, children, tuple(edges), tuple(labels))


def _bars(ends: list[float], center: float, y: float) -> list[Edge]:
    """The horizontal line that connects branches to their common input or output."""
    if len(ends) < 2:
        return []
    return [Edge(((min(*ends, center), y), (max(*ends, center), y)), False)]


def _row_width(row: Row) -> float:
    figures = text_width(row.figure, SMALL) + PAD if row.figure else 0
    return text_width(row.label, FONT) + figures
