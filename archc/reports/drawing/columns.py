"""High series in several columns."""

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
"""Width over height that columns are chosen for."""
SHORTEST = 0.25
"""What the first and the last column must have of the highest one's height."""
HALVINGS = 12
"""Steps of the search for the columns' height."""
GUTTER = 36
HEAD = 16
"""From the line that leads to a further column to its first item."""


def columns(run: Run, height: float) -> Piece:
    """The series in as many columns as come nearest to the wanted proportion."""
    may_break = [
        place
        for place in range(1, len(run.pieces))
        if run.series.linked[place]
        and not isinstance(run.series.items[place - 1], Parallel)
        and not isinstance(run.series.items[place], Output)
    ]
    best = column(run, 0, len(run.pieces))
    ends = _ends(run)
    about = round(sqrt(ASPECT * height / (best.width + GUTTER)))
    used = sum(piece.width * piece.height for piece in run.pieces)
    least = _cost(best, used)
    for count in range(max(2, about - 2), about + 3):
        piece = _side_by_side(run, [0, *_cuts(ends, may_break, count), len(run.pieces)])
        cost = _cost(piece, used)
        if cost < least:
            best, least = piece, cost
    return best


def _cost(piece: Piece, used: float) -> float:
    """How far a part is from the wanted proportion, and how much of it is empty."""
    proportion = abs(log(piece.width / piece.height / ASPECT))
    return proportion + log(piece.width * piece.height / used)


def _ends(run: Run) -> list[float]:
    """Where each item ends in one column of all."""
    ends = []
    y = 0.0
    for piece, gap in zip(run.pieces, run.gaps, strict=True):
        y += gap + piece.height
        ends.append(y)
    return ends


def _cuts(ends: list[float], may_break: list[int], count: int) -> list[int]:
    """Places to break at for at most `count` columns, the highest of them as low as can be."""
    parts = pairwise([0.0, *(ends[place - 1] for place in may_break), ends[-1]])
    low, high = max(ends[-1] / count, *(end - start for start, end in parts)), ends[-1]
    if len(_filled(ends, may_break, low)) < count:
        high = low
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if len(_filled(ends, may_break, middle)) < count:
            high = middle
        else:
            low = middle
    cuts = _filled(ends, may_break, high)
    bounds = [0.0, *(ends[place - 1] for place in cuts), ends[-1]]
    least = SHORTEST * max(end - start for start, end in pairwise(bounds))
    # A column of an item or two would stand in the middle of nowhere.
    if cuts and bounds[-1] - bounds[-2] < least:
        cuts.pop()
    if cuts and bounds[1] < least:
        cuts.pop(0)
    return cuts


def _filled(ends: list[float], may_break: list[int], height: float) -> list[int]:
    """Places to break at where no column is higher than `height`, if it need not be."""
    cuts: list[int] = []
    start = 0.0
    for place, following in pairwise([*may_break, len(ends)]):
        if ends[following - 1] - start > height:
            cuts.append(place)
            start = ends[place - 1]
    return cuts


def _side_by_side(run: Run, bounds: list[int]) -> Piece:
    """Columns of a series; from the foot of each a line leads to the head of the next."""
    made = [column(run, start, end) for start, end in pairwise(bounds)]
    # All but the first begin below the line that leads to them; all but the last end above theirs.
    height = max(piece.height for piece in made) + HEAD + TURN
    children = []
    edges: list[Edge] = []
    labels: list[Label] = []
    x = 0.0
    before: Point | None = None
    for number, piece in enumerate(made):
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
        made[0].enter,
        before[0],
        tuple(children),
        tuple(edges),
        tuple(labels),
    )
