"""Cycles in a directed graph: blocks that contain themselves."""

from __future__ import annotations

from collections.abc import Mapping

MOST_WORK = 1_000_000
"""Edges that are followed to find the shortest cycles."""

Chain = tuple[str, ...]


def cycles_in(edges: Mapping[str, Chain]) -> list[Chain]:
    """The shortest cycle through each node that is in no earlier one, in the order of the nodes,
    begun and ended by it. In a very large graph not all of them, but at least one if there is
    one."""
    if not edges:
        return []
    from graphlib import CycleError, TopologicalSorter  # most specs have no blocks

    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        # The sorter wants predecessors, and got successors.
        some: Chain = tuple(reversed(error.args[1]))
    else:
        return []
    cycles: list[Chain] = []
    in_cycles: set[str] = set()
    work = 0
    for node in edges:
        if node not in in_cycles and work < MOST_WORK:
            chain, followed = _cycle_through(node, edges)
            work += followed
            if chain:
                in_cycles.update(chain)
                cycles.append(chain)
    return cycles or [some]


def _cycle_through(start: str, edges: Mapping[str, Chain]) -> tuple[Chain, int]:
    """The shortest cycle through a node, empty without one, and how many edges were followed;
    breadth first."""
    before: dict[str, str] = {}
    waiting = [start]
    followed = 0
    for node in waiting:
        for other in edges.get(node, ()):
            followed += 1
            if other == start:
                chain = [start, node]
                while chain[-1] != start:
                    chain.append(before[chain[-1]])
                return tuple(reversed(chain)), followed
            if other not in before:
                before[other] = node
                waiting.append(other)
    return (), followed
