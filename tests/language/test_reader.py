"""Reading spec files: YAML 1.2 values, their spans, and every error."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from archc.diagnostics import Diagnostic, SourceText, Span, SpecError, concise, full
from archc.diagnostics.characters import unprintable
from archc.language import reader
from archc.language.reader import MAX_BYTES, MAX_DEPTH, MAX_ERRORS, decode, parse, read_text
from archc.language.values import Value

Input = TypeVar("Input", str, bytes)


@pytest.fixture(params=["libyaml", "python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs a test once with each of PyYAML's two event streams."""
    name: str = request.param
    if name == "python":
        monkeypatch.setattr(reader, "CParser", None)
    elif not yaml.__with_libyaml__:
        pytest.skip("this PyYAML has no libyaml")
    return name


def with_python_parser(text: str) -> Value:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "CParser", None)
        return parse(SourceText("spec.yaml", text))


def parsed(text: str) -> Value:
    return parse(SourceText("spec.yaml", text))


def locations(text: str) -> list[tuple[str, int, int]]:
    """Code, line and column of every error of `text`."""
    return [
        (diagnostic.code, diagnostic.span.line, diagnostic.span.column)
        for diagnostic in diagnostics_of(text)
    ]


def diagnostics_of(text: str) -> tuple[Diagnostic, ...]:
    with pytest.raises(SpecError) as caught:
        parsed(text)
    return caught.value.diagnostics


def outcome(read: Callable[[Input], Value], data: Input) -> Value | SpecError:
    """The result of `read`, or its error."""
    try:
        return read(data)
    except SpecError as error:
        return error


def child(value: Value, key: str | int) -> Value:
    if isinstance(key, int):
        assert isinstance(value.data, list)
        return value.data[key]
    assert isinstance(value.data, dict)
    return value.data[key]


def span(span: Span) -> tuple[int, int, int, int]:
    return span.line, span.column, span.end_line, span.end_column


def everything(value: Value) -> Iterator[object]:
    """Everything that must be equal in two readings, in order."""
    key = None if value.key_span is None else span(value.key_span)
    yield span(value.span), key, value.quoted
    if isinstance(value.data, dict):
        for name, item in value.data.items():
            yield name
            yield from everything(item)
    elif isinstance(value.data, list):
        yield "list"
        for item in value.data:
            yield from everything(item)
    else:
        yield type(value.data), value.data


# What plain scalars mean

RESOLVED: list[tuple[str, object]] = [
    *((text, None) for text in ("", "~", "null", "Null", "NULL")),
    *((text, True) for text in ("true", "True", "TRUE")),
    *((text, False) for text in ("false", "False", "FALSE")),
    ("0", 0),
    ("-0", 0),
    ("+7", 7),
    ("-12", -12),
    ("010", 10),
    ("0000000000000000000012", 12),
    ("-" + "0" * 5000 + "3", -3),
    ("0o17", 15),
    ("0x1F", 31),
    ("0xdeadbeef", 0xDEADBEEF),
    ("9007199254740991", 2**53 - 1),
    ("-9007199254740991", 1 - 2**53),
    ("0x1fffffffffffff", 2**53 - 1),
    ("1e-3", 0.001),
    ("1e3", 1000.0),
    ("1E+3", 1000.0),
    ("1.", 1.0),
    (".5", 0.5),
    ("-.5e1", -5.0),
    ("12.50", 12.5),
    ("1e308", 1e308),
    ("9007199254740993.0", 9007199254740992.0),
]

STRINGS = [
    *("no", "No", "off", "yes", "on", "y", "n", "nULL", "tRUE", "none", "None"),
    *("12:30", "12:30:45", "1_000", "2024-01-02", "2024-01-02T03:04:05Z", "1.2.3", "1e", "e5"),
    *("0b11", "0o8", "0o", "0x", "0xg", "-0x1F", "+0o7", "0X1F", "1,000", "1 2", "--1", "+", "-1-"),
    *(
        ".",
        "..",
        ".e3",
        "+.",
        ".infinity",
        "inf",
        "nan",
        "-.nan",
        "+.NaN",
        "=",
        "\u0661\u0662",
        "1\u00a0",
    ),
    *("$(a * 2)", "$width", "abc def", "a#b", "a:b", "\u00bd", "\u00b2"),
]


