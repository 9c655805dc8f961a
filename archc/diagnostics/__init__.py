"""Diagnostics: the errors of a spec with their source spans, and their rendering as text."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from archc.diagnostics.characters import visible as visible

MOST_DIAGNOSTICS = 200
"""Errors of one spec that are described; the others are counted."""


class SourceText(NamedTuple):
    """One file as it was read: the name shown in messages, and its text with `\\n` line ends."""

    name: str
    text: str

    def line(self, number: int) -> str:
        """Line `number` (from 1) without its end; empty past the end of the file."""
        lines = _lines(self.text)
        return lines[number - 1] if 0 < number <= len(lines) else ""


@lru_cache(maxsize=4)
def _lines(text: str) -> list[str]:
    """The lines of a text, split once for all the errors that show one."""
    return text.split("\n")


class Span(NamedTuple):
    """A range of a source text. Lines and columns count from 1; the end is exclusive."""

    source: SourceText
    line: int
    column: int
    end_line: int
    end_column: int

    @property
    def origin(self) -> tuple[str, int, int]:
        """File, line and column, which identify a value of a spec."""
        return self.source.name, self.line, self.column

    def within(self, offset: int, length: int = 1) -> Span:
        """The span of `length` characters that starts `offset` characters into this one."""
        if self.end_line != self.line:
            return self
        column = self.column + offset
        return self._replace(column=column, end_column=column + max(length, 1))

    def first_line(self) -> Span:
        """The span itself where it is on one line; else its first character."""
        if self.end_line == self.line:
            return self
        return self._replace(end_line=self.line, end_column=self.column + 1)


class Note(NamedTuple):
    """A second span that explains a diagnostic ("first defined here")."""

    message: str
    span: Span


class Diagnostic(NamedTuple):
    """One error of a spec: its code (see `archc explain`), message, span, hint and notes.

    `times` is how often it occurred: in the repetitions and instances of its step. ARC013 stands
    for that many errors that are not described.
    """

    code: str
    message: str
    span: Span
    hint: str | None = None
    notes: tuple[Note, ...] = ()
    times: int = 1

    @property
    def is_warning(self) -> bool:
        """Whether the spec is valid all the same."""
        return self.code.startswith(WARNINGS)

    @property
    def text(self) -> str:
        """The message, with how often it occurred if that is more than once."""
        if self.times == 1 or self.code == OMITTED:
            return self.message
        return f"{self.message} ({self.times:,} times)"


OMITTED = "ARC013"
WARNINGS = "ARC9"
"""How the codes of warnings begin."""


CORRECT_FIRST = "correct those above first"


def omitted(times: int, first: Span, hint: str = CORRECT_FIRST) -> Diagnostic:
    """Stands for so many diagnostics that are not described, the first of them at `first`."""
    message = "1 more error is not shown" if times == 1 else f"{times:,} more errors are not shown"
    return Diagnostic(OMITTED, message, first, hint, (), times)


class SpecError(Exception):
    """An invalid spec, with its diagnostics in file order: at most MOST_DIAGNOSTICS, and the number
    of the others."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = in_file_order(diagnostics)
        super().__init__("\n".join(concise(diagnostic) for diagnostic in self.diagnostics))


def in_file_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """The diagnostics without duplicates, sorted by file, line and column; those after the first
    MOST_DIAGNOSTICS as one."""
    distinct = sorted(
        dict.fromkeys(diagnostics),
        key=lambda one: (one.code == OMITTED, *one.span.origin, one.code),
    )
    full = [one for one in distinct if one.code != OMITTED][:MOST_DIAGNOSTICS]
    rest = distinct[len(full) :]
    if rest:
        hints = (one.hint for one in rest if one.code == OMITTED and one.hint)
        full.append(omitted(count(rest), rest[0].span, next(hints, CORRECT_FIRST)))
    return tuple(full)


def count(diagnostics: Iterable[Diagnostic]) -> int:
    """How many errors the diagnostics stand for, those of a repeated step once."""
    return sum(one.times if one.code == OMITTED else 1 for one in diagnostics)


