"""Steps in a row whose variables later steps use, in the same order: a block that is used several
times with the same weights, as the towers of a Siamese network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from archc.importers.network import Network
from archc.importers.structure.items import Item, Steps, every, positions_of
from archc.importers.structure.repeats import same_fields
from archc.importers.structure.text import Block, lines_of

NAME = "tower"
FEWEST_STEPS = 3


class _Towers(NamedTuple):
    """Where steps begin that have the same variables, those that own them first, and how many they
    are."""

    starts: tuple[int, ...]
    length: int


def with_towers(network: Network, steps: Steps) -> tuple[Steps, list[Block]]:
    """The steps with the first steps that share all their variables with later ones as a block;
    without a block where there are none, or where it is no shorter."""
    towers = _towers(network, steps)
    if towers is None:
        return steps, []
    first = towers.starts[0]
    body = steps[first : first + towers.length]
    owner = body[-1].positions[-1]
    kept = list(steps)
    for start in reversed(towers.starts):
        own = steps[start : start + towers.length]
        kept[start : start + towers.length] = [
            Item(
                "block",
                NAME,
                {},
                (),
                positions_of(own),
                own[0].axes,
                own[0].sources,
                -1 if start == first else owner,
                pinned=True,
            )
        ]
    block = Block(NAME, {}, _unnamed(body))
    is_shorter = lines_of(tuple(kept)) + lines_of(block.steps) + 2 < lines_of(steps)
    return (tuple(kept), [block]) if is_shorter else (steps, [])


def _towers(network: Network, steps: Steps) -> _Towers | None:
    """The first towers of some steps; None without any."""
    places = {step.positions[-1]: place for place, step in enumerate(steps)}
    starts: dict[int, list[int]] = {}
    for place, step in enumerate(steps):
        owner = places.get(step.shares, -1)
        if owner >= 0 and steps[owner].shares < 0:
            starts.setdefault(owner, []).append(place)
    for first, others in starts.items():
        length = min(_length(network, steps, first, other) for other in others)
        found = _Towers((first, *others), length)
        while found.length >= FEWEST_STEPS and not _is_closed(network, steps, found):
            found = found._replace(length=found.length - 1)
        if found.length >= FEWEST_STEPS and _are_apart(found):
            return found
    return None


def _length(network: Network, steps: Steps, first: int, other: int) -> int:
    """How many steps from two places on are alike, those of the second with the variables of those
    of the first."""
    count = 0
    while first + count < other and other + count < len(steps):
        a, b = steps[first + count], steps[other + count]
        is_inside = not a.sources and not b.sources
        if not (is_inside or count == 0) or not _is_alike(network, a, b):
            break
        count += 1
    return count


def _is_alike(network: Network, a: Item, b: Item) -> bool:
    """Whether a step is another one with its variables."""
    if (a.kind, a.name, len(a.bodies), len(a.sources)) != (
        *(b.kind, b.name, len(b.bodies), len(b.sources)),
    ):
        return False
    position = a.positions[-1]
    has_weights = bool(network.layer(position).weights)
    if a.shares >= 0 or b.shares != (position if has_weights else -1):
        return False
    return same_fields(a.fields, b.fields) and all(
        len(one) == len(two)
        and all(
            not x.sources and not y.sources and _is_alike(network, x, y)
            for x, y in zip(one, two, strict=True)
        )
        for one, two in zip(a.bodies, b.bodies, strict=True)
    )


def _is_closed(network: Network, steps: Steps, towers: _Towers) -> bool:
    """Whether nothing else uses a value or the variables of a step inside of towers."""
    inside = {start + count for start in towers.starts[1:] for count in range(towers.length)}
    others = set(network.outputs)
    for place, step in enumerate(steps):
        for one in every((step,)):
            others |= {*one.sources, -1 if place in inside else one.shares}
    hidden: set[int] = set()
    for start in towers.starts:
        hidden |= set(positions_of(steps[start : start + towers.length])[:-1])
    return not hidden & others


def _are_apart(towers: _Towers) -> bool:
    return all(b - a >= towers.length for a, b in pairwise(towers.starts))


def _unnamed(steps: Iterable[Item]) -> Steps:
    """Steps of a block's body, which take what comes in."""
    return tuple(
        replace(step, sources=(), pinned=False, bodies=tuple(map(_unnamed, step.bodies)))
        for step in steps
    )