@pytest.mark.parametrize(("text", "value"), RESOLVED)
def test_plain_scalars_follow_the_core_schema(parser: str, text: str, value: object) -> None:
    read = child(parsed(f"key: {text}\n"), "key")
    assert (type(read.data), read.data) == (type(value), value)
    assert not read.quoted


@pytest.mark.parametrize("text", STRINGS)
def test_all_other_plain_scalars_are_text(parser: str, text: str) -> None:
    assert child(parsed(f"key: {text}\n"), "key").data == text


@pytest.mark.parametrize("text", ["", "null", "true", "12", "1e999", ".inf", "<<", "0x1F"])
@pytest.mark.parametrize("style", ["'{}'", '"{}"', "|-\n  {}", ">-\n  {}"])
def test_quoted_and_block_scalars_are_text(parser: str, text: str, style: str) -> None:
    read = child(parsed(f"key: {style.format(text)}\n"), "key")
    assert read.data == text
    assert read.quoted


@pytest.mark.parametrize(
    "text",
    [
        "9007199254740992",
        "-9007199254740992",
        "0x20000000000000",
        "0o400000000000000000",
        "1" * 5000,
        "0x" + "f" * 5000,
        "1e999",
        "-1e999",
        "1" * 400 + ".0",
        *(".inf", ".Inf", ".INF", "-.inf", "+.INF", ".nan", ".NaN", ".NAN"),
    ],
)
def test_numbers_out_of_range(parser: str, text: str) -> None:
    (diagnostic,) = diagnostics_of(f"a: 1\nkey: [{text}]\n")
    assert (diagnostic.code, span(diagnostic.span)) == ("ARC010", (2, 7, 2, 7 + len(text)))
    assert len(diagnostic.message) < 120


# Spans


def test_spans(parser: str) -> None:
    root = parsed(
        "# c\n"
        "n\u00e4me: \U0001f600 # c\n"  # columns count characters, not bytes or UTF-16 units
        "\U0001f600: [1, 'it''s', {k: \"v\\n\"}]\n"
        "list:\n"
        "- a b  \n"
        "-\n"
        "- x: 1\n"
        "  y:\n"
        "\n"
        "# c\n"
        "text: |  # c\n"
        "  one\n"
        "  two  \n"
        "\n"
        "last: {a, b: }\n"
    )
    assert span(root.span) == (2, 1, 15, 15)
    assert root.key_span is None

    def at(*path: str | int) -> tuple[tuple[int, int, int, int], tuple[int, int] | None]:
        value = root
        for key in path:
            value = child(value, key)
        key_span = value.key_span
        return span(value.span), None if key_span is None else (key_span.line, key_span.column)

    assert at("n\u00e4me") == ((2, 7, 2, 8), (2, 1))
    assert at("\U0001f600") == ((3, 4, 3, 28), (3, 1))
    assert at("\U0001f600", 0) == ((3, 5, 3, 6), None)
    assert at("\U0001f600", 1) == ((3, 8, 3, 15), None)
    assert at("\U0001f600", 2) == ((3, 17, 3, 27), None)
    assert at("\U0001f600", 2, "k") == ((3, 21, 3, 26), (3, 18))
    assert at("list") == ((5, 1, 8, 4), (4, 1))
    assert at("list", 0) == ((5, 3, 5, 6), None)
    assert at("list", 1) == ((6, 2, 6, 2), None)
    assert at("list", 2) == ((7, 3, 8, 4), None)
    assert at("list", 2, "x") == ((7, 6, 7, 7), (7, 3))
    assert at("list", 2, "y") == ((8, 4, 8, 4), (8, 3))
    assert at("text") == ((11, 7, 13, 6), (11, 1))
    assert at("last") == ((15, 7, 15, 15), (15, 1))
    assert at("last", "a") == ((15, 9, 15, 9), (15, 8))
    assert at("last", "b") == ((15, 12, 15, 12), (15, 11))


def test_a_list_of_pairs_and_an_empty_block_scalar_end_where_their_text_does(parser: str) -> None:
    root = parsed("a: [b: 1 , c]\nd: |\n\n# c\ne: 2")
    assert span(child(child(root, "a"), 0).span) == (1, 5, 1, 9)
    assert span(child(root, "d").span) == (2, 4, 2, 5)


