"""The steps of a spec before they are text: ops, merges with their branches, instances of blocks,
repetitions. Fields hold all values, defaults too, so that steps can be compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from archc.importers.network import Layer, Network
from archc.language.field_values import field_value
from archc.ops.fields import fields_of
from archc.ops.merge import Merge

Steps: TypeAlias = "tuple[Item, ...]"


@dataclass(frozen=True, eq=False)
class Item:
    """A step. `kind` is `op`, `block`, `repeat` or `section`, `name` the op's or block's.

    `bodies` are the branches of a merge, or the steps of a repetition or section. `positions` are
    the layers that it stands for, in the order in which the spec's steps are expanded. `axes` are
    the sizes of what comes in. `sources` are the values that `from` names, where the step takes
    other than the previous one; `shares` is the layer whose variables it uses, -1 without one.
    `pinned` says that it is named, takes a named value or another's variables, or holds a step that
    does.
    """

    kind: str
    name: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    bodies: tuple[Steps, ...] = ()
    positions: tuple[int, ...] = ()
    axes: Mapping[str, int] = field(default_factory=dict)
    sources: tuple[int, ...] = ()
    shares: int = -1
    pinned: bool = False


def positions_of(steps: Steps) -> tuple[int, ...]:
    """The layers that steps stand for, in order."""
    return tuple(position for step in steps for position in step.positions)


DEEPEST = 6
"""Merges inside branches of merges: what lies deeper is written with names."""


def decompose(network: Network) -> Steps:
    """The steps of a network: a merge whose inputs come from one value by ways of their own has
    these as branches; whatever else is taken is named."""
    steps = _Decomposition(network).steps()
    named = {source for step in every(steps) for source in (*step.sources, step.shares)}
    if network.outputs != (steps[-1].positions[-1],):
        named |= set(network.outputs)
    return _pinned(steps, named)


def _pinned(steps: Steps, named: set[int]) -> Steps:
    """Steps of which those are pinned that take or give a named value, or hold a step that does."""
    kept = []
    for step in steps:
        bodies = tuple(_pinned(body, named) for body in step.bodies)
        inside = any(one.pinned for body in bodies for one in body)
        refers = bool(step.sources) or step.shares >= 0
        pinned = inside or refers or step.positions[-1] in named
        kept.append(replace(step, bodies=bodies, pinned=pinned))
    return tuple(kept)


class _Decomposition:
    def __init__(self, network: Network) -> None:
        self.network = network
        self.count = len(network.inputs)
        self.total = self.count + len(network.layers)
        self.users: list[list[int]] = [[] for _ in range(self.total)]
        for position, layer in enumerate(network.layers, self.count):
            for taken in layer.inputs:
                self.users[taken].append(position)
        self.outputs = set(network.outputs)
        self.dominators = self._immediate_dominators()

    def steps(self) -> Steps:
        start = 0 if self.count == 1 else -1
        return self._sequence(list(range(self.count, self.total)), start, 0)

    def _immediate_dominators(self) -> list[int]:
        """The last value that all ways from the inputs to a value go through; -1 for none."""
        dominators = [-1] * self.total
        depth = [0] * self.total
        for position, layer in enumerate(self.network.layers, self.count):
            common = layer.inputs[0]
            for other in layer.inputs[1:]:
                while common != other and -1 not in (common, other):
                    if depth[common] >= depth[other]:
                        common = dominators[common]
                    else:
                        other = dominators[other]
                if other == -1:
                    common = -1
            dominators[position] = common
            depth[position] = 1 if common == -1 else depth[common] + 1
        return dominators

    def _sequence(self, nodes: list[int], start: int, depth: int) -> Steps:
        """The steps of some layers, in order, of which `start` is what comes in."""
        inside = set(nodes)
        branches: dict[int, list[list[int]]] = {}
        absorbed: set[int] = set()
        for position in reversed(nodes):
            layer = self.network.layer(position)
            if position in absorbed or not isinstance(layer.op, Merge) or depth >= DEEPEST:
                continue
            ways = self._branches(position, inside)
            if ways is not None:
                branches[position] = ways
                absorbed.update(node for way in ways for node in way)
        steps = []
        current = start
        for position in nodes:
            if position in absorbed:
                continue
            layer = self.network.layer(position)
            ways = branches.get(position)
            source = self.dominators[position] if ways is not None else None
            if ways is None:
                taken = layer.inputs
                sources = () if taken == (current,) else taken
                steps.append(self._item(position, layer, (), sources))
            else:
                assert source is not None
                bodies = [self._sequence(way, source, depth + 1) for way in ways]
                sources = () if source == current else (source,)
                steps.append(self._item(position, layer, tuple(bodies), sources))
            current = position
        return tuple(steps)

    def _branches(self, merge: int, inside: set[int]) -> list[list[int]] | None:
        """The layers of each branch of a merge, in order; None where they have no common source, or
        something else uses what they compute."""
        source = self.dominators[merge]
        layer = self.network.layer(merge)
        if source < 0 or (
            source >= self.count and source not in inside and not self._enters(source, inside)
        ):
            return None
        ways: list[list[int]] = []
        taken: set[int] = set()
        for end in layer.inputs:
            way: set[int] = set()
            waiting = [end] if end != source else []
            while waiting:
                node = waiting.pop()
                if node in way:
                    continue
                if node in taken or node not in inside or node in self.outputs:
                    return None
                way.add(node)
                waiting += [one for one in self.network.layer(node).inputs if one != source]
            ways.append(sorted(way))
            taken |= way
        for end, nodes in zip(layer.inputs, ways, strict=True):
            own = {*nodes, merge}
            if any(user not in own for node in nodes for user in self.users[node]):
                return None
            if any(merge in self.users[node] for node in nodes if node != end):
                return None
        if len(set(layer.inputs)) != len(layer.inputs):
            return None
        return ways

    def _enters(self, source: int, inside: set[int]) -> bool:
        """Whether a value outside some layers is what comes into them."""
        return any(user in inside for user in self.users[source])

    def _item(
        self, position: int, layer: Layer, bodies: tuple[Steps, ...], sources: tuple[int, ...]
    ) -> Item:
        if bodies and layer.op.name != "concat":
            bodies = tuple(sorted(bodies, key=lambda steps: -len(positions_of(steps))))
        return Item(
            "op",
            layer.op.name,
            fields_with_defaults(layer),
            bodies,
            (*(one for steps in bodies for one in positions_of(steps)), position),
            self._incoming(position, layer, bool(bodies)),
            sources,
            layer.shares,
        )

    def _incoming(self, position: int, layer: Layer, merges: bool) -> Mapping[str, int]:
        if merges:
            return self.network.axes(self.dominators[position]).as_dict()
        return self.network.axes(layer.inputs[0]).as_dict()


def fields_with_defaults(layer: Layer) -> dict[str, Any]:
    """All fields of a layer's op as a spec writes them. The stride of a pool that has none is its
    kernel's size."""
    fields = {one.name: field_value(layer.op, one) for one in fields_of(type(layer.op))}
    if "stride" in fields and fields["stride"] is None:
        fields["stride"] = fields["kernel_size"]
    return fields


def every(steps: Steps) -> Iterator[Item]:
    """All steps, those inside others too, outermost first."""
    waiting = list(reversed(steps))
    while waiting:
        step = waiting.pop()
        yield step
        waiting += [one for body in reversed(step.bodies) for one in reversed(body)]
