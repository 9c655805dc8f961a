"""Tall series in several columns."""

from __future__ import annotations

from itertools import pairwise
from math import log, sqrt

from archc.reports.drawing.items import Output, Parallel
from archc.reports.drawing.pieces import (
    BELOW,
    BESIDE,
    TURN,
    Edge,
    Label,
    Piece,
    Point,
    Run,
    column,
    takes_arrow,
)

ASPECT = 1.3
"""The preferred ratio of width to height."""
SHORTEST = 0.25
"""The least height of the first and the last column, relative to the tallest one."""
HALVINGS = 12
"""Steps of the binary search for the columns' height."""
GUTTER = 36
HEAD = 16
"""The distance from the line to a further column to its first item."""


def columns(run: Run, height: float) -> Piece:
    """The series in the number of columns that comes closest to the preferred ratio."""
    breaks = [
        index
        for index in range(1, len(run.pieces))
        if run.series.linked[index]
        and not isinstance(run.series.items[index - 1], Parallel)
        and not isinstance(run.series.items[index], Output)
    ]
    best = column(run, 0, len(run.pieces))
    ends = _ends(run)
    about = round(sqrt(ASPECT * height / (best.width + GUTTER)))
    used = sum(piece.width * piece.height for piece in run.pieces)
    least = _cost(best, used)
    for count in range(max(2, about - 2), about + 3):
        piece = _side_by_side(run, [0, *_cuts(ends, breaks, count), len(run.pieces)])
        cost = _cost(piece, used)
        if cost < least:
            best, least = piece, cost
    return best


def _cost(piece: Piece, used: float) -> float:
    """The deviation of a piece from the preferred ratio, plus its empty area."""
    proportion = abs(log(piece.width / piece.height / ASPECT))
    return proportion + log(piece.width * piece.height / used)


def _ends(run: Run) -> list[float]:
    """The end of each item in a single column."""
    ends = []
    y = 0.0
    for piece, gap in zip(run.pieces, run.gaps, strict=True):
        y += gap + piece.height
        ends.append(y)
    return ends


def _cuts(ends: list[float], breaks: list[int], count: int) -> list[int]:
    """Positions of breaks for at most `count` columns whose largest height is minimal."""
    parts = pairwise([0.0, *(ends[index - 1] for index in breaks), ends[-1]])
    low, high = max(ends[-1] / count, *(end - start for start, end in parts)), ends[-1]
    if len(_breaks_for_height(ends, breaks, low)) < count:
        high = low
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if len(_breaks_for_height(ends, breaks, middle)) < count:
            high = middle
        else:
            low = middle
    cuts = _breaks_for_height(ends, breaks, high)
    bounds = [0.0, *(ends[index - 1] for index in cuts), ends[-1]]
    least = SHORTEST * max(end - start for start, end in pairwise(bounds))
    # A column of one or two items would look lost.
    if cuts and bounds[-1] - bounds[-2] < least:
        cuts.pop()
    if cuts and bounds[1] < least:
        cuts.pop(0)
    return cuts


def _breaks_for_height(ends: list[float], breaks: list[int], height: float) -> list[int]:
    """Positions of breaks so that no column is higher than `height`, if possible."""
    cuts: list[int] = []
    start = 0.0
    for index, following in pairwise([*breaks, len(ends)]):
        if ends[following - 1] - start > height:
            cuts.append(index)
            start = ends[index - 1]
    return cuts


def _side_by_side(run: Run, bounds: list[int]) -> Piece:
    """Columns of a series; a line leads from the bottom of each to the top of the next."""
    pieces = [column(run, start, end) for start, end in pairwise(bounds)]
    # All but the first begin below the line to them; all but the last end above the line from them.
    height = max(piece.height for piece in pieces) + HEAD + TURN
    children = []
    edges: list[Edge] = []
    labels: list[Label] = []
    x = 0.0
    before: Point | None = None
    for number, piece in enumerate(pieces):
        y = HEAD if number else 0.0
        if before is not None:
            foot, gutter = before[1] + TURN, x - GUTTER / 2
            enter = x + piece.enter
            points = (before, (before[0], foot), (gutter, foot), (gutter, 0.0), (enter, 0.0))
            edges.append(Edge((*points, (enter, y)), takes_arrow(run.series.items[bounds[number]])))
            text = run.shapes[bounds[number] - 1]
            labels.append(Label(before[0] + BESIDE, before[1] + BELOW, text))
        children.append((x, y, piece))
        before = x + piece.leave, y + piece.height
        x += piece.width + GUTTER
    assert before is not None
    if run.series.leaves and before[1] < height:
        edges.append(Edge((before, (before[0], height)), False))
    return Piece(
        x - GUTTER,
        height,
        pieces[0].enter,
        before[0],
        tuple(children),
        tuple(edges),
        tuple(labels),
    )
