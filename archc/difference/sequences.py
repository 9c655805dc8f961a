"""Alignments of two sequences: pairs of positions, ascending on both sides.

`best_pairs` finds those of the highest score by dynamic programming in a band around the diagonal
(Ukkonen 1985, Algorithms for Approximate String Matching), widened until nothing outside it can be
better: time and memory grow with the length times the number of unpaired elements. `common_pairs`
finds a longest common subsequence with one machine word for 60 elements (Hyyro 2004, Bit-Parallel
LCS-length Computation Revisited): ten thousand by ten thousand elements take a tenth of a second.
Of longer sequences than that, equal elements are paired by their number of occurrences, which takes
O(n log n).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence

Pairs = list[tuple[int, int]]
Score = Callable[[int, int], int]

MOST_CELLS = 3_000_000
"""The largest number of cells of a band; one takes less than a microsecond."""
FIRST_BAND = 8
MOST_COMPARED = 250_000
MOST_BITS = 400_000_000
"""The largest product of two lengths whose longest common subsequence is searched for."""

_PAIRED, _LEFT_ALONE, _RIGHT_ALONE = 0, 1, 2


def best_pairs(
    a: Sequence[int], b: Sequence[int], score: Score, effort: Effort | None = None
) -> Pairs | None:
    """The pairs of the highest total score; only pairs with a positive score are used. None if that
    would take more than `MOST_CELLS` steps, or more than are left of `effort`."""
    if not a or not b:
        return []
    effort = effort or Effort(MOST_CELLS)
    if effort.cells <= 0:
        return None
    effort.cells -= min(len(set(a)) * len(set(b)), MOST_COMPARED)
    rows = _Scores(score, b)
    bounds = sorted(rows.highest(a))
    surplus = max(0, len(a) - len(b))
    width = FIRST_BAND
    while True:
        low, high = min(0, len(b) - len(a)) - width, max(0, len(b) - len(a)) + width
        whole = low <= -len(a) and high >= len(b)
        cells = min(len(a) * (high - low + 1), len(a) * (len(b) + 1))
        if cells > min(MOST_CELLS, effort.cells):
            return None
        effort.cells -= cells
        total, pairs = _align_in_band(a, b, rows, low, high)
        # An alignment outside the band leaves more than this many elements of `a` unpaired.
        if whole or total >= sum(bounds[surplus + width + 1 :]):
            return pairs
        width = 4 * width + 1


class _Scores:
    """Cached scores of values of `a` against values of `b`."""

    def __init__(self, score: Score, b: Sequence[int]) -> None:
        self.score = score
        self.b = b
        self.values = sorted(set(b))
        self.rows: dict[int, dict[int, int]] = {}

    def of(self, value: int) -> dict[int, int]:
        """The cached scores of a value, by the values of `b`."""
        return self.rows.setdefault(value, {})

    def highest(self, a: Sequence[int]) -> list[int]:
        """An upper bound of the score of each element of `a`; with too many values to compare them
        all, its score with an equal element."""
        if len(set(a)) * len(self.values) > MOST_COMPARED:
            return [self.score(value, value) for value in a]
        highest: dict[int, int] = {}
        for value in set(a):
            row = self.of(value)
            for other in self.values:
                row[other] = self.score(value, other)
            highest[value] = max(row.values())
        return [highest[value] for value in a]


def _align_in_band(
    a: Sequence[int], b: Sequence[int], scores: _Scores, low: int, high: int
) -> tuple[int, Pairs]:
    """The best alignment whose positions (i, j) keep `low <= j - i <= high`, and its score."""
    columns = len(b)
    score = scores.score
    above = [0] * (columns + 1)  # the best totals that end with the row above, by column
    moves: list[tuple[int, bytearray]] = []
    last_column = min(columns, max(0, high))
    for i, value in enumerate(a):
        begin, end = max(0, i + 1 + low), min(columns, i + 1 + high)
        row = scores.of(value)
        if last_column < end:
            last_column = end
            above[end] = -1  # the row above lies outside the band here
        here = bytearray(end - begin + 1)
        diagonal = above[begin - 1] if begin else 0
        best = -1 if begin else 0
        for j in range(max(1, begin), end + 1):
            other = b[j - 1]
            pair_score = row.get(other)
            if pair_score is None:
                pair_score = row[other] = score(value, other)
            up = above[j]
            move = _LEFT_ALONE
            total = up
            if best > total:
                total, move = best, _RIGHT_ALONE
            if pair_score > 0 and diagonal + pair_score >= total:
                total, move = diagonal + pair_score, _PAIRED
            diagonal = up
            above[j] = best = total
            here[j - begin] = move
        moves.append((begin, here))
    return above[columns], _backtrace(moves, columns)


def _backtrace(moves: Sequence[tuple[int, bytearray]], columns: int) -> Pairs:
    pairs: Pairs = []
    i, j = len(moves), columns
    while i and j:
        begin, here = moves[i - 1]
        move = here[j - begin]
        if move == _PAIRED:
            pairs.append((i - 1, j - 1))
            i -= 1
            j -= 1
        elif move == _LEFT_ALONE:
            i -= 1
        else:
            j -= 1
    pairs.reverse()
    return pairs


class Effort:
    """The cells that may still be computed in all alignments of two networks together."""

    def __init__(self, cells: int) -> None:
        self.cells = cells


def common_pairs(a: Sequence[int], b: Sequence[int]) -> Pairs:
    """The pairs of a longest common subsequence; of very long sequences, those of a long one."""
    if len(a) * len(b) > MOST_BITS:
        return max(_counted_pairs(a, b), _counted_from_end(a, b), key=len)
    masks: dict[int, int] = {}
    for j, value in enumerate(b):
        masks[value] = masks.get(value, 0) | 1 << j
    whole = (1 << len(b)) - 1
    # Bit j of a row is clear where the longest common subsequence grows by one with b[j].
    rows = [whole]
    for value in a:
        row = rows[-1]
        both = row & masks.get(value, 0)
        rows.append(((row + both) | (row - both)) & whole)
    pairs: Pairs = []
    i, j = len(a), len(b)
    while i and j:
        if rows[i] >> (j - 1) & 1:
            j -= 1
        elif not rows[i - 1] >> (j - 1) & 1:
            i -= 1
        else:
            i -= 1
            j -= 1
            pairs.append((i, j))
    pairs.reverse()
    return pairs


def _counted_pairs(a: Sequence[int], b: Sequence[int]) -> Pairs:
    """The pairs of a longest subsequence in which the n-th occurrence of a value is paired with the
    n-th one, by patience sorting."""
    positions: dict[tuple[int, int], int] = {}
    seen: dict[int, int] = {}
    for j, value in enumerate(b):
        seen[value] = seen.get(value, 0) + 1
        positions[value, seen[value]] = j
    seen = {}
    ends: list[int] = []  # the least end of a subsequence of each length
    best: list[int] = []  # the pair it ends with
    pairs: Pairs = []
    before: list[int] = []
    for i, value in enumerate(a):
        seen[value] = seen.get(value, 0) + 1
        j = positions.get((value, seen[value]), -1)
        if j < 0:
            continue
        length = bisect_left(ends, j)
        before.append(best[length - 1] if length else -1)
        ends[length : length + 1] = [j]
        best[length : length + 1] = [len(pairs)]
        pairs.append((i, j))
    chain: Pairs = []
    at = best[-1] if best else -1
    while at >= 0:
        chain.append(pairs[at])
        at = before[at]
    chain.reverse()
    return chain


def _counted_from_end(a: Sequence[int], b: Sequence[int]) -> Pairs:
    """The same with occurrences counted from the end."""
    pairs = _counted_pairs(a[::-1], b[::-1])
    return [(len(a) - 1 - i, len(b) - 1 - j) for i, j in reversed(pairs)]
