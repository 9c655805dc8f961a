"""Frozen classes mean what dataclasses mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import pytest

from archc.records import entity, fields_with_defaults, record, replace


@record
class Point:
    """Two numbers."""

    kind: ClassVar[str] = "point"
    x: int
    y: int = 0


@entity
class Thing:
    """A thing of two parts."""

    first: int
    second: int = 2


def test_records_are_equal_where_their_fields_are() -> None:
    assert Point(x=1) == Point(x=1, y=0) != Point(x=2)
    assert len({Point(x=1), Point(x=1, y=0), Point(x=1, y=1)}) == 2
    assert replace(Point(x=1), y=5) == Point(x=1, y=5)
    assert list(fields_with_defaults(Point)) == ["x", "y"]
    assert repr(Point(x=1)) == "Point(x=1, y=0)"


def test_entities_are_equal_to_themselves_alone() -> None:
    assert Thing(1) != Thing(1)
    assert (Thing(1).first, Thing(1).second, Thing(1, second=3).second) == (1, 2, 3)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Point(1),  # type: ignore[call-arg]
        lambda: Point(),  # type: ignore[call-arg]
        lambda: Point(x=1, z=2),  # type: ignore[call-arg]
        lambda: Thing(),  # type: ignore[call-arg]
        lambda: Thing(1, 2, 3),  # type: ignore[call-arg]
        lambda: Thing(1, first=1),  # type: ignore[misc]
    ],
)
def test_wrong_fields_are_type_errors(make: Callable[[], object]) -> None:
    with pytest.raises(TypeError):
        make()


def test_nothing_is_changed() -> None:
    for value in (Point(x=1), Thing(1)):
        with pytest.raises(AttributeError):
            value.x = 2  # type: ignore[union-attr, misc]
        with pytest.raises(AttributeError):
            del value.first  # type: ignore[union-attr]
