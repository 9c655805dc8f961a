"""Layouts: how a framework keeps what has a canonical order of its axes."""

from __future__ import annotations

from typing import Any, NamedTuple


class Layout(NamedTuple):
    """How a framework keeps an array of the shape `canonical`: viewed as `split`, the positions of
    its first axis in the order `order` (if any), with its axes in the order `axes`, reshaped to
    `kept`."""

    canonical: tuple[int, ...]
    split: tuple[int, ...]
    axes: tuple[int, ...]
    kept: tuple[int, ...]
    order: tuple[int, ...] = ()


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
    split = array.reshape(head + layout.split)
    if layout.order:
        split = split.take(layout.order, axis=batch)
    return split.transpose(order).reshape(head + layout.kept)


def to_canonical(array: Any, layout: Layout, batch: int = 0) -> Any:
    """An array of a framework in canonical layout. The first `batch` axes stay as they are."""
    head = array.shape[:batch]
    moved = tuple(layout.split[axis] for axis in layout.axes)
    back = sorted(range(len(layout.axes)), key=layout.axes.__getitem__)
    order = (*range(batch), *(batch + axis for axis in back))
    split = array.reshape(head + moved).transpose(order)
    if layout.order:
        split = split.take(sorted(layout.order, key=layout.order.__getitem__), axis=batch)
    return split.reshape(head + layout.canonical)
