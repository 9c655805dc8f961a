"""Normalisations of PyTorch as ops of archc."""

from __future__ import annotations

from decimal import Decimal

from archc.importers.affine import FILLS, completed, note
from archc.importers.network import Array
from archc.importers.torch_export.calls import TRAINING, Bound, Node, Unknown, View
from archc.importers.torch_export.layouts import map_of
from archc.ops.normalization import BatchNorm, GroupNorm, LayerNorm, RmsNorm

STATISTICS = "the statistics of a normalisation"


def vector(node: Node, name: str, size: int) -> Array | None:
    """An array of one number a channel; None where there is none. Raises RefusedError."""
    array = node.array(name)
    if array is not None and array.shape != (size,):
        node.refuse(f"with a {name} of {list(array.shape)}")
    return None if array is None else array.array


def _affine(node: Node, width: int) -> tuple[dict[str, Array], str | None]:
    """The weight and bias of a normalisation, both or none, and a comment where it has one of them
    alone. Raises RefusedError."""
    arrays = {name: vector(node, name, width) for name in ("weight", "bias")}
    present = {name: array for name, array in arrays.items() if array is not None}
    return completed(node.kind, present, width)


def batch_norm(node: Node) -> Bound:
    """Batch normalisation by running statistics."""
    if node.get("training", False):
        node.refuse(TRAINING)
    view = node.tensor()
    is_vector = view.call.axes.is_vector and view.arrangement.matches([0], [1])
    x = view.call if is_vector else map_of(view, node)
    weights, missing = _affine(node, x.axes.width)
    affine = bool(weights)
    for name in ("running_mean", "running_var"):
        array = vector(node, name, x.axes.width)
        if array is None:
            node.refuse("without running statistics")
        weights[name] = array
    # PyTorch's momentum is the share of the batch.
    kept = float(1 - Decimal(repr(node.get("momentum", 0.1))))
    op = BatchNorm(epsilon=node.get("eps", 1e-5), momentum=kept, affine=affine)
    return node.call(op, (x,), weights, note=missing)


def core_batch_norm(node: Node) -> list[Bound]:
    """Core ATen's batch normalisation, which gives statistics too."""
    return [batch_norm(node), Unknown(STATISTICS), Unknown(STATISTICS)]


def core_layer_norm(node: Node) -> list[Bound]:
    """Core ATen's layer normalisation, which gives statistics too."""
    return [layer_norm(node), Unknown(STATISTICS), Unknown(STATISTICS)]


EPSILONS = {"float32": 2.0**-23, "float64": 2.0**-52}
"""What RMS normalisation adds where the model does not say it, by the type of its input."""


def rms_norm(node: Node) -> Bound:
    """RMS normalisation over the channels."""
    view, width = _over_channels(node)
    epsilon = node.get("eps", EPSILONS.get(node.dtypes[0], 0.0))
    if not epsilon:
        node.refuse(f"of {node.dtypes[0]} without an epsilon")
    weight = vector(node, "weight", width)
    missing = note(node.kind, "weight") if weight is None else None
    weights = {"weight": weight or Array("fill", (width,), (), (FILLS["weight"],))}
    return node.pointwise(RmsNorm(epsilon=epsilon), view, weights, note=missing)


def _over_channels(node: Node) -> tuple[View, int]:
    """What is normalised over its channels alone, and their number. Raises RefusedError."""
    view = node.tensor()
    width = view.call.axes.width
    sizes = node.integers("normalized_shape", [])
    if sizes != [width] or view.arrangement.whole(-1) != view.channels:
        node.refuse(f"of {list(view.arrangement.shape)} over {sizes}")
    return view, width


def layer_norm(node: Node) -> Bound:
    """Layer normalisation over the channels; over all of a map, without weights of each element,
    it is that of a single group."""
    shape = list(node.tensor().arrangement.shape[1:])
    plain = node.array("weight") is None and node.array("bias") is None
    if plain and len(shape) > 2 and node.integers("normalized_shape", []) == shape:
        whole = GroupNorm(groups=1, epsilon=node.get("eps", 1e-5), affine=False)
        return node.call(whole, (map_of(node.tensor(), node),))
    view, width = _over_channels(node)
    weights, missing = _affine(node, width)
    op = LayerNorm(epsilon=node.get("eps", 1e-5), affine=bool(weights))
    return node.pointwise(op, view, weights, note=missing)


def group_norm(node: Node) -> Bound:
    """Group normalisation."""
    return _grouped(node, node.get("num_groups", 1))


def instance_norm(node: Node) -> Bound:
    """Instance normalisation: each channel is a group of its own."""
    if not node.get("use_input_stats", True):
        node.refuse("by running statistics")
    return _grouped(node, None)


def _grouped(node: Node, groups: int | None) -> Bound:
    """Normalisation of so many groups of channels, or of each channel."""
    view = node.tensor()
    is_vector = view.call.axes.is_vector and view.arrangement.matches([0], [1])
    x = view.call if is_vector and groups is not None else map_of(view, node)
    weights, missing = _affine(node, x.axes.width)
    op = GroupNorm(
        groups=x.axes.width if groups is None else groups,
        epsilon=node.get("eps", 1e-5),
        affine=bool(weights),
    )
    return node.call(op, (x,), weights, note=missing)
