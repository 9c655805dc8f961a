"""What once went wrong stays right: both emitted networks of each spec here are one."""

from __future__ import annotations

from pathlib import Path

import pytest

from archc.api import load
from archc.verify import Workers, verify

SPECS = sorted(Path(__file__).parent.glob("*.yaml"))


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_both_networks_are_one(path: Path, workers: Workers) -> None:
    assert path.read_text(encoding="utf-8").startswith("# ")
    network = load(str(path), {})
    assert network.costs.graph.about.name == path.stem
    found = verify(network, workers=workers)
    assert found.agrees, (found.first, found.failures)
