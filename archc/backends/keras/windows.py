"""What sliding windows in Keras have in common."""

from __future__ import annotations

from collections.abc import Sequence

from archc.ops.axes import Axes
from archc.ops.sliding import Window


def matches_same(windows: Sequence[Window], x: Axes) -> bool:
    """Whether `padding="same"` of Keras lays the windows over `x` just so."""
    for window, size in zip(windows, x.spatial, strict=True):
        output = -(-size // window.stride)
        total = max((output - 1) * window.stride + window.extent - size, 0)
        if window.output != output or window.begin != total // 2:
            return False
    return lays_same_right(windows, x)


def lays_same_right(windows: Sequence[Window], x: Axes) -> bool:
    """Whether the windows of `padding="same"` lie where they should on every processor. Along three
    axes TensorFlow puts them at an offset of its own if elements lie between them: in float64, and
    where it runs without oneDNN."""
    return len(windows) < 3 or all(
        (window.output - 1) * window.stride + window.extent > size - 2
        for window, size in zip(windows, x.spatial, strict=True)
    )


def is_causal(windows: Sequence[Window]) -> bool:
    """Whether `padding="causal"` of Keras, which it has in 1-D, lays the windows just so: each ends
    at its own position."""
    if len(windows) > 1:
        return False
    (window,) = windows
    return window.begin == window.extent - 1 > 0 == window.end
