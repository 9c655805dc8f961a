"""Turns the expressions of `archc.codegen.tree` into text that knows where it may break.

Literals, f-strings and names are printed here and nowhere else: whatever text a literal holds, it
comes out as inert ASCII. A piece knows its text on one line, so that each expression is measured
once; `archc.codegen.layout` lays the pieces out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias, TypeGuard

from archc.codegen.tree import (
    BINDING,
    Attribute,
    Binary,
    Call,
    Commented,
    Conditional,
    Expr,
    Formatted,
    FString,
    Generator,
    Index,
    ListOf,
    Lit,
    Ref,
    Slice,
    Starred,
    TupleOf,
    Unary,
    Value,
)


def lit(value: Value) -> str:
    """The Python literal of `value`, in ASCII and on one line.

    Raises ValueError for a float that is not finite, and TypeError for any other type, subclasses
    included, since their `repr` could be anything.
    """
    kind = type(value)
    if isinstance(value, str) and kind is str:
        return _quoted(value)
    if value is None or kind is bool or kind is int:
        return repr(value)
    if isinstance(value, float) and kind is float:
        if not math.isfinite(value):
            raise ValueError(f"not a finite number: {value}")
        # 1e-05 and 1e+16 are written 1e-5 and 1e16, as people write them.
        return re.sub(r"e(-?)\+?0*(\d)", r"e\1\2", repr(value))
    if isinstance(value, tuple) and kind is tuple:
        return f"({', '.join(map(lit, value))}{',' if len(value) == 1 else ''})"
    raise TypeError(f"not a literal: {kind.__name__}")


def escaped(text: str) -> str:
    """`text` in ASCII: backslashes, control and other characters become escapes, quotes stay."""
    return text.encode("unicode_escape").decode("ascii")


def _quoted(text: str) -> str:
    """The string literal of `text`: double quotes, unless single ones need fewer escapes."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    return quote + escaped(text).replace(quote, "\\" + quote) + quote


class Text(NamedTuple):
    """What never breaks."""

    flat: str


class Item(NamedTuple):
    """What stands in a bracket, with its comments."""

    piece: Piece
    comment: str | None = None
    above: str | None = None


class Bracket(NamedTuple):
    """Items between brackets. `flat` is None where a comment forces it to explode.

    Of a soft bracket, such as the parentheses around an operand, `flat` is the text without it.
    """

    flat: str | None
    opening: str
    items: tuple[Item, ...]
    closing: str
    comma: bool = True


class Run(NamedTuple):
    """Texts and brackets, one after the other."""

    flat: str | None
    parts: tuple[Text | Bracket, ...]


class Operand(NamedTuple):
    """A piece and the operator before it, as it stands on one line and as it starts a line."""

    joint: str
    word: str
    piece: Piece


class Split(NamedTuple):
    """Operands that break before their operators: as many `operators`, all of one `binding`."""

    flat: str | None
    operands: tuple[Operand, ...]
    binding: int
    operators: int


Piece: TypeAlias = "Text | Bracket | Run | Split"

_CONDITIONAL, _NOT, _UNARY, _POWER, ATTRIBUTE, _ATOM = 1, 4, 9, 10, 11, 12


def _join(texts: Iterable[str | None], separator: str = "") -> str | None:
    found = list(texts)
    strings = [text for text in found if text is not None]
    return separator.join(strings) if len(strings) == len(found) else None


def run(*pieces: Piece) -> Run:
    """The pieces one after the other; operators among them get parentheses where they break."""
    parts: list[Text | Bracket] = []
    for piece in pieces:
        parts += piece.parts if isinstance(piece, Run) else [_soft(piece)]
    return Run(_join(part.flat for part in parts), tuple(parts))


def _soft(piece: Piece) -> Text | Bracket:
    if isinstance(piece, Text | Bracket):
        return piece
    return Bracket(piece.flat, "(", (Item(piece),), ")", comma=False)


def bracket(opening: str, items: Sequence[Item], closing: str, *, comma: bool = True) -> Bracket:
    texts = (None if i.comment or i.above else i.piece.flat for i in items)
    flat = _join(texts, ", ")
    return Bracket(
        None if flat is None else opening + flat + closing, opening, tuple(items), closing, comma
    )


def parenthesized(piece: Piece) -> Bracket:
    return bracket("(", [Item(piece)], ")", comma=False)


