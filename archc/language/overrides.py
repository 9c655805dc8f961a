"""Fields of a recipe that are set from outside: `training.optimizer.learning_rate`.

In the path of a field the kind of an optimizer or schedule may be left out: then it is the one that
the spec has, or the default one. Another kind takes the place of the spec's with all its fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from archc.diagnostics import Span
from archc.language.recipe import Training, Variant, Variants
from archc.language.values import Value, mapping
from archc.ops.fields import FieldInfo, fields_of

SECTION = "training"
PREFIX = f"{SECTION}."


class Key(NamedTuple):
    """A key on the path of a field, and where it stands."""

    name: str
    span: Span


class Setting(NamedTuple):
    """A field's path below `training`, and its value."""

    path: tuple[Key, ...]
    value: Value


def override(document: Value, settings: Iterable[Setting]) -> Value:
    """A spec with fields of its recipe set; what was not checked before is not checked here
    either."""
    fields = mapping(document)
    training = fields.get(SECTION)
    for setting in settings:
        training = _put(training, setting.path, setting.value, Training)
    return Value({**fields, **({} if training is None else {SECTION: training})}, document.span)


def _put(current: Value | None, path: Sequence[Key], value: Value, declaration: type) -> Value:
    """The value of a record's mapping with the field at a path set."""
    if not path:
        return value
    (key, span), *rest = path
    fields = {field.name: field for field in fields_of(declaration)}
    entries = dict(mapping(current))
    inner = _field(entries.get(key), rest, value, fields.get(key), span)
    entries[key] = Value(inner.data, inner.span, span, inner.quoted)
    if current is not None and isinstance(current.data, dict):
        return Value(entries, current.span, current.key_span)
    return Value(entries, span, span)


def _field(
    current: Value | None, path: Sequence[Key], value: Value, field: FieldInfo | None, span: Span
) -> Value:
    """The value of a field with what is at a path in it set."""
    if not path:
        return value
    if field is not None and isinstance(field.kind, Variants):
        kinds = field.kind.declarations
        entries = dict(mapping(current))
        if current is not None and isinstance(current.data, str):
            entries = {current.data: Value({}, current.span)}
        key = path[0]
        if key.name in kinds:
            path = path[1:]
        else:
            assert isinstance(field.default, Variant)
            key = Key(next(iter(entries), field.default.name), span)
        inner = _put(entries.get(key.name), path, value, kinds.get(key.name, Variant))
        return Value({key.name: Value(inner.data, inner.span, key.span)}, span, span)
    declaration = getattr(field.kind, "declaration", Variant) if field is not None else Variant
    return _put(current, path, value, declaration)
