"""The recipe under `training`: what it accepts, what it comes to, and where its faults are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from archc.api import load
from archc.cli import main
from archc.diagnostics import SpecError
from archc.ir.trainability import output_kind
from archc.language.recipe import (
    Adam,
    AdamW,
    Augment,
    Constant,
    Cosine,
    Group,
    Inputs,
    Plateau,
    RmsProp,
    Sgd,
    Step,
    Training,
    Variants,
)
from archc.ops.fields import fields_of
from archc.reports.resolved import resolved

HEAD = """\
archc: 1
name: small
input: {channels: 3, height: 16, width: 16}
params: {classes: 10, side: 20}
layers:
  - conv: {filters: 4, kernel_size: 3}
  - flatten
  - dense: $classes
"""
VECTOR = "archc: 1\nname: small\ninput: {features: 6}\nlayers:\n"
FIRST = HEAD.count("\n") + 1
"""The line on which what a test adds begins."""
WHOLE = """\
training:
  inputs: {resize: [$side, 22], pad: 1, scale: $(1 / 255), standardize: channel}
  augment: {rotation: 10, shift: 0.1, zoom: 0.2, shear: 5, flip: both, lighting: 0.1, fill: zero}
  optimizer: {sgd: {learning_rate: 0.1, momentum: 0.9, nesterov: true, weight_decay: 0.0005}}
  schedule: {step: {every: $(classes * 3)}}
  warmup: 0.5
  label_smoothing: 0.1
  batch_size: $(2 * 32)
  epochs: 90
  steps_per_epoch: 7
  validation: 0.2
  metric: top_5_accuracy
  early_stopping: 5
  seed: 3
  precision: bfloat16
  sync_batch_norm: true
"""


def recipe(folder: Path, text: str, head: str = HEAD) -> Training:
    path = folder / "small.yaml"
    path.write_text(head + text, encoding="utf-8")
    found = load(str(path), {}).costs.graph.about.training
    assert found is not None
    return found


def faults(folder: Path, text: str, head: str = HEAD) -> list[tuple[str, int, int]]:
    """Code, line from the recipe's first, and column of each fault."""
    with pytest.raises(SpecError) as refused:
        recipe(folder, text, head)
    return [
        (one.code, one.span.line - FIRST + 1, one.span.column) for one in refused.value.diagnostics
    ]


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    assert recipe(tmp_path, "training: {epochs: 3}\n") == Training(epochs=3)
    made = Training(epochs=3)
    assert made.optimizer == Adam(learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-8)
    assert made.schedule == Constant()
    assert made.inputs == Inputs(resize=None, pad=0, scale=1.0, standardize="none")


def test_a_whole_recipe(tmp_path: Path) -> None:
    """Written out with expressions and in every key."""
    assert recipe(tmp_path, WHOLE) == Training(
        inputs=Inputs(resize=(20, 22), pad=1, scale=1 / 255, standardize="channel"),
        augment=Augment(
            rotation=10.0, shift=0.1, zoom=0.2, shear=5.0, flip="both", lighting=0.1, fill="zero"
        ),
        optimizer=Sgd(learning_rate=0.1, momentum=0.9, nesterov=True, weight_decay=0.0005),
        schedule=Step(every=30, factor=0.1),
        warmup=0.5,
        label_smoothing=0.1,
        batch_size=64,
        epochs=90,
        steps_per_epoch=7,
        validation=0.2,
        metric="top_5_accuracy",
        early_stopping=5,
        seed=3,
        precision="bfloat16",
        sync_batch_norm=True,
    )


