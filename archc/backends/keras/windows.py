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
    return lays_same_right(slides, x)


def lays_same_right(slides: Sequence[Slide], x: Axes) -> bool:
    """Whether the windows of `padding="same"` lie where they should on every processor. Along three
    axes TensorFlow puts them at an offset of its own if elements lie between them: in float64, and
    where it runs without oneDNN."""
    return len(slides) < 3 or all(
        (slide.output - 1) * slide.stride + slide.extent > size - 2
        for slide, size in zip(slides, x.spatial, strict=True)
    )
