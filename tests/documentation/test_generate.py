"""The pages that are derived: all that archc has is on them, and it is what archc does."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from archc.cli import VERBS, verbs
from archc.diagnostics.codes import CODES
from archc.language.reference import terms
from archc.ops import OPS
from archc.ops.fields import fields_of
from docs.generate import commands, errors, formats, language, ops, zoo
from docs.generate.__main__ import DERIVED, MARK, generate
from docs.generate.markdown import code, plain, prose, table
from tests.documentation.pages import FENCE, PAGES, ROOT
from tests.documentation.test_links import LINK


@pytest.mark.parametrize("name", OPS)
def test_every_op_has_an_example_with_its_required_fields(name: str) -> None:
    network = ops.example(OPS[name])
    assert name in [layer.node.op.name for layer in network.costs.layers]
    text = network.costs.graph.about.texts[0]
    for field in fields_of(OPS[name]):
        assert not field.required or f"{field.name}: " in text


def test_the_page_of_an_op() -> None:
    pages = dict(ops.pages())
    assert pages.keys() == {
        f"reference/ops/{name}{suffix}" for name in OPS for suffix in (".md", ".svg")
    }
    page = pages["reference/ops/conv.md"]
    for field in fields_of(OPS["conv"]):
        assert f"| `{field.name}` |" in page
    # 3 x 3 kernels from 16 to 32 channels, at 30 x 30 positions.
    assert f"{9 * 16 * 32 + 32:,} | {9 * 16 * 32 * 30 * 30:,}" in page
    assert "nn.Conv2d(16, 32, kernel_size=3)" in page
    assert "layers.Conv2D(32, 3" in page
    short = "`dropout: RATE` is short for `dropout: {rate: ...}`"
    assert short in pages["reference/ops/dropout.md"]
    assert "is short for" not in page
    assert pages["reference/ops/conv.svg"].startswith("<svg")


def test_the_table_of_ops_has_all() -> None:
    assert set(re.findall(r"\(ops/(\w+)\.md\)", ops.index())) == set(OPS)


def test_every_error_is_explained() -> None:
    page = errors.errors()
    assert re.findall(r"^## (ARC\d{3}):", page, re.MULTILINE) == list(CODES)
    for explanation in CODES.values():
        assert explanation.example.rstrip() in page


def test_an_error_is_shown_as_archc_prints_it() -> None:
    section = errors.errors().partition("## ARC104:")[2].partition("\n## ")[0]
    printed = re.findall(r"^\S+\.yaml:\d+:\d+: ARC104 .*$", section, re.MULTILINE)
    assert len(printed) == 1


def test_every_command_has_its_options() -> None:
    page = commands.commands()
    assert set(re.findall(r"^## archc (\S+)$", page, re.MULTILINE)) == set(VERBS)
    for name in VERBS:
        command = verbs.get_command(click.Context(verbs), name)
        assert command is not None
        section = page.partition(f"## archc {name}\n")[2].partition("\n## ")[0]
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                assert option.opts[-1] in section
    assert "### archc weights import\n" in page


def test_words_and_recipe_are_complete() -> None:
    words = language.words()
    for term in terms().values():
        assert f"| `{term.form}` |" in words
    recipe = language.recipe()
    assert "## `training.optimizer.adam`" in recipe
    assert "| `learning_rate` | `0.001` |" in recipe


def test_json_formats_have_examples() -> None:
    page = formats.json_formats()
    assert '"params": 15' in page  # 4 x 3 weights and 3 biases
    assert '"code": "ARC204"' in page
    assert '"delta": 10' in page  # two units more


def test_the_page_of_a_network() -> None:
    entry, files = zoo.pages("lenet5")
    page = files["zoo/lenet5.md"]
    assert (entry.spec, entry.params) == ("lenet5", 61_706)
    for backend in ("torch", "keras"):
        assert (ROOT / f"generated/{backend}/lenet5.py").read_text("utf-8") in page
    assert (ROOT / "specs/lenet5.yaml").read_text("utf-8") in page
    assert page.count("<tr>") == 1 + 8
    assert "[`lenet5`](lenet5.md)" in zoo.index([entry])


def test_text_is_shown_as_it_is() -> None:
    assert plain("a_b*<c>|") == r"a\_b\*\<c\>\|"
    assert prose("`a_b` is *not*\nb_c") == r"`a_b` is \*not\* b\_c"
    assert code("```x```") == "````text\n```x```\n````\n"
    assert table(["a"], [["x | y\nz"]]) == "| a |\n| --- |\n| x \\| y z |\n"


def test_every_mark_of_a_page_is_derived_and_all_that_is_derived_is_used() -> None:
    marks = [mark for page in PAGES.rglob("*.md") for mark in MARK.findall(page.read_text("utf-8"))]
    assert sorted(marks) == sorted([*DERIVED, "zoo"])


def test_the_pages_together(tmp_path: Path) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "old.md").write_text("# Of a former build\n")
    generate(folder, ["lenet5"])
    assert not (folder / "old.md").exists()
    pages = list(folder.rglob("*.md"))
    assert len(pages) > len(OPS) + 20
    for page in pages:
        text = page.read_text("utf-8")
        assert not MARK.search(text)
        for match in LINK.finditer(re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))):
            path = match["target"].partition("#")[0]
            if path and not path.startswith("https://"):
                assert (page.parent / path).exists(), (page, path)
