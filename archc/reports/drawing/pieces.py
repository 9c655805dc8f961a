"""Pieces of a drawing with their sizes, and their arrangement in a column.

Lengths are in CSS pixels.
"""

from __future__ import annotations

from typing import NamedTuple

from archc.reports.drawing.items import Frame, Gap, Item, Output, Parallel, Repeat, Series, Stack
from archc.reports.drawing.labels import SMALL, text_width
from archc.reports.drawing.tree import Skip

ROW = 22
HEADER = 24
PAD = 10
GAP = 36
"""The gap between two items, with the shape beside the arrow."""
ENTRY = 16
"""The distance from a frame's header, or from a fork, to the first item."""
LEAVE = 12
BESIDE, BELOW = 6, 14
"""The offset from the start of an edge to the base line of its shape."""
TURN = 22
"""The distance from the start of an edge to its first turn."""
SHADOW = 4
"""The offset between the stacked frames of a repeat."""
SLACK = 48
"""How far an item may be shifted to straighten the line into it."""

Point = tuple[float, float]


class Edge(NamedTuple):
    """A line through points, with an arrowhead at its end if `arrow`."""

    points: tuple[Point, ...]
    arrow: bool


class Label(NamedTuple):
    """A shape beside an edge; y is the text's base line."""

    x: float
    y: float
    text: str


class Route(NamedTuple):
    """The way of a skip beside a series: along the vertical line at `out`, and on along that at
    `into`. If they are not one, a horizontal line at `over`, above all items, leads from one to the
    other, from outside if `out` is None, and outside if `into` is None."""

    skip: Skip
    out: float | None
    into: float | None
    over: float


class Piece(NamedTuple):
    """A part of the drawing with its size. The input enters at `enter` of the top, the output
    leaves at `leave` of the bottom, of one that is `upward` the other way round. The positions of
    `children`, `edges` and `labels` are relative."""

    width: float
    height: float
    enter: float
    leave: float
    children: tuple[tuple[float, float, Piece], ...] = ()
    edges: tuple[Edge, ...] = ()
    labels: tuple[Label, ...] = ()
    item: Stack | Output | Frame | Repeat | Gap | None = None
    routes: tuple[Route, ...] = ()
    upward: bool = False


class Run(NamedTuple):
    """A measured series: its items' pieces, the gaps before them, and their output shapes."""

    series: Series
    pieces: list[Piece]
    gaps: list[float]
    shapes: list[str]


def takes_arrow(item: Item) -> bool:
    return not isinstance(item, Parallel)


def column(run: Run, start: int, end: int) -> Piece:
    """The items from `start` to `end` (exclusive), from top to bottom."""
    pieces = run.pieces[start:end]
    lefts = _align(pieces)
    right = max(left + piece.width for left, piece in zip(lefts, pieces, strict=True))
    edges: list[Edge] = []
    labels: list[Label] = []
    children = []
    y = leave = 0.0
    for index, (left, piece) in enumerate(zip(lefts, pieces, strict=True), start):
        if index > start:
            top = y + run.gaps[index]
            if run.series.linked[index]:
                arrow = takes_arrow(run.series.items[index])
                edges.append(Edge(_connect(leave, y, left + piece.enter, top), arrow))
                if run.shapes[index - 1]:
                    labels.append(Label(leave + BESIDE, y + BELOW, run.shapes[index - 1]))
            y = top
        children.append((left, y, piece))
        y += piece.height
        leave = left + piece.leave
        if index + 1 < len(run.pieces) and run.shapes[index]:
            right = max(right, leave + BESIDE + text_width(run.shapes[index], SMALL))
    enter = lefts[0] + pieces[0].enter
    return Piece(right, y, enter, leave, tuple(children), tuple(edges), tuple(labels))


def _align(pieces: list[Piece]) -> list[float]:
    """The left edge of each piece: centred, or shifted a little if that makes the line from the
    previous piece straight."""
    lefts: list[float] = []
    leave: float | None = None
    for piece in pieces:
        left = -piece.width / 2
        if leave is not None and abs(left + piece.enter - leave) <= SLACK:
            left = leave - piece.enter
        lefts.append(left)
        leave = left + piece.leave
    least = min(lefts)
    return [left - least for left in lefts]


def _connect(x: float, y: float, to_x: float, to_y: float) -> tuple[Point, ...]:
    """The points of a straight vertical line, or of one with two turns."""
    if abs(x - to_x) < 0.05:
        return (x, y), (x, to_y)
    # Where there is no room for a turn, below the bar of branches, the line goes along the bar.
    turn = y + TURN if to_y - y > TURN else y
    return (x, y), (x, turn), (to_x, turn), (to_x, to_y)
