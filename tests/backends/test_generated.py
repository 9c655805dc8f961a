"""What the repository shows as generated is what archc writes today, to the byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from archc import cli
from tests.backends.networks import SHIPPED

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", SHIPPED)
def test_generated_files_are_those_of_today(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert cli.main(["build", f"specs/{name}.yaml", "--backend", "all", "--check"]) == 0
