"""Series-parallel decomposition, compared with graphs of known structure."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from archc.reports.drawing.series_parallel import Parallel, Series, decompose


def vertices(series: Series) -> Iterator[int]:
    for part in series.parts:
        if isinstance(part, int):
            yield part
        else:
            for branch in part.branches:
                yield from vertices(branch)


def depth(series: Series) -> int:
    inner = [
        branch for part in series.parts if isinstance(part, Parallel) for branch in part.branches
    ]
    return 1 + max(map(depth, inner)) if inner else 0


# A series is a list of parts: True is a vertex, a list of series is parallel with a merge.
serieses = st.recursive(
    st.lists(st.just(True), max_size=3),
    lambda inner: st.lists(
        st.one_of(st.just(True), st.lists(inner, min_size=2, max_size=3)), max_size=4
    ),
    max_leaves=12,
)


def built(series: list, source: int, inputs: list[list[int]]) -> tuple[Series, int]:
    """The graph of a series, and the structure that it has."""
    parts: list[int | Parallel] = []
    for stretch in series:
        if stretch is True:
            inputs.append([source])
        else:
            branches, ends = [], []
            for branch in stretch:
                structure, end = built(branch, source, inputs)
                branches.append(structure)
                ends.append(end)
            # Two identities are one edge.
            distinct = [
                b
                for n, b in enumerate(branches)
                if b.parts or () not in [other.parts for other in branches[:n]]
            ]
            if len(distinct) > 1:
                parts.append(Parallel(tuple(distinct)))
            elif distinct[0].parts:
                parts += distinct[0].parts
            inputs.append(list(dict.fromkeys(ends)))
        source = len(inputs) - 1
        parts.append(source)
    return Series(tuple(parts)), source


@settings(deadline=None, max_examples=300)
@given(serieses)
def test_a_series_parallel_graph_is_reconstructed(series: list) -> None:
    inputs: list[list[int]] = [[]]
    expected, end = built(series, 0, inputs)
    inputs.append([end])
    assert decompose(inputs, 99) == expected


@st.composite
def graphs(draw: st.DrawFn) -> list[list[int]]:
    size = draw(st.integers(2, 20))
    inputs: list[list[int]] = [[]]
    for vertex in range(1, size):
        inputs.append(
            draw(st.lists(st.integers(0, vertex - 1), min_size=1, max_size=3, unique=True))
        )
    used = {source for sources in inputs for source in sources}
    inputs.append([vertex for vertex in range(1, size) if vertex not in used] or [0])
    return inputs


@settings(deadline=None, max_examples=300)
@given(graphs(), st.integers(0, 3))
def test_every_graph_keeps_its_vertices_in_an_order_of_computation(
    inputs: list[list[int]], deepest: int
) -> None:
    structure = decompose(inputs, deepest)
    order = list(vertices(structure))
    assert sorted(order) == list(range(1, len(inputs) - 1))
    position = {0: -1} | {vertex: number for number, vertex in enumerate(order)}
    assert all(position[s] < position[v] for v in order for s in inputs[v])
    assert depth(structure) <= deepest


@settings(deadline=None, max_examples=300)
@given(graphs())
def test_no_edge_joins_two_branches(inputs: list[list[int]]) -> None:
    waiting = [(decompose(inputs, 99), 0, len(inputs) - 1)]
    while waiting:
        series, before, after = waiting.pop()
        bounds = [before, *series.parts, after]
        for fork, part, merge in zip(bounds, bounds[1:], bounds[2:], strict=False):
            if isinstance(part, int):
                continue
            assert isinstance(fork, int)
            assert isinstance(merge, int)
            for branch in part.branches:
                own = set(vertices(branch))
                fed = {source for vertex in own for source in inputs[vertex]} - own
                feeding = {v for v, sources in enumerate(inputs) if own & set(sources)} - own
                assert fed <= {fork}
                assert feeding <= {merge}
                waiting.append((branch, fork, merge))


def test_edges_that_cross_are_left_to_the_caller() -> None:
    assert decompose([[], [0], [0], [1, 2], [1, 2], [3, 4], [5]], 9) == Series((1, 2, 3, 4, 5))


def test_branches_stand_right_below_their_fork() -> None:
    # 1 also leads to 3, which is between it and the merge 5.
    structure = decompose([[], [0], [0], [0, 1], [1], [4, 1], [2, 3, 5]], 9)
    (split,) = structure.parts
    assert isinstance(split, Parallel)
    assert {branch.parts for branch in split.branches} == {(2,), (1, 3, 4, 5)}


def test_branches_come_in_the_order_of_the_merge() -> None:
    structure = decompose([[], [0], [1], [1], [3, 1, 2], [4]], 9)
    sides = Parallel((Series((3,)), Series(()), Series((2,))))
    assert structure == Series((1, sides, 4))


def lines_run(inputs: list[list[int]]) -> int:
    """The lines of Python that the decomposition of a graph takes."""
    count = 0

    def trace(_frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        decompose(inputs, 32)
    finally:
        sys.settrace(before)
    return count


def test_time_grows_with_the_graph_alone() -> None:
    def chains(size: int) -> Iterator[list[list[int]]]:
        yield [[], *([number] for number in range(size))]
        # Each merges with the first one, with the second to last one, and with its mirror image.
        yield [[], [0], *([number - 1, 0] for number in range(2, size))]
        yield [[], [0], *([number - 1, number - 2] for number in range(2, size))]
        half = size // 2
        # Without an edge to the end, the second half would be parallel to the first one.
        row = [[number - 1] for number in range(1, half)]
        yield [[], *row, *([number - 1, 1] for number in range(half, size)), [size - 1, 2]]
        yield [[], *([n - 1] if n <= half else [n - 1, size - n] for n in range(1, size))]

    first, second = (sum(map(lines_run, chains(size))) for size in (400, 4_000))
    assert second < 20 * first
