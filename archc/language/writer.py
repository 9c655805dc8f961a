"""Plain values as YAML text, formatted as people write specs: short mappings and lists of numbers
on one line, all else in block style. `archc.language.reader` reads the same values back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from textwrap import wrap
from typing import NamedTuple

from archc.diagnostics.characters import has_command, inert_json
from archc.language.reader import resolve

WIDTH = 100
_PLAIN = re.compile(r"(?:[^\W\d]|\$)[\w $()*+./<=>!%-]*(?<! )")
_PLAIN_IN_BLOCK = re.compile(r"(?:[^\W\d]|\$)(?:[\w $()*+./<=>!%,;'&?\"-]|:(?=\w))*(?<! )")


class Commented(NamedTuple):
    """An item of a list, below a comment of one line."""

    value: object
    comment: str


def document(value: Mapping[str, object]) -> str:
    """A mapping as a whole document. Lists under `layers`, and lists that hold lists of text or
    mappings, are in block style; these can have `Commented` items."""
    return "\n".join(_entries(value, 0)) + "\n"


def inline(value: object) -> str:
    """A value on one line, in flow style."""
    if isinstance(value, Mapping):
        entries = (f"{inline(key)}: {inline(item)}" for key, item in value.items())
        return "{" + ", ".join(entries) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    if isinstance(value, str):
        return _text(value, _PLAIN)
    return json.dumps(value)


def _text(value: str, plain: re.Pattern[str]) -> str:
    """Text without quotes if YAML reads it back as the same text, else in double quotes."""
    if plain.fullmatch(value) and resolve(value) == value:
        return value
    return inert_json(json.dumps(value, ensure_ascii=False))


def _entries(value: Mapping[str, object], indent: int) -> Iterator[str]:
    for key, item in value.items():
        yield from _entry(" " * indent + inline(key) + ":", key, item, indent)


def _entry(head: str, key: str, item: object, indent: int) -> Iterator[str]:
    """An entry of a mapping; `head` is its indented key."""
    if item is None:
        yield head
    elif isinstance(item, str):
        yield from _block_text(head, item, indent)
    elif not isinstance(item, Mapping | list) or not item or _fits(head, key, item):
        yield f"{head} {inline(item)}"
    elif isinstance(item, Mapping):
        yield head
        yield from _entries(item, indent + 2)
    elif _is_numbers(item):
        yield from _wrap(f"{head} ", inline(item), indent)
    else:
        yield head
        yield from _items(item, indent + 2)


def _block_text(head: str, text: str, indent: int) -> Iterator[str]:
    """Text after its key: on one line, or folded if it is long and folding preserves it."""
    line = f"{head} {_text(text, _PLAIN_IN_BLOCK)}"
    words = text.split(" ")
    commands = any(map(has_command, words))  # folded, a word may stand at the start of a line
    if len(line) <= WIDTH or "\n" in text or "\t" in text or "" in words or commands:
        yield line
        return
    yield f"{head} >-"
    yield from _wrap(" " * (indent + 2), text, indent)


def _wrap(head: str, text: str, indent: int) -> list[str]:
    """Words after a head, wrapped."""
    return wrap(
        text,
        WIDTH,
        initial_indent=head,
        subsequent_indent=" " * (indent + 2),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _fits(head: str, key: str, item: Mapping[str, object] | list[object]) -> bool:
    """Whether a value fits on one line after its key."""
    if isinstance(item, list):
        if key == "layers" or not all(_is_flat(part) for part in item):
            return False
    else:
        for name, part in item.items():
            if isinstance(part, Mapping | list) and not _fits("", name, part):
                return False
    return len(head) + 1 + len(inline(item)) <= WIDTH


def _is_flat(item: object) -> bool:
    """Whether an item of a list can be in flow style: a scalar, or a list of numbers."""
    if isinstance(item, list):
        return all(isinstance(part, bool | int | float) or _is_numbers(part) for part in item)
    return not isinstance(item, Mapping | Commented)


def _is_numbers(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(part, bool | int | float) for part in value)


def _items(items: list[object], indent: int) -> Iterator[str]:
    margin = " " * indent
    for item in items:
        value = item
        if isinstance(item, Commented):
            yield f"{margin}# {item.comment}"
            value = item.value
        if isinstance(value, Mapping) and value:
            lines = _entries(value, indent + 2)
        elif _is_numbers(value):
            lines = iter(_wrap(" " * (indent + 2), inline(value), indent + 2))
        elif isinstance(value, list) and value:
            lines = _items(value, indent + 2)
        else:
            lines = iter([" " * (indent + 2) + inline(value)])
        # The first line of a collection follows the dash.
        first = next(lines)
        while first.lstrip(" ").startswith("#"):
            yield first
            first = next(lines)
        yield f"{margin}- {first[indent + 2 :]}"
        yield from lines
