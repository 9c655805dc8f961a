"""Lays documents out over lines of 88 columns, as black does and as `ruff format` would leave them.

What does not fit on a line is broken from the outermost bracket inwards: arguments stand together
on one line inside the brackets where they fit, else one per line with a trailing comma; the items
of lists, tuples and imports stand one per line. Lines without a bracket follow ruff's own
rules. A text that is longer than a line of its own stands as it is.

Each function gives lines: the first without its indentation, the others with theirs. `column` is
where the first line starts, and `reserve` is how much must fit behind the last one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from archc.codegen.docs import (
    ATTRIBUTE,
    Bracket,
    Concat,
    Doc,
    Operation,
    Text,
    escaped,
    items_on_one_line,
    parenthesized,
)

WIDTH = 88
INDENT = 4
LONGEST_SUMMARY = WIDTH - INDENT - 2 * len('"""')
"""Characters of a docstring of a function or class that stands on one line with its quotes."""


def comment_line(text: str) -> str:
    """`text` as one comment. White space collapses; it cannot declare the file's encoding."""
    line = escaped(" ".join(text.split()))
    return "# " + re.sub("coding(?=[:=])", "coding ", line) if line else "#"


def lay(doc: Doc, indent: int, column: int, reserve: int) -> list[str]:
    """The document inside a bracket: on one line where it fits."""
    if doc.flat is not None and column + len(doc.flat) + reserve <= WIDTH:
        return [doc.flat]
    match doc:
        case Text(flat):
            return [flat]
        case Bracket():
            return multiline(doc, indent)
        case Concat(parts=parts):
            return _lay_parts(parts, indent, column, reserve)
        case Operation(operands=operands):
            lines: list[str] = []
            for index, (_, word, part) in enumerate(operands):
                start = (indent if index else column) + len(word)
                behind = reserve if index == len(operands) - 1 else 0
                lines += after(
                    " " * indent + word if index else "", lay(part, indent, start, behind)
                )
            return lines


def after(prefix: str, lines: Sequence[str]) -> list[str]:
    """The lines with `prefix` before the first."""
    return [prefix + lines[0], *lines[1:]]


def multiline(bracket: Bracket, indent: int) -> list[str]:
    """The bracket over several lines: its items together on one of them where they may and fit,
    else one per line."""
    inner = indent + INDENT
    # A parameter that stands alone gets its comma all the same, and with it stays as it is.
    shared = bracket.shared and len(bracket.items) > (bracket.comma == 1)
    together = items_on_one_line(bracket.items) if shared else None
    if together is not None and inner + len(together) <= WIDTH:
        return [bracket.opening, " " * inner + together, " " * indent + bracket.closing]
    return one_per_line(bracket, indent)


def one_per_line(bracket: Bracket, indent: int) -> list[str]:
    """The bracket with one item per line."""
    if not bracket.items:
        return [bracket.opening + bracket.closing]
    inner = indent + INDENT
    margin = " " * inner
    comma = "," if bracket.comma and len(bracket.items) >= bracket.comma else ""
    lines = [bracket.opening]
    for index, item in enumerate(bracket.items):
        last = index == len(bracket.items) - 1
        behind = comma if last else ","
        if item.above:
            lines.append(margin + comment_line(item.above))
        lines += with_comment(
            after(margin, lay(item.doc, inner, inner, len(behind))),
            behind,
            item.comment,
            margin,
        )
    return [*lines, " " * indent + bracket.closing]


def with_comment(lines: list[str], behind: str, comment: str | None, margin: str) -> list[str]:
    """The lines with `behind` and the comment at their end, or above them where it is too long."""
    lines[-1] += behind
    if comment:
        text = comment_line(comment)
        if len(lines[-1]) + len(text) + 2 <= WIDTH:
            lines[-1] += f"  {text}"
        else:
            lines.insert(0, margin + text)
    return lines


def _lay_parts(
    parts: Sequence[Text | Bracket], indent: int, column: int, reserve: int
) -> list[str]:
    broken = _brackets_to_break(parts, indent, column, reserve)
    lines = [""]
    for index, part in enumerate(parts):
        if isinstance(part, Bracket) and index in broken:
            lines[-1:] = after(lines[-1], multiline(part, indent))
        else:
            lines[-1] += part.flat or ""
    return lines


