"""Channels of PyTorch in another order, or as positions."""

from __future__ import annotations

from archc.importers.torch_export.calls import Bound, Node
from archc.importers.torch_export.layouts import map_of
from archc.ops.arrangement import DepthToSpace, SpaceToDepth
from archc.ops.shape import ChannelShuffle


def pixel_shuffle(node: Node) -> Bound:
    """Channels as the positions of blocks."""
    op = DepthToSpace(block_size=node.get("upscale_factor", 1))
    return node.call(op, (map_of(node.tensor(), node),))


def pixel_unshuffle(node: Node) -> Bound:
    """The positions of blocks as channels."""
    op = SpaceToDepth(block_size=node.get("downscale_factor", 1))
    return node.call(op, (map_of(node.tensor(), node),))


def channel_shuffle(node: Node) -> Bound:
    """Channels as (groups, channels / groups), the two swapped."""
    op = ChannelShuffle(groups=node.get("groups", 1))
    return node.call(op, (map_of(node.tensor(), node),))
