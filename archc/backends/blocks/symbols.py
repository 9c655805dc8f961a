"""Symbols of a block's body: where the instances of a block differ, what stands in the source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias, TypeGuard

from archc.codegen.rewrite import transform, walk
from archc.codegen.tree import (
    Binary,
    Call,
    Conditional,
    Expr,
    Index,
    Keyword,
    Lit,
    Ref,
    Unary,
    call,
)
from archc.language import expressions as spec

PRINTABLE_FUNCTIONS = frozenset({"min", "max", "round"})
"""Functions of the spec language that Python has under the same name, with the same meaning for
numbers."""

Axis: TypeAlias = "Callable[[spec.Incoming | spec.Entry], Expr | None]"
"""What an axis of the step's or of the block's input stands for."""


def translate(
    expression: spec.Expression, names: Mapping[str, Expr | None], axis: Axis
) -> Expr | None:
    """A spec's expression as Python source, over the expressions that `names` and axes stand for;
    None where it has no plain equal."""
    match expression:
        case spec.Literal(value=value):
            return Lit(value) if isinstance(value, bool | int | float | str) else None
        case spec.Name(name=name):
            return names.get(name)
        case spec.Incoming() | spec.Entry():
            return axis(expression)
        case spec.Unary("+", operand):
            return translate(operand, names, axis)
        case spec.Unary(operator, operand):
            inner = translate(operand, names, axis)
            return None if inner is None else settled(Unary(operator, inner))
        case spec.Binary(operator, left, right):
            return _joined(operator, left, right, names, axis)
        case spec.Comparison(first, rest) if len(rest) == 1:
            ((operator, right),) = rest
            return _joined(operator, first, right, names, axis)
        case spec.Logical(operator, operands):
            joined = translate(operands[0], names, axis)
            for operand in operands[1:]:
                inner = translate(operand, names, axis)
                joined = folded(Binary(operator, joined, inner)) if joined and inner else None
            return joined
        case spec.Conditional(condition, then, otherwise):
            test = translate(condition, names, axis)
            values = translate(then, names, axis), translate(otherwise, names, axis)
            if test is None or values[0] is None or values[1] is None:
                return None
            if isinstance(test, Lit):
                return values[0] if test.value else values[1]
            return Conditional(test, values[0], values[1])
        case spec.Call(function, arguments) if function in PRINTABLE_FUNCTIONS:
            parts = [translate(argument, names, axis) for argument in arguments]
            translated = [argument for argument in parts if argument is not None]
            return settled(call(function, *translated)) if len(translated) == len(parts) else None
        case _:
            return None


def _joined(
    operator: str,
    left: spec.Expression,
    right: spec.Expression,
    names: Mapping[str, Expr | None],
    axis: Axis,
) -> Expr | None:
    a, b = translate(left, names, axis), translate(right, names, axis)
    return None if a is None or b is None else folded(Binary(operator, a, b))


_ARITHMETIC: Mapping[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
}


_COMPARISONS: Mapping[str, Callable[[object, object], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: is_number(a) and is_number(b) and a < b,
    "<=": lambda a, b: is_number(a) and is_number(b) and a <= b,
    ">": lambda a, b: is_number(a) and is_number(b) and a > b,
    ">=": lambda a, b: is_number(a) and is_number(b) and a >= b,
}


def folded(expr: Binary) -> Expr:
    """An operation on two constants as what it comes to; `and` and `or` without an operand that
    decides nothing."""
    left, right = expr.left, expr.right
    if expr.operator == "//" and left == Binary("*", getattr(left, "left", left), right):
        assert isinstance(left, Binary)
        return left.left  # what is multiplied is whole, and divided by the same again
    if expr.operator == "//" and left == Binary("*", right, getattr(left, "right", left)):
        assert isinstance(left, Binary)
        return left.right
    if expr.operator == "//" and right == Lit(1):
        return left
    if expr.operator == "*" and _is_one(left):
        return right
    if expr.operator == "*" and _is_one(right):
        return left
    if left == right and expr.operator in ("//", "=="):
        return Lit(1 if expr.operator == "//" else True)
    if expr.operator in ("and", "or"):
        neutral = Lit(expr.operator == "and")
        if left == neutral or (isinstance(right, Lit) and right != neutral):
            return right
        return left if right == neutral or isinstance(left, Lit) else expr
    if isinstance(left, Lit) and isinstance(right, Lit):
        if expr.operator in _COMPARISONS:
            return Lit(_COMPARISONS[expr.operator](left.value, right.value))
        value = value_of(expr, {})
        return Lit(value) if is_number(value) else expr
    return expr


def _is_one(expr: Expr) -> bool:
    """Whether a factor changes nothing: a float would make one of a whole number."""
    return isinstance(expr, Lit) and type(expr.value) is int and expr.value == 1


def concrete(expr: Expr, values: Mapping[Expr, object]) -> Expr:
    """An expression with values for its symbols, whatever is constant in it computed, and without
    the defaults that only say what need not be printed."""

    def substitute(node: Expr) -> Expr:
        if node in values:
            value = values[node]
            if isinstance(value, Ref):
                return value
            if value is None or isinstance(value, bool | int | float | str | tuple):
                return Lit(value)
            return node
        match settled(node):
            case Call(function, arguments, keywords):
                bare = tuple(Keyword(word.name, word.value) for word in keywords)
                return Call(function, arguments, bare)
            case other:
                return other

    return transform(expr, substitute)


def settled(node: Expr) -> Expr:
    """What an operation, a choice or a function comes to where its operands are constants."""
    match node:
        case Binary():
            return folded(node)
        case Unary("-", Lit(value=value)) if is_number(value):
            return Lit(-value)
        case Unary("not", Lit(value=bool(value))):
            return Lit(not value)
        case Conditional(Lit(value=bool(value)), then, otherwise):
            return then if value else otherwise
        case Call(Ref(name), arguments, ()) if name in _COMPUTED:
            numbers = [one.value for one in arguments if isinstance(one, Lit)]
            if numbers and all(map(is_number, numbers)) and len(numbers) == len(arguments):
                return Lit(_COMPUTED[name](*numbers))
            return node
        case _:
            return node


_COMPUTED: Mapping[str, Callable[..., int | float]] = {"max": max, "min": min, "round": round}


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value is a number, which a boolean is not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def ratio(values: Sequence[object], of: Sequence[object], symbol: Expr) -> Expr | None:
    """`values` as a symbol whose values are `of`, or a whole multiple or a whole part of it, where
    these differ enough to decide it; None where they are none of these."""
    pairs = [
        (a, b)
        for a, b in zip(values, of, strict=True)
        if isinstance(a, int) and isinstance(b, int) and a and b
    ]
    if len(pairs) < len(values) or len(set(of)) < 2:
        return None
    a, b = pairs[0]
    if all(x == y for x, y in pairs):
        return symbol
    if a % b == 0 and all(x == y * (a // b) for x, y in pairs):
        return Binary("*", Lit(a // b), symbol)
    if b % a == 0 and all(y == x * (b // a) for x, y in pairs):
        return Binary("//", symbol, Lit(b // a))
    return None


UNKNOWN = object()
"""What cannot be computed: it is like no value, None among them, that a literal may have."""


def value_of(expr: Expr, values: Mapping[Expr, object]) -> object:
    """What an arithmetic expression comes to, for a value of each symbol in it; `UNKNOWN` where
    it cannot be computed."""
    if expr in values:
        return values[expr]
    match expr:
        case Lit(value=value):
            return value
        case Binary(operator, left, right) if operator in _ARITHMETIC:
            a, b = value_of(left, values), value_of(right, values)
            if isinstance(a, int | float) and isinstance(b, int | float):
                if operator in ("/", "//", "%") and b == 0:
                    return UNKNOWN
                return _ARITHMETIC[operator](a, b)
            return UNKNOWN
        case Unary("-", operand):
            inner = value_of(operand, values)
            return -inner if isinstance(inner, int | float) else UNKNOWN
        case Conditional() | Call() | Unary() | Binary():
            constant = concrete(expr, values)
            return constant.value if isinstance(constant, Lit) else UNKNOWN
        case _:
            return UNKNOWN


def same(values: Sequence[object], expected: Sequence[object]) -> bool:
    """Whether two columns of values are the same, `1`, `1.0` and `True` being different."""
    return len(values) == len(expected) and all(
        type(a) is type(b) and a == b for a, b in zip(values, expected, strict=True)
    )


def symbols_in(trees: Sequence[Expr | None]) -> set[str]:
    """The plain names that stand in some trees."""
    return {
        node.name
        for tree in trees
        if tree is not None
        for node in walk(tree)
        if isinstance(node, Ref) and "." not in node.name
    }


def plus(expr: Expr, number: int) -> Expr:
    """An expression and a whole number more: of `n - 1` and 1, `n`."""
    match expr:
        case Lit(value=int(value)):
            return Lit(value + number)
        case Binary("+", inner, Lit(value=int(value))):
            return plus(inner, value + number)
        case Binary("-", inner, Lit(value=int(value))):
            return plus(inner, number - value)
    if number == 0:
        return expr
    return Binary("+" if number > 0 else "-", expr, Lit(abs(number)))


def total(parts: Sequence[Expr | None]) -> Expr | None:
    """The sum of some widths: literals are added up, equal symbols counted (`f + 2 * f` is
    `3 * f`)."""
    constant = 0
    counts: dict[Expr, int] = {}
    for part in parts:
        if part is None:
            return None
        for count, term in _terms(part):
            if term is None:
                constant += count
            else:
                counts[term] = counts.get(term, 0) + count
    terms: list[Expr] = [
        part if count == 1 else Binary("*", Lit(count), part) for part, count in counts.items()
    ]
    if constant or not terms:
        terms.append(Lit(constant))
    joined = terms[0]
    for term in terms[1:]:
        joined = Binary("+", joined, term)
    return joined


def _terms(width: Expr) -> Iterator[tuple[int, Expr | None]]:
    """The terms of a sum, each as a whole multiple of what stands in it; of None, a constant."""
    match width:
        case Lit(value=int(value)):
            yield value, None
        case Binary("+", left, right):
            yield from _terms(left)
            yield from _terms(right)
        case Binary("*", Lit(value=int(count)), term) | Binary("*", term, Lit(value=int(count))):
            yield count, term
        case _:
            yield 1, width


def annotation(name: str) -> Expr:
    """The annotation that `type_name` gives, as an expression."""
    if name == LAYER_CLASS:
        return Index(Ref("type"), (Ref("nn.Module"),))
    plain, _, other = name.partition(" | ")
    if other:
        return Binary("|", annotation(plain), annotation(other) if other != "None" else Lit(None))
    if plain.startswith("tuple"):
        return Index(Ref("tuple"), tuple(Ref("int") for _ in range(plain.count("int"))))
    return Ref(plain)


Plain: TypeAlias = "bool | int | float | str | tuple[int, ...]"


def is_plain(value: object) -> TypeGuard[Plain]:
    """Whether a parameter's value can stand in source as one literal."""
    if isinstance(value, tuple):
        return all(isinstance(one, int) for one in value)
    return isinstance(value, bool | int | float | str)


def plain_value(value: object) -> object:
    """A parameter's value as a literal has it: a list as a tuple."""
    return tuple(value) if isinstance(value, list) else value


def in_one_type(column: Sequence[object]) -> list[object]:
    """The values of a parameter that has fractions as floats: an expression of the spec that comes
    to a whole number is an `int`."""
    if not any(isinstance(value, float) for value in column):
        return [*column]
    return [float(value) if type(value) is int else value for value in column]


LAYER_CLASS = "type[nn.Module]"
"""The annotation of a class of layers that is handed in."""


def type_name(column: Sequence[object]) -> str:
    """The annotation of a parameter that takes some values."""
    if all(isinstance(value, Ref) for value in column):
        return LAYER_CLASS
    if None in column:
        return f"{type_name([value for value in column if value is not None])} | None"
    tuples = [value for value in column if isinstance(value, tuple)]
    if tuples:
        sizes = ", ".join(["int"] * len(tuples[0]))
        return f"tuple[{sizes}]" if len(tuples) == len(column) else f"int | tuple[{sizes}]"
    if all(isinstance(value, bool) for value in column):
        return "bool"
    if all(isinstance(value, int) for value in column):
        return "int"
    if all(isinstance(value, int | float) for value in column):
        return "float"
    return "str"