def test_the_value_of_a_lone_question_mark_key_stands_at_its_key(parser: str) -> None:
    root = parsed("? a\n# c\n\n? b")
    assert [span(child(root, key).span) for key in "ab"] == [(1, 4, 1, 4), (4, 4, 4, 4)]
    assert span(root.span) == (1, 1, 4, 4)


def test_plain() -> None:
    text = "name: x\nlayers:\n- conv: {filters: 6, same: true, f: 1.5}\n- relu\n- \n"
    conv = {"conv": {"filters": 6, "same": True, "f": 1.5}}
    assert parsed(text).plain() == {"name": "x", "layers": [conv, "relu", None]}


def test_values_are_compared_by_identity() -> None:
    root = parsed("a: 1\nb: 1\n")
    assert child(root, "a") == child(root, "a")
    assert parsed("a: 1\n") != parsed("a: 1\n")


# Text


@pytest.mark.parametrize("change", ["\r\n", "\r", "bom", "both"])
def test_line_ends_and_byte_order_mark_change_nothing(parser: str, change: str) -> None:
    text = 'name: x\nlayers:\n- conv: {filters: 6,\n    k: 5}\n- t: |\n    a\n    b\n- "a\n  b"\n'
    expected = list(everything(parsed(text)))
    data = text.replace("\n", {"bom": "\n", "both": "\r\n"}.get(change, change)).encode()
    if change in ("bom", "both"):
        data = b"\xef\xbb\xbf" + data
    source = decode(data, "spec.yaml")
    assert source == SourceText("spec.yaml", text)
    assert list(everything(parse(source))) == expected


FORBIDDEN = [
    *(code for code in (*range(0x20), 0x7F, *range(0x80, 0xA0)) if chr(code) not in "\t\n\r"),
    *(0x061C, 0x200B, 0x200C, 0x200D, 0x200E, 0x200F, 0x2028, 0x2029, 0x2060, 0xFEFF),
    *range(0x202A, 0x202F),
    *range(0x2066, 0x206A),
    *(0xFDD0, 0xFDEF, 0xFFFE, 0xFFFF, 0x1FFFE, 0x10FFFF, 0xE0000, 0xE0041, 0xE007F),
    *(0xAD, 0x2061, 0x2064, 0x206A, 0x206F, 0xFFF9, 0xFFFB, 0xFE0F, 0xE0100, 0xE000, 0x3164),
]


@pytest.mark.parametrize("code", FORBIDDEN, ids=hex)
def test_forbidden_characters(parser: str, code: int) -> None:
    data = f"name: x\n# \u00e9{chr(code)}\ntitle: \u00e9 {chr(code)}\n".encode()
    with pytest.raises(SpecError) as caught:
        decode(data, "spec.yaml")
    spans = [(diagnostic.code, *span(diagnostic.span)) for diagnostic in caught.value.diagnostics]
    assert spans == [("ARC002", 2, 4, 2, 5), ("ARC002", 3, 10, 3, 11)]
    assert f"U+{code:04X}" in caught.value.diagnostics[0].message
    assert all(
        full(diagnostic).replace("\n", "").isprintable() for diagnostic in caught.value.diagnostics
    )


@pytest.mark.parametrize(
    "text",
    ["\u00e9", "\u00a0", "\U0001f600", "\u5c42", "\u05d0", "e\u0301", "\ufffd", "\t", "\u0378"],
)
def test_other_characters_are_welcome(parser: str, text: str) -> None:
    source = decode(f"title: 'a{text}b'".encode(), "spec.yaml")
    assert child(parse(source), "title").data == f"a{text}b"


@pytest.mark.parametrize("escape", ["\\e", "\\0", "\\x7f", "\\u202E", "\\ufeff", "\\L", "\\N"])
def test_escapes_do_not_bring_forbidden_characters_back(parser: str, escape: str) -> None:
    (diagnostic,) = diagnostics_of(f'a: 1\nb: "x{escape}y"\n')
    assert (diagnostic.code, span(diagnostic.span)) == ("ARC002", (2, 4, 2, 8 + len(escape)))


def test_harmless_escapes_are_read(parser: str) -> None:
    root = parsed('a: "\\t\\n\\u00e9\\U0001F600\\x41\\\\"')
    assert child(root, "a").data == "\t\n\u00e9\U0001f600A\\"


