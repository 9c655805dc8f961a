"""The HTML of a network for notebooks, and its layers as a DataFrame."""

from __future__ import annotations

import json
import re
import sys
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path

import pytest

import archc
from archc.reports import json as json_report
from archc.reports import notebook
from archc.spec import read_spec

SPECS = Path(__file__).parents[2] / "specs"


class Page(HTMLParser):
    """Tags, attributes and the text of each table row; every tag must be closed in turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.names: set[str] = set()
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.names |= {name for name, _ in attrs}
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in ("br", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def test_a_network_renders_as_its_table() -> None:
    network = archc.load(str(SPECS / "lenet5.yaml"))
    page = Page(network._repr_html_())
    assert page.rows[0][:4] == ["layer", "op", "output", "parameters"]
    assert page.rows[1][:5] == ["conv_1", "conv", "6 \u00d7 28 \u00d7 28", "156", "117,600"]
    assert len(page.rows) == 1 + len(network.report()["layers"])
    assert "61,706" in network._repr_html_()
    assert "data:image/svg+xml;base64," in network._repr_html_()
    # The drawing has the title, and is shown whole.
    assert "lenet5: LeNet-5" not in re.sub(r"<[^>]*>", "", network._repr_html_())
    assert "lenet5: LeNet-5" in notebook.fragment(read_spec(str(SPECS / "lenet5.yaml")).checked())
    assert re.search(r'<div><img alt="[^"]*" style="max-width: 100%', network._repr_html_())
    # Columns are separated even without a table style of the notebook.
    assert '<table cellpadding="4">' in network._repr_html_()


def test_sections_and_instances_have_a_row_of_their_own() -> None:
    page = Page(archc.load(str(SPECS / "resnet18.yaml"))._repr_html_())
    assert ["layer1", "section"] in page.rows
    assert ["basic_block_1", "basic_block"] in page.rows


def test_nothing_of_a_spec_becomes_markup(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(
        "archc: 1\nname: net\ntitle: '<script>alert(1)</script><img src=x onerror=\"a\">'\n"
        "input: {features: 4}\nlayers: [dense: 2]\n"
    )
    network = archc.load(str(tmp_path / "spec.yaml"))
    page = Page(network._repr_html_())
    assert "script" not in page.tags
    assert not any(name.startswith("on") or name == "srcdoc" for name in page.names)
    assert "&lt;script&gt;alert(1)" in network._repr_html_()


def test_a_drawing_is_an_image_that_runs_nothing() -> None:
    costs = read_spec(str(SPECS / "lenet5.yaml")).checked()
    drawing = (
        '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>\u00d7</script></svg>'
    )
    text = notebook.fragment(costs, drawing)
    page = Page(text)
    assert page.tags.count("img") == 1
    assert not {"svg", "script"} & set(page.tags)
    assert "onload" not in page.names
    (data,) = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', text)
    assert b64decode(data).decode("utf-8") == drawing
    assert "<img" not in notebook.fragment(costs)


def test_a_report_is_still_the_same_mapping() -> None:
    path = str(SPECS / "lenet5.yaml")
    report = archc.load(path).report()
    assert isinstance(report, dict)
    assert report == json_report.report(read_spec(path).checked())
    assert json.loads(json.dumps(report)) == report


def test_a_report_as_a_dataframe() -> None:
    pytest.importorskip("pandas")
    report = archc.load(str(SPECS / "resnet18.yaml")).report()
    frame = report.to_dataframe()
    assert list(frame.index) == [layer["path"] for layer in report["layers"]]
    assert frame["params"].sum() == report["totals"]["params"]
    assert frame["macs"].dtype == "int64"
    first = frame.loc["conv1"]
    assert (first["op"], first["output"], first["inputs"]) == ("conv", (64, 112, 112), ("input",))
    assert frame.groupby("op")["params"].sum()["conv"] == sum(
        layer["params"] for layer in report["layers"] if layer["op"] == "conv"
    )


def test_without_pandas_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    report = archc.load(str(SPECS / "lenet5.yaml")).report()
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'archc-compiler\[notebook\]'"):
        report.to_dataframe()
