"""The arrays of a network, and where each stands in the emitted networks.

An array's key is the path of its op and its own name: `features.conv_1.weight`. In canonical
layout kernels are (out, in / groups, *space), those of transposed convolutions
(in, out / groups, *space), and those of dense layers (out, in).

PyTorch keeps arrays so; Keras keeps space first, and the features of a vector that `flatten` made
of a feature map row by row with the channels innermost. That order goes on through
normalisation, activations and scales, whose vectors follow it, up to the dense layer whose rows
take it in.

Code: ARC602 an array whose place in an emitted network is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import prod
from typing import Any, NamedTuple, TypeAlias

from archc import backends
from archc.backends.base import Placement
from archc.backends.blocks.dataflow import Uses
from archc.backends.keras.layout import observed_flattens
from archc.codegen.tree import Ref
from archc.diagnostics import Diagnostic, SpecError
from archc.ir.costs import Costs
from archc.ir.graph import Graph, Node
from archc.ops.base import Variable
from archc.ops.shape import Flatten
from archc.spec import Spec


class Layout(NamedTuple):
    """How a framework keeps an array of the shape `canonical`: viewed as `split`, with its axes in
    the order `axes`, reshaped to `kept`."""

    canonical: tuple[int, ...]
    split: tuple[int, ...]
    axes: tuple[int, ...]
    kept: tuple[int, ...]


class Array(NamedTuple):
    """One array of an op."""

    key: str
    node: Node
    variable: Variable


class Slot(NamedTuple):
    """Where an emitted network keeps an array. `layer` is the path of PyTorch's module, or the name
    or position of Keras' layer; `variable` is its name there."""

    layer: str | int
    variable: str
    layout: Layout

    @property
    def state_key(self) -> str:
        """The key in PyTorch's `state_dict`."""
        return f"{self.layer}.{self.variable}"


def to_framework(array: Any, layout: Layout, batch: int = 0) -> Any:
    """A canonical array as the framework keeps it. The first `batch` axes stay as they are."""
    head = array.shape[:batch]
    order = (*range(batch), *(batch + axis for axis in layout.axes))
    return array.reshape(head + layout.split).transpose(order).reshape(head + layout.kept)


def to_canonical(array: Any, layout: Layout, batch: int = 0) -> Any:
    """An array of a framework in canonical layout. The first `batch` axes stay as they are."""
    head = array.shape[:batch]
    moved = tuple(layout.split[axis] for axis in layout.axes)
    back = sorted(range(len(layout.axes)), key=layout.axes.__getitem__)
    order = (*range(batch), *(batch + axis for axis in back))
    return array.reshape(head + moved).transpose(order).reshape(head + layout.canonical)


def arrays(costs: Costs) -> tuple[Array, ...]:
    """All arrays of a network, in the order of its layers."""
    return tuple(
        Array(f"{layer.node.path}.{variable.name}", layer.node, variable)
        for layer in costs.layers
        for variable in layer.variables
    )


def slots(backend: str, spec: Spec, costs: Costs) -> dict[str, Slot]:
    """Where the network that a backend emits keeps each array, by the array's key.

    Raises SpecError for an op that the backend refuses (ARC601), and for an array whose place is
    not known for certain (ARC602).
    """
    graph = costs.graph
    layouts = {"keras": _keras_layouts, "torch": _torch_layouts}[backend]
    orders = {} if backend == "torch" else _channels_innermost(graph)
    places = backends.places(backend, spec, costs)
    found: dict[str, Slot] = {}
    unknown: list[Diagnostic] = []
    for array in arrays(costs):
        source = array.node.inputs[0]
        candidates = [
            Slot(placed.place, variable, layout)
            for placed in places[array.node.index]
            if placed.stage.weighted and placed.place is not None
            for variable, layout in layouts(array, placed, graph.nodes[source], orders.get(source))
        ]
        if len(candidates) == 1:
            found[array.key] = candidates[0]
        else:
            message = f"it is not known where the {backend} backend keeps `{array.key}`"
            unknown.append(Diagnostic("ARC602", message, array.node.origin.span))
    if unknown:
        raise SpecError(unknown)
    return found


def value_layouts(backend: str, graph: Graph) -> list[Layout]:
    """How the network that a backend emits lays out each node's value, less the batch, by the
    node's index."""
    if backend == "torch":
        return [_as_it_is(node.output.sizes) for node in graph.nodes]
    orders = _channels_innermost(graph)
    found = []
    for node in graph.nodes:
        sizes = node.output.sizes
        if node.output.is_map:
            found.append(_moved(sizes, (*range(1, len(sizes)), 0)))
        else:
            order = orders.get(node.index)
            found.append(_as_it_is(sizes) if order is None else _regrouped(sizes, order))
    return found