@pytest.mark.parametrize("escape", ["\\ud800", "\\UFFFFFFFF", "\\U00110000", "\\q", "\\x4"])
def test_escapes_of_no_character(parser: str, escape: str) -> None:
    (diagnostic,) = diagnostics_of(f'a: 1\nb: "{escape}"\n')
    assert diagnostic.code in ("ARC004", "ARC002")  # PyYAML's own scanner lets surrogates through
    assert diagnostic.span.line == 2


def test_a_surrogate_in_the_text_itself(parser: str) -> None:
    assert locations("a: 1\nb: x\udc80") == [("ARC002", 2, 5)]


def test_other_errors_are_reported_with_forbidden_characters(parser: str) -> None:
    text = "a: 1\nb: \u200bx\na: 2\nc: 1e999\n"
    expected = [("ARC002", 2, 4), ("ARC007", 3, 1), ("ARC010", 4, 4)]
    assert locations(text) == expected
    with pytest.raises(SpecError) as caught:
        decode(text.encode(), "spec.yaml")
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == [
        "ARC002",
        "ARC007",
        "ARC010",
    ]


def test_a_syntax_error_behind_a_forbidden_character_is_left_out(parser: str) -> None:
    assert locations("a:\n  b: 1\n\u200b c: 1\n") == [("ARC002", 3, 1)]


@pytest.mark.parametrize(
    ("data", "line", "column"),
    [
        (b"\xff\xfen\x00", 1, 1),
        (b"a: 1\r\nb: \xc3\xa9\xe9", 2, 5),
        (b"\xef\xbb\xbfa: \xf0\x9f\x98", 1, 4),
        (b"a: \xed\xa0\x80", 1, 4),
        (b"a: \xc0\xaf", 1, 4),
    ],
)
def test_not_utf8(data: bytes, line: int, column: int) -> None:
    with pytest.raises(SpecError) as caught:
        decode(data, "spec.yaml")
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, span(diagnostic.span)) == ("ARC002", (line, column, line, column + 1))
    assert full(diagnostic).replace("\n", "").isprintable()


def test_size() -> None:
    largest = b"a: 1\n" + b"#" * (MAX_BYTES - 5)
    assert parse(decode(largest, "spec.yaml")).plain() == {"a": 1}
    with pytest.raises(SpecError) as caught:
        decode(largest + b"#", "spec.yaml")
    assert concise(caught.value.diagnostics[0]) == "spec.yaml:1:1: ARC003 larger than 1 MiB"


