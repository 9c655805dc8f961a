"""`archc new`: a valid spec to start from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from archc import cli
from archc.api import load
from archc.language.names import camel_case
from tests.backends.networks import ALL_SPECS, SHIPPED, SPECS


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the shipped specs, and the schema where they name it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "specs").mkdir()
    for name in ALL_SPECS:
        (tmp_path / "specs" / f"{name}.yaml").write_text((SPECS / f"{name}.yaml").read_text())
    (tmp_path / "archc" / "language" / "schema").mkdir(parents=True)
    (tmp_path / "archc" / "language" / "schema" / "archc-1.json").write_text("{}")
    return tmp_path


def test_the_starter_builds_and_says_what_is_what(project: Path) -> None:
    assert cli.main(["new", "mine"]) == 0
    text = (project / "specs/mine.yaml").read_text()
    assert text.startswith(
        "# yaml-language-server: $schema=../archc/language/schema/archc-1.json\narchc: 1\n"
    )
    assert text.count("#") >= 4
    assert cli.main(["build", "specs/mine.yaml", "--backend", "all"]) == 0
    assert "class Mine(nn.Sequential):" in (project / "generated/torch/mine.py").read_text()
    assert "def build_model(" in (project / "generated/keras/mine.py").read_text()
    network = load("specs/mine.yaml", {"classes": 7, "widths": [8, 8]})
    assert network.report()["outputs"] == {"dense_1": {"features": 7}}


def test_the_starter_has_a_recipe(project: Path) -> None:
    """For images of any size; whoever trains with it finds the fields explained."""
    assert cli.main(["new", "mine"]) == 0
    assert "archc ops training" in (project / "specs/mine.yaml").read_text()
    recipe = load("specs/mine.yaml", {}).costs.graph.about.training
    assert recipe is not None
    assert (recipe.epochs, recipe.inputs.resize, recipe.inputs.standardize) == (30, 32, "channel")
    assert recipe.optimizer.learning_rate == 0.1
    assert cli.main(["build", "specs/mine.yaml", "--backend", "all", "--training"]) == 0
    assert "EPOCHS = 30" in (project / "generated/torch/mine_train.py").read_text()


@pytest.mark.torch
def test_the_starter_runs(project: Path) -> None:
    assert cli.main(["new", "mine"]) == 0
    assert cli.main(["build", "specs/mine.yaml", "--backend", "torch"]) == 0
    command = [sys.executable, "generated/torch/mine.py"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True)
    params = load("specs/mine.yaml", {}).report()["totals"]["params"]
    assert f"{params:,}" in done.stdout


@pytest.mark.parametrize("name", SHIPPED)
def test_a_copy_is_the_same_network_under_its_own_name(name: str, project: Path) -> None:
    assert cli.main(["new", "my_copy", "--like", name]) == 0
    old, new = load(f"specs/{name}.yaml", {}), load("specs/my_copy.yaml", {})
    assert new.costs.totals == old.costs.totals
    assert [layer["path"] for layer in new.report()["layers"]] == [
        layer["path"] for layer in old.report()["layers"]
    ]
    about = new.costs.graph.about
    assert (about.name, about.class_name) == ("my_copy", "MyCopy")
    assert about.title == f"my_copy, from {old.costs.graph.about.title}"
    # Everything else is unchanged, including comments and line breaks.
    changed = ("name: ", "class: ", "title: ")

    def rest(path: str) -> list[str]:
        lines = (project / path).read_text().splitlines()
        return [line for line in lines if not line.startswith(changed)]

    assert rest("specs/my_copy.yaml") == rest(f"specs/{name}.yaml")


@pytest.mark.parametrize("name", SHIPPED)
def test_a_variant_extends(name: str, project: Path) -> None:
    assert cli.main(["new", "variant", "--like", name, "--extend"]) == 0
    text = (project / "specs/variant.yaml").read_text()
    assert f"\nextends: {name}.yaml\n" in text
    assert len(text.splitlines()) < 40
    old, new = load(f"specs/{name}.yaml", {}), load("specs/variant.yaml", {})
    assert new.costs.totals == old.costs.totals
    params = old.spec.document.params
    assert all(f"#   {param}:" in text or f"{param}: " in text for param in params)
    # The commented parameters are valid.
    example = text.partition("figures of its own:\n")[2].replace("# ", "")
    (project / "specs/variant.yaml").write_text(text + example)
    assert load("specs/variant.yaml", {}).spec.document.params.keys() == params.keys()


def test_another_folder_keeps_its_way_to_what_is_extended(project: Path) -> None:
    assert cli.main(["new", "far", "--like", "vgg19", "-o", "specs/mine/deep"]) == 0
    text = (project / "specs/mine/deep/far.yaml").read_text()
    assert "../../vgg16.yaml" in text
    assert text.startswith(
        "# yaml-language-server: $schema=../../../archc/language/schema/archc-1.json\n"
    )
    assert (
        load("specs/mine/deep/far.yaml", {}).costs.totals
        == load("specs/vgg19.yaml", {}).costs.totals
    )
    assert (
        cli.main(["new", "near", "--like", "specs/vgg16.yaml", "--extend", "-o", "specs/mine"]) == 0
    )
    assert 'extends: "../vgg16.yaml"' in (project / "specs/mine/near.yaml").read_text()


def test_text_in_block_style_is_replaced_whole(project: Path) -> None:
    (project / "specs/folded.yaml").write_text("""archc: 1
