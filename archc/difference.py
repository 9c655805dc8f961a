"""The difference of two networks, layer by layer.

Layers are aligned by their ops (Ratcliff & Obershelp 1988, longest matching stretches first); what
both networks begin and end with alike is set aside first. In between, time grows with the product
of the two lengths at worst.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from archc.infer import Costs, Layer
from archc.ops.fields import fields_of
from archc.reports.json import named_axes
from archc.reports.written import field_value

Status = Literal["same", "changed", "added", "removed"]


class Pair(NamedTuple):
    """One row: a layer of A with its counterpart in B, or a layer that one of them has alone.
    `changes` holds the fields that differ, each as a spec would write it in A and in B."""

    status: Status
    a: Layer | None
    b: Layer | None
    changes: dict[str, tuple[object, object]]


class Difference(NamedTuple):
    """Two networks, aligned."""

    a: Costs
    b: Costs
    pairs: tuple[Pair, ...]

    @property
    def is_empty(self) -> bool:
        """Whether the two compute the same thing at the same cost."""
        return all(pair.status == "same" for pair in self.pairs) and _interface(
            self.a
        ) == _interface(self.b)

    def report(self) -> dict[str, Any]:
        """The difference as JSON types: names, inputs and outputs of both, totals with their delta
        (B less A), and one entry a row, with values of A before those of B."""
        a, b = self.a, self.b
        return {
            "a": a.graph.about.name,
            "b": b.graph.about.name,
            "inputs": [named_axes(side.graph, side.graph.inputs) for side in (a, b)],
            "outputs": [named_axes(side.graph, side.graph.outputs) for side in (a, b)],
            "totals": {
                key: {"a": one, "b": two, "delta": two - one}
                for key, one, two in zip(a.totals._fields, a.totals, b.totals, strict=True)
            },
            "layers": [_entry(pair) for pair in self.pairs],
        }


def difference(a: Costs, b: Costs) -> Difference:
    """Align the layers of two networks and compare each with its counterpart."""
    aligned = _align(
        [layer.node.op.name for layer in a.layers], [layer.node.op.name for layer in b.layers]
    )
    # Inputs correspond by their order.
    counterpart = dict(zip(a.graph.inputs, b.graph.inputs, strict=False))
    for i, j in aligned:
        if i is not None and j is not None:
            counterpart[a.layers[i].node.index] = b.layers[j].node.index
    matched = frozenset(counterpart.values())
    pairs = []
    for i, j in aligned:
        one = None if i is None else a.layers[i]
        two = None if j is None else b.layers[j]
        if one is None:
            pairs.append(Pair("added", None, two, {}))
        elif two is None:
            pairs.append(Pair("removed", one, None, {}))
        else:
            changes = _changed_fields(one, two)
            images = [counterpart.get(index) for index in one.node.inputs]
            rewired = images != list(two.node.inputs)
            # Next to a layer that one has alone, inputs differ without saying anything new.
            if rewired and None not in images and matched.issuperset(two.node.inputs):
                changes["from"] = (_sources(one, a), _sources(two, b))
            same = not changes and _cost(one) == _cost(two)
            pairs.append(Pair("same" if same else "changed", one, two, changes))
    return Difference(a, b, tuple(pairs))


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
    }


def _interface(costs: Costs) -> list[list[object]]:
    graph = costs.graph
    return [[graph.nodes[i].output for i in nodes] for nodes in (graph.inputs, graph.outputs)]


def _cost(layer: Layer) -> tuple[object, ...]:
    return (layer.node.output, layer.params, layer.state, layer.macs, layer.activations)


def _sources(layer: Layer, costs: Costs) -> list[str]:
    return [costs.graph.nodes[index].path for index in layer.node.inputs]


def _changed_fields(a: Layer, b: Layer) -> dict[str, tuple[object, object]]:
    one, two = a.node.op, b.node.op
    return {
        field.name: (field_value(one, field), field_value(two, field))
        for field in fields_of(type(one))
        if not _mean_the_same(getattr(one, field.name), getattr(two, field.name))
    }


def _mean_the_same(a: object, b: object) -> bool:
    """Whether two values of a field are equal, `3` standing for `[3, 3]` too."""
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(_mean_the_same, a, b))
    if isinstance(a, tuple) and isinstance(b, int):
        return all(_mean_the_same(item, b) for item in a)
    if isinstance(b, tuple) and isinstance(a, int):
        return _mean_the_same(b, a)
    return a == b


def _align(a: Sequence[str], b: Sequence[str]) -> list[tuple[int | None, int | None]]:
    """Pairs of positions with equal keys, in order; None where one has no counterpart."""
    from difflib import SequenceMatcher

    shorter = min(len(a), len(b))
    begin = 0
    while begin < shorter and a[begin] == b[begin]:
        begin += 1
    end = 0
    while end < shorter - begin and a[-1 - end] == b[-1 - end]:
        end += 1
    pairs: list[tuple[int | None, int | None]] = [(i, i) for i in range(begin)]
    middle = a[begin : len(a) - end], b[begin : len(b) - end]
    for tag, i, i_end, j, j_end in SequenceMatcher(None, *middle, autojunk=False).get_opcodes():
        if tag == "equal":
            pairs += zip(
                range(begin + i, begin + i_end), range(begin + j, begin + j_end), strict=True
            )
        else:
            pairs += ((begin + index, None) for index in range(i, i_end))
            pairs += ((None, begin + index) for index in range(j, j_end))
    pairs += zip(range(len(a) - end, len(a)), range(len(b) - end, len(b)), strict=True)
    return pairs