# Allowed YAML


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # ARC004: syntax
        ("a: [1, 2\nb: 3\n", [("ARC004", 2, 2)]),
        ("a:\n\t- b\n", [("ARC004", 2, 1)]),
        ("a: @b\n", [("ARC004", 1, 4)]),
        ("a: b: c\n", [("ARC004", 1, 5)]),
        ("{a: 1} b\n", [("ARC004", 1, 8)]),
        ("a: 1\n- b\n", [("ARC004", 2, 1)]),
        ("a: 1\na: 2\nb: ]\n", [("ARC007", 2, 1), ("ARC004", 3, 4)]),
        # ARC005: anchors and aliases
        ("a: &x 1\n", [("ARC005", 1, 4)]),
        ("&x a: 1\n", [("ARC005", 1, 1)]),
        ("&x\na: &y [b]\n", [("ARC005", 1, 1), ("ARC005", 2, 4)]),
        ("a: *x\n", [("ARC005", 1, 4)]),
        ("*x : 1\n", [("ARC005", 1, 1)]),
        ("a: [&x 1, *x]\n", [("ARC005", 1, 5), ("ARC005", 1, 11)]),
        # ARC006: tags and directives
        ("a: !!str 1\n", [("ARC006", 1, 4)]),
        ("a: ! x\n", [("ARC006", 1, 4)]),
        ("a: ! 'x'\n", [("ARC006", 1, 4)]),
        ("a: ! [x]\n", [("ARC006", 1, 4)]),
        ("a: !<tag:yaml.org,2002:int> 1\n", [("ARC006", 1, 4)]),
        ("a: !e!x 1\n", [("ARC006", 1, 4)]),
        ("!!map\na: 1\n", [("ARC006", 1, 1)]),
        ("!!str a: 1\n", [("ARC006", 1, 1)]),
        ("a: !!python/object/apply:os.system ['true']\n", [("ARC006", 1, 4)]),
        ("a: !!binary aGk=\nb: !!set {c}\n", [("ARC006", 1, 4), ("ARC006", 2, 4)]),
        ("a: &x !t 1\n", [("ARC005", 1, 4), ("ARC006", 1, 7)]),
        ("a: !t # c\n  &x\n  1\n", [("ARC006", 1, 4), ("ARC005", 2, 3)]),
        ("%YAML 1.2\n---\na: 1\n", [("ARC006", 1, 1)]),
        ("# c\n\n%TAG ! x\n%NEW y\n---\na: 1\n", [("ARC006", 3, 1), ("ARC006", 4, 1)]),
        ("%TAG ! x\n---\na: 1\na: 2\n", [("ARC006", 1, 1), ("ARC007", 4, 1)]),
        ("a: 1\n...\n%YAML 1.2\n---\nb: 1\n", [("ARC006", 3, 1)]),
        # ARC007: duplicate keys
        ("a: 1\nb: 2\na: 3\na: 4\n", [("ARC007", 3, 1), ("ARC007", 4, 1)]),
        ("a: {b: 1, 'b': 2}\n", [("ARC007", 1, 11)]),
        ("a: {b: {c: 1}, d: {c: 1, c: 2}}\n", [("ARC007", 1, 26)]),
        ("? a\na: 1\n", [("ARC007", 2, 1)]),
        # ARC009: one document, a mapping
        ("", [("ARC009", 1, 1)]),
        ("\n# only a comment\n", [("ARC009", 1, 1)]),
        ("---\n", [("ARC009", 1, 1)]),
        ("null\n", [("ARC009", 1, 1)]),
        ("- a\n", [("ARC009", 1, 1)]),
        ("[a]\n", [("ARC009", 1, 1)]),
        ("\n text\n", [("ARC009", 2, 2)]),
        ("a: 1\n---\nb: 2\n", [("ARC009", 2, 1)]),
        ("a: 1\n...\n# c\nb: 2\n", [("ARC009", 4, 1)]),
        ("a: 1\n---\n", [("ARC009", 2, 1)]),
        # ARC011: keys are text
        ("1: x\n", [("ARC011", 1, 1)]),
        ("true: x\n1.5: y\nnull: z\n~: w\n", [("ARC011", n, 1) for n in range(1, 5)]),
        ("?\n: x\n", [("ARC011", 1, 2)]),
        ("? [a]\n: x\n", [("ARC011", 1, 3)]),
        ("? {a: b}\n: x\n", [("ARC011", 1, 3)]),
        ("<<: {a: 1}\n", [("ARC011", 1, 1)]),
        ("a: {b: {<<: 1}}\n", [("ARC011", 1, 9)]),
        ("1e999: x\n", [("ARC010", 1, 1), ("ARC011", 1, 1)]),
        # Several errors
        (
            "a: &x 1\nb: *x\n2: !t 3\na: 1e999\n<<: .nan\n",
            [
                *(("ARC005", 1, 4), ("ARC005", 2, 4), ("ARC011", 3, 1), ("ARC006", 3, 4)),
                *(("ARC007", 4, 1), ("ARC010", 4, 4), ("ARC011", 5, 1), ("ARC010", 5, 5)),
            ],
        ),
    ],
)  # fmt: skip
def test_errors_and_their_spans(
    parser: str, text: str, expected: list[tuple[str, int, int]]
) -> None:
    assert locations(text) == expected
    assert all(full(diagnostic) for diagnostic in diagnostics_of(text))


@pytest.mark.parametrize(
    "text",
    [
        "---\na: 1\n",
        "a: 1\n...\n# c\n...\n",
        "# c\n--- # c\na: 1\n...  \n",
        "{a: 1}",
        '{"a": 1}',
        "? a\n: 1\n",
        "'a': 1",
    ],
)
def test_other_ways_to_write_one_mapping(parser: str, text: str) -> None:
    assert parsed(text).plain() == {"a": 1}


def test_keys_in_quotes_are_text(parser: str) -> None:
    root = parsed("'1': a\n\"true\": b\n'<<': c\n'': d\nno: e\n12:30: f\n")
    assert root.plain() == {"1": "a", "true": "b", "<<": "c", "": "d", "no": "e", "12:30": "f"}


