"""torchvision's state dictionaries in the order and shapes of the emitted modules' own.

The emitted names are theirs for most networks. For the others, the values come in the same order,
but for what stands here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def in_order(name: str, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    """Their values under the keys of `ours`, one for one."""
    values = list((_convnext if name.startswith("convnext") else dict)(theirs).values())
    assert len(values) == len(ours)
    matched = {}
    for (key, own), value in zip(ours.items(), values, strict=True):
        # A dense layer over the channels of each position is a convolution of one element.
        assert own.shape == value.shape or own.squeeze().shape == value.squeeze().shape, key
        matched[key] = value.reshape(own.shape)
    return matched


def _convnext(theirs: Mapping[str, Any]) -> dict[str, Any]:
    """`layer_scale`, which is a parameter of the block itself, where it is applied: at its end."""
    ordered: dict[str, Any] = {}
    waiting: dict[str, Any] = {}
    for key, value in theirs.items():
        if key.endswith("layer_scale"):
            waiting = {key: value}
            continue
        ordered[key] = value
        if key.endswith("block.5.bias"):
            ordered |= waiting
    return ordered
