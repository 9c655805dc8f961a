"""The difference of two networks, layer by layer, and what it comes from."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from archc.difference.align import align
from archc.difference.causes import (
    Cost,
    Effect,
    cost_of,
    effect_alone,
    effects_in_pairs,
    sum_of,
)
from archc.difference.fields import changed_fields
from archc.difference.recipe import Changes, recipe_changes
from archc.difference.rows import rows_of
from archc.ir.costs import Costs, Layer
from archc.language.field_values import field_value

Status = Literal["same", "changed", "added", "removed"]


class Pair(NamedTuple):
    """One row: a layer of A with its counterpart in B, or a layer that one of them has alone.

    `changes` holds the fields that differ, each as a spec would write it in A and in B, and under
    `from` the layers it takes where they are others. A row without any may be `changed` too, by
    what comes in. The costs of the `effects` add up to the change of cost."""

    status: Status
    a: Layer | None
    b: Layer | None
    changes: Changes
    effects: tuple[Effect, ...]

    @property
    def delta(self) -> Cost:
        """The change of cost, B less A."""
        return sum_of(effect.cost for effect in self.effects)


class Share(NamedTuple):
    """The part of one kind of cause in the whole difference: a field's name, or one of the kinds
    that `causes` tells. `downstream` is how much of it lies in layers that have not changed
    themselves but take what others give."""

    kind: str
    cost: Cost
    downstream: Cost


class Difference(NamedTuple):
    """Two networks, aligned, and in what their training recipes differ."""

    a: Costs
    b: Costs
    pairs: tuple[Pair, ...]
    recipe: Changes

    @property
    def same_network(self) -> bool:
        """Whether the two compute the same thing at the same cost."""
        same_layers = all(pair.status == "same" for pair in self.pairs)
        return same_layers and _interface(self.a) == _interface(self.b)

    @property
    def is_empty(self) -> bool:
        """Whether the two are the same network, trained alike."""
        return self.same_network and not self.recipe

    def shares(self) -> list[Share]:
        """The causes of the difference, the largest in parameters first, then in MACs and in
        activations. Their costs add up to the difference of the totals."""
        found: dict[str, tuple[list[Cost], list[Cost]]] = {}
        for pair in self.pairs:
            for effect in pair.effects:
                costs, downstream = found.setdefault(effect.cause.kind, ([], []))
                costs.append(effect.cost)
                if effect.downstream:
                    downstream.append(effect.cost)
        shares = [
            Share(kind, sum_of(costs), sum_of(downstream))
            for kind, (costs, downstream) in found.items()
        ]
        return sorted(shares, key=lambda share: (*(-abs(one) for one in share.cost), share.kind))

    def report(self) -> dict[str, Any]:
        """The difference as JSON types: names, inputs and outputs of both, totals with their delta
        (B less A), its causes, the changes of the recipe, and one entry a row, with values of A
        before those of B."""
        a, b = self.a, self.b
        return {
            "a": a.graph.about.name,
            "b": b.graph.about.name,
            "inputs": [side.graph.named_axes(side.graph.inputs) for side in (a, b)],
            "outputs": [side.graph.named_axes(side.graph.outputs) for side in (a, b)],
            "totals": {
                key: {"a": one, "b": two, "delta": two - one}
                for key, one, two in zip(a.totals._fields, a.totals, b.totals, strict=True)
            },
            "causes": [
                {
                    "cause": share.kind,
                    **share.cost._asdict(),
                    "downstream": share.downstream._asdict(),
                }
                for share in self.shares()
            ],
            "training": {place: list(values) for place, values in self.recipe.items()},
            "layers": [_entry(pair) for pair in self.pairs],
        }


def difference(a: Costs, b: Costs) -> Difference:
    """Align the layers of two networks and compare each with its counterpart."""
    from_b = _standing(b) < _standing(a)
    aligned = _aligned(a, b, from_b=from_b)
    matched = [(a.layers[i], b.layers[j]) for i, j in aligned]
    effects = effects_in_pairs(a, b, matched, from_b=from_b)
    wiring = _Wiring(a, b, matched)
    pairs: list[Pair] = []
    i = j = 0
    for (next_i, next_j), found in zip(
        [*aligned, (len(a.layers), len(b.layers))], [*effects, ()], strict=True
    ):
        for layer in a.layers[i:next_i]:
            pairs.append(Pair("removed", layer, None, {}, (effect_alone(layer, removed=True),)))
        for layer in b.layers[j:next_j]:
            pairs.append(Pair("added", None, layer, {}, (effect_alone(layer, removed=False),)))
        if next_i < len(a.layers):
            pairs.append(_pair(a.layers[next_i], b.layers[next_j], wiring, found))
        i, j = next_i + 1, next_j + 1
    recipe = recipe_changes(a.graph.about.training, b.graph.about.training)
    return Difference(a, b, tuple(pairs), recipe)


def _standing(costs: Costs) -> tuple[object, ...]:
    """What puts two networks that differ in an order of their own, whichever is A: the cheaper one
    comes first."""
    totals = costs.totals
    return (totals.params, totals.macs, totals.activations, len(costs.layers))


def _aligned(a: Costs, b: Costs, *, from_b: bool) -> list[tuple[int, int]]:
    """The positions of layers that correspond. Of alignments that are equally good, the same one
    is found from A to B and from B to A."""
    one, two = rows_of(a), rows_of(b)
    if not from_b and _standing(a) == _standing(b):
        texts = ((row.path, repr(row.op), row.around) for row in one)
        others = ((row.path, repr(row.op), row.around) for row in two)
        from_b = next((x > y for x, y in zip(texts, others, strict=True) if x != y), False)
    if from_b:
        return [(i, j) for j, i in align(two, one)]
    return align(one, two)


class _Wiring:
    """Which values of two networks correspond."""

    def __init__(self, a: Costs, b: Costs, matched: list[tuple[Layer, Layer]]) -> None:
        self.a, self.b = a, b
        # Inputs correspond by their order.
        self.counterpart = dict(zip(a.graph.inputs, b.graph.inputs, strict=False))
        self.counterpart |= {one.node.index: two.node.index for one, two in matched}
        self.images = frozenset(self.counterpart.values())

    def differs(self, one: Layer, two: Layer) -> bool:
        """Whether a layer takes other values than its counterpart. Next to a layer that one network
        has alone, inputs differ without saying anything new."""
        images = [self.counterpart.get(index) for index in one.node.inputs]
        sources = list(two.node.inputs)
        return images != sources and None not in images and self.images.issuperset(sources)

    def sources(self, one: Layer, two: Layer) -> tuple[list[str], list[str]]:
        """The paths of what each of two layers takes."""
        nodes = self.a.graph.nodes, self.b.graph.nodes
        return (
            [nodes[0][index].path for index in one.node.inputs],
            [nodes[1][index].path for index in two.node.inputs],
        )


def _pair(one: Layer, two: Layer, wiring: _Wiring, effects: tuple[Effect, ...]) -> Pair:
    changes: Changes = {
        field.name: (field_value(one.node.op, field), field_value(two.node.op, field))
        for field in changed_fields(one.node.op, two.node.op)
    }
    if wiring.differs(one, two):
        changes["from"] = wiring.sources(one, two)
    costs = [(*cost_of(side), side.state, side.node.output) for side in (one, two)]
    same = not changes and costs[0] == costs[1]
    return Pair("same" if same else "changed", one, two, changes, effects)


def _entry(pair: Pair) -> dict[str, object]:
    sides = (pair.a, pair.b)
    return {
        "status": pair.status,
        "a": None if pair.a is None else pair.a.node.path,
        "b": None if pair.b is None else pair.b.node.path,
        "op": next(side.node.op.name for side in sides if side is not None),
        "changes": {field: list(values) for field, values in pair.changes.items()},
        "output": [None if side is None else side.node.output.as_dict() for side in sides],
        "params": [None if side is None else side.params for side in sides],
        "macs": [None if side is None else side.macs for side in sides],
        "activations": [None if side is None else side.activations for side in sides],
        "causes": [
            {
                "cause": effect.cause.kind,
                "layer": effect.cause.layer,
                "downstream": effect.downstream,
                **effect.cost._asdict(),
            }
            for effect in pair.effects
        ],
    }


def _interface(costs: Costs) -> list[list[object]]:
    graph = costs.graph
    return [[graph.nodes[i].output for i in nodes] for nodes in (graph.inputs, graph.outputs)]
