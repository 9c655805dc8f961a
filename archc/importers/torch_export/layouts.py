"""Tensors as values of archc: what a few views together do, as the op that does it."""

from __future__ import annotations

from archc.importers.arrangement import Arrangement, ArrangementError, identity
from archc.importers.torch_export.calls import Call, Node, RefusedError, View
from archc.ops.arrangement import DepthToSpace, SpaceToDepth, ToMap, ToTokens
from archc.ops.axes import MAP_AXES, SEQUENCE_AXES, Axes
from archc.ops.base import Op
from archc.ops.pooling import GlobalAvgPool, GlobalMaxPool
from archc.ops.shape import ChannelShuffle, Flatten, Permute, Reshape


def value_of(view: View, node: Node) -> Call:
    """The value that a tensor is, its axes in canonical order. Raises RefusedError."""
    call, own = view.call, view.arrangement
    if call.partial:
        node.refuse(f"of {call.partial}")
    op = _op_of(own, call.axes)
    if op is None:
        return call
    if isinstance(op, Flatten) and isinstance(call.op, GlobalAvgPool | GlobalMaxPool):
        return _made(type(call.op)(), call.inputs, view, node)
    return _made(op, (call,), view, node)


def map_of(view: View, node: Node) -> Call:
    """The feature map that a tensor is. Raises RefusedError."""
    own = view.arrangement
    if view.call.partial:
        node.refuse(f"of {view.call.partial}")
    if view.call.axes.is_sequence and own.matches([0], [2], [1]):
        return _made(ToMap(), (view.call,), view, node)
    if len(own.dims) in (3, 4, 5) and not view.call.axes.is_map and _keeps_order(own):
        names = MAP_AXES[len(own.dims) - 2]
        op = Reshape(**dict(zip(names, own.shape[1:], strict=True)))
        return _made(op, (view.call,), view, node)
    value = value_of(view, node)
    if not value.axes.is_map:
        node.refuse(f"of {list(own.shape)}, which is no feature map")
    return value


def _made(op: Op, inputs: tuple[Call, ...], view: View, node: Node) -> Call:
    """What arranges a value, once for all that take it so."""
    key = (op, *inputs)
    if key not in node.made:
        axes = op.infer(tuple(one.axes for one in inputs))
        node.made[key] = Call(op, inputs, axes, view.name, f"`{view.name}`", view.scope)
    return node.made[key]


def _op_of(own: Arrangement, axes: Axes) -> Op | None:
    """The op that arranges a value so; None where it is as it is. Raises RefusedError."""
    places = list(range(len(own.sizes)))
    rank = len(own.dims)
    if own.matches(*([place] for place in places)):
        return None
    if own.matches([0], places[1:]):
        return Flatten()
    if axes.is_map:
        if own.matches([0], places[2:], [1]):
            return ToTokens()
        groups = _shuffled(own)
        if groups is not None:
            return ChannelShuffle(groups=groups)
        if len(own.sizes) == len(own.dims) == 4:
            blocks = _blocks(own)
            if blocks is not None:
                return blocks
    spatial = own.shape[2:]
    if axes.is_sequence and 2 <= len(spatial) <= 3 and _is_tokens_to_map(own):
        return ToMap(**dict(zip(MAP_AXES[len(spatial)][1:], spatial, strict=True)))
    order = own.order()
    if order is not None and order[0] == 0:
        return Permute(order=tuple(axes.names[place - 1] for place in order[1:]))
    if rank in (3, 4, 5) and _keeps_order(own):
        names = MAP_AXES[rank - 2] if rank > 3 or axes.is_map else SEQUENCE_AXES
        return Reshape(**dict(zip(names, own.shape[1:], strict=True)))
    raise RefusedError(f"{axes} arranged as {list(own.shape)}")


def _shuffled(own: Arrangement) -> int | None:
    """The groups of a shuffle of the channels; None where it is none."""
    channels = own.sizes[1]
    dim = own.dims[1] if len(own.dims) == len(own.sizes) else ()
    if len(dim) != 2 or dim[0].axis != 1 or dim[0].stride != 1:
        return None
    groups = channels // dim[0].size
    shuffle = identity(own.sizes).reshaped(
        (own.sizes[0], groups, channels // groups, *own.sizes[2:])
    )
    order = [0, 2, 1, *range(3, len(shuffle.dims))]
    return groups if shuffle.permuted(order).reshaped(own.sizes) == own else None


def _blocks(own: Arrangement) -> Op | None:
    """Channels as blocks of positions, or these as channels; None of anything else."""
    batch, channels, height, width = own.sizes
    size = own.shape[2] // height
    if size > 1 and channels % size**2 == 0:
        parted = (batch, channels // size**2, size, size, height, width)
        order = (0, 1, 4, 2, 5, 3)
        if identity(own.sizes).reshaped(parted).permuted(order).reshaped(own.shape) == own:
            return DepthToSpace(block_size=size)
    size = height // own.shape[2]
    if size > 1 and height % size == width % size == 0:
        parted = (batch, channels, height // size, size, width // size, size)
        order = (0, 1, 3, 5, 2, 4)
        if identity(own.sizes).reshaped(parted).permuted(order).reshaped(own.shape) == own:
            return SpaceToDepth(block_size=size)
    return None


def _is_tokens_to_map(own: Arrangement) -> bool:
    """Whether the tokens of a sequence are positions, and its features channels."""
    flat = (own.sizes[0], own.sizes[2], own.sizes[1])
    try:
        return own.reshaped(flat).matches([0], [2], [1])
    except ValueError:
        return False


def _keeps_order(own: Arrangement) -> bool:
    """Whether a tensor has the elements of a value, row by row, sample by sample."""
    try:
        return own == identity(own.sizes).reshaped(own.shape) and own.whole(0) == 0
    except ArrangementError:
        return False
