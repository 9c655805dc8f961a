"""What is not trained: counted apart, and left as it is by both frameworks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from archc.cli import main
from archc.reports import json
from archc.verify import Workers, verify
from tests.backends.networks import module, written

TEXT = """archc: 1
name: frozen
input: {channels: 3, height: 6, width: 6}
params: {tune: false}
blocks:
  unit:
    layers:
      - {conv: {filters: 4, kernel_size: 3, padding: 1, bias: false}, name: conv}
      - batch_norm
      - {conv: {filters: 4, kernel_size: 1}, trainable: false, name: fixed}
layers:
  - section: backbone
    trainable: $tune
    layers:
      - {conv: {filters: 4, kernel_size: 3, padding: 1}, name: stem}
      - batch_norm
      - {block: unit, name: inner}
  - {block: unit, name: one, trainable: false}
  - {block: unit, name: two}
  - flatten
  - {dense: 6, trainable: false, name: hidden}
  - {dense: 2, name: head}
"""
UNIT = 4 * 4 * 9, 2 * 4, 4 * 4 + 4
STEM = 4 * 3 * 9 + 4 + 2 * 4
TAIL = 6 * 144 + 6, 2 * 6 + 2


def test_what_is_not_trained_is_counted_apart(tmp_path: Path) -> None:
    totals = written(TEXT, tmp_path).costs.totals
    assert totals.params == STEM + 3 * sum(UNIT) + sum(TAIL)
    assert totals.trainable_params == UNIT[0] + UNIT[1] + TAIL[1]
    tuned = written(TEXT.replace("tune: false", "tune: true"), tmp_path).costs.totals
    assert tuned.params == totals.params
    inner = UNIT[0] + UNIT[1]
    assert tuned.trainable_params == totals.trainable_params + STEM + inner


def test_the_report_gives_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = written(TEXT, tmp_path)
    report = json.report(net.costs)
    rows = {row["path"]: row["trainable_params"] for row in report["layers"] if row["params"]}
    assert [path for path, count in rows.items() if count] == [
        "two.conv",
        "two.batch_norm_1",
        "head",
    ]
    assert main(["report", str(tmp_path / "spec.yaml")]) == 0
    assert "trainable parameters" in capsys.readouterr().out


def test_both_frameworks_leave_it_as_it_is(tmp_path: Path, workers: Workers) -> None:
    net = written(TEXT, tmp_path)
    result = verify(net, workers=workers)
    assert result.agrees, (result.first, result.failures)
    model: Any = module(net.emit("torch")).build_model().train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
    model(torch.randn(3, 3, 6, 6)).square().sum().backward()
    optimizer.step()
    changed = [
        key for key, value in model.state_dict().items() if not torch.equal(value, before[key])
    ]
    assert {key.rpartition(".")[0] for key in changed} == {"two.conv", "two.batch_norm", "head"}


def test_layers_with_layers_inside_are_left_as_they_are(tmp_path: Path, workers: Workers) -> None:
    """In Keras an attention makes its projections when it is built, a bidirectional layer its
    own two layers."""
    text = """archc: 1
name: sequence
input: {tokens: 4, features: 4}
layers:
  - {attention: {heads: 2}, trainable: false}
  - {attention: {heads: 2, qk_norm: true}, trainable: false}
  - {lstm: {units: 3, bidirectional: true, return_sequences: true}, trainable: false}
  - {dense: 2}
"""
    net = written(text, tmp_path)
    assert net.costs.totals.trainable_params == 6 * 2 + 2
    result = verify(net, workers=workers)
    assert result.agrees, (result.first, result.failures)


@pytest.mark.parametrize(
    ("backend", "line", "other"),
    [
        ("torch", "        self.hidden.requires_grad_(False)\n", ""),
        ("torch", "self.backbone.requires_grad_(False)", "self.head.requires_grad_(False)"),
        ("keras", ', trainable=False, name="hidden"', ', name="hidden"'),
    ],
)
def test_what_is_trained_all_the_same_is_reported(
    backend: str, line: str, other: str, tmp_path: Path, workers: Workers
) -> None:
    net = written(TEXT, tmp_path)
    source = net.emit(backend)
    assert source.count(line) == 1
    result = verify(net, sources={backend: source.replace(line, other)}, workers=workers)
    assert {one.backend for one in result.failures} == {backend}
    assert any("trainable" in one.message for one in result.failures)


def test_a_resolved_spec_trains_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    net = written(TEXT, tmp_path)
    assert main(["show", str(tmp_path / "spec.yaml"), "--resolved"]) == 0
    assert written(capsys.readouterr().out, tmp_path).costs.totals == net.costs.totals


def test_a_network_of_nothing_to_train_has_no_recipe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(
        "archc: 1\nname: net\ninput: {features: 4}\nlayers:\n  - {dense: 2, trainable: false}\n"
        "training: {epochs: 1}\n"
    )
    assert main(["validate", str(path)]) == 1
    assert "no parameter of the network is trainable" in capsys.readouterr().out
