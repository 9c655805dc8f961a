"""Values written as YAML are read back unchanged, and are formatted as people write them."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from archc.language.reader import SourceText, parse
from archc.language.writer import WIDTH, Commented, document

# Text with another meaning without quotes, and long text that can be folded.
MEANT = r"""null true no 010 1e-3 12:30 a:b a#b - $x $(a,b) ' " \ [1] {a} *a &a !a %a @a `a | >"""
WORDS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1) | st.sampled_from(
    MEANT.split()
)
TEXTS = (
    st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=30)
    | st.sampled_from(
        [*MEANT.split(), "", "a: b", "a #b", "- a", "a\nb", "a ", " a", "a\tb", "a,  b"]
    )
    | st.lists(WORDS, max_size=60).map(" ".join)
)
NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = TEXTS | NUMBERS | st.booleans() | st.none()
KEYS = st.sampled_from(
    ["layers", "add", "conv", "name", "title", "a_1", "b.c", "for", "no", "null"]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


def read(text: str) -> Any:
    return parse(SourceText("text", text)).plain()


@given(st.dictionaries(KEYS, VALUES, min_size=1, max_size=4))
def test_what_is_written_is_read_back(value: dict[str, object]) -> None:
    assert read(document(value)) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_keep_every_bit(number: float) -> None:
    result = read(document({"a": [number]}))["a"][0]
    assert math.copysign(1, result) == math.copysign(1, number)
    assert result == number


def test_short_mappings_stand_on_one_line() -> None:
    value = {
        "conv": {"filters": 6, "kernel_size": [3, 5], "activation": {"leaky_relu": {"slope": 0.2}}}
    }
    text = "conv: {filters: 6, kernel_size: [3, 5], activation: {leaky_relu: {slope: 0.2}}}\n"
    assert document(value) == text


def test_steps_stand_one_below_the_other() -> None:
    value = {"layers": ["relu", {"add": [[], ["relu", {"dropout": 0.5, "name": "last"}]]}]}
    assert document(value) == (
        "layers:\n  - relu\n  - add:\n      - []\n      - - relu\n        - dropout: 0.5\n"
        "          name: last\n"
    )


def test_comments_stand_above_their_item() -> None:
    text = document({"layers": [Commented({"section": "a"}, "block fire"), "relu"]})
    assert text == "layers:\n  # block fire\n  - section: a\n  - relu\n"


def test_lines_are_of_readable_length() -> None:
    value = {"description": "word " * 80 + "end", "a": {"select": list(range(300))}}
    text = document(value)
    assert read(text) == value
    assert max(map(len, text.splitlines())) <= WIDTH
