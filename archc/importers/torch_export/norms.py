"""Normalisations of PyTorch as ops of archc."""

from __future__ import annotations

from decimal import Decimal

from archc.importers.affine import completed
from archc.importers.network import Array
from archc.importers.torch_export.calls import TRAINING, Bound, Node, Unknown
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
    weights, note = _affine(node, x.axes.width)
    affine = bool(weights)
    for name in ("running_mean", "running_var"):
        array = vector(node, name, x.axes.width)
        if array is None:
            node.refuse("without running statistics")
        weights[name] = array
    # PyTorch's momentum is the share of the batch.
    kept = float(1 - Decimal(repr(node.get("momentum", 0.1))))
    op = BatchNorm(epsilon=node.get("eps", 1e-5), momentum=kept, affine=affine)
    return node.call(op, (x,), weights, note=note)


def core_batch_norm(node: Node) -> list[Bound]:
    """Core ATen's batch normalisation, which gives statistics too."""
    return [batch_norm(node), Unknown(STATISTICS), Unknown(STATISTICS)]


def core_layer_norm(node: Node) -> list[Bound]:
    """Core ATen's layer normalisation, which gives statistics too."""
    return [layer_norm(node), Unknown(STATISTICS), Unknown(STATISTICS)]


def layer_norm(node: Node) -> Bound:
    """Layer or RMS normalisation over the channels."""
    view = node.tensor()
    width = view.call.axes.width
    sizes = node.integers("normalized_shape", [])
    if sizes != [width] or view.arrangement.whole(-1) != view.channels:
        node.refuse(f"of {list(view.arrangement.shape)} over {sizes}")
    if node.kind == "rms_norm":
        weight = vector(node, "weight", width)
        if weight is None or "eps" not in node.arguments:
            node.refuse("without a weight or epsilon")
        return node.pointwise(RmsNorm(epsilon=node.get("eps", 0.0)), view, {"weight": weight})
    weights, note = _affine(node, width)
    op = LayerNorm(epsilon=node.get("eps", 1e-5), affine=bool(weights))
    return node.pointwise(op, view, weights, note=note)


def group_norm(node: Node) -> Bound:
    """Group normalisation."""
    x = map_of(node.tensor(), node)
    weights, note = _affine(node, x.axes.width)
    op = GroupNorm(
        groups=node.get("num_groups", 1), epsilon=node.get("eps", 1e-5), affine=bool(weights)
    )
    return node.call(op, (x,), weights, note=note)
