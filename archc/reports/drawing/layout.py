"""The layout of a drawing: sizes bottom-up, then positions top-down.

Series go down the page, branches are side by side, a series that gets too tall continues in
another column, and a network in the shape of a U is drawn as one. Lengths are in CSS pixels. The
layout is deterministic and loads no font.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

from archc.ir.costs import Costs
from archc.ir.graph import Node, Region
from archc.reports.drawing.contents import Row, gap_label, output_label, rows_of, titles
from archc.reports.drawing.items import Frame, Gap, Output, Repeat, Stack
from archc.reports.drawing.lanes import anchor
from archc.reports.drawing.measure import Measure
from archc.reports.drawing.pieces import HEADER, ROW, SHADOW, Edge, Label, Piece, Point, Route
from archc.reports.drawing.tree import Drawing

BESIDE_MIDDLE = 5


class Box(NamedTuple):
    """A stack of ops."""

    x: float
    y: float
    width: float
    rows: tuple[Row, ...]

    @property
    def height(self) -> float:
        return ROW * len(self.rows)


class Ending(NamedTuple):
    """An output of the network."""

    x: float
    y: float
    width: float
    label: str
    node: Node


class Omission(NamedTuple):
    """What a folded drawing leaves out."""

    x: float
    y: float
    width: float
    label: str


class Border(NamedTuple):
    """A frame. `times` is the number of repeats, `depth` the number of enclosing frames; `region`
    is None for a repeat of something other than a section or block."""

    x: float
    y: float
    width: float
    height: float
    label: str
    figure: str
    depth: int
    times: int
    region: Region | None


class Layout(NamedTuple):
    """All elements with their positions, outer frames first."""

    width: float
    height: float
    boxes: list[Box]
    endings: list[Ending]
    borders: list[Border]
    edges: list[Edge]
    labels: list[Label]
    omissions: list[Omission]


def layout(costs: Costs, drawing: Drawing) -> Layout:
    """Lay out a drawing, with its origin at (0, 0)."""
    root = Measure(costs, drawing).root(drawing.root)
    result = Layout(root.width, root.height, [], [], [], [], [], [])
    placement = _Placement(costs, result)
    placement.piece(root, 0, 0, 0)
    placement.skips()
    return result


class _Placement:
    """Assigns absolute positions, top-down."""

    def __init__(self, costs: Costs, layout: Layout) -> None:
        self._costs = costs
        self._layout = layout
        self._anchors: dict[Hashable, Point] = {}
        self._routes: dict[tuple[Hashable, Hashable], list[Route]] = {}

    def piece(self, piece: Piece, x: float, y: float, depth: int) -> None:
        """Place a piece and its children at x and y."""
        layout = self._layout
        for skip, out, into, over in piece.routes:
            ends = None if out is None else x + out, None if into is None else x + into
            route = Route(skip, *ends, y + over)
            self._routes.setdefault((skip.source, anchor(skip.target)), []).append(route)
        for points, arrow in piece.edges:
            layout.edges.append(Edge(tuple((x + px, y + py) for px, py in points), arrow))
        layout.labels.extend(Label(x + lx, y + ly, text) for lx, ly, text in piece.labels)
        item = piece.item
        if isinstance(item, Stack):
            step = -1 if piece.upward else 1
            rows = rows_of(self._costs, item)[::step]
            layout.boxes.append(Box(x, y, piece.width, rows))
            for number, row in enumerate(rows):
                self._anchors[row.node.index] = x + piece.width, y + ROW * (number + 0.5)
        elif isinstance(item, Output):
            label = output_label(self._costs, item.node)
            layout.endings.append(Ending(x, y, piece.width, label, item.node))
            self._anchors[anchor(item)] = x + piece.width, y + ROW / 2
        elif isinstance(item, Gap):
            layout.omissions.append(Omission(x, y, piece.width, gap_label(item)))
        elif item is not None:
            self._border(item, piece, x, y, depth)
            depth += 1
        for left, top, child in piece.children:
            self.piece(child, x + left, y + top, depth)

    def _border(self, item: Frame | Repeat, piece: Piece, x: float, y: float, depth: int) -> None:
        label, figure = titles(self._costs, item)
        times = item.times if isinstance(item, Repeat) else 1
        frame = item.alone if isinstance(item, Repeat) else item
        shadow = SHADOW * 2 if times > 1 else 0
        width = piece.width - shadow
        region = None if frame is None else frame.region
        border = Border(x, y, width, piece.height - shadow, label, figure, depth, times, region)
        self._layout.borders.append(border)
        if isinstance(item, Frame):
            self._anchors[anchor(item.region)] = x + width, y + HEADER / 2

    def skips(self) -> None:
        """Draw the skips along their routes, after everything else is placed."""
        for (source, target), routes in self._routes.items():
            x, y = self._anchors[source]
            to_x, to_y = self._anchors[target]
            # Outgoing edges leave a box below the incoming ones.
            points = [(x, y + BESIDE_MIDDLE)]
            for route in _in_order(routes):
                if route.out is not None:
                    points.append((route.out, points[-1][1]))
                if route.out != route.into:
                    points.append((points[-1][0], route.over))
                    if route.into is not None:
                        points.append((route.into, route.over))
            points += [(points[-1][0], to_y - BESIDE_MIDDLE), (to_x, to_y - BESIDE_MIDDLE)]
            self._layout.edges.append(Edge(tuple(points), True))


def _in_order(routes: list[Route]) -> list[Route]:
    """The routes of a skip, which come from outside to inside: out of the series around its source,
    beside the one that has both ends, and into those around its target."""
    out = [route for route in routes if route.into is None]
    return [*reversed(out), *(route for route in routes if route.into is not None)]