def test_a_percent_sign_is_no_directive_elsewhere(parser: str) -> None:
    assert parsed("a: x%\nb: '1\n\n  %YAML'\n").plain() == {"a": "x%", "b": "1\n%YAML"}


def test_an_alias_shows_its_anchor(parser: str) -> None:
    _, diagnostic = diagnostics_of("base: &base {a: 1}\nuse: *base\n")
    assert concise(diagnostic) == "spec.yaml:2:6: ARC005 *base: aliases are not allowed"
    assert [(note.message, span(note.span)) for note in diagnostic.notes] == [
        ("the anchor is here", (1, 7, 1, 12))
    ]


def test_a_duplicate_key_shows_the_first(parser: str) -> None:
    (diagnostic,) = diagnostics_of("a: 1\nb:\n  kernel: 1\n  stride: 2\n  kernel: 3\n")
    assert concise(diagnostic) == 'spec.yaml:5:3: ARC007 duplicate key "kernel"'
    assert [(note.message, span(note.span)) for note in diagnostic.notes] == [
        ("first defined here", (3, 3, 3, 9))
    ]


def test_a_syntax_error_shows_what_was_being_read(parser: str) -> None:
    (diagnostic,) = diagnostics_of("a: 1\nb: {c: 1\n\n")
    assert [span(note.span)[:2] for note in diagnostic.notes] == [(2, 4)]
    assert "flow mapping" in diagnostic.notes[0].message


