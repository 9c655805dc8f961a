"""Whether a document conforms to the schema: yes or no, by functions that are made of the schema's
parts when a document first needs them.

Most documents have no errors, and a validator that tells errors takes longer to load than such a
document takes from its text to its report. Of JSON Schema, draft 7, there are the keywords that
`derive` uses; any other one raises KeyError.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import isfinite
from operator import ge, gt, le, lt
from typing import Any

from archc.language.values import Value

Check = Callable[[Value], bool]
_Schema = Mapping[str, Any]
_Maker = Callable[["Conformance", _Schema], Check]


class Conformance:
    """Decides for the parts of one schema, a JSON document."""

    def __init__(self, schema: _Schema) -> None:
        self._root = schema
        self._checks: dict[int, Check] = {}

    def __call__(self, document: Value) -> bool:
        """Whether a document conforms to the schema."""
        return self._check(self._root)(document)

    def of_part(self, schema: _Schema, value: Value) -> bool:
        """Whether a part of the document conforms to a part of the schema."""
        return self._check(schema)(value)

    def _check(self, schema: _Schema) -> Check:
        """The check of a part of the schema, which is made once."""
        check = self._checks.get(id(schema))
        if check is None:
            check = self._checks[id(schema)] = self._make(schema)
        return check

    def _make(self, schema: _Schema) -> Check:
        if "$ref" in schema:  # which stands alone, as draft 7 has it
            return self._later(self._resolve(schema["$ref"]))
        # The type comes first: it spares the others most of what does not conform.
        names = sorted(schema.keys() - _ANNOTATIONS, key="type".__ne__)
        if "additionalProperties" in schema and "properties" not in schema:
            names.append("properties")
        checks = [_MAKERS[name](self, schema) for name in names if name not in _BESIDES]
        if len(checks) == 1:
            return checks[0]
        return lambda value: all(check(value) for check in checks)

    def _later(self, schema: _Schema) -> Check:
        """The check of a part, made when a value is met: a schema may refer to itself, and most ops
        are not in a spec."""
        return lambda value: self._check(schema)(value)

    def _resolve(self, reference: str) -> _Schema:
        part: Any = self._root
        for name in reference.removeprefix("#/").split("/"):
            part = part[name]
        resolved: _Schema = part
        return resolved

    def _type(self, schema: _Schema) -> Check:
        kinds = schema["type"]
        if isinstance(kinds, str):
            return _TYPES[kinds]
        checks = [_TYPES[kind] for kind in kinds]
        return lambda value: any(check(value) for check in checks)

    def _any_of(self, schema: _Schema) -> Check:
        checks = [self._later(part) for part in schema["anyOf"]]
        return lambda value: any(check(value) for check in checks)

    def _if(self, schema: _Schema) -> Check:
        condition = self._check(schema["if"])
        then, other = (self._later(schema.get(name, {})) for name in ("then", "else"))
        return lambda value: then(value) if condition(value) else other(value)

    def _enum(self, schema: _Schema) -> Check:
        allowed = {_typed(item) for item in schema["enum"]}
        return lambda value: _is_scalar(value) and _typed(value.data) in allowed

    def _const(self, schema: _Schema) -> Check:
        allowed = _typed(schema["const"])
        return lambda value: _is_scalar(value) and _typed(value.data) == allowed

    def _pattern(self, schema: _Schema) -> Check:
        # The end of a text: Python's `$` also stands before a last line break.
        search = re.compile(re.sub(r"(?<!\\)\$", r"\\Z", schema["pattern"])).search
        return lambda value: not isinstance(value.data, str) or search(value.data) is not None

    def _properties(self, schema: _Schema) -> Check:
        known = schema.get("properties", {})
        checks = {name: self._later(part) for name, part in known.items()}
        others = self._others(schema.get("additionalProperties", True))

        def check(value: Value) -> bool:
            if not isinstance(value.data, dict):
                return True
            return all(checks.get(name, others)(item) for name, item in value.data.items())

        return check

    def _others(self, schema: bool | _Schema) -> Check:
        if isinstance(schema, bool):
            return lambda value: schema
        return self._check(schema)

    def _required(self, schema: _Schema) -> Check:
        names = frozenset(schema["required"])
        return lambda value: not isinstance(value.data, dict) or names <= value.data.keys()

    def _items(self, schema: _Schema) -> Check:
        check = self._check(schema["items"])
        return lambda value: not isinstance(value.data, list) or all(map(check, value.data))


def _typed(value: object) -> tuple[bool, object]:
    """A scalar as JSON compares it: 1 is 1.0, and neither is true."""
    return isinstance(value, bool), value


def _is_scalar(value: Value) -> bool:
    return not isinstance(value.data, list | dict)


def _is_number(value: Value) -> bool:
    return isinstance(value.data, int | float) and not isinstance(value.data, bool)


def _is_integer(value: Value) -> bool:
    data = value.data
    if isinstance(data, float):
        return isfinite(data) and data == int(data)
    return isinstance(data, int) and not isinstance(data, bool)


_TYPES: dict[str, Check] = {
    "array": lambda value: isinstance(value.data, list),
    "boolean": lambda value: isinstance(value.data, bool),
    "integer": _is_integer,
    "null": lambda value: value.data is None,
    "number": _is_number,
    "object": lambda value: isinstance(value.data, dict),
    "string": lambda value: isinstance(value.data, str),
}


def _number(keyword: str, holds: Callable[[Any, Any], bool]) -> _Maker:
    def make(conformance: Conformance, schema: _Schema) -> Check:
        limit = schema[keyword]
        return lambda value: not _is_number(value) or holds(value.data, limit)

    return make


def _size(
    keyword: str, kind: type[list[Any]] | type[dict[str, Any]], holds: Callable[[int, int], bool]
) -> _Maker:
    def make(conformance: Conformance, schema: _Schema) -> Check:
        limit = schema[keyword]
        return lambda value: not isinstance(value.data, kind) or holds(len(value.data), limit)

    return make


_MAKERS: dict[str, _Maker] = {
    "type": Conformance._type,
    "enum": Conformance._enum,
    "const": Conformance._const,
    "pattern": Conformance._pattern,
    "anyOf": Conformance._any_of,
    "if": Conformance._if,
    "properties": Conformance._properties,
    "required": Conformance._required,
    "items": Conformance._items,
    "minimum": _number("minimum", ge),
    "maximum": _number("maximum", le),
    "exclusiveMinimum": _number("exclusiveMinimum", gt),
    "exclusiveMaximum": _number("exclusiveMaximum", lt),
    "minItems": _size("minItems", list, ge),
    "maxItems": _size("maxItems", list, le),
    "minProperties": _size("minProperties", dict, ge),
    "maxProperties": _size("maxProperties", dict, le),
}
_ANNOTATIONS = frozenset(
    {"$schema", "$id", "title", "description", "default", "definitions", "x-expected"}
)
_BESIDES = frozenset({"additionalProperties", "then", "else"})
"""Keywords that belong to another one, whose check reads them."""
