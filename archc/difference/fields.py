"""The fields in which two ops of one type differ."""

from __future__ import annotations

from archc.ops.base import Op
from archc.ops.fields import FieldInfo, fields_of


def changed_fields(a: Op, b: Op) -> list[FieldInfo]:
    """The fields, in the order of their declaration, in which two ops of one type differ."""
    return [
        field
        for field in fields_of(type(a))
        if not _mean_the_same(getattr(a, field.name), getattr(b, field.name))
    ]


def _mean_the_same(a: object, b: object) -> bool:
    """Whether two values of a field are equal; `3` equals `[3, 3]`."""
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(_mean_the_same, a, b))
    if isinstance(a, tuple) and isinstance(b, int):
        return all(_mean_the_same(item, b) for item in a)
    if isinstance(b, tuple) and isinstance(a, int):
        return _mean_the_same(b, a)
    return a == b
