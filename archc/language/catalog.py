"""The keys of a spec by which networks are listed, sorted and filtered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from archc.language.values import Value
from archc.ops.fields import Schema

Catalog: TypeAlias = "Mapping[str, str | int]"
"""What a spec says of its network, by the key."""


class CatalogKey(NamedTuple):
    """A key: its one-line description, its JSON Schema and its wording in error messages."""

    doc: str
    schema: Schema
    expected: str


KEYS: Mapping[str, CatalogKey] = {
    "family": CatalogKey(
        "the networks that it belongs to, such as ResNet", {"type": "string"}, "text"
    ),
    "year": CatalogKey(
        "the year of its publication",
        {"type": "integer", "minimum": 1900, "maximum": 2100},
        "a year from 1900 to 2100",
    ),
    "task": CatalogKey("what it does, such as image classification", {"type": "string"}, "text"),
}


def catalog_of(fields: Mapping[str, Value]) -> Catalog:
    """The values of these keys among the fields of a spec, those that it has."""
    values = {key: fields[key].data for key in KEYS if key in fields}
    return {key: value for key, value in values.items() if isinstance(value, str | int)}
