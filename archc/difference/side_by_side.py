"""Two networks side by side: their layers and the headings of their sections and blocks on common
lines, and what of it can be folded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from archc.difference import Difference, Pair, Status
from archc.ir.graph import Graph, Node, Region

FEWEST_SAME = 3
"""How many equal layers in a row are folded."""


class Cell(NamedTuple):
    """One side of a line: a layer, the heading of a region, or neither, inside `frames`, outer ones
    first; the last `ending` of these end with the line."""

    item: Node | Region | None
    frames: tuple[Region, ...]
    ending: int = 0


class Line(NamedTuple):
    """A line: the sides of A and of B, and the layers in it; None for headings."""

    cells: tuple[Cell, Cell]
    pair: Pair | None


class Fold(NamedTuple):
    """Lines that are shown or folded together: a stretch that is the same, or a whole region that
    is added or removed, with `head` in place of all of it. `layers` is their number."""

    status: Status
    head: Line
    lines: tuple[Line, ...]
    layers: int


def side_by_side(result: Difference) -> Iterator[Line | Fold]:
    """All lines, or folds of them, from top to bottom."""
    lines = _with_ends(list(_lines(result)))
    kinds = _statuses(lines)
    index = 0
    while index < len(lines):
        kind, end = kinds[index], index + 1
        if kind == "same":
            outer = [_outer(cell) for cell in lines[index].cells]
            while end < len(lines) and kinds[end] == "same" and _inside(lines[end], outer):
                end += 1
        elif lines[index].pair is None and kind != "changed":
            end = _end_of_region(lines, index)
        chosen = lines[index:end]
        layers = sum(line.pair is not None for line in chosen)
        if kind == "same" and layers >= FEWEST_SAME:
            yield Fold("same", _stretch(chosen), tuple(chosen), layers)
        elif kind in ("added", "removed") and layers > 1:
            yield Fold(kind, _closed(chosen), tuple(chosen[1:]), layers)
        else:
            yield from chosen
        index = end


def _lines(result: Difference) -> Iterator[Line]:
    chains = _chains(result.a.graph), _chains(result.b.graph)
    nodes = [
        [None if layer is None else layer.node for layer in (pair.a, pair.b)]
        for pair in result.pairs
    ]
    around: list[list[tuple[Region, ...]]] = [[], []]
    for side in (0, 1):
        # Around a gap are the regions that go on below it.
        below: tuple[Region, ...] = ()
        for both in reversed(nodes):
            node = both[side]
            below = below if node is None else chains[side][node.index]
            around[side].append(below)
        around[side].reverse()
    last: list[tuple[Region, ...]] = [(), ()]
    partners: dict[Region, Region] = {}  # regions whose headings are on one line
    for number, (pair, both) in enumerate(zip(result.pairs, nodes, strict=True)):
        opened: list[list[Region]] = [[], []]
        for side in (0, 1):
            chain = around[side][number]
            shared = _common(last[side], chain)
            if both[side] is None:
                # A region goes on as long as its partner.
                other = around[1 - side][number]
                while shared < len(last[side]) and partners.get(last[side][shared]) in other:
                    shared += 1
                last[side] = last[side][:shared]
            else:
                opened[side] = list(chain[shared:])
                last[side] = chain
        most = max(map(len, opened))
        for level in range(most):
            cells = []
            for side in (0, 1):
                new = opened[side]
                outside = last[side][: len(last[side]) - len(new)]
                # Headings end on the same line.
                at = level - (most - len(new))
                item = new[at] if at >= 0 else None
                cells.append(Cell(item, (*outside, *new[: max(at + 1, 0)])))
            one, two = (cell.item for cell in cells)
            if isinstance(one, Region) and isinstance(two, Region):
                partners |= {one: two, two: one}
            yield Line((cells[0], cells[1]), None)
        yield Line((Cell(both[0], last[0]), Cell(both[1], last[1])), pair)


def _with_ends(lines: Sequence[Line]) -> list[Line]:
    """The lines with the frames that end at each."""
    result = []
    for line, after in zip(lines, [*lines[1:], None], strict=True):
        cells = []
        for side in (0, 1):
            frames = line.cells[side].frames
            goes_on = 0 if after is None else _common(frames, after.cells[side].frames)
            cells.append(line.cells[side]._replace(ending=len(frames) - goes_on))
        result.append(Line((cells[0], cells[1]), line.pair))
    return result


def _statuses(lines: Sequence[Line]) -> list[Status]:
    """The status of each line; of headings that of all layers in their regions, else `changed`."""
    known: list[Status] = ["same", "added", "removed"]
    counts = {
        status: list(
            accumulate(
                (line.pair is not None and line.pair.status == status for line in lines), initial=0
            )
        )
        for status in known
    }
    layers = list(accumulate((line.pair is not None for line in lines), initial=0))
    ends: dict[Region, int] = {}
    for number, line in enumerate(lines):
        for cell in line.cells:
            for region in cell.frames[len(cell.frames) - cell.ending :]:
                ends[region] = number + 1
    result: list[Status] = []
    for number, line in enumerate(lines):
        if line.pair is not None:
            result.append(line.pair.status)
            continue
        regions = [cell.item for cell in line.cells if isinstance(cell.item, Region)]
        end = max(ends[region] for region in regions)
        inside = layers[end] - layers[number]
        whole = (one for one in known if counts[one][end] - counts[one][number] == inside)
        result.append(next(whole, "changed"))
    return result


def _end_of_region(lines: Sequence[Line], start: int) -> int:
    """Where the regions end whose heading is at `start`."""
    heads = [(side, cell.item) for side, cell in enumerate(lines[start].cells) if cell.item]
    end = start + 1
    while end < len(lines) and any(item in lines[end].cells[side].frames for side, item in heads):
        end += 1
    return end


def _outer(cell: Cell) -> tuple[Region, ...]:
    """The frames around a cell, without that of which it is the heading."""
    return cell.frames[:-1] if isinstance(cell.item, Region) else cell.frames


def _inside(line: Line, outer: Sequence[tuple[Region, ...]]) -> bool:
    return all(
        cell.frames[: len(frames)] == frames for cell, frames in zip(line.cells, outer, strict=True)
    )


def _stretch(lines: Sequence[Line]) -> Line:
    """The line in place of lines that are the same."""
    cells = []
    for side in (0, 1):
        first, last = lines[0].cells[side], lines[-1].cells[side]
        frames = _outer(first)
        inside = len(last.frames) - len(frames)
        cells.append(Cell(None, frames, max(last.ending - inside, 0)))
    return Line((cells[0], cells[1]), None)


def _closed(lines: Sequence[Line]) -> Line:
    """The line in place of a whole region."""
    cells = []
    for side in (0, 1):
        first, last = lines[0].cells[side], lines[-1].cells[side]
        inside = len(last.frames) - len(first.frames)
        cells.append(first._replace(ending=max(last.ending - inside, 0)))
    return Line((cells[0], cells[1]), None)


def _common(one: Sequence[Region], two: Sequence[Region]) -> int:
    """The number of regions with which both begin."""
    count = 0
    for a, b in zip(one, two, strict=False):
        if a is not b:
            break
        count += 1
    return count


def _chains(graph: Graph) -> dict[int, tuple[Region, ...]]:
    """The regions around each node, outer ones first, by its index."""
    chains: dict[int, tuple[Region, ...]] = {}
    waiting: list[tuple[Node | Region, tuple[Region, ...]]]
    waiting = [(item, ()) for item in graph.root.items]
    while waiting:
        item, chain = waiting.pop()
        if isinstance(item, Node):
            chains[item.index] = chain
        else:
            waiting += [(inner, (*chain, item)) for inner in item.items]
    return chains
