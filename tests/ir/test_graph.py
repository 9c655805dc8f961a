"""What a graph says of its inputs."""

from __future__ import annotations

from archc.ir.graph import known_ids
from tests.backends.ops.cases import network


def test_ids_that_all_tables_know() -> None:
    """Two tables read the same ids: a batch may hold those of the smaller one alone."""
    net = network(
        {
            "inputs": {
                "ids": {"tokens": 3, "dtype": "int32"},
                "more": {"tokens": 3, "features": 4},
            },
            "layers": [
                {"embedding": {"vocabulary": 7, "features": 4}, "from": "ids", "name": "words"},
                {"embedding": {"vocabulary": 5, "features": 4}, "from": "ids", "name": "kinds"},
                {"add": None, "from": ["words", "kinds", "more"]},
            ],
        }
    )
    assert known_ids(net.costs.graph) == {0: 5}
