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
  framed:
    params: {filters: null}
    layers:
      - conv: {filters: $filters, kernel_size: 3}
      - max_pool: {kernel_size: 3, stride: 1}
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
  - block: framed
    with: {filters: 8}
    from: strided_1
  - global_avg_pool: {}
    name: f
  - add:
    from: [global_avg_pool_1, h, p, f]
"""

TORCH = {
    "Strided": "(in_channels, H, W) -> (filters, H / stride, W / stride)",
    "Windowed": None,
    "Framed": "(in_channels, H, W) -> (filters, H - 4, W - 4)",
    "Floored": "(in_channels, H, W) -> (max(w, 3), H, W)",
    "Halved": "(in_channels, H, W) -> (filters, H / 2, W / 2)",
    "Doubled": "(in_channels, H, W) -> (in_channels, scale * H, scale * W)",
    "Head": None,
    "Pooled": "(in_channels, H, W) -> (hidden)",
}
KERAS = {
    "strided": "(H, W, in_channels) -> (H / stride, W / stride, filters)",
    "windowed": None,
    "framed": "(H, W, in_channels) -> (H - 4, W - 4, filters)",
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


SUMMARIES = """
archc: 1
name: summaries
input: {channels: 8, height: 8, width: 8}
blocks:
  conv_bn:
    params: {kernel: 3}
    layers:
      - conv: {filters: 8, kernel_size: $kernel, padding: same}
      - conv: {filters: 8, kernel_size: 1}
      - batch_norm
      - hard_swish
  residual:
    layers:
      - add:
          - []
          - - conv: {filters: 8, kernel_size: 3, padding: same}
            - batch_norm
            - relu
            - conv: {filters: 8, kernel_size: 3, padding: same}
            - batch_norm
            - relu
  calls:
    layers: [{block: conv_bn}, {block: conv_bn}, {avg_pool: 1}]
  gate:
    layers:
      - multiply:
          - []
          - [{global_avg_pool: {keep_dims: true}}, {conv: {filters: 8, kernel_size: 1}}, sigmoid]
  product:
    layers:
      - multiply:
          - - conv: {filters: 8, kernel_size: 1}
          - - conv: {filters: 8, kernel_size: 1}
  grown:
    layers:
      - concat:
          - []
          - - conv: {filters: 8, kernel_size: 1}
  tokens:
    layers: [flatten, {dense: 4}, {dense: 4}, silu]
layers:
  - block: residual
  - block: calls
  - block: gate
  - block: product
  - block: grown
  - block: tokens
"""


def test_summaries_name_the_steps_as_prose_does(tmp_path: Path) -> None:
    network = written(SUMMARIES, tmp_path)
    summaries = {
        name: text.partition(":")[0].rstrip(".")
        for name, text in docstrings(network.emit("torch")).items()
    }
    assert summaries["ConvBn"] == "Convolutions, batch norm, hard swish"
    assert summaries["Residual"] == "3x3 convolutions around a shortcut"
    assert summaries["Calls"] == "ConvBn, average pool"
    assert summaries["Gate"].endswith("1x1 convolution, sigmoid as a gate of what comes in")
    assert summaries["Product"] == "1x1 convolutions, multiplied"
    assert summaries["Grown"] == "1x1 convolution, concatenated to what comes in"
    assert summaries["Tokens"] == "Flatten, dense layers, SiLU"
    # The functions of Keras are called by their own names.
    assert docstrings(network.emit("keras"))["calls"].startswith("conv_bn, average pool: ")


def test_a_shape_is_not_broken_over_lines(tmp_path: Path) -> None:
    names = [f"head{n}" for n in range(9)]
    heads = "".join(
        f"  - conv: {{filters: 8, kernel_size: 1}}\n    name: {name}\n    from: input\n"
        for name in names
    )
    text = (
        "archc: 1\nname: heads\ninput: {channels: 3, height: 16, width: 16}\n"
        f"layers:\n{heads}outputs: [{', '.join(names)}]\n"
    )
    assert written(text, tmp_path).emit("torch").count("(batch, 8, 16, 16)") == len(names)


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
