"""The reports: the same costs in every form."""

from __future__ import annotations

import csv as standard_csv
import io
import json as standard_json
import re
from pathlib import Path

import pytest

from archc.api import Network, load, parameter
from archc.diagnostics import SpecError
from archc.infer import memory
from archc.ops import OPS
from archc.ops.activation import LeakyRelu, Relu
from archc.ops.convolution import Conv
from archc.ops.fields import fields_of
from archc.ops.initializer import Initializer
from archc.ops.pooling import MaxPool
from archc.reports import csv, json, markdown, table
from archc.reports.rows import mebibytes, rows
from archc.reports.written import as_written, field_value, inline

SPEC = """\
archc: 1
name: tiny
title: A tiny *network*
reference: "Nobody <b>1999</b> | 1. nowhere"
input: {channels: 1, height: 8, width: 8}
params: {classes: 10}
blocks:
  unit:
    params: {width: null}
    layers:
      - conv: {filters: $width, kernel_size: 3, padding: same, activation: relu}
      - batch_norm
layers:
  - section: features
    layers:
      - block: unit
        with: {width: 4}
      - max_pool: {kernel_size: 2}
  - flatten
  - dense: $classes
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Network:
    (tmp_path / "tiny.yaml").write_text(SPEC)
    return load(str(tmp_path / "tiny.yaml"), {})


def test_json_tells_what_the_contract_says(tiny: Network) -> None:
    told = tiny.report()
    layers = told.pop("layers")
    assert told == {
        "archc": 1,
        "name": "tiny",
        "title": "A tiny *network*",
        "source": "tiny.yaml",
        "inputs": {"input": {"channels": 1, "height": 8, "width": 8}},
        "outputs": {"dense_1": {"features": 10}},
        "totals": {
            "params": 698,
            "trainable_params": 698,
            "state": 8,
            "macs": 2944,
            "activations": 586,
            "weight_bytes": 2824,
        },
    }
    assert isinstance(layers, list)
    assert layers[0] == {
        "name": "conv_1",
        "path": "features.unit_1.conv_1",
        "op": "conv",
        "inputs": ["input"],
        "output": {"channels": 4, "height": 8, "width": 8},
        "params": 40,
        "trainable_params": 40,
        "state": 0,
        "macs": 2304,
        "activations": 256,
        "receptive_field": [3, 3],
        "jump": [1, 1],
        "file": "tiny.yaml",
        "line": 11,
    }
    assert [layer["path"] for layer in layers][1:] == [
        "features.unit_1.batch_norm_1",
        "features.max_pool_1",
        "flatten_1",
        "dense_1",
    ]
    assert layers[3]["activations"] == 0


def test_json_tells_memory_when_asked(tiny: Network) -> None:
    needed = memory(tiny.costs, 3)
    assert tiny.report(batch=3)["memory"] == {
        "batch": 3,
        "inference_bytes": needed.inference,
        "training_bytes": needed.training,
    }


def test_json_text_is_ascii_with_one_line_a_layer(tiny: Network) -> None:
    told = tiny.report()
    text = json.text(told)
    assert text.isascii()
    assert text.startswith('{\n  "archc": 1,')
    assert standard_json.loads(text) == told
    assert sum(line.startswith('    {"name"') for line in text.split("\n")) == 5


def test_an_input_without_space_has_no_receptive_field(tmp_path: Path) -> None:
    path = tmp_path / "flat.yaml"
    path.write_text("archc: 1\nname: flat\ninput: {features: 3}\nlayers: [dense: 2]\n")
    (layer,) = load(str(path), {}).report()["layers"]
    assert layer["receptive_field"] is None
    assert layer["jump"] is None


def test_files_are_told_from_the_root_of_the_specs(tmp_path: Path) -> None:
    inner = tmp_path / "specs" / "inner"
    inner.mkdir(parents=True)
    (tmp_path / "specs" / "base.yaml").write_text(SPEC)
    (inner / "child.yaml").write_text("archc: 1\nname: child\nextends: ../base.yaml\n")
    told = load(str(inner / "child.yaml"), {}).report()
    assert told["source"] == "specs/inner/child.yaml"
    assert {layer["file"] for layer in told["layers"]} == {"specs/base.yaml"}
    assert str(tmp_path) not in json.text(told)


def test_csv_is_a_header_and_a_row_a_layer(tiny: Network) -> None:
    header, *lines = standard_csv.reader(io.StringIO(csv.report(tiny.costs)))
    assert header == [
        "layer", "op", "output", "params", "macs", "activations", "receptive_field",
    ]  # fmt: skip
    assert lines[0] == ["features.unit_1.conv_1", "conv", "4x8x8", "40", "2304", "256", "3x3"]
    assert len(lines) == 5


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("conv_1", "conv_1"),
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ('a"b', '"a""b"'),
        ("a,b", '"a,b"'),
        ("=a,b", '"\'=a,b"'),
        ("a\nb", '"a\nb"'),
    ],
)
def test_csv_cells_are_never_formulas(text: str, cell: str) -> None:
    assert csv.cell(text) == cell


def test_markdown_shows_layers_and_totals(tiny: Network) -> None:
    told = markdown.report(tiny.costs, memory(tiny.costs, 2))
    assert told.startswith(
        "# A tiny \\*network\\*\n\nNobody &lt;b&gt;1999&lt;/b&gt; \\| 1. nowhere\n"
    )
    lines = told.split("\n")
    assert (
        "| features.unit_1.conv_1 | conv | 4 \u00d7 8 \u00d7 8 | 40 | 2,304 | 256 | 3 \u00d7 3 |"
    ) in lines
    table_lines = [line for line in lines if line.startswith("|")]
    assert {line.count(" | ") for line in table_lines} == {6}
    assert "- parameters: 698" in lines
    assert "- multiply-accumulates (MACs) per sample: 2,944" in lines
    assert any(line.startswith("- memory for training, 2 samples: ") for line in lines)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a|b", "a\\|b"),
        ("a_b _c_", "a_b \\_c\\_"),
        ("`x`", "\\`x\\`"),
        ("[a](b)", "\\[a\\](b)"),
        ("<script>&", "&lt;script&gt;&amp;"),
        ("# a", "\\# a"),
        ("1. a", "1\\. a"),
        ("2.5 a", "2.5 a"),
        ("- a", "\\- a"),
        ("a\n\n# b", "a # b"),
        ("a\u202eb", "a\\\\u202eb"),
    ],
)
def test_markdown_escapes(text: str, escaped: str) -> None:
    assert markdown.escape(text) == escaped


def test_table_groups_layers_and_spells_units_out(tiny: Network) -> None:
    lines = table.report(tiny.costs, memory(tiny.costs, 1)).split("\n")
    assert lines[0] == "tiny: A tiny *network*"
    assert lines[1] == (
        "input: channels 1 \u00d7 height 8 \u00d7 width 8 \u2192 dense_1: features 10"
    )
    names = [line.split("  op")[0] for line in lines[5:13]]
    assert [re.split(r"(?<=\S) {2,}", line)[:2] for line in lines[5:12]] == [
        ["features", "section"],
        ["  unit_1", "unit"],
        ["    conv_1", "conv"],
        ["    batch_norm_1", "batch_norm"],
        ["  max_pool_1", "max_pool"],
        ["flatten_1", "flatten"],
        ["dense_1", "dense"],
    ]
    assert names[-1] == ""
    told = "\n".join(lines)
    for unit in (
        "parameters ",
        "running statistics ",
        "multiply-accumulates (MACs) per sample ",
        "activations per sample ",
        "weights in float32 ",
        "memory for inference, 1 sample ",
        "memory for training, 1 sample ",
    ):
        assert f"\n{unit}" in told


@pytest.mark.parametrize("width", [40, 50, 60, 70, 80, 100])
def test_table_fits_a_terminal(tmp_path: Path, width: int) -> None:
    path = tmp_path / "deep.yaml"
    name = "an_exceedingly_long_name_of_a_section"
    path.write_text(
        "archc: 1\nname: deep\ninput: {channels: 3, height: 224, width: 224}\nlayers:\n"
        f"  - section: {name}\n    layers:\n"
        "      - conv: {filters: 64, kernel_size: 3}\n        name: a_convolution\n"
    )
    costs = load(str(path), {}).costs
    body = table.report(costs, width=width).split("\n")[3:7]
    assert max(map(len, body)) <= width
    assert "parameters" in body[0]
    assert "MACs" in body[0]
    assert ("output" in body[0]) == (width > 50)
    assert ("op " in body[0]) == (width > 70)
    assert body[2].startswith("an_")
    if width <= 60:
        assert "\u2026" in body[2]


def test_columns_go_by_rank(tiny: Network) -> None:
    def titles(width: int | None) -> list[str]:
        return [column.title for column in table.layout(tiny.costs, width)[0]]

    everything = ["layer", "op", "output", "parameters", "MACs", "activations", "receptive field"]
    assert titles(None) == everything
    assert titles(80) == everything[:-1]
    assert titles(70) == everything[:-2]
    assert titles(52) == ["layer", "output", "parameters", "MACs"]
    assert titles(36) == ["layer", "parameters", "MACs"]


def test_colour_changes_nothing_but_colour(tiny: Network) -> None:
    colored = table.colored(tiny.costs, memory(tiny.costs, 4), 100)
    assert "\x1b[1m" in colored
    bare = re.sub(r"\x1b\[[0-9;]*m", "", colored)
    plain = table.report(tiny.costs, memory(tiny.costs, 4), 100)

    def words(text: str) -> list[list[str]]:
        lines = [line.split() for line in text.split("\n")]
        return [line for line in lines if line and set(line[0]) != {"-"}]

    assert words(bare) == words(plain)


def test_a_title_cannot_reach_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(SPEC.replace("title: A tiny *network*", "title: '[red]x[/red] [link]'"))
    assert "[red]x[/red] [link]" in table.colored(load(str(path), {}).costs)


def test_rows_follow_the_layers(tiny: Network) -> None:
    found = [row.layer for row in rows(tiny.costs) if row.layer is not None]
    assert found == list(tiny.costs.layers)


@pytest.mark.parametrize(
    ("size", "told"),
    [
        (0, "0.00 MiB"),
        (5242, "0.00 MiB"),
        (5243, "0.01 MiB"),
        (2**20, "1.00 MiB"),
        (553430176, "527.79 MiB"),
        (2**53, "8,589,934,592.00 MiB"),
    ],
)
def test_mebibytes(size: int, told: str) -> None:
    assert mebibytes(size) == told


def test_fields_are_told_as_a_spec_writes_them() -> None:
    conv = Conv(
        filters=8,
        kernel_size=(3, 5),
        padding=((0, 1), (2, 3)),
        activation=LeakyRelu(slope=0.2),
        initializer=Initializer("normal", 0.01),
    )
    told = {field.name: inline(field_value(conv, field)) for field in fields_of(Conv)}
    assert told == {
        "filters": "8",
        "kernel_size": "[3, 5]",
        "stride": "1",
        "padding": "[[0, 1], [2, 3]]",
        "dilation": "1",
        "groups": "1",
        "bias": "true",
        "activation": "{leaky_relu: {slope: 0.2}}",
        "initializer": "{normal: 0.01}",
    }
    plain = Conv(filters=8, kernel_size=3, activation=Relu(), initializer=Initializer("zeros"))
    told = {field.name: inline(field_value(plain, field)) for field in fields_of(Conv)}
    assert (told["activation"], told["initializer"]) == ("relu", "zeros")
    bare = Conv(filters=8, kernel_size=3)
    told = {field.name: inline(field_value(bare, field)) for field in fields_of(Conv)}
    assert (told["activation"], told["initializer"]) == ("none", "default")


def test_a_default_is_told_as_it_would_be_written() -> None:
    for op in OPS.values():
        for field in fields_of(op):
            written = as_written(field, field.default)
            if not field.required and written is not None:
                assert field.kind.convert(written) == field.default
    pool = MaxPool(kernel_size=2)
    stride = next(field for field in fields_of(MaxPool) if field.name == "stride")
    assert field_value(pool, stride) is None


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (3, 3),
        (0.5, 0.5),
        (True, True),
        ("same", "same"),
        ((1, 2), [1, 2]),
        ([(1, 2), [3]], [[1, 2], [3]]),
    ],
)
def test_a_parameter_takes_plain_values(value: object, kept: object) -> None:
    assert parameter("width", value) == kept


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "null"),
        ({"a": 1}, "of type dict"),
        ("$x", "an expression"),
        (float("nan"), "not finite"),
        (float("inf"), "not finite"),
        (2**53, "2^53 or more"),
        ([[[1]]], "a list of lists of lists"),
        ([None], "null"),
        (object(), "of type object"),
    ],
)
def test_a_parameter_takes_nothing_else(value: object, told: str) -> None:
    with pytest.raises(SpecError) as refused:
        parameter("width", value)
    (found,) = refused.value.diagnostics
    assert found.code == "ARC412"
    assert told in found.message
