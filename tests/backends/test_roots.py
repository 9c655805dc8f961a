"""Constant factors of emitted source that are roots."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from archc.backends.roots import with_roots
from archc.codegen.docs import to_doc
from archc.codegen.tree import Assign, Lit, Ref
from tests.backends.networks import written


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (math.sqrt(512), "512**0.5"),
        # Neither a root of a whole number nor better as one.
        (16.0, "16.0"),
        (math.nextafter(math.sqrt(512), 0), "22.62741699796952"),
        (0.7071067811865476, "0.7071067811865476"),
        (-math.sqrt(2), "-1.4142135623730951"),
    ],
)
def test_roots_to_the_last_bit(value: float, text: str) -> None:
    (statement,) = with_roots([Assign(Ref("y"), Lit(value, "initial"))])
    assert isinstance(statement, Assign)
    assert to_doc(statement.value).flat == text
    assert eval(text) == value


SCALED = """
archc: 1
name: scaled
input: {features: 4}
layers:
  - scale: {initial: 1.4142135623730951, learned: false}
  - layer_norm: {epsilon: 1.4142135623730951}
"""


def test_factors_alone_are_roots(tmp_path: Path) -> None:
    network = written(SCALED, tmp_path)
    for backend, scale in (("torch", "x * 2**0.5"), ("keras", "layers.Rescaling(2**0.5)")):
        source = network.emit(backend)
        assert scale in source
        assert "=1.4142135623730951" in source
