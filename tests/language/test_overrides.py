"""Fields of a recipe set from outside, by the same schema, with errors at the option."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from archc.api import load
from archc.cli import main
from archc.cli.options import read_overrides
from archc.diagnostics import SpecError
from archc.diagnostics.formats import exit_code
from archc.language.recipe import Adam, AdamW, Cosine, Plateau, Sgd, Step, Training

SPEC = """\
archc: 1
name: net
input: {channels: 1, height: 8, width: 8}
params: {rate: 0.25, classes: 3}
layers: [flatten, dense: $classes]
training:
  optimizer: {sgd: {momentum: 0.5, learning_rate: $rate}}
  schedule: cosine
  augment: {rotation: 10, shift: 0.1}
  epochs: 5
"""


def recipe(folder: Path, *settings: str, text: str = SPEC) -> Training:
    path = folder / "net.yaml"
    path.write_text(text, encoding="utf-8")
    overrides = read_overrides(settings)
    found = load(path, overrides.params, recipe=overrides.recipe).costs.graph.about.training
    assert found is not None
    return found


CASES = {
    "training.optimizer.learning_rate=0.01": ("optimizer", Sgd(momentum=0.5, learning_rate=0.01)),
    "training.optimizer.sgd.nesterov=true": (
        "optimizer",
        Sgd(momentum=0.5, learning_rate=0.25, nesterov=True),
    ),
    "training.optimizer.adam.beta_1=0.8": ("optimizer", Adam(beta_1=0.8)),
    "training.optimizer=adamw": ("optimizer", AdamW()),
    "training.optimizer={adam: {epsilon: 0.1}}": ("optimizer", Adam(epsilon=0.1)),
    "training.optimizer.learning_rate=$(rate * 2)": (
        "optimizer",
        Sgd(momentum=0.5, learning_rate=0.5),
    ),
    "training.schedule.minimum=0.001": ("schedule", Cosine(minimum=0.001)),
    "training.schedule.step.every=3": ("schedule", Step(every=3)),
    "training.schedule=plateau": ("schedule", Plateau()),
    "training.epochs=7": ("epochs", 7),
    "training.batch_size=64": ("batch_size", 64),
}


@pytest.mark.parametrize("setting", CASES)
def test_a_field_is_set(setting: str, tmp_path: Path) -> None:
    name, value = CASES[setting]
    assert getattr(recipe(tmp_path, setting), name) == value


def test_others_stay(tmp_path: Path) -> None:
    found = recipe(tmp_path, "training.augment.shift=0.2", "training.inputs.pad=2")
    assert (found.augment.rotation, found.augment.shift, found.inputs.pad) == (10, 0.2, 2)
    assert (found.epochs, found.optimizer) == (5, Sgd(momentum=0.5, learning_rate=0.25))


def test_a_spec_without_a_recipe_gets_one(tmp_path: Path) -> None:
    text = SPEC.partition("training:")[0]
    settings = ("training.epochs=3", "training.optimizer.learning_rate=0.1")
    assert recipe(tmp_path, *settings, text=text) == Training(
        epochs=3, optimizer=Adam(learning_rate=0.1)
    )


ERRORS = [
    ("training.optimzer.x=3", 10, "ARC201", "`training` has no key `optimzer`"),
    ("training.optimizer.learnin_rate=3", 20, "ARC201", "`sgd` has no key `learnin_rate`"),
    ("training.schedule.every=3", 19, "ARC201", "`cosine` has no key `every`"),
    ("training.epochs=-1", 18, "ARC203", "`epochs` must be a whole number from 1"),
    ("training.inputs=3", 18, "ARC203", "`inputs` must be a mapping, got 3"),
    ("training.epochs.x=3", 17, "ARC203", "`epochs` must be a whole number from 1"),
    ("training.epochs=$(clases)", 20, "ARC302", "unknown name `clases`"),
    ("training.epochs=$(1 / 2)", 18, "ARC206", "`epochs` must be a whole number from 1"),
    ("training.steps=5", 10, "ARC702", "the recipe has both `epochs` and `steps`"),
    ("training.metric=top_5_accuracy", 10, "ARC702", "`top_5_accuracy` of 3 classes"),
]


@pytest.mark.parametrize(("setting", "column", "code", "message"), ERRORS)
def test_errors_stand_at_the_option(
    setting: str, column: int, code: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(SpecError) as error:
        recipe(tmp_path, setting)
    (one,) = error.value.diagnostics
    assert one.span.source.name == f"--set {setting.partition('=')[0]}"
    assert (one.span.line, one.span.column, one.code) == (1, column, code)
    assert one.message.startswith(message)
    assert exit_code([one]) == 2


def test_a_setting_is_one_value(tmp_path: Path) -> None:
    with pytest.raises(click.exceptions.Exit) as left:
        read_overrides(["training.epochs"])
    assert left.value.exit_code == 2


def test_scripts_are_of_the_recipe_that_is_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net.yaml").write_text(SPEC, encoding="utf-8")
    command = ["build", str(tmp_path / "net.yaml"), "--training", "-o", str(tmp_path)]
    assert main([*command, "--set", "training.epochs=77"]) == 0
    assert "EPOCHS = 77" in (tmp_path / "torch/net_train.py").read_text(encoding="utf-8")
    assert main(["report", str(tmp_path / "net.yaml"), "--set", "training.epochs=7"]) == 2
    assert "no parameter `training.epochs`" in capsys.readouterr().err
