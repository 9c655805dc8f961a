"""What the docstrings of blocks say of shapes: what holds for all arguments, or nothing."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.backends.networks import STRUCTURES, written

SHAPES = """
archc: 1
name: shapes
input: {channels: 8, height: 8, width: 8}
blocks:
  strided:
    params: {filters: null, stride: 1}
    layers:
      - conv: {filters: $filters, kernel_size: 3, padding: 1, stride: $stride}
  windowed:
    params: {filters: null, kernel: 1, stride: 1}
    layers:
      - conv: {filters: $filters, kernel_size: $kernel, stride: $stride}
  floored:
    params: {w: 8}
    layers:
      - conv: {filters: "$(max(w, 3))", kernel_size: 1}
  chosen:
    params: {w: 8}
    layers:
      - conv: {filters: "$(w if w > 8 else 8)", kernel_size: 1}
  halved:
    params: {filters: null}
    layers:
      - conv: {filters: $filters, kernel_size: 3, padding: 1, stride: 2}
      - relu
  doubled:
    params: {scale: 2}
    layers:
      - upsample: {scale: $scale}
  head:
    params: {hidden: 8}
    layers:
      - flatten
      - dense: {units: $hidden, activation: relu}
  pooled:
    params: {hidden: 8}
    layers:
      - global_avg_pool
      - dense: {units: $hidden, activation: relu}
layers:
  - block: strided
    with: {filters: 8}
  - block: strided
    with: {filters: 16}
  - block: windowed
    with: {filters: 8}
  - block: floored
    with: {w: 16}
  - block: chosen
  - block: chosen
    with: {w: 16}
  - max_pool: 8
    name: pixel
  - block: halved
    with: {filters: 8}
    name: a
  - block: doubled
    from: a
    name: b
  - global_avg_pool
  - block: head
    from: pixel
    name: h
  - block: pooled
    from: pixel
    name: p
  - add:
    from: [global_avg_pool_1, h, p]
"""

TORCH = {
    "Strided": "(in_channels, H, W) -> (filters, H / stride, W / stride)",
    "Windowed": None,
    "Floored": "(in_channels, H, W) -> (max(w, 3), H, W)",
    "Halved": "(in_channels, H, W) -> (filters, H / 2, W / 2)",
    "Doubled": "(in_channels, H, W) -> (in_channels, scale * H, scale * W)",
    "Head": None,
    "Pooled": "(in_channels, H, W) -> (hidden)",
}
KERAS = {
    "strided": "(H, W, in_channels) -> (H / stride, W / stride, filters)",
    "windowed": None,
    "floored": "(H, W, in_channels) -> (H, W, max(w, 3))",
    "halved": "(H, W, in_channels) -> (H / 2, W / 2, filters)",
    "doubled": "(H, W, in_channels) -> (scale * H, scale * W, in_channels)",
    "head": None,
    "pooled": "(H, W, in_channels) -> (hidden)",
}


def docstrings(source: str) -> dict[str, str]:
    """The docstring of each class and function of a module, on one line."""
    return {
        one.name: " ".join((ast.get_docstring(one) or "").split())
        for one in ast.parse(source).body
        if isinstance(one, ast.ClassDef | ast.FunctionDef)
    }


@pytest.mark.parametrize(("backend", "shapes"), [("torch", TORCH), ("keras", KERAS)])
def test_shapes_hold_for_all_arguments(
    backend: str, shapes: dict[str, str | None], tmp_path: Path
) -> None:
    texts = docstrings(written(SHAPES, tmp_path).emit(backend))
    for name, shape in shapes.items():
        _, _, stated = texts[name].partition(": ")
        assert stated == (f"{shape}." if shape else ""), name


TOWERS = """
archc: 1
name: towers
inputs:
  query: {tokens: 3, dtype: int32}
  document: {tokens: 5, dtype: int32}
blocks:
  tower:
    layers:
      - embedding: {vocabulary: 7, features: 4}
      - attention: {heads: 1}
      - global_max_pool
      - dense: 2
layers:
  - block: tower
    from: query
    name: one
  - block: tower
    from: document
    weights: one
    name: two
  - multiply:
    from: [one, two]
"""


@pytest.mark.parametrize(("backend", "tower"), [("torch", "Tower"), ("keras", "tower")])
def test_ids_are_no_features(backend: str, tower: str, tmp_path: Path) -> None:
    source = written(TOWERS, tmp_path).emit(backend)
    assert docstrings(source)[tower].endswith(": (length) -> (2).")
    if backend == "keras":  # the model that both call takes them as they are
        assert 'one_input = keras.Input((None,), dtype="int32")' in source


def test_one_head_has_all_features(tmp_path: Path) -> None:
    block = """
archc: 1
name: one
input: {tokens: 3, features: 4}
blocks:
  turn:
    layers: [{attention: {heads: 1}}, layer_norm]
layers: [{block: turn}, {block: turn}]
"""
    source = written(block, tmp_path).emit("keras")
    assert "layers.MultiHeadAttention(1, x.shape[-1]," in source


@pytest.mark.parametrize("backend", ["torch", "keras"])
def test_what_is_constant_is_computed(backend: str, tmp_path: Path) -> None:
    source = written(SHAPES, tmp_path).emit(backend)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.IfExp):
            assert not isinstance(node.test, ast.Constant), ast.unparse(node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
            constant = all(isinstance(one, ast.Constant) for one in node.args)
            assert node.func.id not in ("max", "min") or not constant, ast.unparse(node)


def test_an_argument_that_runs_along_from_zero_is_the_index(tmp_path: Path) -> None:
    network = written(STRUCTURES["runs_along_from_zero"], tmp_path)
    assert "count=i)" in network.emit("torch")
