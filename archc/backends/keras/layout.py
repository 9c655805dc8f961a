"""The layout of values in Keras, channels last, and where that shows.

A vector made by `flatten` has its features row by row with the channels innermost. A dense layer
that follows takes that in, by the order of its rows; so nothing stands in the code. Where the order
would show (an output, a choice of features by index), the channels are moved first.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from archc.backends.blocks.dataflow import OUTSIDE
from archc.ir.graph import Graph, Node
from archc.ops.axes import Axes
from archc.ops.shape import Flatten


def shape(axes: Axes) -> tuple[int, ...]:
    """Sizes in Keras' order, without the batch: space before channels."""
    return (*axes.sizes[1:], axes.sizes[0]) if axes.is_map else axes.sizes


def shape_comment(axes: Axes | None) -> str | None:
    """`224 x 224 x 64`."""
    return None if axes is None else " x ".join(map(str, shape(axes)))


def map_shape(channels: str, spatial: Sequence[str]) -> str:
    """`(H, W, channels)`; a batch that is told with the channels comes first."""
    batch, _, width = channels.rpartition(", ")
    return f"({', '.join([*([batch] if batch else []), *spatial, width])})"


def observed_flattens(graph: Graph, users: list[list[int]]) -> set[int]:
    """The `flatten` nodes whose order of features shows in the network's function."""
    shows = [False] * len(graph.nodes)
    for node in reversed(graph.nodes):
        shows[node.index] = any(
            user == OUTSIDE or _shows_in(graph.nodes[user], shows) for user in users[node.index]
        )
    return {
        node.index
        for node in graph.layers
        if isinstance(node.op, Flatten) and _reorders(graph, node) and shows[node.index]
    }


def _shows_in(user: Node, shows: list[bool]) -> bool:
    if user.op.element_order == "carried":
        return shows[user.index]
    return user.op.element_order == "observed"


def _reorders(graph: Graph, node: Node) -> bool:
    """Whether channels first and channels last give different orders."""
    (x,) = graph.input_axes(node)
    return x.is_map and x.width > 1 and prod(x.spatial) > 1
