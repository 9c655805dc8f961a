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
from typing import Annotated, Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from archc.records import fields_with_defaults

M = TypeVar("M")

DEEPEST = 64
"""Messages within messages, at most."""

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


@cache
def fields_of(message: type) -> tuple[Field, ...]:
    """The fields of a message in the order of their numbers."""
    hints = get_type_hints(message, include_extras=True)
    fields = [_field(name, hints[name]) for name in fields_with_defaults(message)]
    return tuple(sorted(fields, key=lambda field: field.tag.number))


@cache
def _by_number(message: type) -> dict[int, Field]:
    return {field.tag.number: field for field in fields_of(message)}


def _field(name: str, hint: Any) -> Field:
    assert get_origin(hint) is Annotated
    declared, tag = get_args(hint)
    if get_origin(declared) is tuple:
        return Field(name, tag, get_args(declared)[0], True)
    (kind,) = (one for one in get_args(declared) if one is not NoneType)
    return Field(name, tag, kind, False)


# Writing


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


# Reading


def decode(message: type[M], data: bytes | memoryview) -> M:
    """The message that some bytes are; fields that it does not declare are skipped. Raises
    FormatError. What is read is at most in proportion to the bytes."""
    return _decoded(message, memoryview(data), 0)


def _decoded(message: type[M], data: memoryview, depth: int) -> M:
    if depth > DEEPEST:
        raise FormatError(f"messages within messages, deeper than {DEEPEST}")
    kind: Any = message
    known = _by_number(kind)
    values: dict[str, Any] = {}
    position = 0
    while position < len(data):
        head, position = _read_varint(data, position)
        number, wire = head >> 3, head & 7
        begin, end = _extent(data, position, wire)
        position = end
        field = known.get(number)
        if field is None:
            continue
        read = _read(field, wire, data[begin:end], depth)
        if field.repeated:
            values.setdefault(field.name, []).extend(read)
        else:
            values[field.name] = read[-1]
    return message(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})


def _extent(data: memoryview, position: int, wire: int) -> tuple[int, int]:
    """Where the value behind a head begins and ends."""
    begin = position
    if wire == VARINT:
        _, end = _read_varint(data, position)
    elif wire == LENGTH:
        length, begin = _read_varint(data, position)
        end = begin + length
    elif wire in (FIXED32, FIXED64):
        end = position + (4 if wire == FIXED32 else 8)
    else:
        raise FormatError(f"no wire type {wire}")
    if end > len(data):
        raise FormatError(f"cut off: {end - len(data)} bytes are missing")
    return begin, end


def _read(field: Field, wire: int, data: memoryview, depth: int) -> list[Any]:
    """The values of a field: several where they are packed, which a repeated number may be whether
    it is declared so or not."""
    if wire != field.wire:
        if wire == LENGTH and field.repeated:
            return _read_packed(field, data)
        raise FormatError(f"`{field.name}` has the wire type {wire}, expected {field.wire}")
    if wire == VARINT:
        return [_signed(_read_varint(data, 0)[0])]
    if wire != LENGTH:
        return list(struct.unpack("<d" if field.tag.double else "<f", data))
    if field.kind is bytes:
        return [bytes(data)]
    if field.kind is str:
        try:
            return [str(data, "utf-8")]
        except UnicodeDecodeError:
            raise FormatError(f"`{field.name}` is no text of UTF-8") from None
    return [_decoded(field.kind, data, depth + 1)]


def _read_packed(field: Field, data: memoryview) -> list[Any]:
    if field.wire != VARINT:
        size = 8 if field.tag.double else 4
        if len(data) % size:
            raise FormatError(f"`{field.name}` has {len(data)} bytes, no multiple of {size}")
        return list(memoryview(bytes(data)).cast("d" if field.tag.double else "f"))
    values = []
    position = 0
    while position < len(data):
        value, position = _read_varint(data, position)
        values.append(_signed(value))
    return values


def _read_varint(data: memoryview, position: int) -> tuple[int, int]:
    """A whole number of at most 64 bits, and where it ends."""
    value = shift = 0
    while True:
        if position >= len(data):
            raise FormatError("cut off within a number")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
        if shift > 63:
            raise FormatError("a number of more than 64 bits")
    return value & (1 << 64) - 1, position


def _signed(value: int) -> int:
    """All that ONNX keeps as varints is signed."""
    return value - (1 << 64) if value >> 63 else value