def _tuple(items: Sequence[Item]) -> Bracket:
    made = bracket("(", items, ")")
    if len(items) == 1 and made.flat is not None:
        return made._replace(flat=f"{made.flat[:-1]},)")
    return made


def _item(expr: Expr) -> Item:
    """An argument or an item of a list."""
    if isinstance(expr, Commented):
        return Item(_item(expr.value).piece, expr.comment, expr.above)
    if isinstance(expr, Starred):
        return Item(run(Text("*"), _operand(expr.value, ATTRIBUTE)))
    return Item(to_piece(expr))


def _binding(expr: Expr) -> int:
    """How tightly the expression's own operator binds."""
    match expr:
        case Conditional():
            return _CONDITIONAL
        case Binary(operator):
            return BINDING[operator]
        case Unary(operator):
            return _NOT if operator == "not" else _UNARY
        case Lit(value) if isinstance(value, int | float) and lit(value).startswith("-"):
            return _UNARY
        case _:
            return _ATOM


def _operand(expr: Expr, loosest: int) -> Piece:
    """The expression, in parentheses where it binds looser than `loosest`."""
    piece = to_piece(expr)
    return parenthesized(piece) if _binding(expr) < loosest else piece


def to_piece(expr: Expr) -> Piece:
    match expr:
        case Lit(value):
            if isinstance(value, tuple):
                return _tuple([_item(Lit(item)) for item in value])
            return Text(lit(value))
        case Ref(name):
            return Text(name)
        case ListOf(items):
            return bracket("[", [_item(item) for item in items], "]")
        case TupleOf(items):
            return _tuple([_item(item) for item in items])
        case Call() | Attribute() | Index():
            return _chain(expr)
        case Unary(operator, operand):
            # ruff puts parentheses around a power too: -(x**2).
            tight = _UNARY if _binding(operand) != _POWER else _ATOM
            return run(Text("-" if operator == "-" else "not "), _operand(operand, tight))
        case Binary():
            return _binary(expr)
        case Conditional(condition, then, otherwise):
            first, *rest = (
                _operand(part, _CONDITIONAL + 1) for part in (then, condition, otherwise)
            )
            return _split(first, zip(("if ", "else "), rest, strict=True), _CONDITIONAL)
        case Generator():
            return parenthesized(_generator(expr))
        case FString(parts):
            return Text(_fstring(parts))
        case _:
            raise ValueError(f"{type(expr).__name__} cannot stand here")


def _split(first: Piece, rest: Iterable[tuple[str, Piece]], binding: int) -> Split:
    operands = [Operand("", "", first), *(Operand(f" {word}", word, piece) for word, piece in rest)]
    return _joined(operands, binding)


def _joined(operands: Sequence[Operand], binding: int) -> Split:
    texts = (None if each.piece.flat is None else each.joint + each.piece.flat for each in operands)
    return Split(_join(texts), tuple(operands), binding, len(operands) - 1)


def _generator(expr: Generator) -> Split:
    element = _operand(expr.element, _CONDITIONAL)
    iterable = _operand(expr.iterable, _CONDITIONAL + 1)
    return _split(element, [(f"for {expr.variable} in ", iterable)], _CONDITIONAL)


def _binary(expr: Binary) -> Split:
    """Operands of one binding side by side, so that they break together."""
    operator, binding = expr.operator, BINDING[expr.operator]
    joint = f" {operator} "
    if operator == "or":
        # `a or (b and c)` needs no parentheses and is easier to read with them.
        loosest = binding if _is_binary(expr.left, "or") else _NOT, _NOT
    elif operator == "**":
        loosest = binding + 1, _UNARY
        exponent = expr.right.left if _is_binary(expr.right, "**") else expr.right
        hugs = _is_simple(expr.left) and _binding(expr.left) == _ATOM and _is_simple(exponent)
        joint = "**" if hugs else joint
    else:
        # Comparisons do not associate.
        loosest = binding + (binding == BINDING["<"]), binding + 1
    left, right = _operand(expr.left, loosest[0]), _operand(expr.right, loosest[1])
    first, *rest = _same_binding(right, binding)
    last = Operand(joint, f"{operator} ", first.piece)
    return _joined([*_same_binding(left, binding), last, *rest], binding)


def _same_binding(piece: Piece, binding: int) -> tuple[Operand, ...]:
    if isinstance(piece, Split) and piece.binding == binding:
        return piece.operands
    return (Operand("", "", piece),)


