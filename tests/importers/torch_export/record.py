"""The record of what was imported: one row a classifier, as JSON and as a table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent
HEAD = """# torchvision's classifiers by `torch.export`

Made by `make imports`: each is exported, imported without PyTorch, and proven: the same graph op by
op, and, with the same random weights and smaller images, the same values of all layers, the file's
in float32, the spec's in float64.

- *ops* are those of the network, *parameters* those of torchvision's model without classifiers that
  run in training alone.
- *lines* are those of the YAML.
- *difference* is the largest between the values of a layer, as a share of the largest of them; it
  is blank where the values were not computed and the graph alone is proven, as of networks of more
  than 160 million parameters.

{accepted} of {count} are accepted. The others need what archc has no op for.

| network | ops | parameters | lines | difference | missing |
| --- | ---: | ---: | ---: | ---: | --- |
"""


class Row(NamedTuple):
    """What came of a classifier: its numbers, or what is missing; or a problem."""

    name: str
    ops: int = 0
    params: int = 0
    lines: int = 0
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
        shown = f"{self.largest:.0e}" if self.largest else ""
        numbers = f"{self.ops} | {self.params:,} | {self.lines} | {shown}"
        return f"| {self.name} | {numbers} | |"


def read_rows() -> dict[str, Row]:
    """The rows of the record, by name."""
    text = (FOLDER / "record.json").read_text(encoding="utf-8")
    return {name: Row(name, **fields) for name, fields in json.loads(text).items()}


def table(rows: Mapping[str, Row]) -> str:
    """The record as Markdown."""
    accepted = sum(row.is_accepted for row in rows.values())
    lines = [rows[name].line() for name in sorted(rows)]
    return HEAD.format(accepted=accepted, count=len(rows)) + "\n".join(lines) + "\n"


def write_rows(rows: Mapping[str, Row]) -> None:
    """Write the record, and its table."""
    defaults = Row("")._asdict()
    fields = {
        name: {
            key: value
            for key, value in rows[name]._asdict().items()
            if key != "name" and value != defaults[key]
        }
        for name in sorted(rows)
    }
    (FOLDER / "record.json").write_text(json.dumps(fields, indent=1) + "\n", encoding="utf-8")
    (FOLDER / "README.md").write_text(table(rows), encoding="utf-8")
