"""Repetitions: equal steps in a row as `repeat`, words that recur with other numbers as `for`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from archc.importers.structure.items import Item, Steps, positions_of
from archc.importers.structure.text import lines_of
from archc.importers.structure.unify import First, Slot, Solver, UnlikeError, skeleton, unify

LONGEST_PERIOD = 12
MOST_LOOPS = 4
"""Lists that run along in a `for`: more are no shorter to read."""
LEAST_SAVED = 6
"""Lines that a `for` of two turns saves where several numbers differ: else both are written."""
CHANGES = {"stride": 1, "projection": False}
"""Arguments that the first of a row of blocks may have otherwise, with what the others have."""

Hint = Callable[[Sequence[Item]], str | None]


def fold(steps: Steps, hint: Hint) -> Steps:
    """Steps with what recurs written once: rows of equal steps first, then words of steps, the
    shortest first."""
    steps = _rows(steps)
    for period in range(1, LONGEST_PERIOD + 1):
        steps = _words(steps, period, hint)
    return steps


def _rows(steps: Steps) -> Steps:
    """Steps with rows of equal ones as repetitions. The first of a row of blocks may change width
    or space."""
    kept: list[Item] = []
    place = 0
    while place < len(steps):
        stop = _row_end(steps, place)
        if stop - place > 1:
            kept.append(_row(steps[place:stop]))
        else:
            kept.append(steps[place])
        place = stop
    return tuple(kept)


def _row_end(steps: Steps, place: int) -> int:
    """Where the row ends that begins at a place."""
    stop = place + 1
    if stop >= len(steps) or steps[place].pinned:
        return stop
    if not _is_same(steps[place], steps[stop]) and not _is_change(steps[place], steps[stop]):
        return stop
    while stop + 1 < len(steps) and _is_same(steps[stop], steps[stop + 1]):
        stop += 1
    return stop + 1


def _is_same(a: Item, b: Item) -> bool:
    """Whether two steps are written alike."""
    if (a.kind, a.name, len(a.bodies)) != (b.kind, b.name, len(b.bodies)):
        return False
    if a.pinned or b.pinned or not same_fields(a.fields, b.fields):
        return False
    return all(
        len(one) == len(other) and all(map(_is_same, one, other))
        for one, other in zip(a.bodies, b.bodies, strict=True)
    )


def same_fields(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two steps have the same fields."""
    return a.keys() == b.keys() and all(
        type(a[key]) is type(b[key]) and a[key] == b[key] for key in a
    )


def _is_change(first: Item, second: Item) -> bool:
    """Whether a block's instance differs from the next as the first of a row does."""
    if first.kind != "block" or second.kind != "block" or first.name != second.name:
        return False
    different = [key for key in first.fields if first.fields[key] != second.fields[key]]
    return all(key in CHANGES and second.fields[key] == CHANGES[key] for key in different)


def _row(steps: Steps) -> Item:
    first, second = steps[0], steps[1]
    fields = {
        key: value if value == second.fields[key] else First(value, second.fields[key])
        for key, value in first.fields.items()
    }
    body = _unplaced(replace(first, fields=fields))
    return Item("repeat", "", {"count": len(steps)}, ((body,),), positions_of(steps), first.axes)


def _unplaced(step: Item) -> Item:
    """A step of a repetition: what comes into it differs from turn to turn."""
    bodies = tuple(tuple(map(_unplaced, body)) for body in step.bodies)
    return replace(step, axes={}, bodies=bodies)


def _words(steps: Steps, period: int, hint: Hint) -> Steps:
    """Steps with words of so many steps that recur as one repetition each, where that is
    shorter."""
    tokens = [skeleton(step) for step in steps]
    kept: list[Item] = []
    place = 0
    while place < len(steps):
        count = _recurrences(tokens, place, period)
        folded = None
        while count > 1 and folded is None:
            folded = _folded(steps[place : place + count * period], period, hint)
            if folded is None:
                count -= 1
        if folded is None:
            kept.append(steps[place])
            place += 1
        else:
            kept.append(folded)
            place += count * period
    return tuple(kept)


def _recurrences(tokens: Sequence[str], place: int, period: int) -> int:
    """How often the word at a place stands in a row there."""
    word = tokens[place : place + period]
    count = 1
    while len(word) == period and tokens[place + count * period :][:period] == word:
        count += 1
    return count


def _folded(steps: Steps, period: int, hint: Hint) -> Item | None:
    """Words in a row as one repetition; None where that is no shorter."""
    words = [steps[start : start + period] for start in range(0, len(steps), period)]
    try:
        body = unify(words, hint)
    except UnlikeError:
        return None
    solver = Solver(len(words), ["classes"])
    body = tuple(map(_unplaced, solver.solve(body)))
    if len(solver.names) > MOST_LOOPS or _holds_slot(body):
        return None
    fields: Mapping[str, Any] = dict(solver.names) or {"count": len(words)}
    item = Item("repeat", "", fields, (body,), positions_of(steps), steps[0].axes)
    saved = lines_of(steps) - lines_of((item,))
    needed = LEAST_SAVED if len(words) == 2 and len(solver.names) > 1 else 1
    return item if saved >= needed else None


def _holds_slot(steps: Steps) -> bool:
    return any(isinstance(value, Slot) for step in steps for value in step.fields.values()) or any(
        _holds_slot(body) for step in steps for body in step.bodies
    )
