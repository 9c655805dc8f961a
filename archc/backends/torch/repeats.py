"""Equal layers in a row, written once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from archc.backends.blocks.symbols import concrete
from archc.codegen.rewrite import unify, walk
from archc.codegen.tree import (
    Binary,
    Call,
    Commented,
    Expr,
    Generator,
    Lit,
    Ref,
    Starred,
    call,
)

FEWEST_REPEATED = 3
"""Blocks in a row from which on they are written as one repeated line."""

INDEX = Ref("i")


class Entry(NamedTuple):
    """A layer of an `nn.Sequential`, and the name it has there if any."""

    layer: Expr
    name: str
    named: bool
    comment: str | None


def repeated(entries: Sequence[Entry]) -> Iterator[Expr]:
    """The layers of a sequence: three or more blocks in a row that are equal, or whose arguments
    run along, as one repeated line."""
    position = 0
    while position < len(entries):
        count, loop = _run(entries, position)
        last = entries[position + count - 1]
        if loop is None:
            yield Commented(last.layer, last.comment) if last.comment else last.layer
        else:
            yield Commented(Starred(loop), last.comment) if last.comment else Starred(loop)
        position += count


def _run(entries: Sequence[Entry], start: int) -> tuple[int, Expr | None]:
    """How many entries one repeated line makes, from `start` on, and that line."""
    first = entries[start].layer
    most = len(entries) - start
    if not isinstance(first, Call) or not isinstance(first.function, Ref):
        return 1, None
    if any(node == INDEX for node in walk(first)):
        return 1, None
    if "." in first.function.name or most < FEWEST_REPEATED:
        return 1, None
    count = 2
    element = running([one.layer for one in entries[start : start + count]])
    while element is not None and count < most:
        if element_at(element, count) != element_at(entries[start + count].layer, 0):
            break
        count += 1
    if element is None or count < FEWEST_REPEATED:
        return 1, None
    variable = "i" if any(node == INDEX for node in walk(element)) else "_"
    return count, Generator(element, variable, call("range", count))


def running(layers: Sequence[Expr]) -> Expr | None:
    """Two layers as one, its whole numbers that differ counted on from the first by `i`."""

    def resolve(literals: tuple[Lit, ...]) -> Expr | None:
        a, b = (literal.value for literal in literals)
        if not isinstance(a, int) or not isinstance(b, int) or isinstance(a, bool):
            return None
        step = b - a
        scaled = INDEX if abs(step) == 1 else Binary("*", Lit(abs(step)), INDEX)
        if a == 0 and step > 0:
            return scaled
        return Binary("+" if step > 0 else "-", Lit(a), scaled)

    return unify(layers, resolve)


def element_at(element: Expr, index: int) -> Expr:
    """One element of a repeated line, computed."""
    return concrete(element, {INDEX: index})
