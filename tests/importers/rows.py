"""Records of what was imported: one row a network, as JSON and as a table in Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class Row(NamedTuple):
    """What came of a network: its numbers, or what is missing; or a problem."""

    name: str
    ops: int = 0
    params: int = 0
    lines: int = 0
    compared: int = 0
    largest: float = 0.0
    missing: str = ""
    problem: str = ""

    @property
    def is_accepted(self) -> bool:
        """Whether it was imported, and proven."""
        return not self.missing and not self.problem

    def line(self) -> str:
        """The row of the table."""
        if not self.is_accepted:
            return f"| {self.name} | | | | | {self.missing or self.problem} |"
        shown = f"{self.largest:.0e}" if self.compared else ""
        numbers = f"{self.ops} | {self.params:,} | {self.lines} | {shown}"
        return f"| {self.name} | {numbers} | |"


class Record(NamedTuple):
    """The rows that are kept in a folder, and what its table begins with: Markdown that may name
    how many networks are `accepted` of what `count`."""

    folder: Path
    head: str

    def read(self) -> dict[str, Row]:
        """The rows, by name."""
        path = self.folder / "record.json"
        text = path.read_text(encoding="utf-8") if path.exists() else "{}"
        return {name: Row(name, **fields) for name, fields in json.loads(text).items()}

    def table(self, rows: Mapping[str, Row]) -> str:
        """The record as Markdown."""
        accepted = sum(row.is_accepted for row in rows.values())
        lines = [rows[name].line() for name in sorted(rows)]
        return self.head.format(accepted=accepted, count=len(rows)) + "\n".join(lines) + "\n"

    def write(self, rows: Mapping[str, Row]) -> None:
        """Write the rows, and their table."""
        defaults = Row("")._asdict()
        fields = {
            name: {
                key: value
                for key, value in rows[name]._asdict().items()
                if key != "name" and value != defaults[key]
            }
            for name in sorted(rows)
        }
        text = json.dumps(fields, indent=1) + "\n"
        (self.folder / "record.json").write_text(text, encoding="utf-8")
        (self.folder / "README.md").write_text(self.table(rows), encoding="utf-8")
