"""Protocol Buffers' wire format, for messages that are declared as records.

Each field of a message carries its number: `dims: Annotated[tuple[int, ...], Tag(1)] = ()`. Its
type says how it is written: `int` as a varint, `float` in 32 bits, `str`, `bytes`, or another
message; a tuple for a repeated field. Fields are written in the order of their numbers, so that
equal messages are equal bytes; None and an empty tuple are not written.

Source: https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cache
from types import NoneType
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

from archc.records import fields_with_defaults

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
"""Wire types."""


class FormatError(ValueError):
    """Bytes that are no message of the type that is read."""


class Tag(NamedTuple):
    """The number of a field. A `packed` one keeps its numbers in one run of bytes; a `double` one
    has 64 bits."""

    number: int
    packed: bool = False
    double: bool = False


class Field(NamedTuple):
    """A field as it is written: `kind` is the type of one value."""

    name: str
    tag: Tag
    kind: type
    repeated: bool

    @property
    def wire(self) -> int:
        """The wire type of one value."""
        if self.kind is int:
            return VARINT
        if self.kind is float:
            return FIXED64 if self.tag.double else FIXED32
        return LENGTH

    @property
    def is_packable(self) -> bool:
        """Whether its values may stand in one run of bytes."""
        return self.repeated and self.kind in (int, float)


@cache
def fields_of(message: type) -> tuple[Field, ...]:
    """The fields of a message in the order of their numbers."""
    hints = get_type_hints(message, include_extras=True)
    fields = [_field(name, hints[name]) for name in fields_with_defaults(message)]
    return tuple(sorted(fields, key=lambda field: field.tag.number))


@cache
def fields_by_number(message: type) -> dict[int, Field]:
    """The fields of a message by their numbers."""
    return {field.tag.number: field for field in fields_of(message)}


def _field(name: str, hint: Any) -> Field:
    assert get_origin(hint) is Annotated
    declared, tag = get_args(hint)
    if get_origin(declared) is tuple:
        return Field(name, tag, get_args(declared)[0], True)
    (kind,) = (one for one in get_args(declared) if one is not NoneType)
    return Field(name, tag, kind, False)


def encode(message: object) -> bytes:
    """The bytes of a message. Raises OverflowError for a number that its field cannot hold."""
    return b"".join(_encoded(message))


def _encoded(message: object) -> Iterator[bytes]:
    kind: Any = type(message)
    for field in fields_of(kind):
        value = getattr(message, field.name)
        if value is None or value == ():
            continue
        if field.tag.packed:
            run = b"".join(_bare(field, one) for one in value)
            yield _varint(field.tag.number << 3 | LENGTH) + _varint(len(run))
            yield run
            continue
        head = _varint(field.tag.number << 3 | field.wire)
        for one in value if field.repeated else (value,):
            bare = _bare(field, one)
            yield head + (_varint(len(bare)) if field.wire == LENGTH else b"")
            yield bare


def _bare(field: Field, value: Any) -> bytes:
    """A value without its head."""
    if field.wire == VARINT:
        return _varint(value)
    if field.wire != LENGTH:
        return struct.pack("<d" if field.tag.double else "<f", value)
    if field.kind is str:
        return bytes(value, "utf-8")
    return value if isinstance(value, bytes) else encode(value)


def _varint(value: int) -> bytes:
    """A whole number, seven bits a byte from the lowest; of a negative one the 64 bits of its two's
    complement."""
    if not -(1 << 63) <= value < 1 << 64:
        raise OverflowError(f"{value} has more than 64 bits")
    value &= (1 << 64) - 1
    output = bytearray()
    while value > 0x7F:
        output.append(value & 0x7F | 0x80)
        value >>= 7
    output.append(value)
    return bytes(output)
