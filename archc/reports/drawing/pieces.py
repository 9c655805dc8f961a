"""Parts of a drawing with their sizes, and how items stand below each other.

Lengths are in CSS pixels."""

from __future__ import annotations

from typing import NamedTuple

from archc.reports.drawing.items import Frame, Item, Output, Parallel, Repeat, Series, Stack
from archc.reports.drawing.labels import SMALL, text_width
from archc.reports.drawing.tree import Skip

ROW = 22
HEADER = 24
PAD = 10
GAP = 36
"""Between two items, with the shape beside the arrow."""
ENTRY = 16
"""From a frame's header, or from where branches part, to the first item."""
LEAVE = 12
BESIDE, BELOW = 6, 14
"""From where an edge leaves an item to the base line of its shape."""
TURN = 22
"""From where an edge leaves an item to where it turns."""
SHADOW = 4
"""From one to the next of the frames that show a repeat."""
SLACK = 48
"""What an item may move to the side for a straight line into it."""

Point = tuple[float, float]


class Edge(NamedTuple):
    """A line through points; an arrow's head stands at its end where `arrow` is true."""

    points: tuple[Point, ...]
    arrow: bool


class Label(NamedTuple):
    """A shape beside an edge; y is the text's base line."""

    x: float
    y: float
    text: str


class Piece(NamedTuple):
    """A part with its size. What comes in does so at `enter` of its top, what leaves at `leave` of
    its bottom. `children` stand at offsets; `edges` and `labels` are relative too."""

    width: float
    height: float
    enter: float
    leave: float
    children: tuple[tuple[float, float, Piece], ...] = ()
    edges: tuple[Edge, ...] = ()
    labels: tuple[Label, ...] = ()
    item: Stack | Output | Frame | Repeat | None = None
    lanes: tuple[tuple[Skip, float], ...] = ()


class Run(NamedTuple):
    """A series measured: its items' pieces, the gaps before them, the shapes that leave them."""

    series: Series
    pieces: list[Piece]
    gaps: list[float]
    shapes: list[str]


def takes_arrow(item: Item) -> bool:
    return not isinstance(item, Parallel)


def column(run: Run, start: int, end: int) -> Piece:
    """The items from `start` to before `end` below each other."""
    pieces = run.pieces[start:end]
    lefts = _aligned(pieces)
    right = max(left + piece.width for left, piece in zip(lefts, pieces, strict=True))
    edges: list[Edge] = []
    labels: list[Label] = []
    children = []
    y = leave = 0.0
    for place, (left, piece) in enumerate(zip(lefts, pieces, strict=True), start):
        if place > start:
            top = y + run.gaps[place]
            if run.series.linked[place]:
                arrow = takes_arrow(run.series.items[place])
                edges.append(Edge(_turned(leave, y, left + piece.enter, top), arrow))
                if run.shapes[place - 1]:
                    labels.append(Label(leave + BESIDE, y + BELOW, run.shapes[place - 1]))
            y = top
        children.append((left, y, piece))
        y += piece.height
        leave = left + piece.leave
        if place + 1 < len(run.pieces) and run.shapes[place]:
            right = max(right, leave + BESIDE + text_width(run.shapes[place], SMALL))
    enter = lefts[0] + pieces[0].enter
    return Piece(right, y, enter, leave, tuple(children), tuple(edges), tuple(labels))


def _aligned(pieces: list[Piece]) -> list[float]:
    """Where each piece begins from the left: about one center line, and where that takes little,
    below the one before it, so that the line between them is straight."""
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


def _turned(x: float, y: float, to_x: float, to_y: float) -> tuple[Point, ...]:
    """A way straight down, or with two turns."""
    if abs(x - to_x) < 0.05:
        return (x, y), (x, to_y)
    turn = min(y + TURN, (y + to_y) / 2 + GAP / 2)
    return (x, y), (x, turn), (to_x, turn), (to_x, to_y)
