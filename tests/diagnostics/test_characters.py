"""Characters that do not print, by Unicode's own classes; and those that ordinary text needs."""

from __future__ import annotations

import unicodedata

import pytest

from archc.diagnostics.characters import CLASSES, has_command, unprintable, visible

IGNORABLE = (
    0xAD, 0x34F, 0x61C, (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x200B, 0x200F),
    (0x202A, 0x202E), (0x2060, 0x206F), 0x3164, (0xFE00, 0xFE0F), 0xFEFF, 0xFFA0, (0xFFF0, 0xFFF8),
    (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
"""Default_Ignorable_Code_Point in DerivedCoreProperties.txt, the same in Unicode 14 to 16."""
PREPENDED = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
"""Prepended_Concatenation_Mark in PropList.txt, the same in Unicode 14 to 16."""
LATER = range(0x13439, 0x13440)
"""Cf since Unicode 15.0, which Python 3.11 does not know."""


def does_not_print(code: int) -> bool:
    character = chr(code)
    if character in "\t\n" or code in PREPENDED:
        return False
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"):
        return True
    ranges = ((one, one) if isinstance(one, int) else one for one in IGNORABLE)
    if any(first <= code <= last for first, last in ranges):
        return True
    return code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF or code in LATER


def test_the_ranges_are_unicode_s_classes() -> None:
    """All code points. On a later Python a new character of these classes fails here."""
    text = "\n".join(map(chr, range(0x110000)))
    expected = {chr(code) for code in range(0x110000) if does_not_print(code)}
    assert {one.character for one in unprintable(text)} == expected
    assert {one.kind for one in unprintable(text)} == set(CLASSES)


@pytest.mark.parametrize(
    "text",
    [
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian, with a non-joiner
        "\u0915\u094d\u200d\u0937 \u0930\u094d\u200d",  # Hindi half forms
        "\u0dc1\u0dca\u200d\u0dbb\u0dd3",  # Sinhala
        "\u182d\u180b\u1820\u180e\u1820",  # Mongolian, with a variation and a vowel separator
        "\u2764\ufe0f\u200d\U0001f525 \U0001f469\U0001f3fd\u200d\U0001f52c",  # emoji of several
        "\U0001f3f3\ufe0f\u200d\U0001f308 \u2708\ufe0e \u00a9\ufe0f 1\ufe0f\u20e3",
        "e\u0301 \u0e01\u0e33 \u05e9\u05c1 \u0646\u0651 \uac00 \u30d7\u309a \u0600\u06f1",  # marks
        "a\u00a0b \u3000 \u2800",  # spaces
        "\U0001fae8 \U00011f00 \u0378",  # newer than Python 3.11, and unassigned
    ],
)
def test_ordinary_text_is_allowed(text: str) -> None:
    assert list(unprintable(text)) == []


@pytest.mark.parametrize(
    ("text", "index", "kind"),
    [
        ("a\u200db", 1, "zero-width"),
        ("\u0645\u200c\u200c\u062e", 2, "zero-width"),
        ("\U0001f469\u200da", 1, "zero-width"),
        ("a\ufe0f", 1, "variation selector"),
        ("1\ufe0f", 1, "variation selector"),
        ("\u2192\ufe0f", 1, "variation selector"),
        ("\u2764\ufe0f\ufe0f", 2, "variation selector"),
        ("\u845b\U000e0100", 1, "variation selector"),
        ("a\u180b", 1, "variation selector"),
        ("\U0001f3f4\U000e0067\U000e007f", 1, "tag"),
        ("a\u00adb", 1, "invisible format"),
        ("\u2061", 0, "invisible format"),
        ("\u3164", 0, "blank filler"),
        ("\ue000", 0, "private-use"),
        ("\r", 0, "control"),
    ],
    ids=ascii,
)
def test_elsewhere_it_is_not(text: str, index: int, kind: str) -> None:
    first = next(unprintable(text))
    assert first.offset == index
    assert kind in first.kind
    assert visible(text)[: index + 1] == text[:index] + "\\"
    assert list(unprintable(visible(text))) == []


@pytest.mark.parametrize("mark", ["\u200d", "\ufe0e", "\ufe0f"], ids=ascii)
def test_no_ascii_is_an_emoji(mark: str) -> None:
    for code in range(0x20, 0x7F):
        assert [one.offset for one in unprintable(chr(code) + mark)] == [1], chr(code)


@pytest.mark.parametrize(
    ("text", "inert"),
    [
        ("::error::a", "\\x3a:error::a"),
        ("  ::error::a", "  \\x3a:error::a"),
        ("\u3000::a", "\\u3000::a"),
        ("a ##[error]b ##[x]", "a \\x23#[error]b \\x23#[x]"),
        ("a ::error::b", "a ::error::b"),
        ("## [a] #[b]", "## [a] #[b]"),
    ],
)
def test_no_line_is_a_command_to_a_runner(text: str, inert: str) -> None:
    """GitHub's runner trims a line and looks for `::` at its start, and for `##[` anywhere."""
    assert visible(text) == inert
    assert not has_command(visible(text))


def test_what_is_visible_is_left_alone() -> None:
    text = "\u2764\ufe0f\u200d\U0001f525 \u0645\u06cc\u200c\u062e \u00e9"
    assert visible(text) == text
    assert visible("a\u00a0b\tc\nd\u3000") == "a\\xa0b\\tc\\nd\\u3000"
