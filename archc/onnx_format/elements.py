"""The types of an array's elements."""

from __future__ import annotations

from typing import NamedTuple


class Element(NamedTuple):
    """A type of elements: its name as NumPy writes it, the bytes of one, and the code of `struct`
    where that has one."""

    name: str
    size: int
    code: str = ""


ELEMENTS = {
    1: Element("float32", 4, "f"),
    2: Element("uint8", 1, "B"),
    3: Element("int8", 1, "b"),
    4: Element("uint16", 2, "H"),
    5: Element("int16", 2, "h"),
    6: Element("int32", 4, "i"),
    7: Element("int64", 8, "q"),
    8: Element("string", 0),
    9: Element("bool", 1, "?"),
    10: Element("float16", 2, "e"),
    11: Element("float64", 8, "d"),
    12: Element("uint32", 4, "I"),
    13: Element("uint64", 8, "Q"),
    16: Element("bfloat16", 2),
}
"""By the numbers of `TensorProto.DataType`."""
