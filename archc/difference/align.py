"""Alignment of the layers of two networks.

The alignment keeps the order of both networks and pairs layers of the same op. It maximizes the sum
of the pairs' scores: for the op, for equal fields, for the enclosing blocks and sections, for a
name in the spec, and as tie-breakers for corresponding block instances and repetitions, and for
shapes. So an inserted layer is one unpaired layer, and renamed layers or sections stay paired.

Of several such alignments `slide` chooses one.

The time is that of `sequences.best_pairs`, linear in the layers for a fixed number of differences;
networks of thousands of layers that differ everywhere are first split at a longest common
subsequence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archc.difference.fields import changed_fields
from archc.difference.rows import Address, Row
from archc.difference.sequences import MOST_CELLS, Effort, Pairs, best_pairs, common_pairs
from archc.difference.slide import Side, slide_gaps
from archc.ops.fields import fields_of

MOST_ALIGNED = 4 * MOST_CELLS
"""Cells of all gaps between the layers of a longest common subsequence."""

# Scores of a pair, in units. Corresponding block instances count less than a unit in all pairs
# together, equal shapes less than that. Two pairs that agree only in the op score about as much as
# one pair of equal layers.
_OP = 12
_WEIGHTS = 2
_FIELDS = 8
_AROUND = 2
_NAME = 2


def align(a: Sequence[Row], b: Sequence[Row]) -> Pairs:
    """The pairs of corresponding positions, in ascending order."""
    comparison = _Comparison(a, b, {})
    pairs = _align(comparison)
    if len(pairs) < max(len(a), len(b)):
        # Once more, with the corresponding block instances now known.
        comparison = _Comparison(a, b, _partners(a, b, pairs, comparison))
        pairs = _align(comparison)
    return slide_gaps(pairs, Side(a, comparison.a), Side(b, comparison.b), comparison.structure)


def _partners(
    a: Sequence[Row], b: Sequence[Row], pairs: Pairs, comparison: _Comparison
) -> dict[Address, Address]:
    """The corresponding addresses (block instances, sections, repetitions), in the same order on
    both sides: those that share most layers."""
    numbers: dict[Address, int] = {}
    one, two = (
        list(dict.fromkeys(numbers.setdefault(row.address, len(numbers)) for row in side))
        for side in (a, b)
    )
    shared: dict[tuple[int, int], int] = {}
    for i, j in pairs:
        both = numbers[a[i].address], numbers[b[j].address]
        score = comparison.structure(comparison.a[i], comparison.b[j])
        shared[both] = shared.get(both, 0) + score
    matches = best_pairs(one, two, lambda x, y: shared.get((x, y), 0)) or []
    addresses = list(numbers)
    return {addresses[one[i]]: addresses[two[j]] for i, j in matches}


class _Comparison:
    """Scores of pairs of layers, which are identified by numbers: `a` and `b` hold those of the
    layers in order. Equal layers have the same number. `partners` maps corresponding addresses."""

    def __init__(
        self, a: Sequence[Row], b: Sequence[Row], partners: Mapping[Address, Address]
    ) -> None:
        self.rows: list[Row] = []
        self.positions: list[object] = []
        self.address_score = min(len(a), len(b)) + 1
        self.unit = self.address_score * self.address_score
        known: dict[tuple[object, ...], int] = {}
        self.a = [self._number(row, partners.get(row.address), known) for row in a]
        self.b = [self._number(row, row.address if partners else None, known) for row in b]

    def _number(self, row: Row, position: object, known: dict[tuple[object, ...], int]) -> int:
        key = (row.op, row.name, row.around, row.shapes, position)
        number = known.setdefault(key, len(known))
        if number == len(self.rows):
            self.rows.append(row)
            self.positions.append(position)
        return number

    def score(self, a: int, b: int) -> int:
        """The score of a pair; 0 for different ops."""
        one, two = self.rows[a], self.rows[b]
        if type(one.op) is not type(two.op):
            return 0
        score = self.structure(a, b) * self.unit
        if self.positions[a] == self.positions[b]:
            score += self.address_score
        return score + (one.shapes == two.shapes)

    def structure(self, a: int, b: int) -> int:
        """The score of two layers of one op in units, without address and shape."""
        one, two = self.rows[a], self.rows[b]
        fields = len(fields_of(type(one.op)))
        equal = fields - len(changed_fields(one.op, two.op))
        score = _OP + (_FIELDS * equal // fields if fields else _FIELDS)
        if one.has_weights and two.has_weights:
            score += _WEIGHTS
        if one.around == two.around:
            score += _AROUND
        elif one.around[-1:] == two.around[-1:]:
            score += _AROUND // 2
        if one.name == two.name:
            score += _NAME
        elif one.name is None or two.name is None:
            score += _NAME // 2
        return score


def _align(comparison: _Comparison) -> Pairs:
    """The pairs of the highest score. A common prefix and suffix is paired first, and ops that
    occur in one network only are excluded: neither can lower the score."""
    a, b = comparison.a, comparison.b
    shorter = min(len(a), len(b))
    begin = 0
    while begin < shorter and a[begin] == b[begin]:
        begin += 1
    end = 0
    while end < shorter - begin and a[-1 - end] == b[-1 - end]:
        end += 1
    ranges = range(begin, len(a) - end), range(begin, len(b) - end)
    kinds = [type(comparison.rows[number].op) for number in a]
    others = [type(comparison.rows[number].op) for number in b]
    shared = {kinds[i] for i in ranges[0]} & {others[j] for j in ranges[1]}
    left = [i for i in ranges[0] if kinds[i] in shared]
    right = [j for j in ranges[1] if others[j] in shared]
    matches = _best_alignment([a[i] for i in left], [b[j] for j in right], comparison)
    return [
        *((i, i) for i in range(begin)),
        *((left[i], right[j]) for i, j in matches),
        *zip(range(len(a) - end, len(a)), range(len(b) - end, len(b)), strict=True),
    ]


def _best_alignment(a: Sequence[int], b: Sequence[int], comparison: _Comparison) -> Pairs:
    """The pairs of the highest score; if that takes too long, equal layers are paired first, then
    the rest between them."""
    whole = best_pairs(a, b, comparison.score)
    if whole is not None:
        return whole
    pairs: Pairs = []
    last = (0, 0)
    effort = Effort(MOST_ALIGNED)
    for i, j in [*common_pairs(a, b), (len(a), len(b))]:
        gap = a[last[0] : i], b[last[1] : j]
        inner = best_pairs(*gap, comparison.score, effort)
        if inner is None:
            kinds: dict[type, int] = {}
            named = [
                [kinds.setdefault(type(comparison.rows[number].op), len(kinds)) for number in side]
                for side in gap
            ]
            inner = common_pairs(*named)
        pairs += [(last[0] + x, last[1] + y) for x, y in inner]
        if i < len(a) or j < len(b):
            pairs.append((i, j))
        last = (i + 1, j + 1)
    return pairs