Order: TypeAlias = "tuple[int, int]"
"""Channels and positions of the map that a vector was made of, where Keras has them swapped."""


def _channels_innermost(graph: Graph) -> dict[int, Order]:
    """The nodes whose vectors Keras has in another order than the canonical one."""
    moved = observed_flattens(graph, Uses(graph).users)
    orders: dict[int, Order] = {}
    for node in graph.layers:
        if isinstance(node.op, Flatten) and node.index not in moved:
            (x,) = graph.input_axes(node)
            if x.is_map and 1 < x.width < x.elements:
                orders[node.index] = (x.width, prod(x.spatial))
        elif node.op.element_order == "carried" and node.inputs[0] in orders:
            orders[node.index] = orders[node.inputs[0]]
    return orders


def _as_it_is(sizes: tuple[int, ...]) -> Layout:
    return Layout(sizes, sizes, tuple(range(len(sizes))), sizes)


def _moved(sizes: tuple[int, ...], axes: tuple[int, ...]) -> Layout:
    return Layout(sizes, sizes, axes, tuple(sizes[axis] for axis in axes))


def _regrouped(sizes: tuple[int, ...], order: Order) -> Layout:
    """A vector whose features are (channels, positions) as (positions, channels)."""
    return Layout(sizes, order, (1, 0), sizes)


Found: TypeAlias = "Iterator[tuple[str, Layout]]"

# The variables of each class of layers, whatever its rank, by the names of the canonical arrays.
_SAME = {name: name for name in ("weight", "bias", "running_mean", "running_var")}
_TORCH: Mapping[str, Mapping[str, str]] = {
    "nn.Conv": _SAME,
    "nn.ConvTranspose": _SAME,
    "nn.Linear": _SAME,
    "nn.BatchNorm": _SAME,
    "nn.LayerNorm": _SAME,
    "ChannelLayerNorm": _SAME,
    "nn.GroupNorm": _SAME,
    "ChannelScale": _SAME,
    "nn.PReLU": {"slope": "weight"},
    "FeaturePReLU": {"slope": "weight"},
}
_KERNEL = {"weight": "kernel", "bias": "bias"}
_NORM = {"weight": "gamma", "bias": "beta"}
_RUNNING = {"running_mean": "moving_mean", "running_var": "moving_variance"}
_KERAS: Mapping[str, Mapping[str, str]] = {
    "layers.Conv": _KERNEL,
    "layers.ConvTranspose": _KERNEL,
    "layers.DepthwiseConv": _KERNEL,
    "layers.Dense": _KERNEL,
    "layers.BatchNormalization": {**_NORM, **_RUNNING},
    "layers.LayerNormalization": _NORM,
    "layers.GroupNormalization": _NORM,
    "layers.PReLU": {"slope": "alpha"},
    "ChannelScale": {"weight": "weight", "bias": "bias"},
}


def _kind(placed: Placement) -> str:
    """The class of a layer without its number of spatial axes."""
    layer = placed.stage.layer
    assert layer is not None
    assert isinstance(layer.function, Ref)
    return re.sub(r"[123][dD]", "", layer.function.name)


def _torch_layouts(array: Array, placed: Placement, source: Node, order: Order | None) -> Found:
    variable = _TORCH.get(_kind(placed), {}).get(array.variable.name)
    if variable is not None:
        yield variable, _as_it_is(array.variable.shape)


def _keras_layouts(array: Array, placed: Placement, source: Node, order: Order | None) -> Found:
    kind, shape = _kind(placed), array.variable.shape
    variable = _KERAS.get(kind, {}).get(array.variable.name)
    if variable is None:
        return
    if not placed.stage.main:
        order = None  # a fused activation takes the result, not what comes in
    if variable == "kernel":
        yield variable, _kernel(kind, shape, source.output.width, order)
    elif variable == "alpha":
        spatial = len(array.node.output.sizes) - 1
        own = _as_it_is(shape) if order is None else _regrouped(shape, order)
        yield variable, own._replace(kept=(*[1] * spatial, *shape))
    elif order is None or kind == "layers.Dense":
        yield variable, _as_it_is(shape)
    else:
        yield variable, _regrouped(shape, order)


def _kernel(kind: str, shape: tuple[int, ...], width: int, order: Order | None) -> Layout:
    """A kernel in Keras: space, then what comes in, then what goes out; for a depthwise convolution
    space, the channels, and the filters of each."""
    space = tuple(range(2, len(shape)))
    if kind == "layers.DepthwiseConv":
        split = (width, shape[0] // width, *shape[2:])
        return Layout(shape, split, (*space, 0, 1), (*shape[2:], *split[:2]))
    if order is not None:
        return Layout(shape, (shape[0], *order), (2, 1, 0), shape[::-1])
    return _moved(shape, (*space, 1, 0))
