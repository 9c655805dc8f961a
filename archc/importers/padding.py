"""Sizes and padding of windows as a spec has them."""

from __future__ import annotations

from archc.ops.fields import Amounts

Pairs = tuple[tuple[int, int], ...]


def compact(sizes: tuple[int, ...]) -> int | tuple[int, ...]:
    """One number for all axes where they are equal."""
    return sizes[0] if len(set(sizes)) == 1 else sizes


def padding_of(pairs: Pairs) -> str | Amounts:
    """Padding as a spec has it: `valid`, one number, one for each axis, or one for each side."""
    if not any(map(any, pairs)):
        return "valid"
    if all(begin == end for begin, end in pairs):
        return compact(tuple(begin for begin, _ in pairs))
    return pairs
