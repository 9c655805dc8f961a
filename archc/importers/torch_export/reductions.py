"""Means and largest elements of PyTorch over axes, as pools over all of space or all tokens."""

from __future__ import annotations

from archc.importers.arrangement import Arrangement, ordered
from archc.importers.torch_export import merges
from archc.importers.torch_export.calls import Bound, Node, Unknown
from archc.importers.torch_export.windows import PLACES
from archc.ops.pooling import GlobalAvgPool, GlobalMaxPool


def mean(node: Node) -> Bound:
    """The mean over all of space, or over all tokens."""
    node.require(dtype=None)
    return _pooled(node, node.integers("dim", []), GlobalAvgPool)


def amax(node: Node) -> Bound:
    """The largest over all of space, or over all tokens."""
    return _pooled(node, node.integers("dim", []), GlobalMaxPool)


def largest(node: Node) -> Bound | list[Bound]:
    """The larger of two values, or the largest along one axis, and where they are, which nothing
    takes."""
    if "other" in node.arguments:
        return merges.maximum(node)
    if "dim" not in node.arguments:
        node.refuse("over all axes")
    return [_pooled(node, [node.get("dim", 0)], GlobalMaxPool), Unknown(PLACES)]


def _pooled(node: Node, dims: list[int], kind: type[GlobalAvgPool | GlobalMaxPool]) -> Bound:
    """A pool over axes that are all but the batch and the channels."""
    view = node.tensor()
    if view.call.partial:
        node.refuse(f"of {view.call.partial}")
    own = view.arrangement
    rank = len(own.dims)
    axes = {axis % rank for axis in dims}
    rest = [dim for axis, dim in enumerate(own.dims) if axis not in axes]
    is_whole = Arrangement(own.sizes, tuple(rest)).matches([0], [view.channels])
    if not is_whole or not axes:
        node.refuse(f"of {list(own.shape)} over the axes {sorted(axes)}")
    keep = node.get("keepdim", False)
    op = kind(keep_dims=keep)
    if not keep:
        return node.call(op, (view.call,))
    sizes = (node.batch, *op.infer((view.call.axes,)).sizes)
    order = own.order()
    if order is not None:
        return node.call(op, (view.call,), arrangement=ordered(sizes, order))
    kept = iter(ordered(sizes, [0, view.channels]).dims)
    dims_of_result = tuple(() if axis in axes else next(kept) for axis in range(rank))
    return node.call(op, (view.call,), arrangement=Arrangement(sizes, dims_of_result))
