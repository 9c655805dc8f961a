"""Values of op fields, as written in a spec."""

from __future__ import annotations

from archc.ops.activation import ACTIVATION
from archc.ops.base import Op
from archc.ops.fields import FieldInfo, Kind, fields_of
from archc.ops.initializer import INITIALIZER, Initializer

_ABSENT: dict[Kind, str] = {ACTIVATION: "none", INITIALIZER: "default"}


def field_value(op: Op, field: FieldInfo) -> object:
    """The value of a field of `op` as written in a spec, as JSON types."""
    return as_written(field, getattr(op, field.name))


def as_written(field: FieldInfo, value: object) -> object:
    """A value of `field` as written in a spec, as JSON types."""
    if value is None:
        return _ABSENT.get(field.kind)
    return _plain(value)


def _plain(value: object) -> object:
    if isinstance(value, Initializer):
        return value.name if value.value is None else {value.name: value.value}
    if isinstance(value, Op):
        fields = {
            field.name: as_written(field, getattr(value, field.name))
            for field in fields_of(type(value))
            if getattr(value, field.name) != field.default
        }
        return {value.name: fields} if fields else value.name
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