title: >-
  A title
  on two lines
class: "Quoted"   # a class
name: folded
# the input
input: {features: 2}
layers: [dense: 2]
""")
    assert cli.main(["new", "other", "--like", "folded"]) == 0
    assert (
        (project / "specs/other.yaml").read_text()
        == """archc: 1
title: other, from A title on two lines
class: Other   # a class
name: other
# the input
input: {features: 2}
layers: [dense: 2]
"""
    )


def test_nothing_is_overwritten(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (project / "specs/vgg16.yaml").read_text()
    assert cli.main(["new", "vgg16"]) == 2
    assert "exists already" in capsys.readouterr().err
    assert (project / "specs/vgg16.yaml").read_text() == before
    assert cli.main(["new", "vgg16", "--force"]) == 0
    assert "a small network to start from" in (project / "specs/vgg16.yaml").read_text()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["my-net"], "for example `my_net`"),
        (["class"], "is a Python keyword"),
        (["../out"], "must be a lower-case letter"),
        (["mine", "--like", "resnet81"], 'did you mean "resnet18"'),
        (["mine", "--like", "what"], "archc list --installed"),
        (["mine", "--extend"], "--extend needs --like"),
    ],
)
def test_wrong_usage(
    arguments: list[str], expected: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(project.rglob("*"))
    assert cli.main(["new", *arguments]) == 2
    assert expected in " ".join(capsys.readouterr().err.split())
    assert sorted(project.rglob("*")) == before


def test_a_invalid_spec_is_not_copied(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "specs/invalid.yaml").write_text("archc: 1\nname: invalid\nlayers: [rel]\n")
    assert cli.main(["new", "mine", "--like", "invalid"]) == 1
    assert "specs/invalid.yaml:3" in capsys.readouterr().err
    assert not (project / "specs/mine.yaml").exists()


def test_what_would_lead_out_of_the_root_is_not_written(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["new", "mine", "--like", "specs/vgg19.yaml", "-o", "elsewhere"]) == 1
    errors = capsys.readouterr().err
    assert "leaves the spec's folder" in errors
    assert "nothing was written" in errors
    assert not (project / "elsewhere").exists()


def test_class_names_are_usable(project: Path) -> None:
    assert cli.main(["new", "tensor", "--like", "vgg16"]) == 0
    assert (
        load("specs/tensor.yaml", {}).costs.graph.about.class_name
        == camel_case("tensor") + "Network"
    )
