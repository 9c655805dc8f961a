"""What the table has of a network that takes no run of it, and what a run depends on."""

from __future__ import annotations

import ast
import hashlib
from typing import Any

from archc.ir.checkpoints import tables
from tests.backends.networks import BACKENDS, SPECS, shipped

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef)


def facts(name: str) -> dict[str, Any]:
    """Its parameters and multiply-accumulates, the libraries for whose files its spec has a table,
    and the lines of its files."""
    network = shipped(name)
    totals = network.costs.totals
    lines = {"yaml": len((SPECS / f"{name}.yaml").read_text(encoding="utf-8").splitlines())}
    lines |= {backend: len(network.emit(backend).splitlines()) for backend in BACKENDS}
    return {
        "params": totals.params,
        "macs": totals.macs,
        "tables": sorted(tables(network.costs.graph)),
        "lines": lines,
    }


def digest(name: str) -> str:
    """Of what the emitted files of a network do: comments, docstrings and the layout of lines make
    no difference, and nor does how the spec says it."""
    programs = (program(shipped(name).emit(backend)) for backend in ("torch", "keras"))
    return hashlib.sha256("\n".join(programs).encode("utf-8")).hexdigest()[:16]


def program(source: str) -> str:
    """The tree of a source without its docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    return ast.dump(tree)
