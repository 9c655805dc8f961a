"""Diagnostics: the errors of a spec with their source spans, and their rendering as text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from archc.diagnostics.characters import visible as visible


class SourceText(NamedTuple):
    """One file as it was read: the name shown in messages, and its text with `\\n` line ends."""

    name: str
    text: str

    def line(self, number: int) -> str:
        """Line `number` (from 1) without its end; empty past the end of the file."""
        lines = self.text.split("\n")
        return lines[number - 1] if 0 < number <= len(lines) else ""


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
    """One error of a spec: its code (see `archc explain`), message, span, hint and notes."""

    code: str
    message: str
    span: Span
    hint: str | None = None
    notes: tuple[Note, ...] = ()


class SpecError(Exception):
    """An invalid spec, with all its diagnostics in file order."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = in_file_order(diagnostics)
        super().__init__("\n".join(concise(diagnostic) for diagnostic in self.diagnostics))


def in_file_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """The diagnostics without duplicates, sorted by file, line and column."""
    distinct = dict.fromkeys(diagnostics)
    return tuple(
        sorted(distinct, key=lambda diagnostic: (*diagnostic.span.origin, diagnostic.code))
    )


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """`did you mean "conv"?` where one of the known words is close to `word`."""
    import difflib  # only needed for errors

    words = sorted(set(known))
    inner = [one for one in words if one.endswith(f".{word}")]
    matches = inner or difflib.get_close_matches(word[:64].lower(), words, n=1, cutoff=0.6)
    return f'did you mean "{matches[0]}"?' if matches else None


def encodable(name: str) -> str:
    """A file's name as valid text: undecodable bytes (lone surrogates) become `\\udcff`."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def concise(diagnostic: Diagnostic) -> str:
    """`FILE:LINE:COLUMN: CODE message`, on one line."""
    span = diagnostic.span
    head = f"{visible(span.source.name)}:{span.line}:{span.column}"
    return f"{head}: {diagnostic.code} {visible(diagnostic.message)}"


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
