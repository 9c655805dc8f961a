"""The differences of two training recipes."""

from __future__ import annotations

from collections.abc import Iterator

from archc.language.recipe import RecipeRecord, Training, as_spec
from archc.ops.fields import fields_of

Changes = dict[str, tuple[object, object]]
"""The values in A and B as written in a spec, by path: `training.optimizer.learning_rate`."""


def recipe_changes(a: Training | None, b: Training | None) -> Changes:
    """The fields in which two recipes differ, defaults included. A missing recipe, and an optimizer
    or schedule of a different kind, are a single change."""
    return dict(_changes("training", a, b))


def _changes(path: str, one: object, two: object) -> Iterator[tuple[str, tuple[object, object]]]:
    if type(one) is type(two) and isinstance(one, RecipeRecord):
        for field in fields_of(type(one)):
            values = (getattr(one, field.name), getattr(two, field.name))
            yield from _changes(f"{path}.{field.name}", *values)
    elif one != two:
        yield path, (as_spec(one), as_spec(two))
