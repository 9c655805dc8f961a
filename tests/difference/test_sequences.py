"""Alignments of short sequences, compared with exhaustive search."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archc.difference import sequences
from archc.difference.sequences import Pairs, best_pairs, common_pairs

VALUES = st.lists(st.integers(0, 5), max_size=14)
SCORES = st.lists(st.integers(0, 9), min_size=36, max_size=36)


def optimum(a: list[int], b: list[int], scores: list[int]) -> int:
    """The highest total, by the plain recursion."""

    @cache
    def best(i: int, j: int) -> int:
        if not i or not j:
            return 0
        paired = best(i - 1, j - 1) + scores[6 * a[i - 1] + b[j - 1]]
        return max(paired, best(i - 1, j), best(i, j - 1))

    return best(len(a), len(b))


def rise(pairs: Pairs) -> bool:
    return all(one[0] < two[0] and one[1] < two[1] for one, two in pairwise(pairs))


@settings(deadline=None)
@given(VALUES, VALUES, SCORES, st.integers(1, 4))
def test_best_pairs_are_the_best(a: list[int], b: list[int], scores: list[int], band: int) -> None:
    """With bands from one diagonal beside the middle on: the middle alone may allow no path."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sequences, "FIRST_BAND", band)
        patched.setattr(sequences, "MOST_COMPARED", 36 * (band % 2))
        for value in range(6):  # as for layers: none scores more than with an equal one
            scores[7 * value] = 9
        pairs = best_pairs(a, b, lambda one, two: scores[6 * one + two])
    assert pairs is not None
    assert rise(pairs)
    assert all(scores[6 * a[i] + b[j]] > 0 for i, j in pairs)
    assert sum(scores[6 * a[i] + b[j]] for i, j in pairs) == optimum(a, b, scores)


@settings(deadline=None)
@given(VALUES, VALUES)
def test_common_pairs_are_a_longest_subsequence(a: list[int], b: list[int]) -> None:
    pairs = common_pairs(a, b)
    assert rise(pairs)
    assert all(a[i] == b[j] for i, j in pairs)
    alike = [int(one == two) for one in range(6) for two in range(6)]
    assert len(pairs) == optimum(a, b, alike)


def test_best_pairs_give_up_before_they_take_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequences, "MOST_CELLS", 100)
    values = list(range(60))
    assert best_pairs(values, values[30:] + values[:30], lambda one, two: int(one == two)) is None


def test_common_pairs_of_long_sequences() -> None:
    a = [index * index % 997 for index in range(10_000)]
    b = [value for index, value in enumerate(a) if index % 7]
    assert len(common_pairs(a, b)) == len(b)