# Hostile input


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? ", "[{", "[a: "])
def test_a_million_openings_are_rejected_at_once(parser: str, opening: str) -> None:
    size = MAX_BYTES if parser == "libyaml" else MAX_BYTES // 8
    assert [code for code, _, _ in locations(opening * (size // len(opening)))] == ["ARC008"]


def test_depth(parser: str) -> None:
    inner = MAX_DEPTH - 1
    value = parsed(f"a: {'[' * inner}{']' * inner}").plain()
    for _ in range(inner):
        assert isinstance(value, (dict, list))
        value = value["a"] if isinstance(value, dict) else value[0]
    assert value == []
    assert locations(f"a: {'[' * (inner + 1)}{']' * (inner + 1)}") == [("ARC008", 1, 4 + inner)]
    blocks = "".join(f"{' ' * depth}a:\n" for depth in range(MAX_DEPTH + 1))
    assert locations(blocks) == [("ARC008", MAX_DEPTH + 1, MAX_DEPTH + 1)]
    assert locations(f"b: 1\nb: 2\na: {'[' * 70}") == [("ARC007", 2, 1), ("ARC008", 3, 4 + inner)]


def test_billion_laughs(parser: str) -> None:
    lines = ["a0: &a0 [lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    diagnostics = diagnostics_of("\n".join(lines))
    assert {diagnostic.code for diagnostic in diagnostics} == {"ARC005"}
    assert len(diagnostics) == 10 + 81
    assert locations("a: &a [*a]") == [("ARC005", 1, 4), ("ARC005", 1, 8)]


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\n" * 200_000,
        "\x01" * MAX_BYTES,
        "%TAG !a! x\n" * 90_000 + "---\na: 1\n",
        "a: [" + "&a 1," * 200_000 + "]",
        "a: [" + "! 1," * 200_000 + "]",
        "{" + "1: 2," * 200_000 + "}",
    ],
    ids=["keys", "controls", "directives", "anchors", "tags", "numbers"],
)
def test_the_hundredth_error_ends_the_reading(parser: str, text: str) -> None:
    assert len(diagnostics_of(text)) == MAX_ERRORS


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\n...\n" + "".join(f"%TAG !{n}! x\n" for n in range(60_000)),
        "a: " + "1" * (MAX_BYTES - 3),
        "a: 0." + "1" * (MAX_BYTES // 2) + "e" + "9" * (MAX_BYTES // 4),
        "a" * (MAX_BYTES - 3) + ": 1",
        "--- \n" * 200_000,
        'a: "' + "\\0" * 500_000 + '"',
        "a: !" + "x" * 1_000_000,
    ],
    ids=["later directives", "digits", "exponent", "key", "documents", "escapes", "tag"],
)
def test_a_megabyte_of_one_error(parser: str, text: str) -> None:
    diagnostics = diagnostics_of(text)
    assert len(diagnostics) <= 2
    assert all(len(full(diagnostic)) < 5000 for diagnostic in diagnostics)


# Both event streams, and the dumpers as oracles

CHARACTERS = st.characters(
    exclude_categories=("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"), include_characters="\t\n"
).filter(lambda character: not any(unprintable(character)))
TEXT = st.text(CHARACTERS, max_size=12) | st.sampled_from(
    ["- a", "a: b", "#", "'", '"', " x ", "%"]
)
INTEGERS = st.integers(1 - 2**53, 2**53 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
ATOMS = st.none() | st.booleans() | INTEGERS | FLOATS | TEXT
TREES = st.dictionaries(
    TEXT,
    st.recursive(
        ATOMS, lambda kids: st.lists(kids, max_size=4) | st.dictionaries(TEXT, kids, max_size=4)
    ),
    max_size=5,
)


class Dumper(yaml.SafeDumper):
    """Writes text that starts like a number in quotes: the dumper has YAML 1.1 numbers in mind."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if text[:1] in "0123456789+-." else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


Dumper.add_representer(str, _text_node)


def same(read: object, written: object) -> bool:
    """Equal in value, type and order."""
    return json.dumps(read) == json.dumps(written)


@settings(max_examples=100, deadline=None)
@given(tree=TREES, flow=st.sampled_from([None, True, False]), width=st.sampled_from([20, 80]))
def test_what_pyyaml_prints_is_read_back(
    tree: dict[str, Any], flow: bool | None, width: int
) -> None:
    text = yaml.dump(
        tree,
        Dumper=Dumper,
        default_flow_style=flow,
        width=width,
        allow_unicode=True,
        sort_keys=False,
    )
    value = parsed(text)
    assert same(value.plain(), tree)
    assert list(everything(value)) == list(everything(with_python_parser(text)))


@settings(max_examples=100, deadline=None)
@given(tree=TREES, indent=st.sampled_from([None, 0, 2]))
def test_what_json_prints_is_read_back(tree: dict[str, Any], indent: int | None) -> None:
    text = json.dumps(tree, ensure_ascii=False, indent=indent)
    value = parsed(text)
    assert same(value.plain(), tree)
    assert list(everything(value)) == list(everything(with_python_parser(text)))


TOKENS = (
    *("a", "b", "k: ", "- ", "\n", "\n  ", " ", "[", "]", "{", "}", ",", ":", "? ", "'", '"'),
    *("# c\n", "&x ", "*x", "!t ", "! ", "|", "|\n ", ">-\n  ", "%", "---\n", "...\n", "@", "\t"),
    *("1e999", "1.5", "<<: ", "\\n", "\\ud800", "\\UFFFFFFFF", "\u00e9", "\U0001f600", "\u202e"),
    *("~", "\x00", "!e!x ", "`"),
)


@settings(max_examples=300, deadline=None)
@given(
    tokens=st.lists(st.sampled_from(TOKENS), max_size=25), start=st.sampled_from(["", "k: 1\nl: "])
)
def test_any_text_is_read_or_rejected_with_spans(tokens: list[str], start: str) -> None:
    text = start + "".join(tokens)
    readings = [outcome(read, text) for read in (parsed, with_python_parser)]
    for error in (result for result in readings if isinstance(result, SpecError)):
        assert error.diagnostics
        for diagnostic in error.diagnostics:
            assert 1 <= diagnostic.span.line <= text.count("\n") + 1
            assert (
                1
                <= diagnostic.span.column
                <= len(diagnostic.span.source.line(diagnostic.span.line)) + 1
            )
            assert full(diagnostic).replace("\n", "").isprintable()
    # PyYAML's two scanners differ in where they reject tabs, never in the values.
    values = [list(everything(result)) for result in readings if isinstance(result, Value)]
    assert len(values) < 2 or values[0] == values[1]


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=60))
def test_any_bytes_are_read_or_rejected(data: bytes) -> None:
    result = outcome(lambda raw: parse(decode(raw, "spec.yaml")), data)
    if isinstance(result, SpecError):
        assert result.diagnostics
    else:
        assert isinstance(result.data, dict)


# Files


def cannot_read(path: str | Path, root: str | Path | None = None) -> str:
    """The message of the single ARC001 of reading `path`."""
    with pytest.raises(SpecError) as caught:
        read_text(str(path), display="shown.yaml", root=None if root is None else str(root))
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, span(diagnostic.span)) == ("ARC001", (1, 1, 1, 1))
    assert diagnostic.span.source == SourceText("shown.yaml", "")
    assert full(diagnostic).isprintable()
    return diagnostic.message


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.yaml").write_bytes(b"\xef\xbb\xbfname: \xc3\xa9\r\n")
    (folder / "sub" / "b.yaml").write_text("name: b\n")
    (tmp_path / "outside.yaml").write_text("name: secret\n")
    (tmp_path / "root-2").mkdir()
    (tmp_path / "root-2" / "c.yaml").write_text("name: c\n")
    return folder


def test_reading_a_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(root / "a.yaml")
    assert read_text(path) == SourceText(path, "name: \u00e9\n")
    assert read_text(path, display="a.yaml", root=str(root)) == SourceText(
        "a.yaml", "name: \u00e9\n"
    )
    inner = str(root / "sub" / ".." / "sub" / "b.yaml")
    assert read_text(inner, root=str(root)).text == "name: b\n"
    monkeypatch.chdir(root)
    assert read_text("a.yaml", root=".") == SourceText("a.yaml", "name: \u00e9\n")
    assert read_text("a.yaml", root="/").text == "name: \u00e9\n"


@pytest.mark.parametrize("confined", [False, True])
def test_what_is_no_file(root: Path, confined: bool) -> None:
    within = root if confined else None
    assert cannot_read(root / "none.yaml", within) == "cannot be read: no such file or directory"
    assert cannot_read(f"{root}/a.yaml/x", within) == "cannot be read: not a directory"
    assert cannot_read(root / "sub", within) == "cannot be read: is a directory"
    assert "invalid characters" in cannot_read(f"{root}/a\0.yaml", within)
    assert "invalid characters" in cannot_read(f"{root}/a\ud800.yaml", within)
    os.mkfifo(root / "fifo")
    assert "not a regular file" in cannot_read(root / "fifo", within)  # and does not wait


def test_devices() -> None:
    assert "not a regular file" in cannot_read("/dev/zero")
    assert "not a regular file" in cannot_read("/dev/null", "/dev")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_forbidden_file(root: Path) -> None:
    (root / "a.yaml").chmod(0)
    assert cannot_read(root / "a.yaml") == "cannot be read: permission denied"


@pytest.mark.parametrize(
    "path",
    ["../outside.yaml", "sub/../../outside.yaml", "../root-2/c.yaml", "../none.yaml", "..", "."],
)
def test_files_outside_the_root(root: Path, path: str) -> None:
    reason = "cannot be read: it is outside the root folder"
    assert cannot_read(f"{root}/{path}", root) == reason
    assert cannot_read(os.path.normpath(f"{root}/{path}"), root) == reason


def test_links(root: Path, tmp_path: Path) -> None:
    (root / "out.yaml").symlink_to("../outside.yaml")
    (root / "in.yaml").symlink_to("a.yaml")
    (root / "loop.yaml").symlink_to("loop.yaml")
    (root / "folder").symlink_to("../root-2")
    (tmp_path / "back").symlink_to("root")
    os.link(root / "a.yaml", root / "hard.yaml")
    assert "outside the root" in cannot_read(root / "out.yaml", root)
    assert "outside the root" in cannot_read(root / "folder" / "c.yaml", root)
    assert "symbolic link" in cannot_read(root / "in.yaml", root)
    assert "symbolic link" in cannot_read(root / "loop.yaml", root)
    assert "symbolic link" in cannot_read(root / "loop.yaml")
    for name in ("a.yaml", "hard.yaml"):
        assert "several hard links" in cannot_read(root / name, root)
    # The spec named on the command line may be any of these.
    assert read_text(str(root / "out.yaml")).text == "name: secret\n"
    assert read_text(str(root / "hard.yaml")).text == "name: \u00e9\n"
    # The root itself may be reached through a link.
    assert read_text(str(tmp_path / "back" / "sub" / "b.yaml"), root=str(root)).text == "name: b\n"


def test_a_large_file_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # sparse
    with pytest.raises(SpecError) as caught:
        read_text(str(path), display="large.yaml")
    assert concise(caught.value.diagnostics[0]) == "large.yaml:1:1: ARC003 larger than 1 MiB"
