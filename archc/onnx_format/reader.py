"""Messages read with bounds: a message is a range of the file, its fields are ranges in it. Nothing
is copied before it is asked for, and no length reaches beyond the message that states it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

from archc.onnx_format.protobuf import (
    FIXED32,
    FIXED64,
    LENGTH,
    VARINT,
    Field,
    FormatError,
    fields_by_number,
)

M = TypeVar("M")

DEEPEST = 64
"""Messages within messages, at most."""
LONGEST_VARINT = 10
"""Bytes of a whole number, at most."""


class Part(NamedTuple):
    """A field as it stands in a message: how it is declared, its wire type, the number that a
    varint is, and the range of the bytes of anything else."""

    field: Field
    wire: int
    number: int
    begin: int
    end: int

    @property
    def name(self) -> str:
        """The name of the field."""
        return self.field.name


class Message(NamedTuple):
    """A range of a file that holds a message of some type. What is read raises FormatError where
    the bytes are no such message."""

    kind: type
    data: memoryview
    begin: int
    end: int

    def parts(self) -> Iterator[Part]:
        """The fields in order; those that the type does not declare are skipped."""
        declared = fields_by_number(self.kind)
        position = self.begin
        while position < self.end:
            head, position = _varint(self.data, position, self.end)
            number, wire = head >> 3, head & 7
            if number == 0:
                raise FormatError("a field has the number 0")
            value, begin, end = self._extent(position, wire)
            position = end
            field = declared.get(number)
            if field is None:
                continue
            if wire != field.wire and not (wire == LENGTH and field.is_packable):
                raise FormatError(f"`{field.name}` has the wire type {wire}, expected {field.wire}")
            yield Part(field, wire, value, begin, end)

    def _extent(self, position: int, wire: int) -> tuple[int, int, int]:
        """What is behind a head: the number of a varint, and where the bytes begin and end."""
        if wire == VARINT:
            value, end = _varint(self.data, position, self.end)
            return value, position, end
        if wire == LENGTH:
            size, position = _varint(self.data, position, self.end)
        elif wire in (FIXED32, FIXED64):
            size = 4 if wire == FIXED32 else 8
        else:
            raise FormatError(f"a field has the unknown wire type {wire}")
        missing = size - (self.end - position)
        if missing > 0:
            raise FormatError(
                f"a length reaches {missing:,} bytes beyond the end: the file is cut off or damaged"
            )
        return 0, position, position + size

    def message(self, part: Part) -> Message:
        """The message that a field holds."""
        return Message(part.field.kind, self.data, part.begin, part.end)

    def bytes(self, part: Part) -> memoryview:
        """The bytes of a field. They are not copied."""
        return self.data[part.begin : part.end]

    def text(self, part: Part, longest: int | None = None) -> str:
        """The text that a field holds, which may be at most `longest` bytes."""
        if longest is not None and part.end - part.begin > longest:
            raise FormatError(f"a text has more than {longest:,} bytes")
        try:
            return str(self.bytes(part), "utf-8")
        except UnicodeDecodeError:
            raise FormatError(f"`{part.name}` is no text of UTF-8") from None

    def whole(self, part: Part) -> int:
        """The 64-bit number that a field holds."""
        return _signed(part.number)

    def wholes(self, part: Part) -> Iterator[int]:
        """The 64-bit numbers that a repeated field holds there: one, or packed ones."""
        if part.wire == VARINT:
            yield _signed(part.number)
            return
        position = part.begin
        while position < part.end:
            value, position = _varint(self.data, position, part.end)
            yield _signed(value)

    def count(self, part: Part) -> int:
        """How many floating-point numbers a field holds there."""
        size = 8 if part.field.tag.double else 4
        count, rest = divmod(part.end - part.begin, size)
        if rest:
            length = part.end - part.begin
            raise FormatError(f"`{part.name}` has {length:,} bytes, no multiple of {size}")
        return count

    def floats(self, part: Part) -> tuple[float, ...]:
        """The floating-point numbers that a field holds there: one, or packed ones."""
        code = "d" if part.field.tag.double else "f"
        return struct.unpack_from(f"<{self.count(part)}{code}", self.data, part.begin)


def decode(message: type[M], data: bytes | memoryview) -> M:
    """The message that some bytes are; fields that it does not declare are skipped. Raises
    FormatError. What is read is at most in proportion to the bytes."""
    read: M = _decoded(Message(message, memoryview(data), 0, len(data)), 0)
    return read


def _decoded(message: Message, depth: int) -> Any:
    if depth > DEEPEST:
        raise FormatError(f"messages within messages, deeper than {DEEPEST}")
    values: dict[str, Any] = {}
    for part in message.parts():
        read = _values(message, part, depth)
        if part.field.repeated:
            values.setdefault(part.name, []).extend(read)
        else:
            (values[part.name],) = read
    fields = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    return message.kind(**fields)


def _values(message: Message, part: Part, depth: int) -> Iterable[Any]:
    """The values of a field: several where they are packed, which a repeated number may be whether
    it is declared so or not."""
    kind = part.field.kind
    if kind is int:
        return message.wholes(part)
    if kind is float:
        return message.floats(part)
    if kind is bytes:
        return (bytes(message.bytes(part)),)
    if kind is str:
        return (message.text(part),)
    return (_decoded(message.message(part), depth + 1),)


def _varint(data: memoryview, position: int, end: int) -> tuple[int, int]:
    """The whole number of at most 64 bits at a position, and where it ends."""
    value = shift = 0
    for _ in range(LONGEST_VARINT):
        if position >= end:
            raise FormatError("a number reaches beyond the end: the file is cut off or damaged")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & ((1 << 64) - 1), position
        shift += 7
    raise FormatError("a number has more than 64 bits")


def _signed(value: int) -> int:
    """All that ONNX keeps as varints is signed."""
    return value - (1 << 64) if value >> 63 else value
