"""Collecting diagnostics in bounded time and memory, however many errors a spec has."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from typing import NamedTuple

from archc.diagnostics import MOST_DIAGNOSTICS, Diagnostic, Span, did_you_mean, omitted

MOST_WORK = 1_000_000
"""The work of all searches for similar words of one pass: `_PER_CHARACTER` for each character of a
word that is compared, one for each word that is only looked up."""
_PER_CHARACTER = 10
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789_."


class Unknown(NamedTuple):
    """An unknown word, and what gives the words known in its place, and the hint where none of them
    is similar: neither is asked for where the error is only counted."""

    word: str
    known: Callable[[], Collection[str]]
    hint: Callable[[], str | None]


class Collector:
    """The diagnostics of one pass over a spec: those of one cause once, with how often it occurred;
    the first MOST_DIAGNOSTICS in full, the others counted."""

    def __init__(self) -> None:
        self._diagnostics: dict[Hashable, Diagnostic] = {}
        self._times: dict[Hashable, int] = {}
        self._first_omitted: Span | None = None
        self._work = MOST_WORK

    def __len__(self) -> int:
        """How many causes there are."""
        return len(self._times)

    def report(
        self, diagnostic: Diagnostic, *, cause: Hashable = None, unknown: Unknown | None = None
    ) -> None:
        """Add a diagnostic; by default it is a cause of its own. With `unknown`, its hint is a word
        similar to that."""
        cause = diagnostic if cause is None else cause
        times = self._times[cause] = self._times.get(cause, 0) + 1
        if times > 1:
            return
        if len(self._diagnostics) == MOST_DIAGNOSTICS:
            self._first_omitted = self._first_omitted or diagnostic.span
            return
        if unknown is not None:
            diagnostic = diagnostic._replace(hint=self._similar(unknown) or unknown.hint())
        self._diagnostics[cause] = diagnostic

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Add diagnostics, each a cause of its own."""
        for diagnostic in diagnostics:
            self.report(diagnostic)

    def diagnostics(self) -> list[Diagnostic]:
        """All of them, in the order of their first occurrence."""
        collected = [
            diagnostic if self._times[cause] == 1 else diagnostic._replace(times=self._times[cause])
            for cause, diagnostic in self._diagnostics.items()
        ]
        if self._first_omitted is not None:
            number = len(self._times) - len(self._diagnostics)
            collected.append(omitted(number, self._first_omitted))
        return collected

    def _similar(self, unknown: Unknown) -> str | None:
        """A hint with a similar word. Of many words only those that differ by one letter are found,
        and after many searches none."""
        if self._work <= 0:
            return None
        word, known = unknown.word, unknown.known()
        work = _PER_CHARACTER * sum(map(len, known))
        if work > self._work:
            work = len(known)
            close = {*_one_edit_away(word[:64])}
            known = [other for other in known if other in close or other.endswith(f".{word}")]
        self._work -= work
        return did_you_mean(word, known)


def _one_edit_away(word: str) -> Iterator[str]:
    """All words with one letter more, less or changed, or two neighbours swapped."""
    for index in range(len(word) + 1):
        before, after = word[:index], word[index:]
        yield before + after[1:]
        yield before + after[1:2] + after[:1] + after[2:]
        for letter in _LETTERS:
            yield before + letter + after
            yield before + letter + after[1:]
