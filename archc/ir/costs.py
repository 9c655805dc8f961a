"""What a network costs: parameters, multiply-accumulates, activations, receptive field, memory.

Receptive fields follow Araujo, Norris & Sim 2019, Computing Receptive Fields of Convolutional
Neural Networks: through branches, an output sees the union of what its branches see.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, floor
from typing import NamedTuple

from archc.ir.graph import Graph, Node
from archc.ops.axes import Axes
from archc.ops.base import Variable

BYTES = 4
"""Bytes of a float32 value."""


class Field(NamedTuple):
    """What one position of a value sees of one spatial axis of the input: input elements from
    `position * jump + first` to `position * jump + last`."""

    jump: float
    first: float
    last: float

    @property
    def size(self) -> int:
        """Input elements from the first to the last seen."""
        return ceil(self.last) - floor(self.first) + 1


class Layer(NamedTuple):
    """One row of a report. `receptive_field` holds elements of each spatial axis of the input, and
    is None where the input has no space; `jump` the input elements between two positions."""

    node: Node
    inputs: tuple[Axes, ...]
    variables: tuple[Variable, ...]
    params: int
    state: int
    macs: int
    activations: int
    receptive_field: tuple[int, ...] | None
    jump: tuple[float, ...] | None


class Totals(NamedTuple):
    """Sums over all layers, of one sample."""

    params: int
    trainable_params: int
    state: int
    macs: int
    activations: int
    weight_bytes: int


class Memory(NamedTuple):
    """Bytes of float32 for a batch: `inference` holds the weights and the largest set of values
    alive at once; `training` the weights, their gradients, and every value kept for them."""

    batch: int
    inference: int
    training: int


class Costs(NamedTuple):
    """A graph with what it costs."""

    graph: Graph
    layers: tuple[Layer, ...]
    totals: Totals


def infer(graph: Graph) -> Costs:
    """The cost of every layer of a graph, in one pass."""
    fields: list[tuple[Field, ...] | None] = []
    layers: list[Layer] = []
    for node in graph.nodes:
        inputs = graph.input_axes(node)
        if not inputs:
            fields.append((Field(1, 0, 0),) * len(node.output.spatial) or None)
            continue
        seen = _receptive_field(node, inputs, [fields[index] for index in node.inputs])
        if seen is not None and node.output.spatial and len(seen) != len(node.output.spatial):
            seen = None  # another arrangement of the elements has no field along its own axes
        fields.append(seen)
        variables = node.op.variables(inputs)
        layers.append(
            Layer(
                node=node,
                inputs=inputs,
                variables=variables,
                params=sum(one.elements for one in variables if one.learned),
                state=sum(one.elements for one in variables if not one.learned),
                macs=node.op.macs(inputs, node.output),
                activations=0 if node.op.view else node.output.elements,
                receptive_field=tuple(field.size for field in seen) if seen else None,
                jump=tuple(field.jump for field in seen) if seen else None,
            )
        )
    return Costs(graph, tuple(layers), _totals(layers))


def _totals(layers: Iterable[Layer]) -> Totals:
    params = state = macs = activations = 0
    for layer in layers:
        params += layer.params
        state += layer.state
        macs += layer.macs
        activations += layer.activations
    return Totals(params, params, state, macs, activations, BYTES * (params + state))


def _receptive_field(
    node: Node, inputs: tuple[Axes, ...], incoming: list[tuple[Field, ...] | None]
) -> tuple[Field, ...] | None:
    """The field of a node's output from those of its inputs: their union, then its own reach."""
    joined = incoming[0]
    for other in incoming[1:]:
        if joined is None or other is None or len(joined) != len(other):
            return None
        joined = tuple(
            Field(max(a.jump, b.jump), min(a.first, b.first), max(a.last, b.last))
            for a, b in zip(joined, other, strict=True)
        )
    receptive_fields = node.op.receptive_field(inputs)
    if joined is None or not receptive_fields:
        return joined
    return tuple(
        Field(
            field.jump * receptive_field.stride,
            field.first - receptive_field.begin * field.jump,
            field.last
            + (receptive_field.spacing * (receptive_field.size - 1) - receptive_field.begin)
            * field.jump,
        )
        for field, receptive_field in zip(joined, receptive_fields, strict=True)
    )


def memory(costs: Costs, batch: int) -> Memory:
    """Bytes that a batch of float32 samples takes. A view shares its input's bytes."""
    graph = costs.graph
    sizes = [node.output.elements for node in graph.nodes]
    owner = list(range(len(sizes)))
    last_use = list(range(len(sizes)))
    for layer in costs.layers:
        node = layer.node
        if node.op.view:
            owner[node.index] = owner[node.inputs[0]]
        for index in node.inputs:
            last_use[owner[index]] = node.index
    for index in graph.outputs:
        last_use[owner[index]] = len(sizes)
    freed: dict[int, int] = {}
    for index, size in enumerate(sizes):
        if owner[index] == index:
            freed[last_use[index]] = freed.get(last_use[index], 0) + size
    alive = peak = 0
    for index, size in enumerate(sizes):
        alive += size if owner[index] == index else 0
        peak = max(peak, alive)
        alive -= freed.get(index, 0)
    kept = sum(size for index, size in enumerate(sizes) if owner[index] == index)
    weights = costs.totals.weight_bytes
    return Memory(
        batch=batch,
        inference=weights + BYTES * batch * peak,
        training=weights + BYTES * costs.totals.params + BYTES * batch * kept,
    )
