"""Emitted modules beside what one would write by hand: as long, and nothing twice."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.backends.networks import ALL_SPECS, BACKENDS, source

LINES = {
    "efficientnet_b0": 180,
    "gpt2": 160,
    "llama_3_8b": 160,
    "swin_t": 220,
    "vit_b_16": 120,
}
"""Lines that the modules stay below: nanoGPT's model has more than twice as many as GPT-2's,
torchvision's files of the others some hundred."""

REPEATED = """
class First(nn.Module):
    '''The first one.'''
    def forward(self, x):
        return x + 1

class Second(nn.Module):
    def forward(self, x):
        return x + 2

class Third(nn.Module):
    def forward(self, x):
        return x - 2
"""


class _Bare(ast.NodeTransformer):
    """A definition without its literals, its name and its docstring."""

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        return ast.Constant(type(node.value).__name__)


def repeated(module: str) -> Iterator[tuple[str, str]]:
    """The classes and functions of a module that differ from an earlier one in literals alone."""
    first: dict[str, str] = {}
    for node in ast.parse(module).body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef):
            continue
        name = node.name
        if ast.get_docstring(node) is not None:
            del node.body[0]
        node.name = ""
        other = first.setdefault(ast.dump(_Bare().visit(node)), name)
        if other != name:
            yield other, name


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("name", "lines"), LINES.items())
def test_is_as_short_as_by_hand(name: str, lines: int, backend: str) -> None:
    assert len(source(backend, name).splitlines()) < lines


@pytest.mark.parametrize("name", ALL_SPECS)
def test_no_class_differs_from_another_in_a_literal_alone(name: str) -> None:
    assert [*repeated(source("torch", name))] == []


def test_classes_that_differ_in_a_literal_are_found() -> None:
    assert [*repeated(REPEATED)] == [("First", "Second")]
