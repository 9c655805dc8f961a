"""What `jsonschema` tells of a document that does not conform, read one violation at a time.

Items of lists that conform are passed over: `conformance` decides that in a hundredth of the time,
so that a long spec with one error takes no longer than a short one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from archc.diagnostics import MOST_DIAGNOSTICS
from archc.language.schema.conformance import Conformance
from archc.language.schema.prefix import Items, prefixes
from archc.language.values import Value


class Violation(NamedTuple):
    """A violation of the schema: its keyword, its paths in document and schema, the key that is
    missing, and the unknown keys of a mapping."""

    keyword: str
    path: list[str | int]
    schema_path: list[str | int]
    missing: str
    keys: list[str]


def violations_of(
    document: Value, schema: Mapping[str, Any], conformance: Conformance
) -> tuple[list[Violation], int]:
    """The first MOST_DIAGNOSTICS violations, and the number of the others in the part of the
    document that was read."""
    validator = _validator(schema, conformance)
    violations: list[Violation] = []
    more = 0
    for part in prefixes(document):
        violations, more = _first(validator.iter_errors(part))
        if more:
            break
    return violations, more


def _validator(schema: Mapping[str, Any], conformance: Conformance) -> Any:
    from jsonschema import Draft7Validator, ValidationError, validators

    known: dict[tuple[int, int], bool] = {}

    def conforms(part: Any, value: Value) -> bool:
        key = id(part), id(value)
        if key not in known:
            known[key] = conformance.of_part(part, value)
        return known[key]

    def items(validator: Any, part: Any, instance: Any, _schema: Any) -> Iterator[Any]:
        if isinstance(instance, Items):
            for index, (item, value) in enumerate(zip(instance, instance.values, strict=False)):
                if not conforms(part, value):
                    yield from validator.descend(item, part, path=index)

    def required(_validator: Any, names: Any, instance: Any, _schema: Any) -> Iterator[Any]:
        """The message is the missing key, which `jsonschema` has in its prose alone."""
        if isinstance(instance, dict):
            yield from (ValidationError(name) for name in names if name not in instance)

    extend: Any = validators.extend  # without types
    return extend(Draft7Validator, {"items": items, "required": required})(schema)


def _first(errors: Iterable[Any]) -> tuple[list[Violation], int]:
    violations: list[Violation] = []
    room, more = MOST_DIAGNOSTICS, 0
    for error in errors:
        if not room:
            more += len(_unknown_keys(error)) or 1
            continue
        violation = _closest(error)
        number = len(violation.keys) or 1
        violations.append(violation._replace(keys=violation.keys[:room]))
        more += max(number - room, 0)
        room -= min(number, room)
    return violations, more


def _read(error: Any) -> Violation:
    missing = error.message if error.validator == "required" else ""
    path, schema_path = error.absolute_path, error.absolute_schema_path
    return Violation(error.validator, [*path], [*schema_path], missing, _unknown_keys(error))


def _unknown_keys(error: Any) -> list[str]:
    if error.validator != "additionalProperties":
        return []
    return [key for key in error.instance if key not in error.schema.get("properties", {})]


def _closest(error: Any) -> Violation:
    """The violation inside the one alternative of an `anyOf` that the value resembles: it has the
    alternative's type, and the violation is nested deeper."""
    while error.validator == "anyOf" and error.absolute_path:
        alternatives: dict[int, list[Any]] = {}
        for inner in error.context:
            alternatives.setdefault(inner.schema_path[0], []).append(inner)
        close = [
            inner for inner in alternatives.values() if all(_is_deeper(one, error) for one in inner)
        ]
        if len(close) != 1:
            break
        error = close[0][0]
    return _read(error)


def _is_deeper(inner: Any, outer: Any) -> bool:
    deeper = len(inner.absolute_path) > len(outer.absolute_path)
    return deeper or inner.validator == "additionalProperties"