def did_you_mean(
    word: str, known: Iterable[str], aliases: Mapping[str, str] = MappingProxyType({})
) -> str | None:
    """`did you mean "conv"?` where `word` is a known one misspelt, or a part of one. `aliases` are
    other names for known words."""
    import difflib  # only needed for errors

    words = sorted({*known, *aliases})
    inner = [one for one in words if one.endswith(f".{word}")]
    typed = word[:64].lower()
    close = difflib.get_close_matches(typed, words, n=3, cutoff=0.6)
    matches = inner or [one for one in close if _is_misspelling(typed, one)]
    return f'did you mean "{aliases.get(matches[0], matches[0])}"?' if matches else None


def _is_misspelling(word: str, known: str) -> bool:
    """Whether one word has the parts of the other, or a typing error in four letters."""
    a, b = (re.split("[_.]", one) for one in (word, known))
    if set(a) <= set(b) or set(b) <= set(a):
        return True
    return _typing_errors(word, known) <= max(1, max(len(word), len(known)) // 4)


def _typing_errors(word: str, known: str) -> int:
    """The letters left out, added, replaced or exchanged with their neighbour (optimal string
    alignment, Damerau 1964)."""
    rows: list[list[int]] = [list(range(len(known) + 1))]
    for i, a in enumerate(word, 1):
        row = [i]
        for j, b in enumerate(known, 1):
            errors = min(rows[-1][j] + 1, row[j - 1] + 1, rows[-1][j - 1] + (a != b))
            if i > 1 < j and (a, word[i - 2]) == (known[j - 2], b):
                errors = min(errors, rows[-2][j - 2] + 1)
            row.append(errors)
        rows.append(row)
    return rows[-1][-1]


def names_hint(before: str, names: Collection[str]) -> str | None:
    """A hint that lists all the names that there are, if these are few."""
    return f"{before} {', '.join(names)}" if len(names) <= _MOST_LISTED else None


_MOST_LISTED = 50


def encodable(name: str) -> str:
    """A file's name as valid text: undecodable bytes (lone surrogates) become `\\udcff`."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def concise(diagnostic: Diagnostic) -> str:
    """`FILE:LINE:COLUMN: CODE message`, or `CODE warning: message`, on one line."""
    span = diagnostic.span
    head = f"{visible(span.source.name)}:{span.line}:{span.column}"
    return f"{head}: {label(diagnostic)} {visible(diagnostic.text)}"


def label(diagnostic: Diagnostic) -> str:
    """The code, and whether it is a warning."""
    return f"{diagnostic.code} warning:" if diagnostic.is_warning else diagnostic.code


_CONTEXT = 160


def full(diagnostic: Diagnostic) -> str:
    """The concise line, the source line with a caret under the value, the notes and the hint."""
    lines = [concise(diagnostic), *_excerpt(diagnostic.span)]
    for note in diagnostic.notes:
        where = f"{visible(note.span.source.name)}:{note.span.line}:{note.span.column}"
        lines += [f"  note: {where}: {visible(note.message)}", *_excerpt(note.span)]
    if diagnostic.hint is not None:
        lines.append(f"  hint: {visible(diagnostic.hint)}")
    return "\n".join(lines)


def _excerpt(span: Span) -> list[str]:
    line = span.source.line(span.line).replace("\t", " ")
    if not line.strip():
        return []
    start = span.column - 1
    end = span.end_column - 1 if span.end_line == span.line else len(line)
    # Of a very long line only the part around the span is printed.
    first = max(0, start - _CONTEXT // 2) if len(line) > _CONTEXT else 0
    excerpt = line[first : first + _CONTEXT]
    start, end = start - first, max(end, start + 1) - first
    before, target = visible(excerpt[:start]), visible(excerpt[start:end])
    gutter = f"  {span.line} | "
    caret = " " * (len(gutter) + len(before)) + "^" * max(1, len(target))
    return [visible(gutter + before + target + excerpt[end:]), caret]
