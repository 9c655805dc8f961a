"""What stands in a row in emitted source, written once."""

from __future__ import annotations

from pathlib import Path

import pytest

from archc.backends.loops import once
from archc.codegen.tree import Assign, Attribute, Binary, If, Index, Lit, Ref, Statement, call
from tests.backends.networks import written

SPEC = """
archc: 1
name: rows
input: {{channels: 8, height: 8, width: 8}}
{}
"""

HALVES = """
layers:
  - conv: {filters: 8, kernel_size: 1}
    name: whole
  - split: {parts: 2, index: 0}
    from: whole
    name: left
  - split: {parts: 2, index: 1}
    from: whole
    name: right
  - conv: {filters: 4, kernel_size: 1}
    name: right_conv
  - concat:
    from: [left, right, right_conv]
"""

STAGES = """
blocks:
  stage2:
    layers:
      - add:
          - []
          - - conv: {filters: 8, kernel_size: 3, padding: 1}
layers:
  - conv: {filters: 8, kernel_size: 1}
  - repeat: 12
    layers:
      - block: stage2
        NAME
  - conv: {filters: 2, kernel_size: 1}
    name: last
"""

UNIT = """
blocks:
  unit:
    params: {stride: 1, rate: 0.1}
    layers:
      - conv: {filters: 8, kernel_size: 3, stride: $stride, padding: 1}
      - drop_path: $rate
        when: $(stride == 1)
        name: dropped
      - add:
        from: [input, dropped]
        when: $(stride == 1)
layers:
  - block: unit
  - block: unit
    with: {stride: 2}
  - block: unit
"""


def lines(backend: str, layers: str, folder: Path) -> list[str]:
    """Those of the module emitted from a spec with some layers."""
    source = written(SPEC.format(layers), folder).emit(backend)
    return [line.strip() for line in source.splitlines()]


def test_the_parts_of_a_value_are_one_assignment(tmp_path: Path) -> None:
    emitted = lines("torch", HALVES, tmp_path)
    assert "left, right = whole.chunk(2, dim=1)  # 4 x 8 x 8" in emitted


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "",
            [
                "self.stage2s = nn.ModuleList(Stage2(8) for _ in range(12))",
                "for stage2 in self.stage2s:",
                "x = stage2(x)",
            ],
        ),
        ("name: level$(index)", ["self.level0 = Stage2(8)", "self.level11 = Stage2(8)"]),
    ],
)
def test_a_block_in_a_row_is_a_list_unless_its_names_are_the_specs(
    name: str, expected: list[str], tmp_path: Path
) -> None:
    emitted = lines("torch", STAGES.replace("NAME", name), tmp_path)
    assert [line for line in expected if line in emitted] == expected


def test_what_is_under_one_condition_stands_together(tmp_path: Path) -> None:
    emitted = lines("keras", UNIT, tmp_path)
    assert emitted.count("if stride == 1:") == 1


X, Y, A, B = map(Ref, ("x", "y", "a", "b"))
WHOLE = call(Attribute(X, "chunk"), 2)


@pytest.mark.parametrize(
    "statements",
    [
        # A part is missing, comes later, or takes the variable that the next is taken from.
        [Assign(A, Index(WHOLE, (Lit(0),))), Assign(Y, B)],
        [Assign(B, Index(WHOLE, (Lit(1),))), Assign(A, Index(WHOLE, (Lit(0),)))],
        [Assign(X, Index(WHOLE, (Lit(0),))), Assign(B, Index(WHOLE, (Lit(1),)))],
        # The first changes what the second asks.
        [
            If(Binary("==", Ref("x.shape"), Lit(1)), (Assign(X, A),)),
            If(Binary("==", Ref("x.shape"), Lit(1)), (Assign(Y, B),)),
        ],
        [If(A, (If(B, (Assign(A, X),)),)), If(A, (Assign(Y, B),))],
        [If(A, (Assign(X, B),), (Assign(X, Y),)), If(A, (Assign(Y, B),))],
    ],
)
def test_what_is_not_the_same_stays_apart(statements: list[Statement]) -> None:
    assert once(statements) == statements
