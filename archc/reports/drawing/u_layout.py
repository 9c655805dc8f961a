"""The layout of a U: the contracting path down at the left, the expanding path up at the right.

The parts of both paths that a skip connects stand in one row, and the skip is the line between
them. Lengths are in CSS pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from archc.reports.drawing.items import Frame, Repeat
from archc.reports.drawing.labels import SMALL, text_width
from archc.reports.drawing.pieces import (
    BELOW,
    BESIDE,
    ENTRY,
    GAP,
    HEADER,
    SHADOW,
    Edge,
    Label,
    Piece,
    takes_arrow,
)
from archc.reports.drawing.u_shape import Level

MARGIN = 20
"""Beside a skip's box, or between the columns."""
DIGITS = 0.75
"""The height of a label, relative to its font's size."""
LEAVING = GAP - ENTRY
"""The distance from an item to the line to a skip, with the item's shape beside it."""


class Measured(NamedTuple):
    """A level with its measured parts, None where it has none, and the shapes that leave them."""

    level: Level
    left: Piece
    skip: Piece | None
    right: Piece | None
    left_shape: str
    skip_shape: str
    right_shape: str


def arrange(rows: Sequence[Measured]) -> Piece:
    """The rows, from the outermost level to the bottom of the U, as one piece. What stands at the
    right is turned upside down."""
    rights = [None if row.right is None else upside_down(row.right) for row in rows]
    left_axis = max(row.left.enter for row in rows)
    lefts = [left_axis - row.left.enter for row in rows]
    middle = MARGIN + max(
        x + max(row.left.width, row.left.leave + BESIDE + text_width(row.left_shape, SMALL))
        for x, row in zip(lefts, rows, strict=True)
    )
    skips = [max(s.width, text_width(row.skip_shape, SMALL)) for row in rows if (s := row.skip)]
    start = middle + max(skips, default=0) + MARGIN
    right_axis = start + max(piece.enter for piece in rights if piece is not None)
    children: list[tuple[float, float, Piece]] = []
    edges: list[Edge] = []
    labels: list[Label] = []
    width = right_axis
    top = above = 0.0
    leave = right_axis
    for number, (row, x, right) in enumerate(zip(rows, lefts, rights, strict=True)):
        inner = number > 0
        left_top = top + (ENTRY if inner else 0)
        left_end = left_top + row.left.height
        half = row.skip.height / 2 if row.skip else 0.0
        foot = max(left_end + LEAVING, top + above + half)
        if right is not None:
            foot = max(foot, top + (LEAVING if inner else 0) + right.height + ENTRY)
        children.append((x, left_top, row.left))
        if inner and row.level.contracting.linked[0]:
            arrow = takes_arrow(row.level.contracting.items[0])
            edges.append(Edge(((left_axis, top), (left_axis, left_top)), arrow))
        out = x + row.left.leave
        edges.append(Edge(((out, left_end), (out, foot)), False))
        labels.append(Label(out + BESIDE, left_end + BELOW, row.left_shape))
        bar = min(out, left_axis) if number + 1 < len(rows) else out
        if row.skip is None:
            edges.append(Edge(((bar, foot), (right_axis, foot)), False))
        else:
            at = (middle + start - MARGIN - row.skip.width) / 2
            children.append((at, foot - half, row.skip))
            edges.append(Edge(((bar, foot), (at, foot)), True))
            edges.append(Edge(((at + row.skip.width, foot), (right_axis, foot)), False))
            centered = (middle + start - MARGIN - text_width(row.skip_shape, SMALL)) / 2
            labels.append(Label(centered, foot + half + BELOW, row.skip_shape))
            half += BELOW
        if right is None:
            edges.append(Edge(((right_axis, foot), (right_axis, top)), False))
        else:
            right_x, right_top = right_axis - right.enter, foot - ENTRY - right.height
            children.append((right_x, right_top, right))
            arrow = takes_arrow(row.level.expanding.items[0])
            edges.append(Edge(((right_axis, foot), (right_axis, foot - ENTRY)), arrow))
            end = right_x + right.leave
            width = max(width, right_x + right.width)
            if inner:
                points = (end, right_top), (end, top), (right_axis, top)
                edges.append(Edge(points if end != right_axis else points[:2], False))
                base = right_top - BELOW + DIGITS * SMALL
                labels.append(Label(end + BESIDE, base, row.right_shape))
                width = max(width, end + BESIDE + text_width(row.right_shape, SMALL))
            else:
                leave = end
        top, above = foot, half + BESIDE
    return Piece(width, top, left_axis, leave, tuple(children), tuple(edges), tuple(labels))


def upside_down(piece: Piece) -> Piece:
    """The piece from bottom to top; headings of frames stay above."""
    start, end = 0.0, piece.height
    if isinstance(piece.item, Frame | Repeat):
        start = HEADER
        end -= SHADOW * 2 if isinstance(piece.item, Repeat) else 0
    turned = start + end
    return piece._replace(
        children=tuple(
            (x, turned - y - child.height, upside_down(child)) for x, y, child in piece.children
        ),
        edges=tuple(
            Edge(tuple((x, turned - y) for x, y in points), arrow) for points, arrow in piece.edges
        ),
        labels=tuple(Label(x, turned - y + DIGITS * SMALL, text) for x, y, text in piece.labels),
        routes=tuple(route._replace(over=turned - route.over) for route in piece.routes),
        upward=not piece.upward,
    )
