"""The `$` expressions: Python is the oracle of their grammar and of their values."""

from __future__ import annotations

import ast
import builtins
import functools
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archc.language import expressions
from archc.language.expressions import (
    DEEPEST,
    FUNCTIONS,
    MOST_CHARACTERS,
    MOST_ITEMS,
    Binary,
    Budget,
    Call,
    Comparison,
    Conditional,
    Display,
    Expression,
    ExpressionError,
    Incoming,
    Index,
    Literal,
    Logical,
    Name,
    Slice,
    Unary,
    evaluate,
    is_expression,
    parse,
    parse_text,
)
from tests.strategies import one_level

NAMES: Mapping[str, Any] = {
    "width": 64,
    "ratio": 0.25,
    "zero": 0,
    "first": True,
    "kind": "same",
    "nothing": None,
    "depths": [2, 2, 3],
    "table": [[1, 2], [3, 4]],
    "empty": [],
    "activation": {"leaky_relu": {"slope": 0.2}},
}
INCOMING = {"channels": 256, "height": 14, "width": 7}


def value_of(text: str) -> object:
    return evaluate(parse(text), NAMES, INCOMING)


def outcome(text: str, names: Mapping[str, Any] = NAMES) -> object:
    """The value, or the error."""
    try:
        return evaluate(parse(text), names, INCOMING)
    except ExpressionError as error:
        return error


def error_in(text: str) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        value_of(text)
    return caught.value


# Values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$width", 64),
        ("$activation", {"leaky_relu": {"slope": 0.2}}),
        ("$depths\n", [2, 2, 3]),
        ("$( width )", 64),
        ("$(\n  width\n  * 2\n)\n", 128),
        ("$(width * 2 + 1)", 129),
        ("$(2 + width // 3 * 2 - 1)", 43),
        ("$(-7 // 2)", -4),
        ("$(-7 % 3)", 2),
        ("$(7 / 2)", 3.5),
        ("$(8 / 2)", 4.0),
        ("$(- - 3)", 3),
        ("$(+3)", 3),
        ("$(010)", 10),
        ("$(.5 + 5.)", 5.5),
        ("$(1e-3)", 0.001),
        ("$(2 if first else 1)", 2),
        ("$(1 if not first else 2 if width > 100 else 3)", 3),
        ("$(in.channels != 4 * width)", False),
        ("$(in.height * in.width)", 98),
        ("$(0 < zero + 1 < 2)", True),
        ("$(0 < zero < nothing)", False),
        ("$(not width == 64 or first)", True),
        ("$(zero != 0 and 1 // zero > 0)", False),
        ("$(first or nothing)", True),
        ("$(depths[0])", 2),
        ("$(depths[-1])", 3),
        ("$(table[1][0])", 3),
        ("$([1, 2, 3,][len(depths) - 1])", 3),
        ("$('same'[0])", "s"),
        ("$(depths[1:])", [2, 3]),
        ("$(depths[:-1])", [2, 2]),
        ("$(depths[width / 64:])", [2, 3]),
        ("$(depths[0:width])", [2, 2, 3]),
        ("$(depths[2:1])", []),
        ("$(kind[1:3])", "am"),
        ("$(table[1:][0][:1])", [3]),
        ("$(depths[:])", [2, 2, 3]),
        ("$([])", []),
        ("$([width, [ratio, true], null])", [64, [0.25, True], None]),
        ("$(depths + [4])", [2, 2, 3, 4]),
        ("$('pre' + \"fix\")", "prefix"),
        (r"$('it\'s \\ \"')", "it's \\ \""),
        ('$("größe")', "größe"),
        ("$(kind == 'same')", True),
        ("$('a' < 'b' <= 'b')", True),
        ("$([True, False, None] == [true, false, null])", True),
        ("$(1 == 1.0)", True),
        ("$(true == 1)", False),
        ("$([1] == [true])", False),
        ("$([1, [2.0]] == [1.0, [2]])", True),
        ("$(nothing == 0)", False),
        ("$('1' != 1)", True),
        ("$(min(3, 1, 2))", 1),
        ("$(max(depths))", 3),
        ("$(round(2.5))", 2),
        ("$(round(3.5))", 4),
        ("$(ceil(width * 0.3))", 20),
        ("$(floor(-0.5))", -1),
        ("$(len(kind))", 4),
        ("$(sum(depths))", 7),
        ("$(sum([]))", 0),
        ("$(sum([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]))", 0.1 + 0.2 + 0.3 + 0.4 + 0.5 + 0.6 + 0.7),
        ("$('stage' + str(2 * 3))", "stage6"),
        ("$(str(-1))", "-1"),
        ("$(range(3))", [0, 1, 2]),
        ("$(range(5, 0, -2))", [5, 3, 1]),
        ("$(round_to(width * 0.75, 8))", 48),
        ("$(round_to(1, 8))", 8),
        ("$(round_to(9, 2.0))", 10),
        ("$(range(width / 32))", [0, 1]),
        ("$(depths[width / 32])", 3),
        ("$(len(range(100000)))", 100_000),
        ("$(9007199254740991)", 2**53 - 1),
    ],
)
def test_value(text: str, expected: object) -> None:
    value = value_of(text)
    assert value == expected
    assert type(value) is type(expected)


