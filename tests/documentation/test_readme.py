"""What the README says of archc."""

from __future__ import annotations

import re

import pytest
import yaml

import archc
from archc.cli import VERBS
from archc.diagnostics import SourceText
from archc.spec import read_source
from tests.documentation.pages import FENCE, ROOT

README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = {match["info"]: match["text"] for match in FENCE.finditer(README)}


def test_its_spec_is_valid_as_it_stands() -> None:
    spec = read_source(SourceText("lenet5.yaml", BLOCKS["yaml"]), "/", "/lenet5.yaml")
    assert spec.checked().totals.params == 61_706
    own = yaml.safe_load((ROOT / "specs/lenet5.yaml").read_text("utf-8"))
    assert yaml.safe_load(BLOCKS["yaml"])["layers"] == own["layers"]


def test_its_source_is_the_emitted_one() -> None:
    emitted = (ROOT / "generated/torch/lenet5.py").read_text("utf-8")
    shown, _, rest = BLOCKS["python"].rpartition("            ...\n")
    assert rest == ""
    first, _, body = shown.partition("\n")
    assert f"{first}\n" in emitted
    assert body in emitted


def test_its_commands_are_there() -> None:
    used = re.findall(r"`archc ([a-z]+)[ `]", README)
    assert len(used) > 8
    assert set(used) <= set(VERBS)


@pytest.mark.parametrize(("spec", "shown"), [("vit_b_16", "17.56 G: `archc report vit_b_16`")])
def test_its_figures_are_those_of_the_report(spec: str, shown: str) -> None:
    macs = archc.load(spec).report()["totals"]["macs"]
    assert shown.startswith(f"{macs / 1e9:.2f} G")
    assert shown in README
