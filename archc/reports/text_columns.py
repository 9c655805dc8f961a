"""Text in aligned columns that fits a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

GAP = "  "
SHORT_LABEL = 24
SHORTEST_LABEL = 12
LATE = 3
"""In a narrow terminal columns are dropped by rank, the highest first; before labels get shorter
than SHORT_LABEL, those up to the rank LATE before they get shorter than SHORTEST_LABEL."""


class Column(NamedTuple):
    """The heading of a column, and its rank: one of rank 0 is never dropped."""

    title: str
    rank: int = 0
    right: bool = True


class Fit(NamedTuple):
    """The columns that fit: their positions and widths, and the titles of the others."""

    kept: list[int]
    widths: list[int]
    left_out: list[str]

    @property
    def width(self) -> int:
        """The width of all columns."""
        return _total(self.widths)

    def cells(self, line: Sequence[str]) -> list[str]:
        """The cells of a line that are shown; of one that is too long the middle is left out."""
        sizes = zip(self.kept, self.widths, strict=True)
        return [shorten(line[index], width) for index, width in sizes]

    def line(self, line: Sequence[str], columns: Sequence[Column]) -> str:
        """The cells of a line, aligned."""
        shown = zip(self.cells(line), self.kept, self.widths, strict=True)
        return GAP.join(
            text.rjust(width) if columns[index].right else text.ljust(width)
            for text, index, width in shown
        ).rstrip()

    def note(self, width: int | None) -> list[str]:
        """Lines that say which columns are left out; none without any."""
        return left_out(self.left_out, width)


def fit(columns: Sequence[Column], lines: Sequence[Sequence[str]], width: int | None) -> Fit:
    """The columns of a table that fit into `width`. The first column gives way where others do not
    suffice, however short it gets."""
    widths = [
        max([len(column.title), *(len(line[index]) for line in lines)])
        for index, column in enumerate(columns)
    ]
    kept = list(range(len(columns)))
    if width is not None:
        for index in sorted(kept, key=lambda index: -columns[index].rank):
            rank = columns[index].rank
            label = min(widths[0], SHORT_LABEL if rank > LATE else SHORTEST_LABEL)
            if rank and _total([label, *(widths[other] for other in kept[1:])]) > width:
                kept.remove(index)
        over = _total([widths[index] for index in kept]) - width
        if over > 0:
            widths[0] = max(widths[0] - over, 1)
    left_out = [column.title for index, column in enumerate(columns) if index not in kept]
    return Fit(kept, [widths[index] for index in kept], left_out)


def left_out(titles: Sequence[str], width: int | None) -> list[str]:
    """Lines that say which columns of a table have no place in `width`; none without any."""
    if not titles or width is None:
        return []
    return wrap(f"(not in {width} columns: {', '.join(titles)})", width)


def wrap(text: str, width: int | None, indent: str = "", first: str | None = None) -> list[str]:
    """Text in lines of at most `width`, each after an indent, the first one after `first`; a word
    that is longer than a line is broken."""
    lead = indent if first is None else first
    if width is None:
        return [f"{lead}{text}"]
    room = max(width - len(indent), 1)
    lines: list[str] = []
    for word in text.split():
        begin = lines[-1] + " " if lines else lead
        if len(begin) + len(word) <= width:
            lines[-1:] = [begin + word]
            continue
        for at in range(0, len(word), room):
            lines.append((indent if lines else lead) + word[at : at + room])
    return lines


def shorten(text: str, width: int) -> str:
    """`text` with an ellipsis in the middle if it is longer than `width`."""
    if len(text) <= width:
        return text
    head = (width - 1) // 2
    return f"{text[:head]}\u2026{text[len(text) - (width - 1 - head) :]}"


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)
