"""Views of images: which part is taken, and the size it is resized to."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

Size: TypeAlias = "int | tuple[int, int]"


class View(NamedTuple):
    """A part of an upright image, (left, top, right, bottom) in its pixels, and the height and
    width that it is resized to."""

    box: tuple[float, float, float, float]
    size: tuple[int, int]


def evaluation_view(height: int, width: int, resize: Size | None) -> View:
    """An image resized by the recipe. To one number: the shorter side, and then the square in the
    middle is kept."""
    if not isinstance(resize, int):
        return View((0.0, 0.0, float(width), float(height)), resize or (height, width))
    side = min(height, width)
    left, top = (width - side) / 2, (height - side) / 2
    return View((left, top, left + side, top + side), (resize, resize))
