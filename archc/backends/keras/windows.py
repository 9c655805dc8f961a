"""What sliding windows in Keras have in common."""

from __future__ import annotations

from collections.abc import Sequence

from archc.ops.axes import Axes
from archc.ops.sliding import Slide


def matches_same(slides: Sequence[Slide], x: Axes) -> bool:
    """Whether `padding="same"` of Keras lays the windows over `x` just so."""
    for slide, size in zip(slides, x.spatial, strict=True):
        output = -(-size // slide.stride)
        total = max((output - 1) * slide.stride + slide.extent - size, 0)
        if slide.output != output or slide.begin != total // 2:
            return False
    return True
