"""Turns the expressions of `archc.codegen.tree` into documents: text that knows where it may break.

Literals, f-strings and names are printed here and nowhere else: whatever text a literal holds, it
comes out as inert ASCII. A document knows its text on one line, so that each expression is measured
once; `archc.codegen.layout` breaks it over lines.
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
    DictOf,
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
from archc.diagnostics.characters import INLINE_COMMAND


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
    if value is ...:
        return "..."
    if isinstance(value, float) and kind is float:
        if not math.isfinite(value):
            raise ValueError(f"not a finite number: {value}")
        # 1e-05 and 1e+16 are written 1e-5 and 1e16, as people write them.
        return re.sub(r"e(-?)\+?0*(\d)", r"e\1\2", repr(value))
    if isinstance(value, tuple) and kind is tuple:
        return f"({', '.join(map(lit, value))}{',' if len(value) == 1 else ''})"
    raise TypeError(f"not a literal: {kind.__name__}")


def escaped(text: str) -> str:
    """`text` in ASCII: backslashes, control and other characters become escapes, quotes stay. No
    CI runner takes a part of it for a command."""
    text = text.encode("unicode_escape").decode("ascii")
    return text.replace(INLINE_COMMAND, "\\x23#[")


def _quoted(text: str) -> str:
    """The string literal of `text`: double quotes, unless single ones need fewer escapes."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    return quote + escaped(text).replace(quote, "\\" + quote) + quote


class Text(NamedTuple):
    """What never breaks."""

    flat: str


class Item(NamedTuple):
    """What stands in a bracket, with its comments."""

    doc: Doc
    comment: str | None = None
    above: str | None = None


class Bracket(NamedTuple):
    """Items between brackets. `flat` is None where a comment forces one item per line.

    Of a soft bracket, such as the parentheses around an operand, `flat` is the text without it.
    `comma` says from how many items on a comma follows the last, where they stand one per line;
    0 where none may. `shared` says whether the items may stand together on one line inside the
    brackets: arguments do, the items of lists and tuples do not.
    """

    flat: str | None
    opening: str
    items: tuple[Item, ...]
    closing: str
    comma: int = 2
    shared: bool = False


class Concat(NamedTuple):
    """Texts and brackets, one after the other."""

    flat: str | None
    parts: tuple[Text | Bracket, ...]


class Operand(NamedTuple):
    """A document and the operator before it, as it stands on one line and as it starts a line."""

    joint: str
    word: str
    doc: Doc


class Operation(NamedTuple):
    """Operands that break before their operators: as many `operators`, all of one `binding`."""

    flat: str | None
    operands: tuple[Operand, ...]
    binding: int
    operators: int


Doc: TypeAlias = "Text | Bracket | Concat | Operation"

_CONDITIONAL, _NOT, _UNARY, _POWER, ATTRIBUTE, _ATOM = 1, 4, 9, 10, 11, 12


def _join(texts: Iterable[str | None], separator: str = "") -> str | None:
    parts = list(texts)
    strings = [text for text in parts if text is not None]
    return separator.join(strings) if len(strings) == len(parts) else None


def concat(*docs: Doc) -> Concat:
    """The documents one after the other; operators among them get parentheses where they break."""
    parts: list[Text | Bracket] = []
    for doc in docs:
        parts += doc.parts if isinstance(doc, Concat) else [_soft(doc)]
    return Concat(_join(part.flat for part in parts), tuple(parts))


def _soft(doc: Doc) -> Text | Bracket:
    if isinstance(doc, Text | Bracket):
        return doc
    return Bracket(doc.flat, "(", (Item(doc),), ")", comma=0)


def bracket(
    opening: str, items: Sequence[Item], closing: str, *, comma: int = 2, shared: bool = False
) -> Bracket:
    inner = items_on_one_line(items)
    flat = None if inner is None else opening + inner + closing
    return Bracket(flat, opening, tuple(items), closing, comma, shared)


def items_on_one_line(items: Sequence[Item]) -> str | None:
    """The items behind one another; None where a comment keeps them from that."""
    return _join((None if i.comment or i.above else i.doc.flat for i in items), ", ")


def parenthesized(doc: Doc) -> Bracket:
    return bracket("(", [Item(doc)], ")", comma=0)


def _tuple(items: Sequence[Item]) -> Bracket:
    display = bracket("(", items, ")", comma=1)
    if len(items) == 1 and display.flat is not None:
        return display._replace(flat=f"{display.flat[:-1]},)")
    return display


def _item(expr: Expr) -> Item:
    """An argument or an item of a list."""
    if isinstance(expr, Commented):
        return Item(_item(expr.value).doc, expr.comment, expr.above)
    if isinstance(expr, Starred):
        return Item(concat(Text("**" if expr.doubly else "*"), _operand(expr.value, ATTRIBUTE)))
    return Item(to_doc(expr))


def _pair(key: Expr | None, value: Expr) -> Item:
    """An item of a dictionary."""
    if key is None:
        return Item(concat(Text("**"), _operand(value, ATTRIBUTE)))
    return Item(concat(to_doc(key), Text(": "), to_doc(value)))


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


def _operand(expr: Expr, loosest: int) -> Doc:
    """The expression, in parentheses where it binds looser than `loosest`."""
    doc = to_doc(expr)
    return parenthesized(doc) if _binding(expr) < loosest else doc


