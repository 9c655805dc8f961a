"""Equal layers in a row, written once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from archc.backends.blocks.items import Turns
from archc.backends.blocks.series import run
from archc.codegen.rewrite import walk
from archc.codegen.tree import (
    Call,
    Commented,
    Expr,
    Generator,
    Ref,
    Starred,
    call,
)

INDEX = Ref("i")


class Entry(NamedTuple):
    """A layer of an `nn.Sequential`, the name it has there if any, when it is there, and the
    repetition that it is a turn of."""

    layer: Expr
    name: str
    named: bool
    comment: str | None
    condition: Expr | None = None
    turns: Turns | None = None


def repeated(entries: Sequence[Entry]) -> Iterator[Expr]:
    """The layers of a sequence: three or more blocks in a row that are equal, or whose arguments
    run along, as one repeated line."""
    layers = [entry.layer for entry in entries]
    position = 0
    while position < len(entries):
        count, loop = _run(layers, position)
        last = entries[position + count - 1]
        if loop is None:
            yield Commented(last.layer, last.comment) if last.comment else last.layer
        else:
            yield Commented(Starred(loop), last.comment) if last.comment else Starred(loop)
        position += count


def _run(layers: Sequence[Expr], start: int) -> tuple[int, Expr | None]:
    """How many layers one repeated line makes, from `start` on, and that line."""
    found = run(layers, start, INDEX) if is_block(layers[start]) else None
    if found is None:
        return 1, None
    count, element = found
    variable = "i" if any(node == INDEX for node in walk(element)) else "_"
    return count, Generator(element, variable, call("range", count))


def is_block(layer: Expr) -> bool:
    """Whether a layer is an instance of a class of the module itself."""
    return (
        isinstance(layer, Call)
        and isinstance(layer.function, Ref)
        and "." not in layer.function.name
    )