@pytest.mark.parametrize(
    ("written", "made"),
    [
        ("optimizer: sgd", Sgd()),
        ("optimizer: {adam: {}}", Adam()),
        ("optimizer: {adamw: {beta_1: 0.8}}", AdamW(beta_1=0.8, weight_decay=0.01)),
        ("optimizer: {rmsprop: {rho: 0.99}}", RmsProp(rho=0.99)),
        ("schedule: constant", Constant()),
        ("schedule: {cosine: {minimum: 0.001}}", Cosine(minimum=0.001)),
        ("schedule: plateau", Plateau(patience=10, factor=0.1, minimum=0.0)),
    ],
)
def test_variants(written: str, made: object, tmp_path: Path) -> None:
    found = recipe(tmp_path, f"training:\n  epochs: 2\n  {written}\n")
    assert made in (found.optimizer, found.schedule)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("inputs: {padd: 2}", ("ARC201", 3, 12)),
        ("inputs: {pad: -1}", ("ARC203", 3, 17)),
        ("inputs: {resize: [3]}", ("ARC203", 3, 20)),
        ("inputs: 3", ("ARC203", 3, 11)),
        ("augment: {rotation: 181}", ("ARC203", 3, 23)),
        ("augment: {flip: sideways}", ("ARC203", 3, 19)),
        ("optimizer: lion", ("ARC203", 3, 14)),
        ("optimizer: {lion: {}}", ("ARC201", 3, 15)),
        ("optimizer: {adam: {learning_rate: 0}}", ("ARC203", 3, 37)),
        ("optimizer: {adam: {}, sgd: {}}", ("ARC203", 3, 14)),
        ("schedule: step", ("ARC203", 3, 13)),
        ("schedule: {step: {factor: 0.1}}", ("ARC202", 3, 14)),
        ("loss: hinge", ("ARC203", 3, 9)),
        ("batch_size: $(classes * 1.25)", ("ARC206", 3, 15)),
        ("seed: $(", ("ARC301", 3, 11)),
        ("inputs: {resize: [2, $(1 +]}", ("ARC301", 3, 29)),
        ("optimizer: {sgd: {momentum: $(.}}", ("ARC301", 3, 33)),
        ("batch_size: $clases", ("ARC302", 3, 16)),
        ("optimizer: {adam: {learning_rate: $(1 - 1)}}", ("ARC206", 3, 37)),
        ("seed: $(1 / 0)", ("ARC303", 3, 15)),
        ("sync_batch_norm: 1", ("ARC203", 3, 20)),
        ("warmup: 2", ("ARC702", 3, 3)),
        ("steps: 5", ("ARC702", 3, 3)),
        ("label_smoothing: 0.1\n  loss: mean_squared_error", ("ARC702", 3, 3)),
        ("schedule: {piecewise: {epochs: [2, 2], factors: [1, 2]}}", ("ARC702", 3, 26)),
        ("schedule: {piecewise: {epochs: [2, 3], factors: [1]}}", ("ARC702", 3, 26)),
        ("rejection: 2", ("ARC702", 3, 3)),
        ("loss: maximum_a_posteriori", ("ARC701", 3, 3)),
        ("inputs: {resize: 15}", ("ARC701", 3, 12)),
        ("inputs: {resize: [16, 15]}", ("ARC701", 3, 12)),
        ("inputs: {pad: 8}", ("ARC701", 3, 12)),
    ],
)
def test_faults_are_told_at_their_place(
    written: str, expected: tuple[str, int, int], tmp_path: Path
) -> None:
    assert faults(tmp_path, f"training:\n  epochs: 2\n  {written}\n") == [expected]


def test_a_recipe_tells_how_long(tmp_path: Path) -> None:
    assert faults(tmp_path, "training: {seed: 1}\n") == [("ARC702", 1, 1)]


def test_all_faults_in_one_run(tmp_path: Path) -> None:
    """Those of the steps and those of the recipe, in the order of the file."""
    head = HEAD.replace("dense: $classes", "dense: $clases")
    text = "training:\n  inputs: {padd: 2}\n  epochs: $(1 / 0)\n  warmup: -1\n"
    assert faults(tmp_path, text, head) == [
        ("ARC302", 0, 13),
        ("ARC201", 2, 12),
        ("ARC303", 3, 17),
        ("ARC203", 4, 11),
    ]


@pytest.mark.parametrize(
    ("head", "written", "column"),
    [
        (HEAD.replace("input: {channels: 3,", "input: {channels: 1,"), "{lighting: 0.1}", 13),
        (
            HEAD.replace("channels: 3, height: 16, width: 16", "features: 16")
            .replace("  - conv: {filters: 4, kernel_size: 3}\n", "  - relu\n")
            .replace("  - flatten\n", "  - relu\n"),
            "{rotation: 3}",
            3,
        ),
    ],
)
def test_what_is_for_images_needs_images(
    head: str, written: str, column: int, tmp_path: Path
) -> None:
    text = f"training:\n  epochs: 2\n  augment: {written}\n"
    assert faults(tmp_path, text, head) == [("ARC701", 3, column)]


