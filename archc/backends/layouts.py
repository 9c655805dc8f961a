"""Layouts: how a framework keeps what has a canonical order of its axes."""

from __future__ import annotations

from typing import Any, NamedTuple


class Layout(NamedTuple):
    """How a framework keeps an array of the shape `canonical`: viewed as `split`, with its axes in
    the order `axes`, reshaped to `kept`."""

    canonical: tuple[int, ...]
    split: tuple[int, ...]
    axes: tuple[int, ...]
    kept: tuple[int, ...]


def unchanged(sizes: tuple[int, ...]) -> Layout:
    """The canonical layout itself."""
    return Layout(sizes, sizes, tuple(range(len(sizes))), sizes)


def transposed(sizes: tuple[int, ...], axes: tuple[int, ...]) -> Layout:
    """The axes in another order."""
    return Layout(sizes, sizes, axes, tuple(sizes[axis] for axis in axes))


def to_framework(array: Any, layout: Layout, batch: int = 0) -> Any:
    """A canonical array as the framework keeps it. The first `batch` axes stay as they are."""
    head = array.shape[:batch]
    order = (*range(batch), *(batch + axis for axis in layout.axes))
    return array.reshape(head + layout.split).transpose(order).reshape(head + layout.kept)


def to_canonical(array: Any, layout: Layout, batch: int = 0) -> Any:
    """An array of a framework in canonical layout. The first `batch` axes stay as they are."""
    head = array.shape[:batch]
    moved = tuple(layout.split[axis] for axis in layout.axes)
    back = sorted(range(len(layout.axes)), key=layout.axes.__getitem__)
    order = (*range(batch), *(batch + axis for axis in back))
    return array.reshape(head + moved).transpose(order).reshape(head + layout.canonical)
