"""Tall series in several columns."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from math import log, sqrt
from typing import NamedTuple

from archc.reports.drawing.items import Output, Parallel
from archc.reports.drawing.lanes import OUTSIDE, Bundle, assign
from archc.reports.drawing.pieces import (
    BELOW,
    BESIDE,
    PAD,
    TURN,
    Edge,
    Label,
    Piece,
    Point,
    Route,
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
LANE = 10
"""The distance of lanes, and of tracks."""
HEAD = 16
"""The distance from the line to a further column to its first item."""


def columns(run: Run, height: float, bundles: Sequence[Bundle], through: Sequence[Bundle]) -> Piece:
    """The series in the number of columns that comes closest to the preferred ratio. `bundles` are
    the skips beside it, `through` those that have one end in it."""
    breaks = [
        index
        for index in range(1, len(run.pieces))
        if not isinstance(run.series.items[index - 1], Parallel)
        and not isinstance(run.series.items[index], Output)
    ]
    best = side_by_side(run, [0, len(run.pieces)], bundles)
    ends = _ends(run)
    about = round(sqrt(ASPECT * height / (best.width + GUTTER)))
    used = sum(piece.width * piece.height for piece in run.pieces)
    least = _cost(best, used)
    for count in range(max(2, about - 2), about + 3):
        cuts = _cuts(ends, breaks, count)
        bounds = [0, *cuts, len(run.pieces)]
        # The last column has nothing between it and what is beside the series.
        around = [
            inside
            for bundle in through
            if (inside := [reach for reach in bundle if max(reach[:2]) < bounds[-2]])
        ]
        piece = side_by_side(run, bounds, [*bundles, *around])
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


def side_by_side(run: Run, bounds: list[int], bundles: Sequence[Bundle]) -> Piece:
    """A series in columns, or a single one, between `bounds`. A line leads from the bottom of each
    to the top of the next, unless what comes there is not linked. The skips of `bundles` run beside
    the columns, and from one to another above all of them."""
    pieces = [column(run, start, end) for start, end in pairwise(bounds)]
    ways = _ways(bounds, bundles)
    band = LANE * (max(ways.tracks, default=-1) + 1)
    # All but the first begin below the lines above them and the line to them; all but the last end
    # above the line from them.
    tops = [0.0, *[band + HEAD] * (len(pieces) - 1)]
    height = max(top + piece.height for top, piece in zip(tops, pieces, strict=True))
    height += TURN if len(pieces) > 1 else 0
    children = []
    edges: list[Edge] = []
    labels: list[Label] = []
    x = 0.0
    lanes: list[float] = []
    before: Point | None = None
    for number, (piece, beside) in enumerate(zip(pieces, ways.counts, strict=True)):
        y = tops[number]
        if before is not None and run.series.linked[bounds[number]]:
            foot, gutter = before[1] + TURN, x - GUTTER / 2
            enter = x + piece.enter
            points = (before, (before[0], foot), (gutter, foot), (gutter, band), (enter, band))
            edges.append(Edge((*points, (enter, y)), takes_arrow(run.series.items[bounds[number]])))
            text = run.shapes[bounds[number] - 1]
            labels.append(Label(before[0] + BESIDE, before[1] + BELOW, text))
        children.append((x, y, piece))
        before = x + piece.leave, y + piece.height
        x += piece.width
        lanes.append(x + PAD)
        x += PAD + LANE * beside if beside else 0
        x += GUTTER
    assert before is not None
    if run.series.leaves and before[1] < height:
        edges.append(Edge((before, (before[0], height)), False))
    routes = []
    for bundle, own, track in zip(bundles, ways.lanes, ways.tracks, strict=True):
        at = {place: lanes[place] + LANE * lane for place, lane in own.items()}
        for start, end, skip in bundle:
            out, into = (at.get(_column_of(bounds, item)) for item in (start, end))
            routes.append(Route(skip, out, into, LANE * track))
    return Piece(
        x - GUTTER,
        height,
        pieces[0].enter,
        before[0],
        tuple(children),
        tuple(edges),
        tuple(labels),
        routes=tuple(routes),
    )


class _Ways(NamedTuple):
    """The lanes of bundles: of each its lane beside every column that it comes to, and its track
    above them, -1 if it stays in one; `counts` is the number of lanes beside each column."""

    lanes: list[dict[int, int]]
    tracks: list[int]
    counts: list[int]


def _ways(bounds: Sequence[int], bundles: Sequence[Bundle]) -> _Ways:
    lanes: list[dict[int, int]] = [{} for _ in bundles]
    columns = len(bounds) - 1
    spans: list[list[tuple[int, int]]] = [[] for _ in range(columns)]
    owners: list[list[int]] = [[] for _ in range(columns)]
    crossing: list[tuple[int, int]] = []
    for number, bundle in enumerate(bundles):
        places: dict[int, list[int]] = {}
        for item in (item for reach in bundle for item in reach[:2]):
            places.setdefault(_column_of(bounds, item), []).append(item)
        first, last = min(places), max(places)
        crossing.append((first, last))
        for place, items in places.items():
            if place < columns:
                # What comes from another column, or goes there, does so above the first item.
                begin = min(items) if first == last else bounds[place]
                spans[place].append((begin, max(items)))
                owners[place].append(number)
    counts = []
    for place in range(columns):
        assigned = assign(spans[place])
        counts.append(max(assigned, default=-1) + 1)
        for number, lane in zip(owners[place], assigned, strict=True):
            lanes[number][place] = lane
    over = [number for number, (first, last) in enumerate(crossing) if last > first]
    tracks = [-1] * len(bundles)
    for number, track in zip(over, assign([crossing[number] for number in over]), strict=True):
        tracks[number] = track
    return _Ways(lanes, tracks, counts)


def _column_of(bounds: Sequence[int], item: int) -> int:
    """The column of an item; what is outside is a further one at the right."""
    return len(bounds) - 1 if item == OUTSIDE else bisect_right(bounds, item) - 1