def to_doc(expr: Expr) -> Doc:
    match expr:
        case Lit(value):
            if isinstance(value, tuple):
                return _tuple([_item(Lit(item)) for item in value])
            return Text(lit(value))
        case Ref(name):
            return Text(name)
        case ListOf((Generator() as generator,)):
            return bracket("[", [Item(_generator(generator))], "]", comma=0)
        case DictOf(pairs):
            return bracket("{", [_pair(key, value) for key, value in pairs], "}", comma=1)
        case ListOf(items):
            return bracket("[", [_item(item) for item in items], "]")
        case TupleOf(items):
            return _tuple([_item(item) for item in items])
        case Call() | Attribute() | Index():
            return _chain(expr)
        case Unary(operator, operand):
            # ruff puts parentheses around a power too: -(x**2).
            tight = _UNARY if _binding(operand) != _POWER else _ATOM
            return concat(Text("-" if operator == "-" else "not "), _operand(operand, tight))
        case Binary():
            return _binary(expr)
        case Conditional(condition, then, otherwise):
            first, *rest = (
                _operand(part, _CONDITIONAL + 1) for part in (then, condition, otherwise)
            )
            return _operation(first, zip(("if ", "else "), rest, strict=True), _CONDITIONAL)
        case Generator():
            return parenthesized(_generator(expr))
        case FString(parts):
            return Text(_fstring(parts))
        case _:
            raise ValueError(f"{type(expr).__name__} cannot stand here")


def _operation(first: Doc, rest: Iterable[tuple[str, Doc]], binding: int) -> Operation:
    operands = [Operand("", "", first), *(Operand(f" {word}", word, doc) for word, doc in rest)]
    return _joined(operands, binding)


def _joined(operands: Sequence[Operand], binding: int) -> Operation:
    texts = (None if each.doc.flat is None else each.joint + each.doc.flat for each in operands)
    return Operation(_join(texts), tuple(operands), binding, len(operands) - 1)


def _generator(expr: Generator) -> Operation:
    element = _operand(expr.element, _CONDITIONAL)
    clauses = [(f"for {expr.variable} in ", _operand(expr.iterable, _CONDITIONAL + 1))]
    if expr.condition is not None:
        clauses.append(("if ", _operand(expr.condition, _CONDITIONAL + 1)))
    return _operation(element, clauses, _CONDITIONAL)


def _binary(expr: Binary) -> Operation:
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
    last = Operand(joint, f"{operator} ", first.doc)
    return _joined([*_same_binding(left, binding), last, *rest], binding)


def _same_binding(doc: Doc, binding: int) -> tuple[Operand, ...]:
    if isinstance(doc, Operation) and doc.binding == binding:
        return doc.operands
    return (Operand("", "", doc),)


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


def _chain(expr: Expr) -> Doc:
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
                Item(_slice(key) if isinstance(key, Slice) else to_doc(key)) for key in expr.keys
            ]
            trailers.append(bracket("[", keys, "]", shared=True))
            expr = expr.value
        else:
            trailers.append(Text(f".{expr.name}"))
            expr = expr.value
    number = isinstance(expr, Lit) and isinstance(expr.value, int | float)
    bare = _binding(expr) == _ATOM and not number
    segments: list[list[Doc]] = [[to_doc(expr) if bare else parenthesized(to_doc(expr))]]
    breakable = not bare
    for trailer in reversed(trailers):
        if breakable and isinstance(trailer, Text):
            segments.append([])
        segments[-1].append(trailer)
        breakable = isinstance(trailer, Bracket)
    if len(segments) > 2:
        operands = [Operand("", "", concat(*parts)) for parts in segments]
        return _joined(operands, ATTRIBUTE)
    return concat(*(part for parts in segments for part in parts))


def _arguments(expr: Call) -> Bracket:
    keywords = [word for word in expr.keywords if word.value != word.default]
    if len(expr.arguments) == 1 and not keywords and isinstance(expr.arguments[0], Generator):
        return parenthesized(_generator(expr.arguments[0]))
    words = [_item(word.value) for word in keywords]
    words = [
        item._replace(doc=concat(Text(f"{word.name}="), item.doc))
        for word, item in zip(keywords, words, strict=True)
    ]
    return bracket("(", [*map(_item, expr.arguments), *words], ")", shared=True)


def _slice(expr: Slice) -> Concat:
    bounds = [part for part in (expr.start, expr.stop, expr.step) if part is not None]
    gap = "" if all(map(_is_plain_bound, bounds)) else " "
    parts: list[Doc] = [] if expr.start is None else [to_doc(expr.start), Text(gap)]
    parts.append(Text(":"))
    if expr.stop is not None:
        parts += [Text(gap), to_doc(expr.stop)]
    if expr.step is not None:
        parts += [Text(":" if expr.stop is None else f"{gap}:"), Text(gap), to_doc(expr.step)]
    return concat(*parts)


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
        flat = to_doc(value).flat
        if flat is None or not {*"\"'{}\\"}.isdisjoint(flat):
            raise ValueError("not an expression for an f-string")
        printed += f"{{{flat}:{form}}}" if form else f"{{{flat}}}"
    return f"f{quote}{printed}{quote}"


def width_on_one_line(expr: Expr) -> int | None:
    """Characters of an expression on one line; None where a comment keeps it from one."""
    flat = to_doc(expr).flat
    return None if flat is None else len(flat)
