"""Costs of a network: parameters, multiply-accumulates, activations, receptive field, memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from archc.ir.graph import Graph, Node
from archc.ir.receptive_fields import Extents, Field, extents, input_fields, output_fields
from archc.ir.sharing import own_variables
from archc.ops.axes import Axes
from archc.ops.base import Variable

BYTES = 4
"""Bytes of a float32 value."""


class Layer(NamedTuple):
    """One row of a report. `variables` are those that the op keeps itself, not another step's;
    `receptive_field` is None where the input has no space."""

    node: Node
    inputs: tuple[Axes, ...]
    variables: tuple[Variable, ...]
    params: int
    trainable_params: int
    state: int
    macs: int
    activations: int
    receptive_field: Extents | None


class Totals(NamedTuple):
    """Sums over all layers, of one sample: of a network with outputs in training alone, `macs` and
    `activations` are those of an evaluation."""

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
    """A graph with its costs. Where the network has outputs in training alone, `evaluation` and
    `training` are the sums of what either computes."""

    graph: Graph
    layers: tuple[Layer, ...]
    totals: Totals
    evaluation: Totals
    training: Totals


def infer(graph: Graph) -> Costs:
    """The cost of every layer of a graph, in one pass."""
    fields: list[tuple[Field, ...]] = []
    layers: list[Layer] = []
    for node in graph.nodes:
        inputs = graph.input_axes(node)
        if not inputs:
            fields.append(input_fields(node.output))
            continue
        incoming = [fields[index] for index in node.inputs]
        fields.append(output_fields(inputs, node.output, incoming, node.op.receptive_field(inputs)))
        variables = own_variables(node, inputs, graph.nodes)
        params = sum(one.elements for one in variables if one.learned)
        layers.append(
            Layer(
                node=node,
                inputs=inputs,
                variables=variables,
                params=params,
                trainable_params=params if node.trainable else 0,
                state=sum(one.elements for one in variables if not one.learned),
                macs=node.op.macs(inputs, node.output),
                activations=0 if node.op.view else node.output.elements,
                receptive_field=extents(fields[-1], node.output),
            )
        )
    alone = graph.training_only
    training = _totals(layers)
    evaluation = (
        _totals(one for one in layers if one.node.index not in alone) if alone else training
    )
    totals = training._replace(macs=evaluation.macs, activations=evaluation.activations)
    return Costs(graph, tuple(layers), totals, evaluation, training)


def _totals(layers: Iterable[Layer]) -> Totals:
    params = trainable = state = macs = activations = 0
    for layer in layers:
        params += layer.params
        trainable += layer.trainable_params
        state += layer.state
        macs += layer.macs
        activations += layer.activations
    return Totals(params, trainable, state, macs, activations, BYTES * (params + state))


def memory(costs: Costs, batch: int) -> Memory:
    """The memory of a batch of float32 samples. A view shares its input's memory."""
    graph = costs.graph
    sizes = [node.output.elements for node in graph.nodes]
    owner, alone = list(range(len(sizes))), graph.training_only
    last_use = list(range(len(sizes)))
    for layer in costs.layers:
        node = layer.node
        if node.op.view:
            owner[node.index] = owner[node.inputs[0]]
        for index in () if node.index in alone else node.inputs:
            last_use[owner[index]] = node.index
    for index in graph.outputs:
        last_use[owner[index]] = len(sizes)
    kept = sum(size for index, size in enumerate(sizes) if owner[index] == index)
    for index in alone:
        sizes[index] = 0  # nothing that an evaluation computes
    freed: dict[int, int] = {}
    for index, size in enumerate(sizes):
        if owner[index] == index:
            freed[last_use[index]] = freed.get(last_use[index], 0) + size
    alive = peak = 0
    for index, size in enumerate(sizes):
        alive += size if owner[index] == index else 0
        peak = max(peak, alive)
        alive -= freed.get(index, 0)
    weights = costs.totals.weight_bytes
    return Memory(
        batch=batch,
        inference=weights + BYTES * batch * peak,
        training=weights + BYTES * costs.totals.trainable_params + BYTES * batch * kept,
    )
