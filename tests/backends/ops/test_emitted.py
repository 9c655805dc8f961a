"""What ops are called in each framework: one network, the text for every backend."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.backends.networks import BACKENDS
from tests.backends.ops.cases import network

TABLE: dict[str, dict[str, Any]] = yaml.safe_load(
    Path(__file__).with_name("emitted.yaml").read_text(encoding="utf-8")
)


def expressions(source: str) -> list[str]:
    """All expressions of a module in order, whatever its layout, without the names of layers."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            node.keywords = [one for one in node.keywords if one.arg != "name"]
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.expr)]
    nodes.sort(key=lambda node: (node.lineno, node.col_offset))
    return [ast.unparse(node) for node in nodes]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", TABLE)
def test_is_emitted_as_people_write_it(name: str, backend: str) -> None:
    body = {key: value for key, value in TABLE[name].items() if key != "expected"}
    emitted = expressions(network(body).emit(backend))
    rest = iter(emitted)
    for expected in TABLE[name]["expected"].get(backend, ()):
        assert ast.unparse(ast.parse(expected, mode="eval")) in rest, (expected, emitted)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_thousand_branches_make_no_deep_tree(backend: str) -> None:
    branches = {"input": {"features": 2}, "layers": [{"add": [[]] * 1000}]}
    compile(network(branches).emit(backend), "emitted.py", "exec")
