"""Values of fields, sizes and expectations: whole numbers, whatever they are computed from."""

from __future__ import annotations

from pathlib import Path

import pytest

from archc import SpecError, load

MAP = "archc: 1\nname: net\ninput: {channels: 3, height: 8, width: 8}\nparams: {width: 0.25}\n"
VECTOR = "archc: 1\nname: net\ninput: {features: 3}\nparams: {classes: 4.0}\n"


def params_of(text: str, folder: Path) -> int:
    (folder / "net.yaml").write_text(text)
    total: int = load(str(folder / "net.yaml")).report()["totals"]["params"]
    return total


def messages(text: str, folder: Path) -> list[str]:
    (folder / "net.yaml").write_text(text)
    with pytest.raises(SpecError) as error:
        load(str(folder / "net.yaml"))
    return [one.message for one in error.value.diagnostics]


@pytest.mark.parametrize(
    ("layer", "params"),
    [
        # 16 filters of 3 x 3 x 3 weights and a bias; and so on.
        ("conv: {filters: $(64 * width), kernel_size: 3}", 16 * 28),
        ("conv: {filters: 16.0, kernel_size: [3.0, 1e0]}", 16 * 10),
        ('conv: {filters: 2, kernel_size: "$([12 * width, 4 * width])"}', 2 * 10),
        ("conv: {filters: 2, kernel_size: 3, padding: [[0.0, 1.0], [$(width * 4), 0]]}", 2 * 28),
        ("conv: {filters: 6, kernel_size: 1, groups: $(12 * width)}", 6 * 2),
        ("repeat: $(8 * width)\n    layers: [conv: {filters: 3, kernel_size: 1}]", 2 * 12),
        ("repeat: 2e0\n    layers: [conv: {filters: 3, kernel_size: 1}]", 2 * 12),
    ],
)
def test_a_float_without_a_fraction_is_a_whole_number(
    layer: str, params: int, tmp_path: Path
) -> None:
    assert params_of(f"{MAP}layers:\n  - {layer}\n", tmp_path) == params


def test_sizes_of_inputs_and_recipes_may_be_computed(tmp_path: Path) -> None:
    text = (
        "archc: 1\nname: net\nparams: {share: 0.5}\ninput: {features: $(10 * share)}\n"
        "layers: [dense: 4e0]\n"
        "training: {epochs: $(6 * share), batch_size: 8.0, optimizer: {sgd: {momentum: $share}}}\n"
    )
    assert params_of(text, tmp_path) == 5 * 4 + 4
    recipe = load(str(tmp_path / "net.yaml")).costs.graph.about.training
    assert recipe is not None
    assert (recipe.epochs, recipe.batch_size) == (3, 8)


@pytest.mark.parametrize(
    "value", ["$(64.5 * 1)", "$(9007199254740991 * 4.0)", "$(0.0 * width)", "$(-2.0)", "true"]
)
def test_anything_else_is_refused(value: str, tmp_path: Path) -> None:
    text = f"{MAP}layers:\n  - conv: {{filters: {value}, kernel_size: 1}}\n"
    (message,) = messages(text, tmp_path)
    assert "must be a whole number from 1" in message


def test_an_expectation_may_be_a_float_or_an_expression(tmp_path: Path) -> None:
    head = f"{VECTOR}layers: [dense: $classes]\n"
    right = "expect: {params: 1.6e1, macs: 12.0, output: {features: $classes}}\n"
    assert params_of(head + right, tmp_path) == 16
    wrong = "expect: {params: 1e3, output: {features: $(classes * 2)}}\n"
    assert messages(head + wrong, tmp_path) == [
        "params is 16, expected 1,000 (-984)",
        "output is features 4, expected features 8",
    ]


def test_expectations_are_not_evaluated_with_other_parameters(tmp_path: Path) -> None:
    text = f"{VECTOR}layers: [dense: $classes]\nexpect: {{output: {{features: $(3 - classes)}}}}\n"
    (message,) = messages(text, tmp_path)
    assert message == "`features` must be a whole number from 1, got -1"
    assert load(str(tmp_path / "net.yaml"), classes=5).costs.totals.params == 20
