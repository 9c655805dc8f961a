"""Movements of elements against NumPy: composed, and written as steps."""

from __future__ import annotations

from itertools import permutations
from math import prod
from random import Random

import pytest

from archc.backends.movement import (
    Move,
    Movement,
    Transpose,
    View,
    composed,
    reshaped,
    steps,
    then,
    transposed,
)

np = pytest.importorskip("numpy")


def random_sizes(random: Random, elements: int) -> tuple[int, ...]:
    """Up to four sizes of so many elements."""
    sizes = []
    for _ in range(random.randrange(4)):
        size = random.choice([n for n in range(1, elements + 1) if elements % n == 0])
        sizes.append(size)
        elements //= size
    return (*sizes, elements)


def random_moves(
    random: Random, sizes: tuple[int, ...]
) -> list[tuple[Move, tuple[int, ...] | None]]:
    """Reshapes and permutations in a row, a permutation with its order."""
    moves: list[tuple[Move, tuple[int, ...] | None]] = []
    for _ in range(random.randrange(1, 5)):
        order = None
        if random.random() < 0.5:
            move = reshaped(random_sizes(random, prod(sizes)))
        else:
            order = tuple(random.sample(range(len(sizes)), len(sizes)))
            move = transposed(sizes, order)
        moves.append((move, order))
        sizes = move.sizes
    return moves


@pytest.mark.parametrize("seed", range(400))
def test_steps_move_as_the_chain_does(seed: int) -> None:
    random = Random(seed)
    sizes = random_sizes(random, random.choice([1, 12, 24, 36, 64, 72]))
    moves = random_moves(random, sizes)
    array = np.arange(prod(sizes)).reshape(sizes)
    expected = array
    for move, order in moves:
        expected = expected.reshape(move.sizes) if order is None else expected.transpose(order)
        assert expected.shape == move.sizes
    written = steps(sizes, [move for move, _ in moves])
    result = array
    for step in written:
        changed = (
            result.reshape(step.sizes) if isinstance(step, View) else result.transpose(step.order)
        )
        assert changed.shape != result.shape or (changed != result).any(), "a step does nothing"
        result = changed
    assert result.shape == expected.shape
    assert (result == expected).all()
    joined = composed(move for move, _ in moves)
    assert len(written) <= 2 * len(joined) + 1
    if len(joined) == 1:
        assert (
            joined[0].movement.is_identity == (expected.reshape(-1) == np.arange(prod(sizes))).all()
        )


@pytest.mark.parametrize("seed", range(200))
def test_composition_is_refused_only_where_no_movement_is_both(seed: int) -> None:
    """Every movement of few axes is tried instead of one that was not found."""
    random = Random(seed)
    elements = random.choice([12, 24, 36])
    sizes = random_sizes(random, elements)
    first = transposed(sizes, random.sample(range(len(sizes)), len(sizes)))
    between = random_sizes(random, elements)
    second = transposed(between, random.sample(range(len(between)), len(between)))
    array = np.arange(elements)
    expected = apply(second.movement, apply(first.movement, array))
    both = then(first.movement, second.movement)
    if both is not None:
        assert (apply(both, array) == expected).all()
        return
    for split in factorizations(elements):
        for order in permutations(range(len(split))):
            assert (apply(Movement(split, order), array) != expected).any()


def apply(movement: Movement, array: object) -> object:
    return np.reshape(array, movement.split).transpose(movement.order).reshape(-1)


def factorizations(elements: int) -> list[tuple[int, ...]]:
    """All ordered products of numbers above one."""
    if elements == 1:
        return [()]
    return [
        (size, *rest)
        for size in range(2, elements + 1)
        if elements % size == 0
        for rest in factorizations(elements // size)
    ]


def test_a_map_to_tokens_and_back() -> None:
    tokens = [reshaped((768, 196)), transposed((768, 196), (1, 0))]
    assert steps((768, 14, 14), tokens) == [View((768, 196)), Transpose((1, 0))]
    back = [transposed((196, 768), (1, 0)), reshaped((768, 14, 14))]
    assert steps((196, 768), back) == [Transpose((1, 0)), View((768, 14, 14))]
    assert steps((768, 14, 14), [*tokens, *back]) == []


def test_axes_that_do_not_fit_together_are_two_movements() -> None:
    moves = [transposed((4, 6), (1, 0)), transposed((12, 2), (1, 0))]
    assert then(moves[0].movement, moves[1].movement) is not None
    moves = [transposed((4, 6), (1, 0)), transposed((4, 6), (1, 0))]
    assert then(moves[0].movement, moves[1].movement) is None
    written = [Transpose((1, 0)), View((4, 6)), Transpose((1, 0))]
    assert steps((4, 6), [moves[0], reshaped((4, 6)), moves[1]]) == written