def _is_binary(expr: Expr, operator: str) -> TypeGuard[Binary]:
    return isinstance(expr, Binary) and expr.operator == operator


def _is_simple(expr: Expr) -> bool:
    """Whether a power hugs the operand: names, attributes and numbers, with a sign or without."""
    match expr:
        case Lit(value):
            return value is None or isinstance(value, int | float)
        case Unary("-", operand):
            return _is_simple(operand)
        case Attribute(value):
            return _is_simple(value)
        case _:
            return isinstance(expr, Ref)


def _chain(expr: Expr) -> Piece:
    """Calls, subscripts and attributes, one after the other.

    With two attributes of calls or more, ruff breaks before these attributes ("fluent style").
    """
    trailers: list[Text | Bracket] = []
    while isinstance(expr, Call | Index | Attribute):
        if isinstance(expr, Call):
            trailers.append(_arguments(expr))
            expr = expr.function
        elif isinstance(expr, Index):
            keys = [
                Item(_slice(key) if isinstance(key, Slice) else to_piece(key)) for key in expr.keys
            ]
            trailers.append(bracket("[", keys, "]", comma=len(keys) > 1))
            expr = expr.value
        else:
            trailers.append(Text(f".{expr.name}"))
            expr = expr.value
    number = isinstance(expr, Lit) and isinstance(expr.value, int | float)
    bare = _binding(expr) == _ATOM and not number
    segments: list[list[Piece]] = [[to_piece(expr) if bare else parenthesized(to_piece(expr))]]
    breakable = not bare
    for trailer in reversed(trailers):
        if breakable and isinstance(trailer, Text):
            segments.append([])
        segments[-1].append(trailer)
        breakable = isinstance(trailer, Bracket)
    if len(segments) > 2:
        operands = [Operand("", "", run(*parts)) for parts in segments]
        return _joined(operands, ATTRIBUTE)
    return run(*(part for parts in segments for part in parts))


def _arguments(expr: Call) -> Bracket:
    kept = [word for word in expr.keywords if word.value != word.default]
    if len(expr.arguments) == 1 and not kept and isinstance(expr.arguments[0], Generator):
        return parenthesized(_generator(expr.arguments[0]))
    words = [_item(word.value) for word in kept]
    words = [
        item._replace(piece=run(Text(f"{word.name}="), item.piece))
        for word, item in zip(kept, words, strict=True)
    ]
    return bracket("(", [*map(_item, expr.arguments), *words], ")")


def _slice(expr: Slice) -> Run:
    given = [part for part in (expr.start, expr.stop, expr.step) if part is not None]
    gap = "" if all(map(_is_plain_bound, given)) else " "
    parts: list[Piece] = [] if expr.start is None else [to_piece(expr.start), Text(gap)]
    parts.append(Text(":"))
    if expr.stop is not None:
        parts += [Text(gap), to_piece(expr.stop)]
    if expr.step is not None:
        parts += [Text(":" if expr.stop is None else f"{gap}:"), Text(gap), to_piece(expr.step)]
    return run(*parts)


def _is_plain_bound(expr: Expr) -> bool:
    """Whether a bound needs no space before or after the colon of its slice."""
    match expr:
        case Unary("-", operand):
            return _is_plain_bound(operand)
        case Ref(name):
            return "." not in name
        case _:
            return isinstance(expr, Lit) and not isinstance(expr.value, tuple)


def _fstring(parts: Sequence[str | Expr]) -> str:
    texts = [part for part in parts if isinstance(part, str)]
    if len(texts) == len(parts):
        return _quoted("".join(texts))
    quote = _quoted("".join(texts))[0]
    printed = ""
    for part in parts:
        if isinstance(part, str):
            text = escaped(part).replace("{", "{{").replace("}", "}}")
            printed += text.replace(quote, "\\" + quote)
            continue
        value, form = (part.value, part.format) if isinstance(part, Formatted) else (part, "")
        flat = to_piece(value).flat
        if flat is None or not {*"\"'{}\\"}.isdisjoint(flat):
            raise ValueError("not an expression for an f-string")
        printed += f"{{{flat}:{form}}}" if form else f"{{{flat}}}"
    return f"f{quote}{printed}{quote}"


def width_on_one_line(expr: Expr) -> int | None:
    """Characters of an expression on one line; None where a comment keeps it from one."""
    flat = to_piece(expr).flat
    return None if flat is None else len(flat)
