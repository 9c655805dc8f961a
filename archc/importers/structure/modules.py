"""The modules of a file that its network's steps come from: what its author made a class of is a
block in the spec too, where the class is used several times."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeAlias

from archc.importers.network import Network
from archc.importers.structure.items import Steps
from archc.importers.structure.unify import skeleton

CONTAINERS = frozenset({"Sequential", "ModuleList", "ModuleDict"})
"""Classes that say nothing of what is in them."""

Path: TypeAlias = "tuple[tuple[int, int], ...]"
"""A row of steps among all: from the outermost row on, which step and which of its branches."""


class Range(NamedTuple):
    """Some steps in a row: from one on, before another."""

    path: Path
    start: int
    stop: int


def rows_of(steps: Steps, path: Path = ()) -> Iterator[tuple[Path, Steps]]:
    """All rows of steps: themselves, and the branches of their merges."""
    yield path, steps
    for place, step in enumerate(steps):
        if step.kind == "op":
            for branch, body in enumerate(step.bodies):
                yield from rows_of(body, (*path, (place, branch)))


Key: TypeAlias = "tuple[str, tuple[str, ...]]"
"""A class of modules, and the skeletons of their steps."""


def ranges_of_classes(
    network: Network, steps: Steps, *, inner_first: bool = False
) -> Iterator[tuple[str, list[Range]]]:
    """Places in rows of steps that are whole modules of one class and have equal skeletons, two or
    more, with the name of the class as a spec writes it. Outer modules come first; where
    `inner_first`, but for those of a class in which fewer modules of an inner one are than outside
    of it."""
    sizes = Counter(path for layer in network.layers for path in set(layer.scope))
    groups: dict[Key, dict[str, Range]] = {}
    for row_path, row in rows_of(steps):
        tokens = [skeleton(step) for step in row]
        for path, (start, stop) in _ranges(network, row, sizes).items():
            kind = network.classes.get(path, "")
            inside = row[start:stop]
            fits = kind and kind not in CONTAINERS and not any(one.pinned for one in inside)
            if fits and (len(inside) > 1 or inside[0].bodies):
                key = (kind, tuple(tokens[start:stop]))
                groups.setdefault(key, {})[path] = Range(row_path, start, stop)
    layers = {key: max(sizes[path] for path in own) for key, own in groups.items()}
    late = _used_outside(network, groups) if inner_first else set()
    for key in sorted(groups, key=lambda one: (one[0] in late, -layers[one])):
        # A module that does nothing but use another one has the same steps.
        distinct = sorted(set(groups[key].values()))
        if len(distinct) > 1:
            yield snake_case(key[0]), distinct


def _used_outside(network: Network, groups: Mapping[Key, Mapping[str, Range]]) -> set[str]:
    """Classes of modules in which others are that are more often outside of these."""
    late: set[str] = set()
    for own in groups.values():
        around: Counter[str] = Counter()
        for path in own:
            parts = path.split(".")
            outer = (".".join(parts[:count]) for count in range(1, len(parts)))
            around.update({network.classes.get(one, "") for one in outer})
        late |= {kind for kind, count in around.items() if 2 * count < len(own)}
    return late


def _ranges(network: Network, row: Steps, sizes: Counter[str]) -> dict[str, tuple[int, int]]:
    """The places of all modules whose layers, so many each, are some steps in a row, and all of
    these."""
    places: dict[str, list[int]] = {}
    counts: Counter[str] = Counter()
    for place, step in enumerate(row):
        scopes = [set(network.layer(position).scope) for position in step.positions]
        for path in set.intersection(*scopes):
            places.setdefault(path, []).append(place)
            counts[path] += len(step.positions)
    return {
        path: (own[0], own[-1] + 1)
        for path, own in places.items()
        if counts[path] == sizes[path] and own[-1] - own[0] + 1 == len(own)
    }


def snake_case(name: str) -> str:
    """The name of a class as that of a block."""
    parts = re.sub("(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub("[^a-z0-9]+", "_", parts.lower()).strip("_")
