"""Benchmarks need a quiet machine, so that they run only where they are asked for: by their
folder, as `make benchmarks` does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.benchmarks import table

HERE = Path(__file__).parent

Record = Callable[[str, str, Mapping[str, str]], None]
"""Takes a section of the table, a row and its cells by their columns."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    asked = [Path(config.invocation_params.dir, one.partition("::")[0]) for one in config.args]
    return None if any(path.resolve().is_relative_to(HERE) for path in asked) else True


@pytest.fixture
def record(capsys: pytest.CaptureFixture[str]) -> Record:
    """Puts a row into the table of all benchmarks, and prints it."""

    def add(section: str, row: str, cells: Mapping[str, str]) -> None:
        table.add(section, row, cells)
        with capsys.disabled():
            shown = ", ".join(f"{column} {cell}" for column, cell in cells.items())
            print(f"\n{section}: {row}: {shown}", flush=True)

    return add
