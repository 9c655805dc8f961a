"""Lays pieces out over lines of 88 columns, as `ruff format` would leave them.

What does not fit on a line is exploded from the outermost bracket inwards, one item per line with a
trailing comma, which ruff keeps as it is. The places without a bracket follow ruff's own rules. A
text that is longer than a line of its own stands as it is.

Each function gives lines: the first without its indentation, the others with theirs. `column` is
where the first line starts, and `reserve` is how much must fit behind the last one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from archc.codegen.docs import ATTRIBUTE, Bracket, Piece, Run, Split, Text, escaped, parenthesized

WIDTH = 88
INDENT = 4


def comment_line(text: str) -> str:
    """`text` as one comment. White space collapses; it cannot declare the file's encoding."""
    line = escaped(" ".join(text.split()))
    return "# " + re.sub("coding(?=[:=])", "coding ", line) if line else "#"


def lay(piece: Piece, indent: int, column: int, reserve: int) -> list[str]:
    """The piece inside a bracket: on one line where it fits."""
    if piece.flat is not None and column + len(piece.flat) + reserve <= WIDTH:
        return [piece.flat]
    match piece:
        case Text(flat):
            return [flat]
        case Bracket():
            return exploded(piece, indent)
        case Run(parts=parts):
            return _lay_run(parts, indent, column, reserve)
        case Split(operands=operands):
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


def exploded(bracket: Bracket, indent: int) -> list[str]:
    """The bracket with one item per line."""
    if not bracket.items:
        return [bracket.opening + bracket.closing]
    inner = indent + INDENT
    margin = " " * inner
    comma = "," if bracket.comma else ""
    lines = [bracket.opening]
    for index, item in enumerate(bracket.items):
        last = index == len(bracket.items) - 1
        behind = comma if last else ","
        if item.above:
            lines.append(margin + comment_line(item.above))
        lines += with_comment(
            after(margin, lay(item.piece, inner, inner, len(behind))),
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


def _lay_run(parts: Sequence[Text | Bracket], indent: int, column: int, reserve: int) -> list[str]:
    chosen = _brackets_to_explode(parts, indent, column, reserve)
    lines = [""]
    for index, part in enumerate(parts):
        if isinstance(part, Bracket) and index in chosen:
            lines[-1:] = after(lines[-1], exploded(part, indent))
        else:
            lines[-1] += part.flat or ""
    return lines


def _brackets_to_explode(
    parts: Sequence[Text | Bracket], indent: int, column: int, reserve: int
) -> set[int]:
    """The longest bracket alone where that is enough, else as few as it takes from the left."""
    found = [i for i, part in enumerate(parts) if isinstance(part, Bracket) and part.items]
    if len(found) <= 1:
        return set(found)
    widths = [len(part.flat or "") for part in parts]
    if all(part.flat is not None for part in parts):
        for index in sorted(found, key=lambda i: -widths[i]):
            first = column + sum(widths[:index]) + 1
            last = indent + 1 + sum(widths[index + 1 :]) + reserve
            if first <= WIDTH and last <= WIDTH and _keeps_exploded(parts[index]):
                return {index}
    chosen: set[int] = set()
    for index, part in enumerate(parts):
        if index in found:
            following = next((i for i in found if i > index), None)
            behind = sum(widths[index + 1 : following])
            end = reserve if following is None else 1
            if part.flat is None or column + widths[index] + behind + end > WIDTH:
                chosen.add(index)
                column = indent + 1
                continue
        column += widths[index]
    return chosen


def _keeps_exploded(part: Text | Bracket) -> bool:
    """Whether a trailing comma keeps ruff from joining the bracket again; `(1,)` has one anyway."""
    return isinstance(part, Bracket) and part.comma and not (part.flat or "").endswith(",)")


def lay_value(
    piece: Piece, indent: int, column: int, reserve: int = 0, *, eager: bool = False
) -> list[str]:
    """The piece outside of any bracket, where breaking may need parentheses.

    They are `eager` behind a target that could break itself: there even where they do not help.
    """
    if piece.flat is not None and column + len(piece.flat) + reserve <= WIDTH:
        return [piece.flat]
    if isinstance(piece, Bracket):
        return exploded(piece, indent)
    parts = _leaves(piece)
    breaks = next((i for i, part in enumerate(parts) if _is_filled(part)), None)
    # What cannot be broken off: all of it, or up to the first bracket.
    head = sum(len(part.flat or "") for part in parts[:breaks]) + (breaks is not None)
    fits = column + head <= WIDTH
    if isinstance(piece, Split):
        if fits and breaks is not None and _breaks_at_its_end(piece):
            bare = _lay_run(parts, indent, column, reserve)
            if len(bare[-1]) + reserve <= WIDTH:
                return bare
        return exploded(parenthesized(piece), indent)
    if not fits and column < WIDTH:
        between = exploded(parenthesized(piece), indent)
        if eager or all(len(line) <= WIDTH for line in between):
            return between
    return _lay_run(parts, indent, column, reserve)


def _leaves(piece: Piece) -> list[Text | Bracket]:
    """The piece as one run, its operators as text."""
    if isinstance(piece, Split):
        leaves: list[Text | Bracket] = []
        for joint, _, part in piece.operands:
            leaves += [Text(joint), *_leaves(part)]
        return leaves
    return list(piece.parts) if isinstance(piece, Run) else [piece]


def _breaks_at_its_end(piece: Split) -> bool:
    """Whether ruff breaks inside the first or last operand rather than at the operators."""
    operators = list(_operators(piece))
    loosest = min(binding for binding, _ in operators)
    if sum(count for binding, count in operators if binding == loosest) > 1:
        return False
    first: Piece = piece
    last: Piece = piece
    while isinstance(first, Split):
        first = first.operands[0].piece
    while isinstance(last, Split):
        last = last.operands[-1].piece
    if isinstance(first, Run):
        first = first.parts[0]
    if isinstance(last, Run):
        # Not inside a subscript.
        end = last.parts[-1]
        last = end if isinstance(end, Bracket) and end.opening == "(" else last
    return _is_filled(first) or _is_filled(last)


def _is_filled(piece: Piece) -> bool:
    return isinstance(piece, Bracket) and bool(piece.items)


def _operators(piece: Piece) -> Iterator[tuple[int, int]]:
    """How tightly each kind of operator outside of brackets binds, and how many there are."""
    if isinstance(piece, Split):
        yield piece.binding, piece.operators
        for _, _, part in piece.operands:
            yield from _operators(part)
    elif isinstance(piece, Run):
        for before, part in pairwise(piece.parts):
            if isinstance(before, Bracket) and isinstance(part, Text) and part.flat[:1] == ".":
                yield ATTRIBUTE, 1
