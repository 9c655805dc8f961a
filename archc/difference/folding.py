"""The rows of a difference for people: whole blocks and sections in place of their layers, and
equal changes once, with their count.

A block instance or section folds where all its layers are added, or all removed; with a depth,
every one at that depth folds. Without a depth, equal changes are one row as well: of layers, the
same fields with the same values, or another input by the same cause; of unpaired layers, equal ops;
of whole blocks, equal layers. All of it is linear in the layers.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from archc.difference import Difference, Pair, Status
from archc.difference.causes import Cost, sum_of
from archc.ir.graph import Graph, Node, Region

FEWEST_LAYERS = 3
FEWEST_REGIONS = 5
"""How many equal changes become one row: of layers, and of whole blocks, whose rows say more."""


class Part(NamedTuple):
    """A layer, or a whole block instance or section, in A and in B; None where it has no
    counterpart. `pairs` are those of its layers; `status` is theirs, `changed` where they have
    different ones. Then `inner` are the parts that it has without a depth."""

    status: Status
    a: Node | Region | None
    b: Node | Region | None
    pairs: tuple[Pair, ...]
    inner: tuple[Part, ...] = ()

    @property
    def item(self) -> Node | Region:
        """The layer or region in B, or in A without a counterpart."""
        item = self.a if self.b is None else self.b
        assert item is not None
        return item

    @property
    def kind(self) -> str:
        """`layer`, `block` or `section`."""
        return self.item.kind if isinstance(self.item, Region) else "layer"


class Row(NamedTuple):
    """Parts with equal changes."""

    parts: tuple[Part, ...]

    @property
    def status(self) -> Status:
        """The status of all parts."""
        return self.parts[0].status

    @property
    def delta(self) -> Cost:
        """The change of cost, B minus A."""
        return sum_of(pair.delta for part in self.parts for pair in part.pairs)


def rows(
    result: Difference,
    whole: list[Part] | None = None,
    *,
    depth: int | None = None,
    everything: bool = False,
) -> list[Row]:
    """The rows that differ, in order: folded as above, or with a `depth` (from 1) all blocks and
    sections at that depth whole. `everything` adds those that are the same, and folds nothing but
    by a depth. `whole` are the `whole_parts`, where they are known."""
    if depth is not None:
        parts = _at_depth(result, depth)
    elif everything:
        parts = [_single(pair) for pair in result.pairs]
    else:
        parts = whole_parts(result) if whole is None else whole
    shown = (part for part in parts if everything or part.status != "same")
    if depth is None and not everything:
        return list(_merged(shown))
    return [Row((part,)) for part in shown]


def whole_parts(result: Difference) -> list[Part]:
    """All layers in order; added and removed blocks and sections, and blocks that are the same, are
    one part each."""
    return _parts(result.pairs, _whole_places(result))


_Place = tuple[Region | None, Region | None]
"""The regions of A and of B in which a pair of layers folds."""
_NOWHERE: _Place = (None, None)


def _whole_places(result: Difference) -> list[_Place]:
    """For each pair the outermost regions that are added, removed or, of blocks, the same."""
    roots = result.a.graph.root, result.b.graph.root
    if not any(isinstance(item, Region) for root in roots for item in root.items):
        return [_NOWHERE] * len(result.pairs)
    outlines = _outline(result.a.graph), _outline(result.b.graph)
    whole = {
        (status, side): outlines[side].within(
            [_node(pair, side).index for pair in result.pairs if pair.status == status], kinds
        )
        for status, side, kinds in (
            ("removed", 0, ("block", "section")),
            ("added", 1, ("block", "section")),
            ("same", 0, ("block",)),
            ("same", 1, ("block",)),
        )
    }
    nothing: Mapping[int, Region] = {}
    places: list[_Place] = []
    for pair in result.pairs:
        one = two = None
        if pair.a is not None:
            one = whole.get((pair.status, 0), nothing).get(pair.a.node.index)
        if pair.b is not None:
            two = whole.get((pair.status, 1), nothing).get(pair.b.node.index)
        alone = pair.status == "same" and (one is None or two is None)
        places.append(_NOWHERE if alone else (one, two))
    return places


def _at_depth(result: Difference, depth: int) -> list[Part]:
    """All layers and regions at a depth, in order. Removed layers are in the part of the region of
    B to which most layers around them correspond."""
    sides = _outline(result.a.graph).at(depth), _outline(result.b.graph).at(depth)
    shared: dict[Region, dict[Region, int]] = {}
    for pair in result.pairs:
        if pair.a is not None and pair.b is not None:
            one, two = sides[0].get(pair.a.node.index), sides[1].get(pair.b.node.index)
            if one is not None and two is not None:
                counts = shared.setdefault(one, {})
                counts[two] = counts.get(two, 0) + 1
    partners = {one: max(counts, key=counts.__getitem__) for one, counts in shared.items()}
    originals: dict[Region, Region] = {}
    for one, two in partners.items():
        originals.setdefault(two, one)
    places: list[_Place] = []
    for pair in result.pairs:
        one = None if pair.a is None else sides[0].get(pair.a.node.index)
        if pair.b is not None:
            two = sides[1].get(pair.b.node.index)
        else:
            two = None if one is None else partners.get(one)
        if two is not None:
            one = originals.get(two)
        places.append((one, two) if pair.b is None or two is not None else (None, None))
    return _parts(result.pairs, places, _whole_places(result))


def _parts(
    pairs: Sequence[Pair], places: Sequence[_Place], inner: Sequence[_Place] = ()
) -> list[Part]:
    """The parts of pairs by the regions in which they fold, at the place of the first; a pair
    without a region is a part of its own. `inner` are the places in changed parts."""
    parts: list[Part | Region] = []  # with a region in the place of the pairs that fold in it
    groups: dict[Region, list[int]] = {}
    for number, (one, two) in enumerate(places):
        region = two or one
        if region is None:
            parts.append(_single(pairs[number]))
        elif region in groups:
            groups[region].append(number)
        else:
            groups[region] = [number]
            parts.append(region)
    return [
        part if isinstance(part, Part) else _folded(groups[part], pairs, places, inner)
        for part in parts
    ]


def _folded(
    numbers: Sequence[int],
    pairs: Sequence[Pair],
    places: Sequence[_Place],
    inner: Sequence[_Place],
) -> Part:
    own = [pairs[number] for number in numbers]
    statuses = {pair.status for pair in own}
    status: Status = statuses.pop() if len(statuses) == 1 else "changed"
    within = _parts(own, [inner[n] for n in numbers]) if inner and status == "changed" else []
    return Part(status, *places[numbers[0]], tuple(own), tuple(within))


def _single(pair: Pair) -> Part:
    a, b = pair.a, pair.b
    one, two = None if a is None else a.node, None if b is None else b.node
    return Part(pair.status, one, two, (pair,))


def _node(pair: Pair, side: int) -> Node:
    layer = pair.b if side else pair.a
    assert layer is not None
    return layer.node


class _Outline(NamedTuple):
    """The nodes of a network in order of its hierarchy, by their indices, and its regions, outer
    ones first: each with its depth (from 1), and where its nodes begin and end."""

    nodes: list[int]
    regions: list[Region]
    depths: list[int]
    starts: list[int]
    ends: list[int]

    def within(self, indices: Collection[int], kinds: Collection[str]) -> dict[int, Region]:
        """The outermost regions of some kinds whose nodes, two and more, are all among `indices`;
        by the indices of their nodes."""
        inside = frozenset(indices)
        counts = list(accumulate((node in inside for node in self.nodes), initial=0))
        found: dict[int, Region] = {}
        last = 0
        for region, start, end in zip(self.regions, self.starts, self.ends, strict=True):
            whole = counts[end] - counts[start] == end - start > 1
            if whole and start >= last and region.kind in kinds:
                found |= dict.fromkeys(self.nodes[start:end], region)
                last = end
        return found

    def at(self, depth: int) -> dict[int, Region]:
        """The region at a depth around each node that has one, by its index."""
        return {
            node: region
            for region, at, start, end in zip(
                self.regions, self.depths, self.starts, self.ends, strict=True
            )
            if at == depth
            for node in self.nodes[start:end]
        }


def _outline(graph: Graph) -> _Outline:
    outline = _Outline([], [], [], [], [])
    waiting: list[tuple[int, Node | Region | int]]
    waiting = [(1, item) for item in reversed(graph.root.items)]
    while waiting:
        depth, item = waiting.pop()
        if isinstance(item, int):
            outline.ends[item] = len(outline.nodes)
        elif isinstance(item, Node):
            outline.nodes.append(item.index)
        else:
            waiting.append((depth, len(outline.regions)))
            waiting += [(depth + 1, inner) for inner in reversed(item.items)]
            outline.regions.append(item)
            outline.depths.append(depth)
            outline.starts.append(len(outline.nodes))
            outline.ends.append(0)
    return outline


def _merged(parts: Iterable[Part]) -> Iterator[Row]:
    """The rows of parts: enough equal changes are one, at the place of the first."""
    keys: list[Hashable] = []
    groups: dict[Hashable, list[Part]] = {}
    for part in parts:
        keys.append(_key(part))
        groups.setdefault(keys[-1], []).append(part)
    done: dict[Hashable, int] = {}
    for key in keys:
        equal, number = groups[key], done.get(key, 0)
        done[key] = number + 1
        if len(equal) < (FEWEST_LAYERS if equal[0].kind == "layer" else FEWEST_REGIONS):
            yield Row((equal[number],))
        elif not number:
            yield Row(tuple(equal))


def _key(part: Part) -> Hashable:
    """What is the same in equal changes."""
    if isinstance(part.item, Region):
        ops = tuple(_node(pair, pair.a is None).op for pair in part.pairs)
        return part.status, part.kind, part.item.block, part.pairs[0].delta, ops
    (pair,) = part.pairs
    if pair.changes:
        return part.status, part.item.op.name, repr(pair.changes)
    if part.status != "changed":
        return part.status, part.item.op
    return part.status, part.item.op.name, frozenset(effect.cause for effect in pair.effects)
