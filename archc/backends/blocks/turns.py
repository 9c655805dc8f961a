"""Repetitions of a block that run more often in some instances of what is around them than in
others: a loop that runs as often as an argument says."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import groupby

from archc.backends.blocks.align import Row
from archc.backends.blocks.context import MismatchError, UnifyContext
from archc.backends.blocks.flow import Flow
from archc.backends.blocks.items import Item, LoweredOp, LoweredOptional, LoweredScope, Turns
from archc.backends.blocks.names import step_names
from archc.backends.blocks.symbols import plus, same, total
from archc.backends.blocks.trees import WidthOf, translations
from archc.codegen.tree import Binary, Expr, Lit
from archc.ir.graph import Node, Region
from archc.ops.merge import Concat

Gathered = list[tuple[Turns, Mapping[int, int]]]
"""The repetitions of a definition, with how many turns each instance has."""

FEWEST_TURNS = 2
"""Turns in the instance with the most: a single one has no number in its name."""


def end_of_turns(rows: Sequence[Row], start: int) -> int:
    """Where the rows of a block's repetition end that begins at `start`; `start` if none does."""
    first = rows[start].first
    if not isinstance(first, Region) or first.kind != "block" or first.origin.when is not None:
        return start
    end = start
    while end < len(rows):
        origin = rows[end].first.origin
        is_turn = origin.step == first.origin.step and bool(origin.iteration)
        if not is_turn or origin.iteration != (*first.origin.iteration[:-1], end - start):
            break
        end += 1
    return end


def first_alike(scopes: Sequence[LoweredScope]) -> int:
    """The first of the turns that are called alike, each on the result of the one before."""
    start = len(scopes) - 1
    while start:
        before, after = scopes[start - 1], scopes[start]
        others = [*after.region.inputs.values()]
        goes_on = after.region.input == before.region.output
        if before.call != after.call or not goes_on or before.region.output in others:
            break
        if [*before.region.inputs.values()] != others:
            break
        start -= 1
    return start


def total_of(
    context: UnifyContext, first: LoweredScope, counts: Mapping[int, int], width: WidthOf
) -> Expr:
    """How often a repetition runs in each instance: as the spec says it, or an argument of its
    own."""
    present, values = list(counts), [*counts.values()]
    written = first.region.origin.count
    if written is not None:
        for symbol in translations(context, written, first.region.input, width):
            if not isinstance(symbol, Lit) and same(context.evaluate(symbol, present), values):
                return symbol
    column = [counts.get(index, 0) for index in range(len(context.regions))]
    return context.add_fresh("depth", [*column])


def gathered_inputs(
    gathered: Gathered, nodes: Mapping[int, Node], flows: Sequence[Flow]
) -> tuple[list[dict[int, int]], Turns, int]:
    """What a concatenation of all turns takes in each instance, by its inputs in the one with the
    most; the repetition, and where its first turn stands. Raises MismatchError."""
    longest = max(nodes, key=lambda index: len(nodes[index].inputs))
    for turns, counts in gathered:
        whole = nodes[longest].inputs
        start = run_in(whole, [flows[longest].own.get(one, -1) for one in turns.outputs])
        if start is None or any(
            not _takes_all(node, start, turns, counts[index], flows[index], len(whole))
            for index, node in nodes.items()
        ):
            continue
        end = start + len(turns.outputs)
        columns: list[dict[int, int]] = []
        for position in range(len(whole)):
            from_end = position - len(whole) if position >= end else position
            columns.append(
                {
                    index: node.inputs[from_end]
                    for index, node in nodes.items()
                    if not start <= position < end or position - start < counts[index] - turns.start
                }
            )
        return columns, turns, start
    raise MismatchError


def _takes_all(node: Node, start: int, turns: Turns, count: int, flow: Flow, longest: int) -> bool:
    """Whether a node takes the values of all turns that its instance has, and as much besides as
    the longest does."""
    there = turns.outputs[: count - turns.start]
    own = tuple(flow.own[one] for one in there)
    lacking = len(turns.outputs) - len(there)
    return len(node.inputs) == longest - lacking and node.inputs[start : start + len(own)] == own


