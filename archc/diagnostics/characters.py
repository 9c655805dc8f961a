"""Characters that do not print: which of them a text may have, and where.

By class, as the Unicode Character Database has them: general categories Cc, Cf, Cs, Co, Zl and Zp,
noncharacters, and whatever has the property Default_Ignorable_Code_Point, which covers the code
points that are reserved for characters of this kind. Cf with the property
Prepended_Concatenation_Mark is left out, because it prints. The ranges stand here instead of being
taken from `unicodedata`, which differs between versions of Python: a spec is valid on all of them
or on none. A test compares them. Code points that are not assigned print as a box: allowed.

Ordinary text needs three of these classes, each in one place alone:

- a joiner (U+200C, U+200D) directly after a character of a script whose letters join or stack
  (Arabic, Devanagari …, `_JOINING`), and U+200D between two emoji;
- U+FE0E or U+FE0F, which select the form of an emoji, directly after one, or in a keycap;
- the variation selectors and the vowel separator of Mongolian directly after a Mongolian letter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

CLASSES: Mapping[str, str] = {
    "a control character": "\\x00-\\x08\\x0b-\\x1f\\x7f-\\x84\\x86-\\x9f",
    "a line separator": "\\x85\\u2028\\u2029",
    "a mark of writing direction": "\\u061c\\u200e\\u200f",
    "a bidirectional control": "\\u202a-\\u202e\\u2066-\\u2069",
    "a zero-width character": "\\u200b-\\u200d\\u2060",
    "a byte order mark inside the text": "\\ufeff",
    "a surrogate": "\\ud800-\\udfff",
    "a noncharacter": "\\ufdd0-\\ufdef"
    + "".join(f"\\U{plane:04x}fffe\\U{plane:04x}ffff" for plane in range(17)),
    "a tag character": "\\U000e0000-\\U000e007f",
    "a variation selector": "\\u180b-\\u180f\\ufe00-\\ufe0f\\U000e0100-\\U000e01ef",
    "a private-use character": ("\\ue000-\\uf8ff\\U000f0000-\\U000ffffd\\U00100000-\\U0010fffd"),
    "a blank filler": "\\u115f\\u1160\\u17b4\\u17b5\\u3164\\uffa0",
    "an invisible format character": (
        "\\xad\\u034f\\u2061-\\u2065\\u206a-\\u206f\\ufff0-\\ufffb"
        "\\U00013430-\\U0001343f\\U0001bca0-\\U0001bca3\\U0001d173-\\U0001d17a"
        "\\U000e0080-\\U000e00ff\\U000e01f0-\\U000e0fff"
    ),
}
"""The characters that do not print, as ranges of a regular expression, by what an error calls
them. Tabs and line feeds are not among them."""

_JOINING = (
    "\\u0600-\\u109f\\u1780-\\u18af\\u1a20-\\u1aaf\\u1b00-\\u1c4f\\u1cd0-\\u1cff\\ua800-\\ua82f"
    "\\ua840-\\ua87f\\ua880-\\ua8ff\\ua930-\\ua95f\\ua980-\\uaa5f\\uaae0-\\uaaff\\uabc0-\\uabff"
    "\\ufb50-\\ufdcf\\ufdf0-\\ufdff\\ufe70-\\ufefc\\U00010a00-\\U00010aff\\U00010d00-\\U00010d3f"
    "\\U00010f30-\\U00010fdf\\U00011000-\\U00011fff\\U0001e900-\\U0001e95f"
)
"""The blocks of the scripts whose letters join or stack; a block's range never changes."""
_MONGOLIAN = "\\u1820-\\u18af"
_EMOJI = (
    "\\xa9\\xae\\u203c\\u2049\\u2122\\u2139\\u2194-\\u2199\\u21a9\\u21aa\\u231a\\u231b\\u2328\\u23cf"
    "\\u23e9-\\u23f3\\u23f8-\\u23fa\\u24c2\\u25aa\\u25ab\\u25b6\\u25c0\\u25fb-\\u25fe\\u2600-\\u27bf"
    "\\u2934\\u2935\\u2b05-\\u2b07\\u2b1b\\u2b1c\\u2b50\\u2b55\\u3030\\u303d\\u3297\\u3299"
    "\\U0001f000-\\U0001faff"
)
"""The blocks of emoji, and the emoji in other blocks."""
_FORM = "\\ufe0e\\ufe0f"
_ALLOWED = (
    f"(?<=[{_JOINING}])[\\u200c\\u200d]"
    f"|(?<=[{_EMOJI}{_FORM}])\\u200d(?=[{_EMOJI}])"
    f"|(?<=[{_EMOJI}])[{_FORM}]"
    "|(?<=[0-9#*])\\ufe0f(?=\\u20e3)"
    f"|(?<=[{_MONGOLIAN}])[\\u180b-\\u180f]"
)
_UNPRINTABLE = "".join(CLASSES.values())
_OWN_SIGNS = str.maketrans("", "", "×→≤")
"""Signs of archc's own lines, which print: to compile the expressions for lines that are otherwise
ASCII takes longer than all else in a table."""
_OTHER_SPACES = "\\xa0\\u1680\\u2000-\\u200a\\u202f\\u205f\\u3000"


class Unprintable(NamedTuple):
    """A character that does not print, at an offset in its text."""

    offset: int
    character: str
    kind: str


def unprintable(text: str) -> Iterator[Unprintable]:
    """The characters of `text` that do not print, but for those that ordinary text needs where they
    stand, tabs and line feeds."""
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return  # most texts
    for match in re.finditer(f"[{_UNPRINTABLE}]", text):
        if not re.compile(_ALLOWED).match(text, match.start()):
            yield Unprintable(match.start(), match[0], _kind_of(match[0]))


def _kind_of(character: str) -> str:
    return next(kind for kind, ranges in CLASSES.items() if re.fullmatch(f"[{ranges}]", character))


INLINE_COMMAND = "##["
LINE_COMMAND = "::"


def has_command(line: str) -> bool:
    """Whether a CI runner would take a line of a log for a command: GitHub's `::name::` at its
    start, or `##[name]` anywhere."""
    return INLINE_COMMAND in line or line.lstrip().startswith(LINE_COMMAND)


def visible(text: str) -> str:
    """`text` on one line with every character that does not print escaped, and every space but the
    usual one: safe for a terminal, the same in each version of Python, and no command to a CI
    runner (see `has_command`)."""
    text = printable(text)
    return _inert(text) if has_command(text) else text


def _inert(text: str) -> str:
    text = text.replace(INLINE_COMMAND, "\\x23#[")
    if text.lstrip().startswith(LINE_COMMAND):
        text = text.replace(":", "\\x3a", 1)
    return text


def inert_json(text: str) -> str:
    """JSON text that means the same and holds no command."""
    return text.replace(INLINE_COMMAND, "\\u0023#[")


def printable(text: str) -> str:
    """`text` as `visible` has it, but it may hold a command."""
    other = text.translate(_OWN_SIGNS)
    if other.isascii() and other.isprintable():
        return text

    def shown(match: re.Match[str]) -> str:
        if re.compile(_ALLOWED).match(text, match.start()):
            return match[0]
        return match[0].encode("unicode_escape").decode("ascii")

    return re.sub(f"[\\t\\n{_OTHER_SPACES}{_UNPRINTABLE}]", shown, text)
