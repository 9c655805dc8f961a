"""Diagnostics: the errors of a spec with their source spans, and their rendering as text."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import NamedTuple

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


class Note(NamedTuple):
    """A second span that explains a diagnostic ("first defined here")."""

    message: str
    span: Span


class Diagnostic(NamedTuple):
    """One error of a spec: its code (see `archc explain`), message, span, hint and notes.

    `times` is how often it occurred: in the repetitions and instances of its step. ARC012 stands
    for that many errors that are not described.
    """

    code: str
    message: str
    span: Span
    hint: str | None = None
    notes: tuple[Note, ...] = ()
    times: int = 1

    @property
    def text(self) -> str:
        """The message, with how often it occurred if that is more than once."""
        if self.times == 1 or self.code == OMITTED:
            return self.message
        return f"{self.message} ({self.times:,} times)"


OMITTED = "ARC012"


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


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """`did you mean "conv"?` where one of the known words is close to `word`."""
    import difflib  # only needed for errors

    words = sorted(set(known))
    inner = [one for one in words if one.endswith(f".{word}")]
    matches = inner or difflib.get_close_matches(word[:64].lower(), words, n=1, cutoff=0.6)
    return f'did you mean "{matches[0]}"?' if matches else None


def names_hint(before: str, names: Collection[str]) -> str | None:
    """A hint that lists all the names that there are, if these are few."""
    return f"{before} {', '.join(names)}" if len(names) <= _MOST_LISTED else None


_MOST_LISTED = 50


def encodable(name: str) -> str:
    """A file's name as valid text: undecodable bytes (lone surrogates) become `\\udcff`."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def visible(text: str) -> str:
    """`text` with control, bidirectional and zero-width characters escaped, safe for a terminal."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char == " " else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def concise(diagnostic: Diagnostic) -> str:
    """`FILE:LINE:COLUMN: CODE message`, on one line."""
    span = diagnostic.span
    head = f"{visible(span.source.name)}:{span.line}:{span.column}"
    return f"{head}: {diagnostic.code} {visible(diagnostic.text)}"


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
    before = visible(excerpt[: start - first])
    target = visible(excerpt[start - first : max(end, start + 1) - first])
    gutter = f"  {span.line} | "
    caret = " " * (len(gutter) + len(before)) + "^" * max(1, len(target))
    return [gutter + visible(excerpt), caret]
