"""The series-parallel structure of a directed acyclic graph.

Branches between a fork and the merge of all its paths are drawn side by side; the rest is drawn
top to bottom. A fork is a merge's immediate dominator (Cooper, Harvey & Kennedy 2001,
A Simple, Fast Dominance Algorithm).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Series(NamedTuple):
    """Vertices and parallel parts in sequence; empty for an identity branch."""

    parts: tuple[int | Parallel, ...]


class Parallel(NamedTuple):
    """Branches between a fork, which precedes this part, and a merge, which follows it, in the
    order of the merge's inputs."""

    branches: tuple[Series, ...]


class _Split(NamedTuple):
    """Branches that are drawn in parallel if the fork directly precedes them."""

    fork: int
    branches: tuple[tuple[_Element, ...], ...]


class _Element(NamedTuple):
    """A finished run of vertices that starts with `first`: `entries` are the vertices outside that
    feed it, `depth` is the nesting depth of its parallel parts."""

    first: int
    parts: tuple[_Element | int | _Split, ...]
    entries: tuple[int, ...]
    depth: int


def decompose(inputs: Sequence[Sequence[int]], deepest: int) -> Series:
    """The structure of the vertices between the first one, the source, and the last one, the sink.

    `inputs` are the predecessors of each vertex, in topological order; all but the source have one.
    Edges that do not fit into the structure are left to the caller: those of a merge whose branches
    are not closed, and of parts nested deeper than `deepest`. Takes O(n log n) for n vertices and
    edges.
    """
    last_use = [0] * len(inputs)
    for vertex, sources in enumerate(inputs):
        for source in sources:
            last_use[source] = vertex
    dominators = _Dominators()
    leaders = list(range(len(inputs)))
    elements: list[_Element] = []
    # Vertices whose last use is later than those of all that follow them.
    waiting: list[int] = []
    blocked: dict[int, int] = {}
    for vertex in range(1, len(inputs)):
        sources = tuple(dict.fromkeys(inputs[vertex]))
        fork = dominators.add(sources)
        while waiting and last_use[waiting[-1]] <= vertex:
            waiting.pop()
        if len(sources) > 1:
            barrier = waiting[-1] if waiting else 0
            start = _start(elements, fork, barrier, sources, vertex, blocked)
            if start is None:
                blocked[vertex] = last_use[barrier]
            else:
                _close(elements, start, fork, sources, leaders, deepest)
        elements.append(_Element(vertex, (vertex,), sources, 0))
        while waiting and last_use[waiting[-1]] <= last_use[vertex]:
            waiting.pop()
        waiting.append(vertex)
    elements.pop()
    return _flat(elements, 0)


def _start(
    elements: list[_Element],
    fork: int,
    barrier: int,
    sources: tuple[int, ...],
    merge: int,
    blocked: dict[int, int],
) -> int | None:
    """The start of the elements that lead only from `fork` to `merge`, fed by `sources`; None if
    there are others between them.

    `barrier` is the last vertex that is used after the merge. All vertices after it lead to the
    merge, so only the fork may feed them from before it. `blocked` maps earlier merges to the
    vertex up to which they are blocked, which avoids repeated scans.
    """
    if any(fork < source <= barrier for source in sources):
        return None
    start = len(elements)
    while start and elements[start - 1].first > max(fork, barrier):
        start -= 1
        element = elements[start]
        if blocked.get(element.first, 0) > merge:
            return None
        if any(fork < entry <= barrier for entry in element.entries):
            return None
    return start


class _Dominators:
    """The growing tree of immediate dominators, with a jump pointer for each vertex, so that the
    nearest common ancestor of two takes O(log n) steps (Myers 1983)."""

    def __init__(self) -> None:
        self._parent = [0]
        self._jump = [0]
        self._depth = [0]

    def add(self, sources: Sequence[int]) -> int:
        """Add a vertex with these predecessors. Returns its immediate dominator."""
        common = sources[0]
        for other in sources[1:]:
            common = self._meet(common, other)
        far = self._jump[common]
        depth = self._depth
        even = depth[common] - depth[far] == depth[far] - depth[self._jump[far]]
        self._jump.append(self._jump[far] if even else common)
        self._parent.append(common)
        self._depth.append(self._depth[common] + 1)
        return common

    def _meet(self, a: int, b: int) -> int:
        parent, jump, depth = self._parent, self._jump, self._depth
        if depth[a] < depth[b]:
            a, b = b, a
        while depth[a] > depth[b]:
            a = jump[a] if depth[jump[a]] >= depth[b] else parent[a]
        while a != b:
            if jump[a] != jump[b]:
                a, b = jump[a], jump[b]
            else:
                a, b = parent[a], parent[b]
        return a


def _close(
    elements: list[_Element],
    start: int,
    fork: int,
    sources: tuple[int, ...],
    leaders: list[int],
    deepest: int,
) -> None:
    """Combine the elements from `start` on, which lead from `fork` to a merge fed by `sources`,
    into one."""
    inner = elements[start:]
    if not inner:
        return
    for element in inner:
        for entry in element.entries:
            if entry > fork:
                _join(leaders, element.first, entry)
    branches: dict[int, list[_Element]] = {}
    for source in sources:
        branches[fork if source == fork else _leader(leaders, source)] = []
    for element in inner:
        branches.setdefault(_leader(leaders, element.first), []).append(element)
    depth = max(element.depth for element in inner)
    parts: tuple[_Element | int | _Split, ...] = tuple(inner)
    if len(branches) > 1 and depth < deepest:
        parts = (_Split(fork, tuple(tuple(branch) for branch in branches.values())),)
        depth += 1
    for element in inner[1:]:
        _join(leaders, inner[0].first, element.first)
    elements[start:] = [_Element(inner[0].first, parts, (fork,), depth)]


def _leader(leaders: list[int], vertex: int) -> int:
    while leaders[vertex] != vertex:
        leaders[vertex] = leaders[leaders[vertex]]
        vertex = leaders[vertex]
    return vertex


def _join(leaders: list[int], a: int, b: int) -> None:
    leaders[_leader(leaders, b)] = _leader(leaders, a)


def _flat(elements: Sequence[_Element], source: int) -> Series:
    """The parts of elements, flattened, in order, fed by `source`."""
    parts: list[int | Parallel] = []
    waiting: list[_Element | int | _Split] = list(reversed(elements))
    before: int | None = source
    while waiting:
        part = waiting.pop()
        if isinstance(part, _Element):
            waiting += reversed(part.parts)
        elif isinstance(part, int):
            parts.append(part)
            before = part
        elif part.fork == before:
            parts.append(Parallel(tuple(_flat(branch, before) for branch in part.branches)))
            before = None
        else:
            # Another successor of the fork is in between: the branches are drawn in sequence.
            waiting += (
                element for branch in reversed(part.branches) for element in reversed(branch)
            )
    return Series(tuple(parts))
