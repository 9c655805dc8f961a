"""Whether the network of a spec is the one that was read: by its graph, node by node."""

from __future__ import annotations

import math
from collections.abc import Sequence

from archc import backends
from archc.api import Network as Loaded
from archc.backends.layouts import Layout
from archc.importers.network import Network
from archc.ir.graph import Graph
from archc.ops.merge import Concat, Merge
from archc.ops.shape import Flatten


def graph_difference(network: Network, order: Sequence[int], graph: Graph) -> str | None:
    """Where the graph of a spec is not a network whose layers, taken in `order`, are its nodes;
    None where it is: the two are isomorphic.

    Nothing is assumed of the order but that it is tried: a mapping of all layers to all nodes, one
    to one, under which ops with their fields, what they take, shapes, weights and outputs agree, is
    the isomorphism itself. A sum takes its inputs in any order.
    """
    count = len(network.inputs)
    if len(graph.layers) != len(network.layers) or sorted(order) != list(
        range(count, count + len(network.layers))
    ):
        return f"it has {len(graph.layers)} ops, the file {len(network.layers)}"
    if len(graph.inputs) != count:
        return f"it has {len(graph.inputs)} inputs, the file {count}"
    nodes = {position: graph.nodes[position] for position in range(count)}
    nodes |= dict(zip(order, graph.layers, strict=True))
    for position, axes in enumerate(network.inputs.values()):
        if nodes[position].output != axes:
            return f"its input {nodes[position].path} is {nodes[position].output}, not {axes}"
    for position in order:
        layer, node = network.layer(position), nodes[position]
        if node.op != layer.op:
            return f"`{node.path}` is {node.op}, in the file {layer.place} is {layer.op}"
        own = list(node.inputs)
        taken = [nodes[one].index for one in layer.inputs]
        if isinstance(node.op, Merge) and not isinstance(node.op, Concat):
            own, taken = sorted(own), sorted(taken)
        if own != taken:
            return f"`{node.path}` takes other values than {layer.place} in the file"
        if node.output != layer.output:
            return f"`{node.path}` gives {node.output}, {layer.place} in the file {layer.output}"
        shares = nodes[layer.shares].index if layer.shares >= 0 else -1
        if node.weights != shares or not node.trainable:
            return f"`{node.path}` shares other weights than {layer.place}, or keeps its own"
    if graph.outputs != tuple(nodes[one].index for one in network.outputs):
        return "its outputs are others than those of the file"
    return None if not graph.training_outputs else "it has outputs in training alone"


def order_difference(loaded: Loaded, backend: str | None) -> str | None:
    """Where the network of a spec flattens a map in another order than its file, which keeps values
    as a backend does; None where the order cannot be observed, or is the same. Raises SpecError
    where the backend cannot compute the network."""
    if backend is None:
        return None
    values = backends.compile_network(backend, loaded).values
    graph = loaded.costs.graph
    for node in graph.layers:
        if not isinstance(node.op, Flatten):
            continue
        taken, flat = values[node.inputs[0]], values[node.index]
        channels = taken.canonical[0]
        has_one_order = channels in (1, math.prod(taken.canonical))
        # Where what follows depends on the order, the backend restores it; the file does not.
        if not has_one_order and _moves(taken) and not _moves(flat):
            return f"`{node.path}` has its elements in another order than in the file"
    return None


def _moves(layout: Layout) -> bool:
    return layout.axes != tuple(range(len(layout.axes)))
