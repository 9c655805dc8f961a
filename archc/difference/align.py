"""Which layer of one network is the counterpart of which layer of another.

The alignment keeps the order of both and pairs layers of one op. It has the highest sum of what its
pairs score: for the op itself, for the fields that agree, for the blocks and sections around it,
for a name that the spec gives, and, where all else is equal, for standing in block instances and
repetitions that correspond, and for shapes. So one layer more is one layer alone, wherever it
stands, and other names or sections part nothing.

Of several such alignments `slide` chooses one.

Time is that of `sequences.best_pairs`, linear in the layers for a number of differences; networks
of thousands of layers that differ throughout are first cut at a longest common subsequence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archc.difference.fields import changed_fields
from archc.difference.rows import Address, Row
from archc.difference.sequences import Pairs, best_pairs, common_pairs
from archc.difference.slide import Side, slid
from archc.ops.fields import fields_of

# What a pair scores, in units. Standing in block instances that correspond counts less than a unit
# in all pairs together, equal shapes less than that. Two pairs that agree in nothing but the op
# score about as much as one of layers that are alike.
_OP = 12
_WEIGHTS = 2
_FIELDS = 8
_AROUND = 2
_NAME = 2


def align(a: Sequence[Row], b: Sequence[Row]) -> Pairs:
    """The pairs of positions that correspond, rising on both sides."""
    comparison = _Comparison(a, b, {})
    pairs = _spanned(comparison)
    if len(pairs) < max(len(a), len(b)):
        # Once more, with what is now known of which block instances correspond.
        comparison = _Comparison(a, b, _partners(a, b, pairs, comparison))
        pairs = _spanned(comparison)
    return slid(pairs, Side(a, comparison.a), Side(b, comparison.b), comparison.structure)


def _partners(
    a: Sequence[Row], b: Sequence[Row], pairs: Pairs, comparison: _Comparison
) -> dict[Address, Address]:
    """Which of the places where layers stand (block instances, sections, repetitions) correspond,
    in the same order on both sides: those that share most."""
    places: dict[Address, int] = {}
    one, two = (
        list(dict.fromkeys(places.setdefault(row.address, len(places)) for row in side))
        for side in (a, b)
    )
    shared: dict[tuple[int, int], int] = {}
    for i, j in pairs:
        both = places[a[i].address], places[b[j].address]
        score = comparison.structure(comparison.a[i], comparison.b[j])
        shared[both] = shared.get(both, 0) + score
    found = best_pairs(one, two, lambda x, y: shared.get((x, y), 0)) or []
    addresses = list(places)
    return {addresses[one[i]]: addresses[two[j]] for i, j in found}


class _Comparison:
    """Scores pairs of layers, which it calls by numbers: `a` and `b` hold those of the layers in
    order. Equal layers have the same one. With `partners`, layers count as standing in one place
    where the places correspond."""

    def __init__(
        self, a: Sequence[Row], b: Sequence[Row], partners: Mapping[Address, Address]
    ) -> None:
        self.rows: list[Row] = []
        self.places: list[object] = []
        self.part = min(len(a), len(b)) + 1
        self.unit = self.part * self.part
        known: dict[tuple[object, ...], int] = {}
        self.a = [self._number(row, partners.get(row.address), known) for row in a]
        self.b = [self._number(row, row.address if partners else None, known) for row in b]

    def _number(self, row: Row, place: object, known: dict[tuple[object, ...], int]) -> int:
        key = (row.op, row.name, row.around, row.shapes, place)
        number = known.setdefault(key, len(known))
        if number == len(self.rows):
            self.rows.append(row)
            self.places.append(place)
        return number

    def score(self, a: int, b: int) -> int:
        """What pairing the two scores; 0 for different ops."""
        one, two = self.rows[a], self.rows[b]
        if type(one.op) is not type(two.op):
            return 0
        score = self.structure(a, b) * self.unit
        if self.places[a] == self.places[b]:
            score += self.part
        return score + (one.shapes == two.shapes)

    def structure(self, a: int, b: int) -> int:
        """The score of two layers of one op in units, without the shape."""
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


def _spanned(comparison: _Comparison) -> Pairs:
    """The pairs of the highest score. What both begin and end with alike is set aside first, and
    so are the ops that one of them lacks: no pair of theirs can be lost by it."""
    a, b = comparison.a, comparison.b
    shorter = min(len(a), len(b))
    begin = 0
    while begin < shorter and a[begin] == b[begin]:
        begin += 1
    end = 0
    while end < shorter - begin and a[-1 - end] == b[-1 - end]:
        end += 1
    places = range(begin, len(a) - end), range(begin, len(b) - end)
    kinds = [type(comparison.rows[number].op) for number in a]
    others = [type(comparison.rows[number].op) for number in b]
    shared = {kinds[i] for i in places[0]} & {others[j] for j in places[1]}
    left = [i for i in places[0] if kinds[i] in shared]
    right = [j for j in places[1] if others[j] in shared]
    found = _scored([a[i] for i in left], [b[j] for j in right], comparison)
    return [
        *((i, i) for i in range(begin)),
        *((left[i], right[j]) for i, j in found),
        *zip(range(len(a) - end, len(a)), range(len(b) - end, len(b)), strict=True),
    ]


def _scored(a: Sequence[int], b: Sequence[int], comparison: _Comparison) -> Pairs:
    """The pairs of the highest score; where that takes too long, layers that are alike are paired
    first, the rest between them."""
    whole = best_pairs(a, b, comparison.score)
    if whole is not None:
        return whole
    pairs: Pairs = []
    last = (0, 0)
    for i, j in [*common_pairs(a, b), (len(a), len(b))]:
        gap = a[last[0] : i], b[last[1] : j]
        inner = best_pairs(*gap, comparison.score)
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
