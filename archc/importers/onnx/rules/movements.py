"""Operations of ONNX that only move elements, one after the other, as one op of archc."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

from archc.backends.fusion import move_of
from archc.backends.movement import Move, composed, reshaped, transposed
from archc.importers.onnx.rules.drafts import (
    Context,
    Draft,
    RefusedError,
    check_attributes,
    is_op,
    only_term,
    operand,
    shape_of,
)
from archc.importers.onnx.terms import Term
from archc.ops.arrangement import DepthToSpace, SpaceToDepth, ToMap, ToTokens
from archc.ops.axes import MAP_AXES, Axes
from archc.ops.base import Op, ShapeError
from archc.ops.pooling import GlobalAvgPool, GlobalMaxPool
from archc.ops.shape import ChannelShuffle, Flatten, Permute, Reshape

VIEWS = ("Reshape", "Flatten", "Squeeze", "Unsqueeze")
LONGEST = 6
"""Movements that are one op, at most."""


def moved(term: Term, context: Context) -> Draft | None:
    """Movements in a row as one op: tokens of a map's positions, channels that are shuffled, blocks
    of space as channels. As many of them as are one."""
    for x, moves in reversed(list(_chains(term))):
        if x not in context.axes:
            continue
        together = composed(moves)
        if len(together) != 1:
            continue
        (move,) = together
        if move.movement.is_identity:
            own = context.axes[x]
            is_kept = len(own.sizes) != 2 or own.is_map == (term in context.maps)
            if move.sizes == own.sizes and len(moves) > 1 and is_kept:
                return Draft(None, (x,))
            continue
        for op in _candidates(context.axes[x], move, term in context.maps):
            try:
                output = op.infer((context.axes[x],))
            except ShapeError:
                continue
            if _movement(op, context.axes[x], output) == move:
                return Draft(op, (x,))
    return None


def _chains(term: Term) -> Iterator[tuple[Term, list[Move]]]:
    """What movements that end in a term start from, the last one alone first, with what each of
    them does to the elements of a sample."""
    batch = shape_of(term)[0]
    moves: list[Move] = []
    one = term
    while is_op(one, "Transpose", *VIEWS) and len(moves) < LONGEST:
        x = operand(one, 0)
        if not isinstance(x, Term) or x.shape is None or x.shape[0] != batch:
            return
        move = _move(one, x.shape)
        if move is None:
            return
        moves.insert(0, move)
        yield x, list(moves)
        one = x


def _move(term: Term, before: tuple[int, ...]) -> Move | None:
    """What an operation does to the elements of a sample; None where it mixes samples."""
    if term.op != "Transpose":
        return reshaped(shape_of(term)[1:])
    order = _order(term, before)
    return transposed(before[1:], [axis - 1 for axis in order[1:]]) if order[0] == 0 else None


def _order(term: Term, before: tuple[int, ...]) -> list[int]:
    order: list[int] = term.attributes.get("perm", list(range(len(before)))[::-1])
    return order


def _movement(op: Op, x: Axes, output: Axes) -> Move:
    """How an op moves the elements of a sample."""
    if not isinstance(op, ChannelShuffle):
        return move_of(op, x, output)
    split = (op.groups, x.width // op.groups, *x.spatial)
    swapped = transposed(split, (1, 0, *range(2, len(split))))
    return Move(swapped.movement, output.sizes)


def _candidates(x: Axes, move: Move, is_map: bool) -> Iterator[Op]:
    """The ops that may be a movement, those that say most first."""
    rank = len(move.sizes)
    if x.is_map and rank == 2:
        if not (is_map and len(x.sizes) == 2):
            yield ToTokens()
    elif x.is_map and rank > 2:
        rows = x.spatial[0] // move.sizes[1]
        columns = move.sizes[1] // x.spatial[0]
        yield from (SpaceToDepth(block_size=one) for one in (rows,) if one > 1)
        yield from (DepthToSpace(block_size=one) for one in (columns,) if one > 1)
        if move.sizes == x.sizes:
            split = move.movement.split
            yield ChannelShuffle(groups=split[0])
    if x.is_sequence and 2 <= rank <= len(MAP_AXES) + 1 and (is_map or rank > 2):
        sizes = dict(zip(MAP_AXES[rank - 1][1:], move.sizes[1:], strict=True))
        yield ToMap(**sizes) if rank > 2 else ToMap()
    if rank == len(x.sizes) and sorted(x.sizes) == sorted(move.sizes):
        yield from (
            Permute(order=tuple(x.names[axis] for axis in order)) for order in _orders(x, move)
        )


def _orders(x: Axes, move: Move) -> Iterator[tuple[int, ...]]:
    """The orders of axes that are a movement."""
    for order in permutations(range(len(x.sizes))):
        if transposed(x.sizes, order) == move:
            yield order


def view(term: Term, context: Context) -> Draft:
    """Reshape, Flatten, Squeeze and Unsqueeze: the same elements, row by row. Identity, where it
    makes a map a sequence of as many tokens, or the other way round."""
    x = only_term(term)
    before, after = shape_of(x), shape_of(term)
    is_changed = len(after) == 3 and context.is_sequence(x) == (term in context.maps)
    if before == after and not is_changed:
        return Draft(None, (x,))
    if before[0] != after[0]:
        raise RefusedError(f"{term.op} of {list(before)} to {list(after)}, which mixes samples")
    if len(after) == 2:
        pooled = context.drafts.get(x)
        if (
            pooled is not None
            and isinstance(pooled.op, GlobalAvgPool | GlobalMaxPool)
            and not context.is_sequence(pooled.inputs[0])
        ):
            return Draft(type(pooled.op)(), pooled.inputs)
        return Draft(Flatten(), (x,))
    if len(after) == 3 and term not in context.maps:
        return Draft(Reshape(tokens=after[1], features=after[2]), (x,))
    if len(after) in (3, 4, 5):
        sizes = dict(zip(MAP_AXES[len(after) - 2], after[1:], strict=True))
        return Draft(Reshape(**sizes), (x,))
    raise RefusedError(f"{term.op} of {list(before)} to {list(after)}")


def transpose(term: Term, context: Context) -> Draft:
    """Transpose, which no pattern has as part of another op."""
    check_attributes(term, "perm")
    x = only_term(term)
    shape = shape_of(x)
    order = _order(term, shape)
    if order == sorted(order):
        return Draft(None, (x,))
    axes = context.axes.get(x)
    if order[0] != 0 or axes is None or len(axes.sizes) != len(shape) - 1:
        raise RefusedError(f"Transpose of {list(shape)} in the order {order}")
    return Draft(Permute(order=tuple(axes.names[axis - 1] for axis in order[1:])), (x,))


def depth_to_space(term: Term, context: Context) -> Draft:
    """DepthToSpace with the channels of a block side by side."""
    check_attributes(term, "blocksize", mode="CRD")
    if term.attributes.get("mode", "DCR") != "CRD":
        raise RefusedError("DepthToSpace with the mode DCR")
    return Draft(DepthToSpace(block_size=term.attributes["blocksize"]), (only_term(term),))
