"""The difference of two networks, layer by layer, and its causes."""

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
    """One row: a layer of A with its counterpart in B, or a layer without a counterpart.

    `changes` holds the fields that differ, with their values in A and in B as written in a spec,
    and under `from` the inputs if they are different layers. A row without any can be `changed` by
    the shape of its input. The costs of the `effects` add up to the change of cost."""

    status: Status
    a: Layer | None
    b: Layer | None
    changes: Changes
    effects: tuple[Effect, ...]

    @property
    def delta(self) -> Cost:
        """The change of cost, B minus A."""
        return sum_of(effect.cost for effect in self.effects)


class Share(NamedTuple):
    """The part of one kind of cause in the whole difference: a field's name, or one of the kinds in
    `causes`. `downstream` is the part in unchanged layers with a different input."""

    kind: str
    cost: Cost
    downstream: Cost


class Difference(NamedTuple):
    """Two aligned networks, and the differences of their training recipes."""

    a: Costs
    b: Costs
    pairs: tuple[Pair, ...]
    recipe: Changes

    @property
    def same_network(self) -> bool:
        """Whether the two networks are equal in computation and cost."""
        same_layers = all(pair.status == "same" for pair in self.pairs)
        return same_layers and _interface(self.a) == _interface(self.b)

    @property
    def is_empty(self) -> bool:
        """Whether networks and training recipes are equal."""
        return self.same_network and not self.recipe

    def shares(self) -> list[Share]:
        """The causes of the difference, sorted by parameters, then MACs and activations, largest
        first. Their costs add up to the difference of the totals."""
        by_kind: dict[str, tuple[list[Cost], list[Cost]]] = {}
        for pair in self.pairs:
            for effect in pair.effects:
                costs, downstream = by_kind.setdefault(effect.cause.kind, ([], []))
                costs.append(effect.cost)
                if effect.downstream:
                    downstream.append(effect.cost)
        shares = [
            Share(kind, sum_of(costs), sum_of(downstream))
            for kind, (costs, downstream) in by_kind.items()
        ]
        return sorted(shares, key=lambda share: (*(-abs(one) for one in share.cost), share.kind))

    def report(self) -> dict[str, Any]:
        """The difference as JSON types: names, inputs and outputs of both, totals with their delta
        (B minus A), its causes, the changes of the recipe, and one entry per row, with values of A
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
            "training": {field: list(values) for field, values in self.recipe.items()},
            "layers": [_entry(pair) for pair in self.pairs],
        }


def difference(a: Costs, b: Costs) -> Difference:
    """Align the layers of two networks and compare each with its counterpart."""
    from_b = _size_key(b) < _size_key(a)
    aligned = _align_rows(a, b, from_b=from_b)
    matched = [(a.layers[i], b.layers[j]) for i, j in aligned]
    effects = effects_in_pairs(a, b, matched, from_b=from_b)
    wiring = _Wiring(a, b, matched)
    pairs: list[Pair] = []
    i = j = 0
    for (next_i, next_j), pair_effects in zip(
        [*aligned, (len(a.layers), len(b.layers))], [*effects, ()], strict=True
    ):
        for layer in a.layers[i:next_i]:
            pairs.append(Pair("removed", layer, None, {}, (effect_alone(layer, removed=True),)))
        for layer in b.layers[j:next_j]:
            pairs.append(Pair("added", None, layer, {}, (effect_alone(layer, removed=False),)))
        if next_i < len(a.layers):
            pairs.append(_pair(a.layers[next_i], b.layers[next_j], wiring, pair_effects))
        i, j = next_i + 1, next_j + 1
    recipe = recipe_changes(a.graph.about.training, b.graph.about.training)
    return Difference(a, b, tuple(pairs), recipe)


def _size_key(costs: Costs) -> tuple[object, ...]:
    """A key that orders two networks independently of which one is A: the cheaper one is first."""
    totals = costs.totals
    return (totals.params, totals.macs, totals.activations, len(costs.layers))


def _align_rows(a: Costs, b: Costs, *, from_b: bool) -> list[tuple[int, int]]:
    """The positions of corresponding layers. Of equally good alignments the same one is chosen
    from A to B and from B to A."""
    one, two = rows_of(a), rows_of(b)
    if not from_b and _size_key(a) == _size_key(b):
        texts = ((row.path, repr(row.op), row.around) for row in one)
        others = ((row.path, repr(row.op), row.around) for row in two)
        from_b = next((x > y for x, y in zip(texts, others, strict=True) if x != y), False)
    if from_b:
        return [(i, j) for j, i in align(two, one)]
    return align(one, two)


class _Wiring:
    """The correspondence of the values of two networks."""

    def __init__(self, a: Costs, b: Costs, matched: list[tuple[Layer, Layer]]) -> None:
        self.a, self.b = a, b
        # Inputs correspond by their order.
        self.counterpart = dict(zip(a.graph.inputs, b.graph.inputs, strict=False))
        self.counterpart |= {one.node.index: two.node.index for one, two in matched}
        self.images = frozenset(self.counterpart.values())

    def differs(self, one: Layer, two: Layer) -> bool:
        """Whether a layer has different inputs than its counterpart. Inputs without a counterpart
        do not count: they are rows of their own."""
        images = [self.counterpart.get(index) for index in one.node.inputs]
        sources = list(two.node.inputs)
        return images != sources and None not in images and self.images.issuperset(sources)

    def owners(self, one: Layer, two: Layer) -> tuple[str | None, str | None] | None:
        """The paths of the steps whose variables two layers use, None for their own; None where
        both are the same."""
        a, b = one.node.weights, two.node.weights
        if self.counterpart.get(a, -1) == b and (a < 0) == (b < 0):
            return None
        return (
            self.a.graph.nodes[a].path if a >= 0 else None,
            self.b.graph.nodes[b].path if b >= 0 else None,
        )

    def sources(self, one: Layer, two: Layer) -> tuple[list[str], list[str]]:
        """The paths of the inputs of two layers."""
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
    if one.node.trainable != two.node.trainable:
        changes["trainable"] = one.node.trainable, two.node.trainable
    owners = wiring.owners(one, two)
    if owners is not None:
        changes["weights"] = owners
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
