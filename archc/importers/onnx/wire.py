"""Protocol Buffers' wire format, read with bounds: a message is a range of the file, its fields are
ranges in it. Nothing is copied, and no length reaches beyond the message that states it.

Source: Protocol Buffers' documentation, "Encoding".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
LONGEST_VARINT = 10


class WireError(Exception):
    """The bytes are no message."""


class Field(NamedTuple):
    """One field of a message: its number, its wire type, and its value: a number for a varint, else
    the range of its bytes."""

    number: int
    kind: int
    value: int
    begin: int
    end: int


class Message(NamedTuple):
    """A range of a file that holds a message."""

    data: memoryview
    begin: int
    end: int

    def fields(self) -> Iterator[Field]:
        """The fields in order. Raises WireError where they do not fill the range exactly."""
        position = self.begin
        while position < self.end:
            key, position = _varint(self.data, position, self.end)
            number, kind = key >> 3, key & 7
            if number == 0:
                raise WireError("a field has the number 0")
            if kind == VARINT:
                value, position = _varint(self.data, position, self.end)
                yield Field(number, kind, value, position, position)
                continue
            if kind == BYTES:
                size, position = _varint(self.data, position, self.end)
            elif kind in (FIXED32, FIXED64):
                size = 4 if kind == FIXED32 else 8
            else:
                raise WireError(f"a field has the unknown wire type {kind}")
            if size > self.end - position:
                raise WireError("a length reaches beyond the end: the file is cut off or damaged")
            yield Field(number, kind, 0, position, position + size)
            position += size

    def message(self, field: Field) -> Message:
        """The message that a field holds."""
        self.require(field, BYTES)
        return Message(self.data, field.begin, field.end)

    def text(self, field: Field, longest: int) -> str:
        """The text that a field holds. Raises WireError for what is longer, or no UTF-8."""
        self.require(field, BYTES)
        if field.end - field.begin > longest:
            raise WireError(f"a text has more than {longest:,} bytes")
        try:
            return bytes(self.data[field.begin : field.end]).decode("utf-8")
        except UnicodeDecodeError:
            raise WireError("a text is no UTF-8") from None

    def signed(self, field: Field) -> int:
        """The 64-bit number that a field holds."""
        self.require(field, VARINT)
        return as_signed(field.value)

    def float32(self, field: Field) -> float:
        """The 32-bit floating-point number that a field holds."""
        self.require(field, FIXED32)
        number: float = struct.unpack_from("<f", self.data, field.begin)[0]
        return number

    def packed(self, field: Field) -> Iterator[int]:
        """The 64-bit numbers of a repeated field, packed or not."""
        if field.kind == VARINT:
            yield as_signed(field.value)
            return
        self.require(field, BYTES)
        position = field.begin
        while position < field.end:
            value, position = _varint(self.data, position, field.end)
            yield as_signed(value)

    def require(self, field: Field, kind: int) -> None:
        """Refuse a field of another wire type (WireError)."""
        if field.kind != kind:
            raise WireError(f"field {field.number} has the wire type {field.kind}, not {kind}")


def as_signed(value: int) -> int:
    """A varint as the signed 64-bit number that it encodes."""
    return value - (1 << 64) if value >= 1 << 63 else value


def _varint(data: memoryview, position: int, end: int) -> tuple[int, int]:
    """The number at a position, and where it ends."""
    value = shift = 0
    for _ in range(LONGEST_VARINT):
        if position >= end:
            raise WireError("a number reaches beyond the end: the file is cut off or damaged")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & ((1 << 64) - 1), position
        shift += 7
    raise WireError("a number has more than 64 bits")