@pytest.mark.parametrize(
    "head",
    [
        HEAD.replace("  - dense: $classes\n", "  - relu\n").replace("  - flatten\n", ""),
        HEAD.replace("dense: $classes", "dense: 1"),
        HEAD.replace("dense: $classes", "rbf: {codes: [[1, -1], [1, 1]]}").replace(
            "  - flatten\n", "  - flatten\n  - dense: 2\n"
        ),
        HEAD + "outputs: [conv_1, dense_1]\n",
        "archc: 1\nname: small\ninputs: {a: {features: 3}, b: {features: 3}}\nlayers:\n"
        "  - {add: null, from: [a, b]}\n",
    ],
    ids=["a map", "one class", "distances", "two outputs", "two inputs"],
)
def test_a_recipe_needs_a_classifier(head: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as refused:
        recipe(tmp_path, "training: {epochs: 2}\n", head)
    assert [one.code for one in refused.value.diagnostics] == ["ARC701"]


def test_a_child_changes_single_keys(tmp_path: Path) -> None:
    recipe(tmp_path, WHOLE)
    child = "archc: 1\nname: other\nextends: small.yaml\ntraining: {optimizer: adam, epochs: 5}\n"
    (tmp_path / "other.yaml").write_text(child, encoding="utf-8")
    found = load(str(tmp_path / "other.yaml"), {}).costs.graph.about.training
    assert found is not None
    assert (found.optimizer, found.epochs, found.batch_size) == (Adam(), 5, 64)


@pytest.mark.parametrize("text", [WHOLE, "training: {epochs: 3, inputs: {resize: none}}\n"])
def test_the_resolved_spec_has_the_same_recipe(text: str, tmp_path: Path) -> None:
    made = recipe(tmp_path, text)
    written = resolved(load(str(tmp_path / "small.yaml"), {}).costs)
    assert "$" not in written.split("training:")[1]
    (tmp_path / "resolved.yaml").write_text(written, encoding="utf-8")
    assert load(str(tmp_path / "resolved.yaml"), {}).costs.graph.about.training == made


def test_the_reference_names_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ops", "training"]) == 0
    told = capsys.readouterr().out
    waiting: list[type] = [Training]
    for declaration in waiting:
        for field in fields_of(declaration):
            assert field.name in told.split()
            if isinstance(field.kind, Group):
                waiting.append(field.kind.declaration)
            if isinstance(field.kind, Variants):
                waiting += field.kind.declarations.values()
                assert all(f" {name}: " in told for name in field.kind.declarations)
    assert len(waiting) == 15


@pytest.mark.parametrize(
    "end",
    [
        "  - dense: {units: 4, activation: sigmoid}\n",
        "  - dense: {units: 4, activation: softmax}\n  - dropout: 0.5\n",
        "  - dense: 4\n  - average:\n      - [softmax]\n      - [tanh]\n",
        "  - dense: {units: 8, activation: softmax}\n  - reshape: {channels: 4, length: 2}\n"
        "  - global_avg_pool\n",
    ],
    ids=["sigmoid", "dropout behind it", "average", "pool behind it"],
)
def test_a_bounded_end_has_no_cross_entropy(end: str, tmp_path: Path) -> None:
    """A softmax of what is at most 1 is never sure of a class."""
    head = VECTOR + end
    with pytest.raises(SpecError) as refused:
        recipe(tmp_path, "training: {epochs: 2}\n", head)
    (fault,) = refused.value.diagnostics
    assert fault.code == "ARC701"
    assert "bounded by" in fault.message
    recipe(tmp_path, "training: {epochs: 2, loss: mean_squared_error}\n", head)


@pytest.mark.parametrize(
    ("end", "kind"),
    [
        ("  - dense: 4\n", "logits"),
        ("  - dense: {units: 4, activation: relu}\n", "logits"),
        ("  - dense: {units: 8, activation: sigmoid}\n  - dense: 4\n", "logits"),
        ("  - dense: {units: 4, activation: softmax}\n", "probabilities"),
        ("  - dense: 4\n  - softmax\n  - flatten\n", "probabilities"),
        ("  - dense: {units: 4, activation: log_softmax}\n", "log_probabilities"),
    ],
)
def test_what_a_network_gives(end: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(VECTOR + end + "training: {epochs: 2}\n", encoding="utf-8")
    assert output_kind(load(str(path), {}).costs.graph) == kind


def test_a_warmup_leaves_steps_to_train_with(tmp_path: Path) -> None:
    text = "training: {steps: 20, steps_per_epoch: 4, warmup: 5}\n"
    with pytest.raises(SpecError) as refused:
        recipe(tmp_path, text)
    assert [one.code for one in refused.value.diagnostics] == ["ARC702"]
    recipe(tmp_path, text.replace("5}", "4}"))
