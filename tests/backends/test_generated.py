"""What the repository shows as generated is what archc writes today, to the byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from archc import cli
from tests.backends.networks import ALL_SPECS, BACKENDS, GENERATED

ROOT = Path(__file__).parents[2]


def test_the_files_are_those_of_the_listed_specs() -> None:
    assert set(GENERATED) <= set(ALL_SPECS)
    reports = {path.stem for path in (ROOT / "generated" / "reports").iterdir()}
    assert reports == set(GENERATED)
    for backend in BACKENDS:
        sources = {path.stem for path in (ROOT / "generated" / backend).glob("*.py")}
        assert {name.removesuffix("_train") for name in sources} == set(GENERATED)


@pytest.mark.parametrize("name", GENERATED)
def test_generated_files_are_those_of_today(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert cli.main(["build", f"specs/{name}.yaml", "--backend", "all", "--check"]) == 0
