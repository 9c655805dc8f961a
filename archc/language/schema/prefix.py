"""The beginning of a document: validators keep every error of what they are given in memory, so
that a very large document is given to them from the beginning on, in growing parts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from archc.language.values import Value, parts

STRETCH = 30_000
"""Values by which a part is larger than the one before."""
_SHORT = 8
_FEW = 64
"""Shorter lists and smaller mappings stay whole: the schema may need all that they have."""


_MARK = "\x01"
"""Stands before keys whose paths the validator would garble; the reader lets none through."""


def prefixes(document: Value) -> Iterator[object]:
    """The document as plain data: its beginning, then more and more of it, at last all. Positions
    in lists are those of the document. The validator leaves empty keys out of its paths, and takes
    numbers for positions in a list: such keys are marked."""
    size = sum(1 for _ in parts(document))
    for most in range(STRETCH, size, STRETCH):
        yield _Prefix(most).plain(document)
    yield _Prefix(size).plain(document)


def unmarked(part: Any) -> Any:
    """A part of a path, or a key, as the document has it."""
    return part.removeprefix(_MARK) if isinstance(part, str) else part


class _Prefix:
    """Copies values as long as there is room."""

    def __init__(self, room: int) -> None:
        self._room = room

    def plain(self, value: Value) -> object:
        """The value as plain data; without room, with the first items of its long lists alone."""
        self._room -= 1
        data = value.data
        if isinstance(data, list):
            items: list[object] = []
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
                marked = key if key[:1].isalpha() else f"{_MARK}{key}"
                entries[marked] = self.plain(item)
            return entries
        return data