def torchvision_make_divisible(v: float, divisor: int) -> int:
    new = max(divisor, int(v + divisor / 2) // divisor * divisor)
    return new + divisor if new < 0.9 * v else new


@pytest.mark.parametrize("width_factor", [0.25, 0.35, 0.5, 0.75, 1.0, 1.3, 1.4])
@pytest.mark.parametrize("channels", [16, 24, 32, 64, 96, 160, 320, 1280])
def test_round_to_is_the_usual_channel_rounding(channels: int, width_factor: float) -> None:
    value = evaluate(parse("$(round_to(c * f, 8))"), {"c": channels, "f": width_factor}, None)
    assert value == torchvision_make_divisible(channels * width_factor, 8)


@pytest.mark.parametrize("multiple", range(1, 17))
def test_round_to_at_every_half(multiple: int) -> None:
    """Half-way between two multiples, and a little below and above it."""
    for half in range(1, 60, 2):
        for value in (half * multiple / 2, half * multiple / 2 - 0.25, half * multiple / 2 + 0.25):
            rounded = evaluate(parse("$(round_to(x, m))"), {"x": value, "m": multiple}, None)
            assert rounded == torchvision_make_divisible(value, multiple)


def test_lists_are_not_changed_by_what_is_built_from_them() -> None:
    depths = [1, 2]
    assert evaluate(parse("$(depths + depths)"), {"depths": depths}, None) == [1, 2, 1, 2]
    assert depths == [1, 2]


@pytest.mark.parametrize(
    ("value", "expected"),
    [("$a", True), ("$", True), ("a$", False), (" $a", False), ("", False), (3, False)],
)
def test_is_expression(value: object, expected: bool) -> None:
    assert is_expression(value) is expected


def test_names_axes_and_references() -> None:
    text = "$(in.height if b else a[b] + len(c) + in.channels)"
    expression = parse(text)
    assert expressions.names(expression) == {"a", "b", "c"}
    assert expressions.axes(expression) == {"channels", "height"}
    mentions = list(expressions.references(expression))
    assert [name for name, _, _ in mentions] == ["b", "a", "b", "c"]
    assert all(text[offset : offset + length] == name for name, offset, length in mentions)


def test_every_function_is_documented_and_callable_with_its_fewest_arguments() -> None:
    arguments = {"min": "[1]", "max": "[1]", "sum": "[1]", "len": "[]", "round_to": "1, 1"}
    for name, function in FUNCTIONS.items():
        assert function.doc
        assert function.usage.startswith(f"{name}(")
        assert value_of(f"$({name}({arguments.get(name, '1')}))") is not None


# Errors

FAULTY = [
    # text, the part with the error, its offset, message, hint (or part of it)
    ("$", "", 1, "expected a name or `(` right after `$`", "$name"),
    ("${width}", "{", 1, "expected a name or `(` right after `$`", "$name"),
    ("$ width", " ", 1, "expected a name or `(` right after `$`", "$name"),
    ("$1", "1", 1, "expected a name or `(` right after `$`", "$name"),
    ("$depths[0]", "[0]", 7, "unexpected text after `$depths`", "$(depths[0])"),
    ("$in.height", ".height", 3, "unexpected text after `$in`", "$(in.height)"),
    ("$width * 2 ", "* 2", 7, "unexpected text after `$width`", "$(width * 2)"),
    ("$width\xa0", "\xa0", 6, "unexpected text after `$width`", "$( ... )"),
    ("$true", "true", 1, "`true` is not a name", "without the `$`"),
    ("$in", "in", 1, "`in` is a reserved word", None),
    ("$widht", "widht", 1, "`widht` is not defined here", 'did you mean "width"?'),
    ("$()", ")", 2, "expected a value, got `)`", None),
    ("$(", "", 2, "expected a value, but the text ends here", None),
    ("$(width", "(", 1, "`(` is never closed", None),
    ("$(width + ", "", 10, "expected a value, but the text ends here", None),
    ("$([1, 2)", ")", 7, "expected an operator, `,` or `]`, got `)`", None),
    ("$(min(1, 2", "(", 5, "`(` is never closed", None),
    ("$(depths[0", "[", 8, "`[` is never closed", None),
    ("$(width) + 1", "+ 1", 9, "unexpected text after the closing `)`: `+`", "`$( )`"),
    ("$(width)$(width)", "$(width)", 8, "unexpected text after the closing `)`: `$`", "$( )"),
    ("$(1 2)", "2", 4, "expected an operator or `)`, got `2`", None),
    ("$(1, 2)", ",", 3, "expected an operator or `)`, got `,`", "square brackets"),
    ("$(* 2)", "*", 2, "expected a value, got `*`", None),
    ("$(2 ** 3)", "**", 4, "expected an operator or `)`, got `**`", "no power operator"),
    ("$($width)", "$", 2, "expected a value, got `$`", "write names without `$`"),
    ("$(width = 3)", "=", 8, "expected an operator or `)`, got `=`", "`==`"),
    ("$(first && first)", "&&", 8, "expected an operator or `)`, got `&&`", "`and`"),
    ("$(first || first)", "||", 8, "expected an operator or `)`, got `||`", "`or`"),
    ("$(!first)", "!", 2, "expected a value, got `!`", "`not`"),
    ("$(first ? 1 : 2)", "?", 8, "expected an operator or `)`, got `?`", "if condition else"),
    ("$(depths[0:1:1])", ":", 12, "expected an operator or `]`, got `:`", "no steps"),
    ("$(depths[])", "]", 9, "expected a value, got `]`", None),
    ("$(depths[1:", "", 11, "expected a value, but the text ends here", None),
    ("$(1:2)", ":", 3, "expected an operator or `)`, got `:`", "a[start:stop]"),
    ("$({1: 2})", "{", 2, "expected a value, got `{`", "no mappings"),
    ("$(1 if first)", ")", 12, "expected `else`, got `)`", None),
    ("$(1 else 2)", "else", 4, "expected an operator or `)`, got `else`", "if condition else"),
    ("$(2 in depths)", "in", 4, "expected an operator or `)`, got `in`", "`==` and `or`"),
    ("$(2 not in depths)", "not", 4, "expected an operator or `)`, got `not`", "`==` and `or`"),
    ("$(1 + not first)", "not", 6, "expected a value, got `not`", "parentheses"),
    ("$(in)", "in", 2, "expected a value, got `in`", "in.channels"),
    ("$(in.3)", "in", 2, "expected a value, got `in`", "in.channels"),
    ("$(in.hieght)", "hieght", 5, "`hieght` is not an axis", 'did you mean "height"?'),
    ("$(in.(3))", "(", 5, "expected an axis after `in.`, got `(`", None),
    ("$(width is 3)", "is", 8, "expected an operator or `)`, got `is`", "`==`"),
    ("$(width.real)", ".", 7, "expected an operator or `)`, got `.`", "only `in`"),
    ("$(in.height.real)", ".", 11, "expected an operator or `)`, got `.`", "only `in`"),
    ("$(f'{width}')", "'{width}'", 3, "expected an operator or `)`, got `'{width}'`", "prefix"),
    ("$('abc)", "'abc)", 2, "a string is never closed", None),
    (r"$('a\n')", r"\n", 4, r"a string contains `\n`, which is not an escape", "backslash"),
    ("$('a\x07')", "\x07", 4, "a string contains U+0007, which is not printable", None),
    ("$('a\u202eb')", "\u202e", 4, "a string contains U+202E, which is not printable", None),
    ("$(1_000)", "1_000", 2, "`1_000` is not a number", None),
    ("$(0x10 + 1)", "0x10", 2, "`0x10` is not a number", None),
    ("$(1.2.3)", "1.2.3", 2, "`1.2.3` is not a number", None),
    ("$(3if first else 1)", "3if", 2, "`3if` is not a number", None),
    ("$(1 + 1e999)", "1e999", 6, "the number is too large", None),
    ("$(9007199254740992)", "9007199254740992", 2, "the number is too large", "2 ** 53"),
    ("$(flor(2))", "flor", 2, "there is no function `flor`", 'did you mean "floor"?'),
    ("$(round(2.55, 1))", "round(2.55, 1)", 2, "`round` does not take 2 arguments", "round(x)"),
    ("$(1 + round_to(3))", "round_to(3)", 6, "`round_to` does not take 1 argument", "multiple"),
    ("$(str(1, 2))", "str(1, 2)", 2, "`str` does not take 2 arguments", "str(n)"),
    ("$(min())", "min()", 2, "`min` does not take 0 arguments", "min(a, b, ...)"),
    ("$(round(x=1))", "=", 9, "expected an operator, `,` or `)`, got `=`", "positional"),
    ("$((max)(1, 2))", "(", 7, "expected an operator or `)`, got `(`", "only functions"),
    ("$(w\u0456dth)", "\u0456", 3, "expected an operator or `)`, got `\u0456` (U+0456)", "ASCII"),
    ("$(\uff11 + 1)", "\uff11", 2, "expected a value, got `\uff11` (U+FF11)", "ASCII"),
    ("$(1 +\xa01)", "\xa0", 5, "expected a value, got U+00A0", "ASCII"),
    # while evaluating
    ("$(len)", "len", 2, "`len` is not defined here", "len(x)"),
    ("$(in.length)", "in.length", 2, "in.length: the input has channels, height", "in.channels"),
    ("$('2' + 2)", "'2' + 2", 2, '`+` joins values of one kind, got "2" and 2', None),
    ("$(true + 1)", "true", 2, "`+` needs numbers, strings or lists, got true", "1 if condition"),
    ("$(1 + nothing)", "nothing", 6, "`+` needs numbers, strings or lists, got null", None),
    ("$(2 * true)", "true", 6, "`*` needs numbers, got true", "1 if condition else 0"),
    ("$(2 * depths)", "depths", 6, "`*` needs numbers, got a list of 3", "write the list out"),
    ("$('a' * 9)", "'a'", 2, '`*` needs numbers, got "a"', None),
    ("$(-kind)", "kind", 3, '`-` needs a number, got "same"', None),
    ("$(+first)", "first", 3, "`+` needs a number, got true", None),
    ("$(1 // (zero * 2))", "zero * 2", 8, "`//` divides by zero", "b != 0"),
    ("$(1 / zero)", "zero", 6, "`/` divides by zero", "b != 0"),
    ("$(1 % 0.0)", "0.0", 6, "`%` divides by zero", "b != 0"),
    ("$(9007199254740991 + 1)", "9007199254740991 + 1", 2, "the number is too large", "2 ** 53"),
    ("$(1e308 * 10)", "1e308 * 10", 2, "the number is too large", None),
    ("$(ceil(1e300))", "ceil(1e300)", 2, "the number is too large", "2 ** 53"),
    ("$(not 3)", "3", 6, "the operand of `not` must be true or false, got 3", "x != 0"),
    ("$(first and width)", "width", 12, "an operand of `and` must be true or false, got 64", "!="),
    ("$(empty or first)", "empty", 2, "an operand of `or` must be true or false, got an", None),
    ("$(1 if kind else 2)", "kind", 7, "the condition of `if` must be true or false", None),
    ("$(1 < 2 < kind)", "2 < kind", 6, '`<` compares values of one kind, got 2 and "same"', None),
    ("$(depths > 1)", "depths", 2, "`>` needs numbers or strings, got a list of 3", None),
    ("$(activation == 1)", "activation", 2, "`==` cannot compare a mapping", None),
    ("$(depths[3])", "3", 9, "index 3 is out of range: the last is 2", "from -1"),
    ("$(depths[-4])", "-4", 9, "index -4 is out of range: the last is 2", "from -1"),
    ("$(empty[0])", "0", 8, "index 0 is out of range: there is nothing to index", None),
    ("$(depths[width / 48])", "width / 48", 9, "an index must be a whole number, got 1.33", "`//`"),
    ("$(depths[true])", "true", 9, "an index must be a whole number, got true", None),
    ("$(width[1:])", "width", 2, "a slice needs a list or a string before it, got 64", None),
    ("$(depths[0.5:])", "0.5", 9, "a bound of a slice must be a whole number, got 0.5", "`//`"),
    ("$(depths[:kind])", "kind", 10, 'a bound of a slice must be a whole number, got "s', None),
    ("$(sum(3))", "3", 6, "`sum` needs a list of numbers, got 3", None),
    ("$(sum(table))", "table", 6, "`sum` needs a list of numbers, got a list of 2", None),
    ("$(str(0.5))", "0.5", 6, "`str` needs a whole number, got 0.5", None),
    ("$(width[0])", "width", 2, "an index needs a list or a string before it, got 64", None),
    ("$(activation['a'])", "activation", 2, "an index needs a list or a string before it", None),
    ("$(ceil(kind))", "kind", 7, '`ceil` needs a number, got "same"', None),
    ("$(round(true))", "true", 8, "`round` needs a number, got true", None),
    ("$(len(3))", "3", 6, "`len` needs a list or a string, got 3", None),
    ("$(min(3))", "3", 6, "`min` needs two numbers or more, or one list of numbers, got 3", None),
    ("$(max(empty))", "empty", 6, "`max` needs a list of at least one number", None),
    ("$(max(table))", "table", 6, "`max` needs a list of at least one number", None),
    ("$(max(1, kind))", "kind", 9, '`max` needs numbers, got "same"', None),
    ("$(range(1.5))", "1.5", 8, "`range` needs a whole number, got 1.5", None),
    ("$(range(0, 9, 0))", "0", 14, "`range` needs a step other than 0, got 0", None),
    ("$(range(100001))", "100001", 8, "`range` needs a range of at most 100,000 items", None),
    ("$(range(0, -100001, -1))", "-100001", 11, "`range` needs a range of at most 100,000", None),
    ("$(round_to(9, 0))", "0", 14, "`round_to` needs a whole number from 1, got 0", None),
    ("$(round_to(9, 2.5))", "2.5", 14, "`round_to` needs a whole number, got 2.5", None),
    ("$(range(50001) + range(50000))", "range(50001) + range(50000)", 2, "the list has more", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "stretch", "offset", "message", "hint"), FAULTY)
def test_error(text: str, stretch: str, offset: int, message: str, hint: str | None) -> None:
    error = error_in(text)
    assert error.message.startswith(message)
    assert (error.offset, text[offset : offset + error.length]) == (offset, stretch)
    assert error.length == max(1, len(stretch))
    if hint is None:
        assert error.hint is None
    else:
        assert error.hint is not None
        assert hint in error.hint


def test_incoming_axes_where_nothing_comes_in() -> None:
    with pytest.raises(ExpressionError, match="there is no input") as caught:
        evaluate(parse("$(1 + in.height)"), NAMES, None)
    assert (caught.value.offset, caught.value.length) == (6, 9)


@pytest.mark.parametrize("value", [2**53, -(2**53), 10**400, math.inf, math.nan])
def test_numbers_out_of_bounds_do_not_come_in_by_a_name(value: float) -> None:
    for text, names in (("$x", {"x": value}), ("$(x[0])", {"x": [value]})):
        with pytest.raises(ExpressionError, match="the number is too large"):
            evaluate(parse(text), names, None)


# Hostile text


@pytest.mark.parametrize(
    "text",
    [
        "$(__import__('os').system('true'))",
        "$(__import__('os'))",
        "$(eval('1'))",
        "$(open('/etc/passwd'))",
        "$(().__class__.__bases__[0].__subclasses__())",
        "$(''.__class__)",
        "$('{0.__class__}'.format(1))",
        "$('%s' % width)",
        "$(depths.append(1))",
        "$(in.__class__)",
        "$(in.channels.__class__)",
        "$(len.__globals__)",
        "$((len)(depths))",
        "$(9**9**9)",
        "$(1 << 99999)",
        "$(depths * 1000000)",
        "$('a' * 1000000)",
        "$(range(1000000000))",
        "$(range(-9007199254740991, 9007199254740991))",
        "$((x := 3))",
        "$(lambda: 3)",
        "$((lambda x: x)(3))",
        "$([x for x in depths])",
        "$({x for x in depths})",
        "$(*depths)",
        "$(min(*depths))",
        "$(f'{width}')",
        "$(f'{__import__(\"os\")}')",
        "$(b'a')",
        "$(await width)",
        "$(yield)",
        "$(`width`)",
        "$(width; width)",
        "$(width # comment)",
        "$(width \\\n + 1)",
        "$(...)",
        "$(1j)",
        "$(w\u0456dth)",
        "$(\uff57idth)",
        "$(width\u200b)",
        "$(\u202ewidth)",
        "$('\ud800')",
        "$(\x00)",
        "$width\x00",
        "$$width",
        "$((((",
        "$" + "(" * 2000,
        "$" + "(" * 66 + "1" + ")" * 66,
        "$(" + "[" * 66 + "]" * 66 + ")",
        "$(" + "-" * 4000 + "1)",
        "$(" + "not " * 900 + "first)",
        "$(" + "1 if first else " * 200 + "1)",
        "$(" + "+".join("1" * 2000) + ")",
        "$(table" + "[0]" * 1000 + ")",
        "$(" + "min(" * 500 + "1" + ")" * 500 + ")",
        "$(1" + " or 1 and 1 == 1 + 1 * (1" * 60 + ")" * 60 + ")",
        "$(" + "9" * 4000 + ")",
        "$(1e" + "9" * 4000 + ")",
        "$(" + " " * MOST_CHARACTERS + "1)",
    ],
    ids=lambda text: ascii(text[:30]),
)
def test_hostile_text_is_rejected_at_once(text: str) -> None:
    error = error_in(text)
    assert 0 <= error.offset <= len(text)
    assert error.length >= 1
    assert len(error.message) < 200


def test_a_name_is_refused_as_a_whole_where_it_is_too_long() -> None:
    text = "x" * MOST_CHARACTERS + "$(1)"
    with pytest.raises(ExpressionError) as refused:
        parse_text(text)
    assert (refused.value.offset, refused.value.length) == (0, len(text))


def test_nesting_is_allowed_up_to_its_bound() -> None:
    assert value_of("$(" + "(" * DEEPEST + "1" + ")" * (DEEPEST + 1)) == 1
    assert "nested deeper" in error_in("$(" + "(" * (DEEPEST + 1) + "1)").message
    assert value_of("$(1" + "+1" * DEEPEST + ")") == DEEPEST + 1
    assert "nested operations" in error_in("$(1" + "+1" * (DEEPEST + 1) + ")").message
    assert value_of("$(first" + " and first" * 300 + ")") is True


def test_text_is_allowed_up_to_its_bound() -> None:
    digits = "$(" + "1".rjust(MOST_CHARACTERS - 3) + ")"
    assert len(digits) == MOST_CHARACTERS
    assert value_of(digits) == 1
    assert "longer than 4,096" in error_in(digits + " ").message


def test_strings_are_joined_up_to_their_bound() -> None:
    names = {"a": "x" * MOST_CHARACTERS}
    assert evaluate(parse("$(a + '')"), names, None) == names["a"]
    with pytest.raises(ExpressionError, match="the string is longer"):
        evaluate(parse("$(a + 'x')"), names, None)


def test_lists_are_bounded_by_all_the_items_in_them() -> None:
    assert expressions.list_size([1, [2, [3]], []]) == 6
    half = list(range(MOST_ITEMS // 2 - 1))
    assert len(evaluate(parse("$([a, a])"), {"a": half}, None)) == 2  # type: ignore[arg-type]
    for text in ("$([a, a, a])", "$([a] + [a, 0])"):
        with pytest.raises(ExpressionError, match="the list has more than 100,000 items"):
            evaluate(parse(text), {"a": half}, None)


def test_shared_lists_cannot_grow_without_bound() -> None:
    value: object = [1]
    doubled = parse("$([a, a])")
    for _ in range(15):
        value = evaluate(doubled, {"a": value}, None)
    with pytest.raises(ExpressionError, match="more than 100,000 items"):
        evaluate(doubled, {"a": value}, None)


def test_lists_cannot_nest_without_bound() -> None:
    value: object = []
    wrapped = parse("$([a])")
    for _ in range(DEEPEST - 1):
        value = evaluate(wrapped, {"a": value}, None)
    with pytest.raises(ExpressionError, match="nests deeper than 64"):
        evaluate(wrapped, {"a": value}, None)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ExpressionError, match="nests deeper than 64"):
        evaluate(parse("$(a == a)"), {"a": deep}, None)


def test_the_work_of_one_evaluation_is_bounded() -> None:
    text = "$(" + " and ".join(["a == a"] * 300) + ")"
    names = {"a": list(range(MOST_ITEMS))}
    with pytest.raises(ExpressionError, match="too many steps"):
        evaluate(parse(text), names, None)


def test_a_budget_serves_many_evaluations() -> None:
    budget = Budget(250)
    expression = parse("$(len(range(90)))")
    assert evaluate(expression, {}, None, budget) == 90
    with pytest.raises(ExpressionError, match="too many steps"):
        evaluate(expression, {}, None, budget)


# Python as the oracle

PYTHON_OPERATORS: Mapping[type, str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%",
    ast.UAdd: "+", ast.USub: "-", ast.Not: "not", ast.And: "and", ast.Or: "or",
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip


def python_tree(text: str) -> Expression:
    """The tree that Python's own parser builds of `$( ... )`, offsets included."""
    return translated(ast.parse(text[1:], mode="eval").body)


def translated(node: ast.expr) -> Expression:
    assert node.end_col_offset is not None
    offset, length = node.col_offset + 1, node.end_col_offset - node.col_offset
    sign: Callable[[ast.AST], str] = lambda operator: PYTHON_OPERATORS[type(operator)]  # noqa: E731
    match node:
        case ast.Constant(value=bool() | int() | float() | str() | None as value):
            return Literal(value, offset, length)
        case ast.Name(id=name) if name.startswith("in_"):
            return Incoming(name.removeprefix("in_"), offset, length)
        case ast.Name(id=name):
            return Name(name, offset, length)
        case ast.UnaryOp(op=op, operand=operand):
            return Unary(sign(op), translated(operand), offset, length)
        case ast.BinOp(left=left, op=op, right=right):
            return Binary(sign(op), translated(left), translated(right), offset, length)
        case ast.Compare(left=left, ops=ops, comparators=operands):
            rest = tuple((sign(op), translated(x)) for op, x in zip(ops, operands, strict=True))
            return Comparison(translated(left), rest, offset, length)
        case ast.BoolOp(op=op, values=values):
            return Logical(sign(op), tuple(map(translated, values)), offset, length)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            parts = (translated(test), translated(body), translated(orelse))
            return Conditional(*parts, offset, length)
        case ast.Subscript(value=value, slice=ast.Slice(lower=lower, upper=upper)):
            bounds = (None if bound is None else translated(bound) for bound in (lower, upper))
            return Slice(translated(value), *bounds, offset, length)
        case ast.Subscript(value=value, slice=position):
            return Index(translated(value), translated(position), offset, length)
        case ast.List(elts=items):
            return Display(tuple(map(translated, items)), offset, length)
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return Call(name, tuple(map(translated, arguments)), offset, length)
        case _:
            raise AssertionError(ast.dump(node))


def spaced(*parts: str | st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    strategies = [st.just(part) if isinstance(part, str) else part for part in parts]
    return st.tuples(*strategies).map(" ".join)


def chain(
    operand: st.SearchStrategy[str], operators: tuple[str, ...], longest: int = 3
) -> st.SearchStrategy[str]:
    """Operands joined without brackets: precedence is up to the parser."""
    joined = st.tuples(st.sampled_from(operators), operand).map(" ".join)
    return st.tuples(operand, st.lists(joined, max_size=longest - 1)).map(
        lambda parts: " ".join([parts[0], *parts[1]])
    )


@one_level
def grown(numbers: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Numbers one level of brackets above `numbers`."""
    signed = st.tuples(st.sampled_from(["", "", "-", "+", "- -"]), numbers).map("".join)
    number = chain(chain(signed, ("*", "/", "//", "%")), ("+", "-"), 2)
    compared = st.builds(
        lambda first, rest: " ".join([first, *(f"{sign} {x}" for sign, x in rest)]),
        number,
        st.lists(
            st.tuples(st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), number),
            min_size=1,
            max_size=2,
        ),
    )
    negated = st.tuples(st.sampled_from(["", "", "not ", "not not "]), compared).map("".join)
    condition = chain(chain(negated, ("and",), 2), ("or",), 2)
    items = st.lists(number, min_size=1, max_size=3).map(", ".join)
    return st.one_of(
        spaced("(", number, ")"),
        spaced("(", number, "if", condition, "else", number, ")"),
        spaced("(1 if", condition, "else", number, "if", condition, "else", number, ")"),
        spaced("[", items, "]", "[", st.sampled_from(["0", "-1", "1", "a % 2"]), "]"),
        spaced("depths[", number, "]"),
        spaced("len( depths[", st.sampled_from(["1:", ":2", "a // 3 : -1", ":"]), "])"),
        spaced("sum( [", items, "] )"),
        spaced("table [", st.sampled_from(["0", "1", "-1"]), "][0]"),
        spaced("len( [", items, "] + depths )"),
        spaced(st.sampled_from(["ceil", "floor", "round"]), "(", number, ")"),
        spaced(st.sampled_from(["min", "max"]), "(", number, ",", items, ")"),
        spaced("max(range(", st.sampled_from(["a", "1, a", "9, b, -2"]), "))"),
    )


ORACLE_NAMES: Mapping[str, Any] = {
    "a": 3,
    "b": 2,
    "f": 1.5,
    "depths": [2, 4, 8],
    "table": [[1, 2], [3, 4]],
    "in_height": INCOMING["height"],
}
ATOMS = st.one_of(
    st.sampled_from(["a", "b", "f", "in_height"]),
    st.integers(0, 12).map(str),
    st.floats(0, 100, allow_nan=False).map(repr),
)
NUMBERS = st.recursive(ATOMS, grown, max_leaves=12)
PYTHON_FUNCTIONS = {name: getattr(builtins, name) for name in ("min", "max", "round", "len")} | {
    "sum": lambda values: functools.reduce(operator.add, values, 0),
    "range": lambda *arguments: list(range(*arguments)),
    "ceil": math.ceil,
    "floor": math.floor,
}


def ours(text: str) -> str:
    """The same text in the language: `in_height` keeps its width as `in.height`."""
    return text.replace("in_height", "in.height")


@settings(max_examples=200, deadline=None)
@given(NUMBERS)
def test_the_grammar_is_pythons(source: str) -> None:
    text = f"$({source})"
    assert parse(ours(text)) == python_tree(text)


@settings(max_examples=200, deadline=None)
@given(NUMBERS)
def test_the_values_are_pythons(source: str) -> None:
    names = {"__builtins__": {}, **PYTHON_FUNCTIONS, **ORACLE_NAMES}
    try:
        expected: object = eval(source, names)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        expected = error
    value = outcome(ours(f"$({source})"), ORACLE_NAMES)
    if isinstance(expected, TypeError) and not isinstance(value, ExpressionError):
        assert "indices must be integers" in str(expected)  # a whole float is an index here
    elif isinstance(expected, Exception):
        assert isinstance(value, ExpressionError)
    elif isinstance(value, ExpressionError):
        assert "too large" in value.message  # which Python's numbers never are
    else:
        assert type(value) is type(expected)
        assert value == expected


# Fuzz

WORDS = st.one_of(
    st.sampled_from(list("()[],.+-*/%<>012'\"\\$={}:;\x00\u00e9\u202e")),
    st.sampled_from(["//", "==", "!=", "<=", ">=", "**", ":=", "7.5", "1e300", "'a'", '"b"', "''"]),
    st.sampled_from(
        ["and", "or", "not", "if", "else", "in", "for", "is", "lambda", "true", "None"]
    ),
    st.sampled_from([*NAMES, "in.channels", "in.height", *(f"{name}(" for name in FUNCTIONS)]),
)


def survives(text: str) -> None:
    """The only exception is ExpressionError, located inside the text, with a short message."""
    value = outcome(text)
    if isinstance(value, ExpressionError):
        assert 0 <= value.offset <= len(text)
        assert 1 <= value.length <= max(1, len(text))
        assert len(value.message) < 200
    else:
        assert isinstance(value, int | float | str | list | dict | None)


@settings(max_examples=600, deadline=None)
@given(st.lists(WORDS, max_size=25), st.sampled_from(["", " "]))
def test_any_row_of_words_is_read_or_rejected(words: list[str], between: str) -> None:
    survives("$(" + between.join(words) + ")")


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_read_or_rejected(text: str) -> None:
    survives("$" + text)
    survives(f"$({text})")


@one_level
def composed(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Values of any kinds, put together whether or not they fit."""
    return st.one_of(
        st.tuples(inner, st.sampled_from(
            ["+", "-", "*", "/", "//", "%", "==", "!=", "<", ">=", "and", "or"]), inner,
        ).map(lambda parts: "({} {} {})".format(*parts)),
        st.tuples(st.sampled_from(["not", "-", "+"]), inner).map("({0[0]} {0[1]})".format),
        st.tuples(inner, inner).map("{0[0]}[{0[1]}]".format),
        st.tuples(inner, inner).map("{0[0]}[{0[1]}:]".format),
        st.tuples(inner, inner, inner).map("({0[0]} if {0[1]} else {0[2]})".format),
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.tuples(st.sampled_from(list(FUNCTIONS)), st.lists(inner, min_size=1, max_size=3)).map(
            lambda call: f"{call[0]}({', '.join(call[1])})"
        ),
    )  # fmt: skip


VALUES = st.recursive(
    st.sampled_from(["1", "-2", "0", "2.5", "true", "null", "'a'", "''", "depths", "table", "empty",
                     "kind", "first", "activation", "nothing", "in.height", "in.length", "other"]),
    composed,
    max_leaves=10,
)  # fmt: skip


@settings(max_examples=600, deadline=None)
@given(VALUES)
def test_any_expression_is_evaluated_or_rejected(source: str) -> None:
    survives(f"$({source})")


@pytest.mark.parametrize("extend", [grown, composed])
def test_strategies_stay_small_where_a_test_fails(extend: Callable[..., Any]) -> None:
    """Hypothesis writes them out then."""
    strategy: st.SearchStrategy[str] = ATOMS
    for _ in range(5):
        strategy = ATOMS | extend(strategy)
    assert len(repr(strategy)) < 100_000
