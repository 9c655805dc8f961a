"""The layout of values and variables in Keras, channels last, and where that shows.

Kernels have space first, then what comes in, then what goes out.

The output of `flatten` has its features row by row with the channels innermost. A dense layer
that follows takes that in, by the order of its rows; so nothing stands in the code. Where the order
would show (an output, a choice of features by index), the channels are moved first. Until then the
order goes on through normalisations, activations and scales, whose vectors follow it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import TypeAlias

from archc.backends.base import LoweredLayer
from archc.backends.blocks.dataflow import OUTSIDE, Uses
from archc.backends.layouts import Layout, transposed, unchanged
from archc.backends.module import sequence_comment
from archc.backends.sharing import counterparts
from archc.ir.arrays import Array
from archc.ir.graph import Graph, Node
from archc.ops.axes import Axes
from archc.ops.shape import Flatten

KERNEL = {"weight": "kernel", "bias": "bias"}
"""The variables of layers that have a kernel, by those of the ops."""

Order: TypeAlias = "tuple[int, int]"
"""Channels and positions of the map that a vector is flattened from, if Keras swaps them."""


def shape(axes: Axes) -> tuple[int, ...]:
    """Sizes in Keras' order, without the batch: space before channels."""
    return (*axes.sizes[1:], axes.sizes[0]) if axes.is_map else axes.sizes


def shape_comment(axes: Axes | None) -> str | None:
    """`224 x 224 x 64`, or of a sequence `batch, length, 768`."""
    return None if axes is None else sequence_comment(axes) or " x ".join(map(str, shape(axes)))


def map_shape(channels: str, spatial: Sequence[str]) -> tuple[str, ...]:
    """`H, W, channels`."""
    return (*spatial, channels)


def observed_flattens(graph: Graph, users: list[list[int]]) -> set[int]:
    """The `flatten` nodes whose order of features shows in the network's function. Where steps
    share variables, all of them must take their features in one order."""
    shared = _shared_variables(graph)
    strict: set[int] = set()
    while True:
        moved = _observed_flattens(graph, users, strict)
        orders = _orders(graph, moved)
        further = {
            index
            for group in shared
            if len({orders.get(graph.nodes[index].inputs[0]) for index in group}) > 1
            for index in group
        } - strict
        further |= {
            index
            for index, owner in counterparts(graph).items()
            if (index in moved) != (owner in moved)
            for index in (index, owner)
        } - strict
        if not further:
            return moved
        strict |= further


def _shared_variables(graph: Graph) -> list[set[int]]:
    """The nodes that have the same variables. An embedding's table has its features in order, as
    ids that come in have."""
    groups: dict[int, set[int]] = {}
    for node in graph.layers:
        if node.weights >= 0:
            groups.setdefault(node.weights, {node.weights}).add(node.index)
    return list(groups.values())


def _observed_flattens(graph: Graph, users: list[list[int]], strict: set[int]) -> set[int]:
    """Those that show, where the order of what the nodes `strict` take shows in any case, and of
    what they give where they flatten."""
    shows = [False] * len(graph.nodes)
    for node in reversed(graph.nodes):
        shows[node.index] = any(
            user == OUTSIDE or user in strict or _shows_in(graph.nodes[user], shows)
            for user in users[node.index]
        )
    return {
        node.index
        for node in graph.root.nodes()
        if isinstance(node.op, Flatten)
        and _reorders(graph, node)
        and (shows[node.index] or node.index in strict)
    }


def _shows_in(user: Node, shows: list[bool]) -> bool:
    if user.op.element_order == "carried":
        return shows[user.index]
    return user.op.element_order == "observed"


def _reorders(graph: Graph, node: Node) -> bool:
    """Whether channels first and channels last give different orders."""
    (x,) = graph.input_axes(node)
    return x.is_map and x.width > 1 and prod(x.spatial) > 1


def channels_innermost(graph: Graph) -> dict[int, Order]:
    """The nodes whose vectors Keras has in another order than the canonical one."""
    return _orders(graph, observed_flattens(graph, Uses(graph).users))


def _orders(graph: Graph, moved: set[int]) -> dict[int, Order]:
    orders: dict[int, Order] = {}
    for node in graph.root.nodes():  # without those that others stand for
        if isinstance(node.op, Flatten) and node.index not in moved:
            if _reorders(graph, node):
                (x,) = graph.input_axes(node)
                orders[node.index] = (x.width, prod(x.spatial))
        elif node.op.element_order == "carried" and node.inputs[0] in orders:
            orders[node.index] = orders[node.inputs[0]]
    return orders


def value_layouts(graph: Graph) -> tuple[Layout, ...]:
    """How Keras lays out each node's value, less the batch, by the node's index."""
    orders = channels_innermost(graph)
    return tuple(_value_layout(node.output, orders.get(node.index)) for node in graph.nodes)


def _value_layout(axes: Axes, order: Order | None) -> Layout:
    if axes.is_map:
        return transposed(axes.sizes, (*range(1, len(axes.sizes)), 0))
    return unchanged(axes.sizes) if order is None else _regrouped(axes.sizes, order)


def variable_layouts(graph: Graph) -> Callable[[Array, LoweredLayer], Layout]:
    """How Keras lays out an array in a layer that has no layout of its own for it."""
    orders = channels_innermost(graph)

    def layout_of(array: Array, lowered: LoweredLayer) -> Layout:
        op, variable = array.node.op, array.variable
        # A fused activation takes the result, not what comes in.
        order = orders.get(array.node.inputs[0]) if lowered.main else None
        if variable.role == "kernel":
            return _kernel(variable.shape, order)
        if order is None or op.element_order == "absorbed":
            return unchanged(variable.shape)
        return _regrouped(variable.shape, order)

    return layout_of


def _kernel(shape: tuple[int, ...], order: Order | None) -> Layout:
    if order is not None:
        return Layout(shape, (shape[0], *order), (2, 1, 0), shape[::-1])
    return transposed(shape, (*range(2, len(shape)), 1, 0))


def depthwise_kernel(channels: int, multiplier: int, space: Sequence[int]) -> Layout:
    """The kernel of a depthwise convolution: space, the channels, and the filters of each."""
    canonical = (channels * multiplier, 1, *space)
    axes = (*range(2, len(canonical)), 0, 1)
    return Layout(canonical, (channels, multiplier, *space), axes, (*space, channels, multiplier))


def _regrouped(sizes: tuple[int, ...], order: Order) -> Layout:
    """A vector whose features are (channels, positions) as (positions, channels)."""
    return Layout(sizes, order, (1, 0), sizes)
