"""Layers of an `nn.Sequential` by the names that a spec gives them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from archc.backends.blocks.series import run
from archc.backends.torch.construction import commented
from archc.backends.torch.repeats import INDEX, Entry, is_block
from archc.codegen.rewrite import children, walk
from archc.codegen.tree import (
    Binary,
    Call,
    Expr,
    FString,
    Generator,
    Keyword,
    ListOf,
    Lit,
    Ref,
    Starred,
    TupleOf,
    call,
)
from archc.language.names import attribute_name

_NUMBER = re.compile("(0|[1-9][0-9]*)(?![0-9])")


def by_name(entries: Sequence[Entry]) -> Expr:
    """The layers with their names as an `OrderedDict`: by keywords, or as pairs where a name has a
    hyphen or three or more blocks in a row make one repeated pair."""
    rows = list(_rows(entries))
    plain = all(entry.name == attribute_name(entry.name) for entry in entries)
    if plain and all(pair is None for _, pair in rows):
        words = (Keyword(one.name, commented(one.layer, one.comment)) for one in entries)
        return Call(Ref("OrderedDict"), (), tuple(words))
    if len(rows) == 1 and rows[0][1] is not None:
        return commented(call("OrderedDict", rows[0][1]), entries[-1].comment)
    items: list[Expr] = []
    for together, pair in rows:
        first, last = together[0], together[-1]
        item = TupleOf((Lit(first.name), first.layer)) if pair is None else Starred(pair)
        items.append(item if len(rows) == 1 else commented(item, last.comment))
    members = call("OrderedDict", ListOf(tuple(items)))
    return commented(members, entries[0].comment) if len(rows) == 1 else members


def _rows(entries: Sequence[Entry]) -> Iterator[tuple[Sequence[Entry], Generator | None]]:
    """The entries one by one, and three or more blocks in a row, in whose names a number runs
    along, together, with the pair that stands for them; a repetition with its own."""
    pairs = [TupleOf((_numbered(entry.name), entry.layer)) for entry in entries]
    position = 0
    while position < len(entries):
        layer = entries[position].layer
        if isinstance(layer, Starred) and isinstance(layer.value, Generator):
            yield entries[position : position + 1], layer.value
            position += 1
            continue
        found = run(pairs, position, INDEX) if is_block(layer) else None
        count, pair = found or (1, None)
        yield entries[position : position + count], None if pair is None else _loop(pair, count)
        position += count


def _loop(pair: Expr, count: int) -> Generator:
    """A generator of pairs. It counts from 0, or from the number in the first name where nothing
    else depends on the position: `range(1, 6)` rather than `i + 1`."""
    name, layer = children(pair)
    assert isinstance(name, FString)
    parts = [*_parts(name)]
    match [part for part in parts if not isinstance(part, str)]:
        case [Binary("+", _, Lit(int(first)))] if INDEX not in walk(layer):
            parts = [part if isinstance(part, str) else INDEX for part in parts]
            bounds: tuple[int, ...] = (first, first + count)
        case _:
            bounds = (count,)
    return Generator(TupleOf((FString(tuple(parts)), layer)), INDEX.name, call("range", *bounds))


def _numbered(name: str) -> FString:
    """A name with its numbers as literals."""
    parts = _NUMBER.split(name)
    return FString(
        tuple(Lit(int(part)) if at % 2 else part for at, part in enumerate(parts) if part)
    )


def _parts(name: FString) -> Iterator[str | Expr]:
    """The parts of a name: a number that stays is text, and one that runs along is `i + 1`."""
    for part in name.parts:
        if isinstance(part, Lit):
            yield str(part.value)
        elif isinstance(part, Binary) and part.operator == "+" and part.right == INDEX:
            yield Binary("+", INDEX, part.left)
        else:
            yield part
