"""The beginning of a document as plain data: telling every error of a very large one takes long, so
that it is read from the beginning on, in growing parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from archc.language.values import Value, parts

STRETCH = 30_000
"""Values by which a part is larger than the one before."""
_SHORT = 8
_FEW = 64
"""Shorter lists and smaller mappings stay whole: the schema may need all that they have."""


class Items(list[object]):
    """A list of a document as plain data, which knows its `values` there; it may be shorter."""

    def __init__(self, values: Sequence[Value]) -> None:
        super().__init__()
        self.values = values


def prefixes(document: Value) -> Iterator[object]:
    """The document as plain data: its beginning, then more and more of it, at last all. Positions
    in lists are those of the document."""
    size = sum(1 for _ in parts(document))
    for most in range(STRETCH, size, STRETCH):
        yield _Prefix(most).plain(document)
    yield _Prefix(size).plain(document)


class _Prefix:
    """Copies values as long as there is room."""

    def __init__(self, room: int) -> None:
        self._room = room

    def plain(self, value: Value) -> object:
        """The value as plain data; without room, with the first items of its long lists alone."""
        self._room -= 1
        data = value.data
        if isinstance(data, list):
            items = Items(data)
            for item in data if self._room > 0 else islice(data, _SHORT):
                if self._room <= 0 and len(items) >= _SHORT:
                    break
                items.append(self.plain(item))
            return items
        if isinstance(data, dict):
            entries: dict[str, object] = {}
            for key, item in data.items():
                if self._room <= 0 and len(entries) >= _FEW and len(data) > _FEW:
                    break
                entries[key] = self.plain(item)
            return entries
        return data