def _brackets_to_break(
    parts: Sequence[Text | Bracket], indent: int, column: int, reserve: int
) -> set[int]:
    """As few of the brackets with items as it takes, from the left."""
    filled = [i for i, part in enumerate(parts) if isinstance(part, Bracket) and part.items]
    if len(filled) <= 1:
        return set(filled)
    widths = [len(part.flat or "") for part in parts]
    broken: set[int] = set()
    for index, part in enumerate(parts):
        if index in filled:
            following = next((i for i in filled if i > index), None)
            behind = sum(widths[index + 1 : following])
            end = reserve if following is None else 1
            if part.flat is None or column + widths[index] + behind + end > WIDTH:
                broken.add(index)
                column = indent + 1
                continue
        column += widths[index]
    return broken


def lay_value(
    doc: Doc, indent: int, column: int, reserve: int = 0, *, eager: bool = False
) -> list[str]:
    """The document outside of any bracket, where breaking may need parentheses.

    They are `eager` behind a target that could break itself: there even where they do not help.
    """
    if doc.flat is not None and column + len(doc.flat) + reserve <= WIDTH:
        return [doc.flat]
    if isinstance(doc, Bracket):
        return multiline(doc, indent)
    parts = _leaves(doc)
    breaks = next((i for i, part in enumerate(parts) if _is_filled(part)), None)
    # What cannot be broken off: all of it, or up to the first bracket.
    head = sum(len(part.flat or "") for part in parts[:breaks]) + (breaks is not None)
    fits = column + head <= WIDTH
    if isinstance(doc, Operation):
        if fits and breaks is not None and _breaks_at_its_end(doc):
            bare = _lay_parts(parts, indent, column, reserve)
            if len(bare[-1]) + reserve <= WIDTH:
                return bare
        return multiline(parenthesized(doc), indent)
    if not fits and column < WIDTH:
        between = multiline(parenthesized(doc), indent)
        if eager or all(len(line) <= WIDTH for line in between):
            return between
    return _lay_parts(parts, indent, column, reserve)


def lay_bare(doc: Doc, indent: int, column: int) -> list[str]:
    """The document outside of any bracket, broken only inside the brackets that it has itself."""
    if doc.flat is not None and column + len(doc.flat) <= WIDTH:
        return [doc.flat]
    return _lay_parts(_leaves(doc), indent, column, 0)


def _leaves(doc: Doc) -> list[Text | Bracket]:
    """The document as a flat sequence, its operators as text."""
    if isinstance(doc, Operation):
        leaves: list[Text | Bracket] = []
        for joint, _, part in doc.operands:
            leaves += [Text(joint), *_leaves(part)]
        return leaves
    return list(doc.parts) if isinstance(doc, Concat) else [doc]


def _breaks_at_its_end(doc: Operation) -> bool:
    """Whether ruff breaks inside the first or last operand rather than at the operators."""
    operators = list(_operators(doc))
    loosest = min(binding for binding, _ in operators)
    if sum(count for binding, count in operators if binding == loosest) > 1:
        return False
    first: Doc = doc
    last: Doc = doc
    while isinstance(first, Operation):
        first = first.operands[0].doc
    while isinstance(last, Operation):
        last = last.operands[-1].doc
    if isinstance(first, Concat):
        first = first.parts[0]
    if isinstance(last, Concat):
        # Not inside a subscript.
        end = last.parts[-1]
        last = end if isinstance(end, Bracket) and end.opening == "(" else last
    return _is_filled(first) or _is_filled(last)


def _is_filled(doc: Doc) -> bool:
    return isinstance(doc, Bracket) and bool(doc.items)


def _operators(doc: Doc) -> Iterator[tuple[int, int]]:
    """How tightly each kind of operator outside of brackets binds, and how many there are."""
    if isinstance(doc, Operation):
        yield doc.binding, doc.operators
        for _, _, part in doc.operands:
            yield from _operators(part)
    elif isinstance(doc, Concat):
        for before, part in pairwise(doc.parts):
            if isinstance(before, Bracket) and isinstance(part, Text) and part.flat[:1] == ".":
                yield ATTRIBUTE, 1
