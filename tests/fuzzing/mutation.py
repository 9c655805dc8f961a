"""Mutations of bytes, and of the values that a YAML document holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

from archc.language import schema

INTEGERS = (0, 1, -1, 2, 3, 5, 7, 16, 63, 64, 65, 255, 300, 1 << 31, (1 << 53) - 1, 1 << 53, -8)
"""Numbers at the edges of what the language takes; none that makes a network of many thousand
steps, of which one run would take longer than a hundred others."""
SCALARS = (
    *INTEGERS, None, True, False, 0.0, -0.0, 0.5, 1.5, 1e300, 5e-324, 1e3, 16.0, -2.5, "", "$",
    "$(", "$()", "$x", "$(in.channels)", "$(index)", "$(1 / 0)", "$(2 * 3)", "~", "null", "no",
    "é", "a b", "relu", "same", "input", "_", "A", "1", "conv_1", "..", ".", "a.b", [], {}, [[]],
)  # fmt: skip
CODE_POINTS = (
    0x00, 0x07, 0x09, 0x0B, 0x0D, 0x1B, 0x7F, 0x85, 0xA0, 0xAD, 0x300, 0x34F, 0x61C, 0x6DD, 0x110D,
    0x180E, 0x200B, 0x200D, 0x2028, 0x202E, 0x2060, 0x2061, 0x206F, 0x2800, 0x3000, 0x3164, 0xD7FF,
    0xE000, 0xFE0F, 0xFEFF, 0xFFF9, 0xFFFD, 0xFFFE, 0x1D173, 0x1F600, 0xE0001, 0xE0100, 0xF0000,
    0x10FFFF,
)  # fmt: skip
"""Characters of every class that does not print, and neighbours that do."""
TOKENS = (
    "$(", ")", "$", "$x", "{", "}", "[", "]", ": ", ":\n", "\n", "- ", "  ", ", ", "#", " #", "&a",
    "*a", "!!str", "!x", "%YAML 1.1\n", "---\n", "...\n", "|\n", ">-\n", "? ", "<<: ", "'", '"',
    "\\", "\\u202e", "\\x00", "\\N", "\t", "\r", "\r\n", "null", "true", "~", ".inf", "-.nan",
    "0x1F", "0o17", "1e3", "1_000", "-", "+", "//", "%", "==", "<", " if ", " else ", " and ",
    "not ", "in.channels", "index", "first", "min(", "range(", "round_to(", "repeat: 3", "when: ",
    "from: ", "name: ", "layers:", "block: ", "with: ", "section: ", "for: ", "extends: ",
    "params:", "expect:", "training:", "outputs:", "\ufeff", "::error::", "<b>", "=1+1",
)  # fmt: skip


class Vocabulary(NamedTuple):
    """The keys and the words that the language knows, from its schema."""

    keys: tuple[str, ...]
    words: tuple[str, ...]


def vocabulary() -> Vocabulary:
    """The keys and words of the schema, in alphabetical order."""
    keys: set[str] = set()
    words: set[str] = set()
    waiting: list[Any] = [json.loads(schema.text())]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            keys |= set(part.get("properties", {}))
            words |= {word for word in part.get("enum", ()) if isinstance(word, str)}
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
    return Vocabulary(tuple(sorted(keys)), tuple(sorted(words)))


def mutated_bytes(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """`data` with one to about a dozen changes; parts of `others` may be spliced in."""
    content = bytearray(data)
    for _ in range(_count(random)):
        _change_bytes(random, content, others)
    return bytes(content)


def _count(random: Random) -> int:
    """1 most often, and seldom more than ten."""
    return 1 + int(random.expovariate(0.7))


def _change_bytes(random: Random, content: bytearray, others: Sequence[bytes]) -> None:
    at = random.randint(0, len(content))
    length = min(len(content) - at, int(random.expovariate(0.15)))
    kind = random.randrange(12)
    if kind == 0 and content:
        index = random.randrange(len(content))
        content[index] ^= 1 << random.randrange(8)
    elif kind == 1 and content:
        content[random.randrange(len(content))] = random.randrange(256)
    elif kind == 2:
        del content[at : at + length]
    elif kind == 3:
        content[at:at] = content[at : at + length] * random.choice((1, 1, 2, 70))
    elif kind in (4, 5, 6):
        content[at : at + length * (kind == 4)] = random.choice(TOKENS).encode()
    elif kind == 7:
        content[at:at] = chr(random.choice(CODE_POINTS)).encode()
    elif kind == 8:
        other = random.choice(others)
        start = random.randint(0, len(other))
        content[at : at + length] = other[start : start + random.randint(1, 200)]
    elif kind == 9:
        _change_number(random, content)
    elif kind == 10:
        _change_line(random, content)
    elif random.random() < 0.1:
        content[at:at] = random.choice((b"[", b"{", b"- ", b"(", b" ", b"not ")) * 300
    else:
        del content[at + length :]


def _change_number(random: Random, content: bytearray) -> None:
    digits = [index for index, byte in enumerate(content) if 0x30 <= byte <= 0x39]
    if digits:
        index = random.choice(digits)
        content[index : index + 1] = str(random.choice(INTEGERS)).encode()


def _change_line(random: Random, content: bytearray) -> None:
    """Indent a line otherwise, move it, or write it twice."""
    lines = bytes(content).split(b"\n")
    index = random.randrange(len(lines))
    line = lines[index]
    kind = random.randrange(3)
    if kind == 0:
        lines[index] = b" " * random.randint(0, 8) + line.lstrip()
    elif kind == 1:
        lines.insert(random.randint(0, len(lines)), lines.pop(index))
    else:
        lines.insert(random.randint(0, len(lines)), line)
    content[:] = b"\n".join(lines)


Mutation = Callable[[Any], None]


def mutated_values(
    random: Random, document: Any, others: Sequence[Any], known: Vocabulary, steps: Mutation
) -> Any:
    """A copy of a document with one to about a dozen changes; `steps` puts a new step into a list
    of them."""
    copy = json.loads(json.dumps(document))
    for _ in range(_count(random)):
        parents = _collections(copy)
        if not parents:
            break
        _change_value(random, random.choice(parents), copy, others, known, steps)
    return copy


def _collections(document: Any) -> list[Any]:
    """All lists and mappings of a document that hold something."""
    collected = []
    waiting = [document]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict | list) and part:
            collected.append(part)
            waiting += part.values() if isinstance(part, dict) else part
    return collected


def _change_value(
    random: Random,
    parent: Any,
    document: Any,
    others: Sequence[Any],
    known: Vocabulary,
    steps: Mutation,
) -> None:
    is_list = isinstance(parent, list)
    key = random.randrange(len(parent)) if is_list else random.choice(list(parent))
    kind = random.randrange(13)
    if kind == 0:
        parent[key] = random.choice(SCALARS)
    elif kind == 1:
        parent[key] = random.choice(known.words)
    elif kind == 2:
        parent[key] = _part(random, document)
    elif kind == 3:
        parent[key] = _part(random, random.choice(others))
    elif kind == 4:
        del parent[key]
    elif kind == 5 and is_list:
        parent.insert(random.randint(0, len(parent)), json.loads(json.dumps(parent[key])))
    elif kind == 6 and is_list:
        parent.insert(random.randint(0, len(parent)), parent.pop(key))
    elif kind == 5 or kind == 6:
        parent[random.choice(known.keys)] = parent.pop(key)
    elif kind == 7 and not is_list:
        parent[random.choice(known.keys)] = random.choice((*SCALARS, *known.words))
    elif kind == 8:
        parent[key] = random.choice(([parent[key]], {random.choice(known.keys): parent[key]}))
    elif kind == 9:
        parent[key] = _other_number(random, parent[key])
    elif kind == 10 and is_list:
        parent[key] = _composed(random, parent[key])
    elif is_list:
        steps(parent)
    else:
        parent[key] = f"$({expression(random, 2)})"


def _part(random: Random, document: Any) -> Any:
    """A copy of some part of a document."""
    parts = _collections(document)
    chosen = random.choice(parts) if parts else document
    if random.random() < 0.5 and isinstance(chosen, dict | list) and chosen:
        chosen = random.choice(list(chosen.values()) if isinstance(chosen, dict) else chosen)
    return json.loads(json.dumps(chosen))


def _other_number(random: Random, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return random.choice(INTEGERS)
    return random.choice((value + 1, value - 1, -value, value * 2, value / 2, float(value)))


def _composed(random: Random, step: Any) -> Any:
    """A step inside of a composition of steps."""
    compositions: tuple[Mapping[str, Any], ...] = (
        {"repeat": random.choice((0, 1, 2, 3, "$n")), "layers": [step]},
        {"section": random.choice(("body", "relu", "a_1")), "layers": [step]},
        {"for": {"v": [1, 2], "w": [3, random.choice((4, "a"))]}, "layers": [step]},
        {random.choice(("add", "concat", "multiply")): [[step], random.choice(([], [step]))]},
        {"block": random.choice(("unit", "residual", "inner")), "with": {"u": 2}},
    )
    return dict(random.choice(compositions))


NAMES = ("a", "b", "sizes", "table", "word", "flag", "part", "n", "in.channels", "in.features", "x")
FUNCTIONS = ("min", "max", "round", "ceil", "floor", "len", "range", "round_to", "abs")
BINARY = ("+", "-", "*", "/", "//", "%", "==", "!=", "<", "<=", ">", ">=", " and ", " or ", "**")


def expression(random: Random, depth: int) -> str:
    """An expression of the language, or nearly one."""
    if depth <= 0 or random.random() < 0.2:
        return random.choice(
            (
                random.choice(NAMES),
                str(random.choice(INTEGERS)),
                repr(random.choice((0.5, 2.0, 1e300, "a", "é", True, None))),
            )
        )

    def inner() -> str:
        return expression(random, depth - 1)

    kind = random.randrange(8)
    if kind < 3:
        return f"{inner()}{random.choice(BINARY)}{inner()}"
    if kind == 3:
        arguments = ", ".join(inner() for _ in range(random.randint(0, 3)))
        return f"{random.choice(FUNCTIONS)}({arguments})"
    if kind == 4:
        return f"[{', '.join(inner() for _ in range(random.randint(0, 4)))}]"
    if kind == 5:
        return f"({inner()})[{inner()}]"
    if kind == 6:
        return f"{random.choice(('-', '+', 'not '))}{inner()}"
    return f"({inner()} if {inner()} else {inner()})"
