"""The table of benchmarks, as it was measured last."""

from __future__ import annotations

from pathlib import Path

TABLE = Path(__file__).parents[2] / "tests" / "benchmarks" / "README.md"


def table() -> str:
    """What stands below the title of the table's own page."""
    return TABLE.read_text("utf-8").partition("\n")[2]
