"""How Keras takes elements at the sides of a map."""

from __future__ import annotations

from collections.abc import Sequence

from archc.backends.base import LoweredLayer
from archc.backends.constructors import layer, per_axis
from archc.codegen.tree import Call, Lit, Ref

Pairs = Sequence[tuple[int, int]]
"""Elements at the begin and end of each spatial axis."""


def around(pairs: Pairs, field: str | None = None) -> Lit:
    """What the padding and cropping layers of Keras take, as short as it can be written."""
    if all(begin == end for begin, end in pairs):
        return per_axis([begin for begin, _ in pairs], field)
    return Lit(pairs[0] if len(pairs) == 1 else tuple(pairs), field)


def pairs_of(padding: Call) -> tuple[tuple[int, int], ...]:
    """The elements that a padding layer written by `margin_layers` adds."""
    assert isinstance(padding.function, Ref)
    rank = int(padding.function.name[-2])
    (amounts,) = padding.arguments
    assert isinstance(amounts, Lit)
    value = amounts.value
    if isinstance(value, int):
        return ((value, value),) * rank
    assert isinstance(value, tuple)
    entries = (value,) if rank == 1 else value
    pairs = []
    for entry in entries:
        begin, end = entry if isinstance(entry, tuple) else (entry, entry)
        assert isinstance(begin, int)
        assert isinstance(end, int)
        pairs.append((begin, end))
    return tuple(pairs)


def margin_layers(
    name: str, label: str, pairs: Pairs, field: str | None = None
) -> tuple[LoweredLayer, ...]:
    """`layers.ZeroPadding2D` or `layers.Cropping2D` by its name; none where all are zero."""
    if not any(map(any, pairs)):
        return ()
    return (LoweredLayer(layer(f"layers.{name}{len(pairs)}D", around(pairs, field)), label=label),)