def run_in(values: Sequence[int], run: Sequence[int]) -> int | None:
    """Where some values stand in a row among others."""
    starts = range(len(values) - len(run) + 1)
    return next((at for at in starts if list(values[at : at + len(run)]) == list(run)), None)


def gathered_width(widths: Sequence[Expr | None], turns: Turns, start: int) -> Expr | None:
    """The width of a concatenation of all turns: `(depth + 2) * width`, or a sum."""
    end = start + len(turns.outputs)
    each = widths[start]
    if each is None or any(width != each for width in widths[start:end]):
        return None
    others = [*widths[:start], *widths[end:]]
    if not others:
        return Binary("*", turns.count, each)
    match total(others):
        case None:
            return None
        case Binary("*", Lit(value=int(count)), width) if width == each:
            return Binary("*", plus(turns.count, count), each)
        case width if width == each:
            return Binary("*", plus(turns.count, 1), each)
        case width:
            return Binary("+", width, Binary("*", turns.count, each))


def repetitions(items: Sequence[Item]) -> Iterator[tuple[Turns | None, list[Item]]]:
    """Some items in order, those of one repetition together."""
    for turns, together in groupby(items, turns_of):
        if turns is None:
            yield from ((None, [item]) for item in together)
        else:
            yield turns, list(together)


def turns_of(item: Item) -> Turns | None:
    """The repetition that an item is a turn of."""
    return item.turns if isinstance(item, LoweredScope) else None


def gathering(items: Sequence[Item], turns: Turns) -> list[LoweredOp]:
    """The concatenations of the values of all turns among some items."""
    return [
        item
        for item in items
        if isinstance(item, LoweredOp)
        and isinstance(item.node.op, Concat)
        and run_in(item.node.inputs, turns.outputs) is not None
        and len(turns.outputs) > 1
    ]


def require_loops(items: Sequence[Item], returned: Collection[int]) -> None:
    """Raise MismatchError where a repetition cannot be a loop: the value of one of its turns is
    used by others than the next turn and a concatenation of all of them, or the turns have names
    that do not count on."""
    takers = list(_takers(items))
    names = step_names(items)
    for beside, turns, scopes in _loops(items):
        if not _count_on([names[one.region.path] for one in scopes]):
            raise MismatchError
        inner = {*turns.outputs[:-1]}
        own = {id(scope) for scope in scopes}
        merges = {id(op) for op in gathering(beside, turns)}
        for taker, taken in takers:
            allowed = taken[1:] if id(taker) in own else taken
            if id(taker) not in merges and not inner.isdisjoint(allowed):
                raise MismatchError
        if not inner.isdisjoint(returned):
            raise MismatchError


def _count_on(names: Sequence[str]) -> bool:
    """Whether the numbers that some names end in follow each other: `m_1`, `m_2`."""
    stem = names[0].rstrip("0123456789")
    number = names[0][len(stem) :]
    counted = [f"{stem}{int(number or 0) + position}" for position in range(len(names))]
    return bool(number) and list(names) == counted


def _loops(
    items: Sequence[Item],
) -> Iterator[tuple[Sequence[Item], Turns, list[LoweredScope]]]:
    """Every repetition in some items, with the items beside it."""
    for turns, together in repetitions(items):
        if turns is not None:
            yield items, turns, [one for one in together if isinstance(one, LoweredScope)]
        for item in together:
            if not isinstance(item, LoweredOp):
                yield from _loops(item.items)


def _takers(items: Sequence[Item]) -> Iterator[tuple[Item, tuple[int, ...]]]:
    """The ops and block instances in some items, with what they take, and the values that stand
    for optional ones."""
    for item in items:
        if isinstance(item, LoweredOp):
            yield item, item.node.inputs
        elif isinstance(item, LoweredOptional):
            yield item, (item.source,)
            yield from _takers(item.items)
        elif item.call is not None:
            yield item, item.region.entering
        else:
            yield from _takers(item.items)
