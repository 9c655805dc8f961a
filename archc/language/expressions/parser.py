"""The parser of expressions: from the text of a scalar to a syntax tree."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple, NoReturn

from archc.diagnostics import did_you_mean, visible
from archc.language.expressions.functions import FUNCTIONS
from archc.language.expressions.tree import (
    DEEPEST,
    INPUT,
    MOST_CHARACTERS,
    Binary,
    Call,
    Comparison,
    Conditional,
    Display,
    Entry,
    Expression,
    ExpressionError,
    Incoming,
    Index,
    Literal,
    Logical,
    Name,
    Slice,
    Unary,
    check_bounds,
    children,
)
from archc.ops.axes import AXIS_NAMES

_BLANKS = " \t\r\n"
_SPACE = re.compile(r"[ \t\r\n]*")
_SHORT_FORM = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)[ \t\r\n]*")
_TOKEN = re.compile(
    r"(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<string>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
    r"|(?P<sign>//|\*\*|==|!=|<=|>=|:=|&&|\|\||<<|>>|.)",
    re.DOTALL,
)
_STUCK = re.compile(r"[A-Za-z0-9_.]+")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)

_CONSTANTS: Mapping[str, bool | None] = {
    "true": True,
    "True": True,
    "false": False,
    "False": False,
    "null": None,
    "None": None,
}
_RESERVED = frozenset(keyword.kwlist) - _CONSTANTS.keys()
_OR, _AND, _NOT, _COMPARISON, _SUM, _PRODUCT, _SIGN = range(1, 8)
_BINDING = (
    {"or": _OR, "and": _AND}
    | dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), _COMPARISON)
    | dict.fromkeys("+-", _SUM)
    | dict.fromkeys(("*", "/", "//", "%"), _PRODUCT)
)
_NO_MEMBERSHIP = "`in.channels` is an axis of the input; compare with `==` and `or`"
_HINTS = {
    "**": "there is no power operator: write x * x",
    "=": "`==` compares, and arguments are positional",
    ":=": "there are no assignments",
    "&": "write `and`",
    "&&": "write `and`",
    "|": "write `or`",
    "||": "write `or`",
    "?": "write `a if condition else b`",
    ":": "a slice is written as a[start:stop]; there are no steps and no mappings",
    ".": "only `in` and the inputs of a block have attributes, for example in.channels",
    ",": "a list is written in square brackets",
    "(": "only functions can be called: " + ", ".join(FUNCTIONS),
    "for": "there are no comprehensions: write the list out, or use range",
    "is": "`==` compares",
    "in": _NO_MEMBERSHIP,
    "not": _NO_MEMBERSHIP,
    "else": "write `a if condition else b`",
}
"""Hints for tokens where an operator or a closing bracket is expected."""
_VALUE_HINTS = {
    "!": "write `not`",
    "{": "there are no mappings and no sets",
    "$": "inside `$( )`, write names without `$`",
    "lambda": "the only functions are " + ", ".join(FUNCTIONS),
    "not": "put `not` and its operand in parentheses",
    "in": "write an axis of the input as in.channels",
}
"""Hints for tokens where a value is expected."""


class _Token(NamedTuple):
    kind: str
    text: str
    offset: int


def has_expressions(value: object) -> bool:
    """Whether a name of a spec holds expressions: a string with a `$`."""
    return isinstance(value, str) and "$" in value


def is_expression(value: object) -> bool:
    """Whether a scalar of a spec is an expression: a string that begins with `$`."""
    return isinstance(value, str) and value[:1] == "$"


@lru_cache(maxsize=4096)
def parse(text: str) -> Expression:
    """Parse the text of a scalar. Raises ExpressionError."""
    if not is_expression(text):
        raise ExpressionError("an expression begins with `$`", 0, 1)
    if len(text) > MOST_CHARACTERS:
        message = f"the expression is longer than {MOST_CHARACTERS:,} characters"
        raise ExpressionError(message, 0, len(text), "compute parts of it under `params`")
    if text[1:2] != "(":
        return _short_form(text)
    parser = _Parser(text)
    expression = parser.parenthesized()
    if parser.token.kind != "end":
        message = f"unexpected text after the closing `)`: {parser.token_text()}"
        offset, length = parser.token.offset, len(text.rstrip(_BLANKS)) - parser.token.offset
        raise ExpressionError(message, offset, length, "put the whole value inside `$( )`")
    _check_height(expression)
    return expression


@lru_cache(maxsize=4096)
def parse_text(text: str) -> tuple[str | Expression, ...]:
    """The parts of a text with expressions in it: plain text, and each `$( ... )`. A whole text may
    also be `$name`. Raises ExpressionError."""
    if is_expression(text) and text[1:2] != "(":
        return (parse(text),)
    parts: list[str | Expression] = []
    position = 0
    while (start := text.find("$", position)) >= 0:
        if text[start + 1 : start + 2] != "(":
            hint = "within a name, an expression is written as $( ... )"
            raise ExpressionError("expected `(` right after `$`", start + 1, 1, hint)
        if len(text) > MOST_CHARACTERS:
            message = f"the text is longer than {MOST_CHARACTERS:,} characters"
            raise ExpressionError(message, 0, len(text))
        parser = _Parser(text, start + 1)
        expression = parser.parenthesized()
        _check_height(expression)
        parts += [text[position:start]] if start > position else []
        parts.append(expression)
        position = parser.end
    return (*parts, text[position:]) if position < len(text) or not parts else tuple(parts)


def _short_form(text: str) -> Name:
    match = _SHORT_FORM.match(text)
    if match is None:
        message = "expected a name or `(` right after `$`"
        raise ExpressionError(message, 1, 1, "write $name, or $( ... ) for more than a name")
    name, end = match[1], match.end()
    if end < len(text):
        short = len(text) <= 40 and text.isascii()
        hint = f"write $({text[1:].rstrip(_BLANKS) if short else ' ... '})"
        message = f"unexpected text after `${name[:40]}`"
        raise ExpressionError(message, end, len(text.rstrip(_BLANKS)) - end, hint)
    if name in _CONSTANTS:
        hint = f"write {name.lower()} without the `$`" if name != "None" else "write null"
        raise ExpressionError(f"`{name}` is not a name", 1, len(name), hint)
    if name in _RESERVED:
        raise ExpressionError(f"`{name}` is a reserved word", 1, len(name))
    return Name(name, 1, len(name))


def _check_height(expression: Expression) -> None:
    """Reject trees too deep for recursion: `a + b + ...` nests without brackets."""
    level: list[Expression] = [expression]
    for _ in range(DEEPEST + 1):
        level = [child for node in level for child in children(node)]
        if not level:
            return
    message = f"more than {DEEPEST} nested operations"
    hint = "compute parts of it under `params`"
    raise ExpressionError(message, expression.offset, expression.length, hint)


class _Parser:
    """Precedence climbing with one token of lookahead, so that the leftmost error is reported."""

    def __init__(self, text: str, start: int = 1) -> None:
        self.text = text
        self.end = 0  # of the token before the current one
        self.depth = 0
        self.token = self.scan(start)

    # Tokens

    def scan(self, position: int) -> _Token:
        match_space = _SPACE.match(self.text, position)
        offset = match_space.end() if match_space else position
        match = _TOKEN.match(self.text, offset)
        if match is None:
            return _Token("end", "", offset)
        return _Token(str(match.lastgroup), match[0], offset)

    def advance(self) -> None:
        self.end = self.token.offset + len(self.token.text)
        self.token = self.scan(self.end)

    def accept(self, text: str) -> bool:
        # The text of a string begins with its quote, so it never equals a word or an operator.
        if self.token.text != text:
            return False
        self.advance()
        return True

    def span(self, start: int) -> tuple[int, int]:
        return start, self.end - start

    def token_text(self) -> str:
        text = self.token.text
        if text.isascii() or self.token.kind == "string":
            return f"`{text[:40]}`"
        return f"`{text}` (U+{ord(text):04X})" if visible(text) == text else f"U+{ord(text):04X}"

    def fail(self, message: str, hint: str | None = None) -> NoReturn:
        raise ExpressionError(message, self.token.offset, max(1, len(self.token.text)), hint)

    def unexpected(self, expected: str) -> NoReturn:
        kind, text, _ = self.token
        if kind == "end":
            self.fail(f"expected {expected}, but the text ends here")
        if kind == "sign" and text in "'\"":
            length = len(self.text) - self.token.offset
            raise ExpressionError("a string is never closed", self.token.offset, length)
        hints = _VALUE_HINTS if expected == "a value" else _HINTS
        hint = None if expected.startswith("an axis") else hints.get(text)
        if kind == "sign" and not text.isascii():
            hint = "only strings can contain non-ASCII characters"
        elif kind == "string":
            hint = "`+` joins strings; a string has no prefix"
        self.fail(f"expected {expected}, got {self.token_text()}", hint)

    # Grammar

    def nested(self, start: int) -> None:
        self.depth += 1
        if self.depth > DEEPEST + 1:
            message = f"the expression is nested deeper than {DEEPEST}"
            raise ExpressionError(message, start, 1, "compute parts of it under `params`")

    def parenthesized(self) -> Expression:
        opening = self.token.offset
        self.advance()
        value = self.expression()
        if not self.accept(")"):
            self.unclosed("(", opening, "an operator or `)`")
        return value

    def unclosed(self, bracket: str, opening: int, expected: str) -> NoReturn:
        if self.token.kind == "end":
            raise ExpressionError(f"`{bracket}` is never closed", opening, 1)
        self.unexpected(expected)

    def expression(self) -> Expression:
        start = self.token.offset
        value = self.operation(_OR)
        if not self.accept("if"):
            return value
        condition = self.operation(_OR)
        if not self.accept("else"):
            self.unexpected("`else`")
        self.nested(start)
        otherwise = self.expression()
        self.depth -= 1
        return Conditional(condition, value, otherwise, *self.span(start))

    def operation(self, loosest: int) -> Expression:
        """The longest operation whose operators bind at least as tightly as `loosest`."""
        start = self.token.offset
        self.nested(start)
        sign = self.token.text
        value: Expression
        if sign == "not" and loosest <= _NOT:
            self.advance()
            operand = self.operation(_NOT)
            value = Unary(sign, operand, *self.span(start))
        elif sign in ("-", "+"):
            self.advance()
            operand = self.operation(_SIGN)
            value = Unary(sign, operand, *self.span(start))
        else:
            value = self.subscript()
        while (binding := _BINDING.get(self.token.text, 0)) >= loosest:
            sign = self.token.text
            if binding <= _AND:
                operands = [value]
                while self.accept(sign):
                    operands.append(self.operation(binding + 1))
                value = Logical(sign, tuple(operands), *self.span(start))
            elif binding == _COMPARISON:
                rest = []
                while _BINDING.get(sign := self.token.text) == _COMPARISON:
                    self.advance()
                    rest.append((sign, self.operation(_SUM)))
                value = Comparison(value, tuple(rest), *self.span(start))
            else:
                self.advance()
                right = self.operation(binding + 1)
                value = Binary(sign, value, right, *self.span(start))
        self.depth -= 1
        return value

    def subscript(self) -> Expression:
        start = self.token.offset
        value = self.operand()
        while self.token.text == "[":
            opening = self.token.offset
            self.advance()
            first = None if self.token.text == ":" else self.expression()
            if first is not None and self.accept("]"):
                value = Index(value, first, *self.span(start))
                continue
            if not self.accept(":"):
                self.unclosed("[", opening, "an operator, `:` or `]`")
            stop = None if self.token.text == "]" else self.expression()
            if not self.accept("]"):
                self.unclosed("[", opening, "an operator or `]`")
            value = Slice(value, first, stop, *self.span(start))
        return value

    def operand(self) -> Expression:
        kind, text, start = self.token
        if kind == "number":
            return self.number()
        if kind == "string":
            return self.string()
        if text == "(":
            return self.parenthesized()
        if text == "[":
            return Display(self.sequence("[", "]"), *self.span(start))
        if kind != "word" or (text in _RESERVED and text != "in"):
            self.unexpected("a value")
        if text == "in" or self.has_axis(text, start + len(text)):
            return self.axis_of(text)
        self.advance()
        if text in _CONSTANTS:
            return Literal(_CONSTANTS[text], *self.span(start))
        if self.token.text == "(":
            return self.call(text, start)
        return Name(text, *self.span(start))

    def number(self) -> Literal:
        _, text, start = self.token
        rest = _STUCK.match(self.text, start + len(text))
        if rest is not None:
            whole = text + rest[0]
            raise ExpressionError(f"`{whole[:40]}` is not a number", start, len(whole))
        self.advance()
        value = int(text) if text.isdecimal() else float(text)
        literal = Literal(value, *self.span(start))
        check_bounds(value, literal)
        return literal

    def string(self) -> Literal:
        _, text, start = self.token
        for index, char in enumerate(text):
            if visible(char) != char:
                message = f"a string contains U+{ord(char):04X}, which is not printable"
                raise ExpressionError(message, start + index, 1)
        for escape in _ESCAPE.finditer(text):
            if escape[1] not in "\\'\"":
                message = f"a string contains `{escape[0]}`, which is not an escape"
                hint = "a backslash can only precede a quote or a backslash"
                raise ExpressionError(message, start + escape.start(), 2, hint)
        self.advance()
        return Literal(_ESCAPE.sub(r"\1", text[1:-1]), *self.span(start))

    def has_axis(self, word: str, end: int) -> bool:
        """Whether a word that ends at a position is an input of the block, with its axis after
        it: of any name but `input` the axis must be one."""
        if self.scan(end).text != ".":
            return False
        after = self.scan(self.scan(end).offset + 1).text
        return word == INPUT or after in AXIS_NAMES

    def axis_of(self, word: str) -> Incoming | Entry:
        """`in.axis`, `input.axis`, or that of another input of the block."""
        start = self.token.offset
        if self.scan(start + len(word)).text != ".":
            self.unexpected("a value")
        self.advance()
        self.advance()
        axis = self.token.text
        if axis not in AXIS_NAMES:
            hint = did_you_mean(axis, AXIS_NAMES) or f"axes are {', '.join(AXIS_NAMES)}"
            if self.token.kind == "word":
                self.fail(f"`{axis[:40]}` is not an axis", hint)
            self.unexpected(f"an axis after `{word}.`")
        self.advance()
        span = self.span(start)
        return Incoming(axis, *span) if word == "in" else Entry(axis, *span, word)

    def call(self, name: str, start: int) -> Call:
        if name not in FUNCTIONS:
            hint = did_you_mean(name, FUNCTIONS) or f"functions are {', '.join(FUNCTIONS)}"
            raise ExpressionError(f"there is no function `{name[:40]}`", start, len(name), hint)
        arguments = self.sequence("(", ")")
        function = FUNCTIONS[name]
        least, most = function.least_arguments, function.most_arguments
        if len(arguments) < least or (most is not None and len(arguments) > most):
            got = f"{len(arguments)} argument{'' if len(arguments) == 1 else 's'}"
            message = f"`{name}` does not take {got}"
            raise ExpressionError(message, *self.span(start), f"write {function.usage}")
        return Call(name, arguments, *self.span(start))

    def sequence(self, bracket: str, closing: str) -> tuple[Expression, ...]:
        """Comma-separated expressions in brackets, optionally with a trailing comma."""
        opening = self.token.offset
        self.advance()
        items = []
        while self.token.text != closing and self.token.kind != "end":
            items.append(self.expression())
            if not self.accept(","):
                break
        if not self.accept(closing):
            self.unclosed(bracket, opening, f"an operator, `,` or `{closing}`")
        return tuple(items)
