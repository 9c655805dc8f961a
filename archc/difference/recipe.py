"""In what two training recipes differ."""

from __future__ import annotations

from collections.abc import Iterator

from archc.language.recipe import RecipeRecord, Training, as_spec
from archc.ops.fields import fields_of

Changes = dict[str, tuple[object, object]]
"""Values as a spec would write them, of A and of B, by where they stand:
`training.optimizer.learning_rate`."""


def recipe_changes(a: Training | None, b: Training | None) -> Changes:
    """The fields in which two recipes differ, defaults included; all as one under `training` where
    one of the two is none, and so for an optimizer or a schedule of another kind."""
    return dict(_changes("training", a, b))


def _changes(place: str, one: object, two: object) -> Iterator[tuple[str, tuple[object, object]]]:
    if type(one) is type(two) and isinstance(one, RecipeRecord):
        for field in fields_of(type(one)):
            values = (getattr(one, field.name), getattr(two, field.name))
            yield from _changes(f"{place}.{field.name}", *values)
    elif one != two:
        yield place, (as_spec(one), as_spec(two))
