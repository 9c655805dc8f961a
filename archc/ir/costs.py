"""Costs of a network: parameters, multiply-accumulates, activations, receptive field, memory.

Receptive fields follow Araujo, Norris & Sim 2019, Computing Receptive Fields of Convolutional
Neural Networks: after a merge, the receptive field is the union of the branches' fields.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, floor
from typing import NamedTuple

from archc.ir.graph import Graph, Node
from archc.ops.axes import Axes
from archc.ops.base import Weight

BYTES = 4
"""Bytes of a float32 value."""


class Field(NamedTuple):
    """The receptive field of a value along one spatial axis: position `i` depends on the input
    elements from `i * jump + first` to `i * jump + last`."""

    jump: float
    first: float
    last: float

    @property
    def size(self) -> int:
        """Input elements in the field."""
        return ceil(self.last) - floor(self.first) + 1


class Layer(NamedTuple):
    """One row of a report. `receptive_field` is in elements of each spatial axis of the input, None
    for an input without spatial axes; `jump` is the distance of two positions in input elements."""

    node: Node
    inputs: tuple[Axes, ...]
    weights: tuple[Weight, ...]
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
    """Bytes of float32 for a batch: `inference` is the weights and the peak of live activations;
    `training` is the weights, their gradients, and all activations."""

    batch: int
    inference: int
    training: int


class Costs(NamedTuple):
    """A graph with its costs."""

    graph: Graph
    layers: tuple[Layer, ...]
    totals: Totals


def infer(graph: Graph) -> Costs:
    """Compute the costs of every layer of a graph, in one pass."""
    receptive_fields: list[tuple[Field, ...] | None] = []
    layers: list[Layer] = []
    for node in graph.nodes:
        inputs = graph.input_axes(node)
        if not inputs:
            receptive_fields.append((Field(1, 0, 0),) * len(node.output.spatial) or None)
            continue
        field = _receptive_field(node, inputs, [receptive_fields[index] for index in node.inputs])
        if field is not None and node.output.spatial and len(field) != len(node.output.spatial):
            field = None  # a reshape: its axes are not those of the input
        receptive_fields.append(field)
        weights = node.op.weights(inputs)
        layers.append(
            Layer(
                node=node,
                inputs=inputs,
                weights=weights,
                params=sum(weight.elements for weight in weights if weight.learned),
                state=sum(weight.elements for weight in weights if not weight.learned),
                macs=node.op.macs(inputs, node.output),
                activations=0 if node.op.view else node.output.elements,
                receptive_field=tuple(field.size for field in field) if field else None,
                jump=tuple(field.jump for field in field) if field else None,
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
    """The receptive field of a node: the union of its inputs' fields, widened by its own window."""
    union = incoming[0]
    for other in incoming[1:]:
        if union is None or other is None or len(union) != len(other):
            return None
        union = tuple(
            Field(max(a.jump, b.jump), min(a.first, b.first), max(a.last, b.last))
            for a, b in zip(union, other, strict=True)
        )
    windows = node.op.receptive_field(inputs)
    if union is None or not windows:
        return union
    return tuple(
        Field(
            field.jump * window.stride,
            field.first - window.begin * field.jump,
            field.last + (window.spacing * (window.size - 1) - window.begin) * field.jump,
        )
        for field, window in zip(union, windows, strict=True)
    )


def memory(costs: Costs, batch: int) -> Memory:
    """The memory of a batch of float32 samples. A view shares its input's memory."""
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
