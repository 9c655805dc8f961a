"""The modules of a file that its network's steps come from: what its author made a class of is a
block in the spec too, where the class is used several times."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias

from archc.importers.network import Network
from archc.importers.structure.items import Item, Steps
from archc.importers.structure.unify import skeleton

CONTAINERS = frozenset({"Sequential", "ModuleList", "ModuleDict"})
"""Classes that say nothing of what is in them."""

Range: TypeAlias = "tuple[int, int]"


def ranges_of_classes(network: Network, steps: Steps) -> Iterator[tuple[str, list[Range]]]:
    """Places in a row of steps that are whole modules of one class and have equal skeletons, two or
    more, with the name of the class as a spec writes it. Outer modules come first."""
    for ranges, name in sorted(_alike(network, steps), key=lambda one: -_length(one[0])):
        yield name, ranges


def _length(ranges: list[Range]) -> int:
    return max(stop - start for start, stop in ranges)


def _alike(network: Network, steps: Steps) -> Iterator[tuple[list[Range], str]]:
    groups: dict[tuple[str, tuple[str, ...]], list[Range]] = {}
    tokens = [skeleton(step) for step in steps]
    for path, (start, stop) in _ranges(network, steps).items():
        kind = network.classes.get(path, "")
        inside = steps[start:stop]
        fits = kind and kind not in CONTAINERS and not any(one.pinned for one in inside)
        if fits and (len(inside) > 1 or inside[0].bodies):
            own = tuple(tokens[start:stop])
            groups.setdefault((kind, own), []).append((start, stop))
    for (kind, _), ranges in groups.items():
        # A module that does nothing but use another one has the same steps.
        distinct = sorted(set(ranges))
        if len(distinct) > 1:
            yield distinct, snake_case(kind)


def _ranges(network: Network, steps: Steps) -> dict[str, Range]:
    """The places of all modules whose layers are some steps in a row, and all of these."""
    places: dict[str, list[int]] = {}
    partial: set[str] = set()
    for place, step in enumerate(steps):
        scopes = _scopes(network, step)
        common = set.intersection(*scopes)
        partial |= set.union(*scopes) - common
        for path in common:
            places.setdefault(path, []).append(place)
    return {
        path: (own[0], own[-1] + 1)
        for path, own in places.items()
        if path not in partial and own[-1] - own[0] + 1 == len(own)
    }


def _scopes(network: Network, step: Item) -> list[set[str]]:
    """The modules around each layer of a step."""
    return [set(network.layer(position).scope) for position in step.positions]


def snake_case(name: str) -> str:
    """The name of a class as that of a block."""
    parts = re.sub("(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub("[^a-z0-9]+", "_", parts.lower()).strip("_")
