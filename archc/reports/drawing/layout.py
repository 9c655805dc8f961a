"""Where everything in a drawing stands: sizes from the inside out, then places from the outside in.

Series go down the page, branches stand side by side, and a series that gets too high goes on in
another column. Lengths are in CSS pixels. Nothing here is random or asks a font.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

from archc.ir.costs import Costs
from archc.ir.graph import Node, Region
from archc.reports.drawing.contents import Row, output_label, rows_of, titles
from archc.reports.drawing.items import Frame, Output, Repeat, Stack
from archc.reports.drawing.lanes import anchor
from archc.reports.drawing.measure import Measure
from archc.reports.drawing.pieces import HEADER, ROW, SHADOW, Edge, Label, Piece, Point
from archc.reports.drawing.tree import Drawing, Skip

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


class Border(NamedTuple):
    """A frame. `times` counts equal ones in its place, `depth` the frames around it; `region` is
    None where it holds a stretch that is no section and no block."""

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
    """Everything with its place, frames from the outside in."""

    width: float
    height: float
    boxes: list[Box]
    endings: list[Ending]
    borders: list[Border]
    edges: list[Edge]
    labels: list[Label]


def layout(costs: Costs, drawing: Drawing) -> Layout:
    """Places for a drawing's items, beginning at (0, 0)."""
    measured = Measure(costs, drawing).series(drawing.root, True)
    placed = Layout(measured.width, measured.height, [], [], [], [], [])
    place = _Place(costs, placed)
    place.piece(measured, 0, 0, 0)
    place.skips()
    return placed


class _Place:
    """Absolute places, from the outside in."""

    def __init__(self, costs: Costs, layout: Layout) -> None:
        self._costs = costs
        self._layout = layout
        self._anchors: dict[Hashable, Point] = {}
        self._waiting: list[tuple[Skip, float]] = []

    def piece(self, piece: Piece, x: float, y: float, depth: int) -> None:
        """Place a piece and all in it at x and y."""
        made = self._layout
        self._waiting += ((skip, x + lane) for skip, lane in piece.lanes)
        for points, arrow in piece.edges:
            made.edges.append(Edge(tuple((x + px, y + py) for px, py in points), arrow))
        made.labels.extend(Label(x + lx, y + ly, text) for lx, ly, text in piece.labels)
        item = piece.item
        if isinstance(item, Stack):
            made.boxes.append(Box(x, y, piece.width, rows_of(self._costs, item)))
            for number, node in enumerate(item.nodes):
                self._anchors[node.index] = x + piece.width, y + ROW * (number + 0.5)
        elif isinstance(item, Output):
            label = output_label(self._costs, item.node)
            made.endings.append(Ending(x, y, piece.width, label, item.node))
            self._anchors[anchor(item)] = x + piece.width, y + ROW / 2
        elif item is not None:
            self._border(item, piece, x, y, depth)
            depth += 1
        for left, top, child in piece.children:
            self.piece(child, x + left, y + top, depth)

    def _border(self, item: Frame | Repeat, piece: Piece, x: float, y: float, depth: int) -> None:
        label, told = titles(self._costs, item)
        times = len(item.units) if isinstance(item, Repeat) else 1
        frame = item.alone if isinstance(item, Repeat) else item
        shadow = SHADOW * 2 if times > 1 else 0
        width = piece.width - shadow
        region = None if frame is None else frame.region
        border = Border(x, y, width, piece.height - shadow, label, told, depth, times, region)
        self._layout.borders.append(border)
        if isinstance(item, Frame):
            self._anchors[anchor(item.region)] = x + width, y + HEADER / 2

    def skips(self) -> None:
        """Lead the skips along their lanes, once all else stands."""
        for skip, lane in self._waiting:
            x, y = self._anchors[skip.source]
            to_x, to_y = self._anchors[anchor(skip.target)]
            # What leaves a box does so below what comes in.
            y, to_y = y + BESIDE_MIDDLE, to_y - BESIDE_MIDDLE
            points = (x, y), (lane, y), (lane, to_y), (to_x, to_y)
            self._layout.edges.append(Edge(points, True))
