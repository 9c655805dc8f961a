"""Drawings and pages that are too large to look at are folded, and say what they leave out."""

from __future__ import annotations

import re

import pytest

from archc.ir.costs import Costs
from archc.reports import html, html_code, svg
from archc.reports.drawing import fold as folding
from archc.reports.drawing.contents import nodes_of
from archc.reports.drawing.fold import fold, left_out
from archc.reports.drawing.items import Gap, Parallel, Series
from archc.reports.drawing.tree import drawing
from tests.reports.drawing.networks import costs

HEAD = "archc: 1\nname: large\ninput: {features: 3}\n"
# No two neighbours alike, so that nothing is drawn as a repeat.
DISTINCT = '{dense: "$(index % 97 + index // 97 + 1)"}'
LONG = f"[{{repeat: 90, layers: [{DISTINCT}]}}]"
SHAPES = {
    "series": f"layers: [{{repeat: 500, layers: [{DISTINCT}]}}]\n",
    "stack": "layers: [dense: 3, {repeat: 500, layers: [relu]}]\n",
    "branches": f"layers: [add: [{', '.join(['[relu]', '[tanh]', '[relu, tanh]'] * 150)}]]\n",
    "section": f"layers: [{{section: s, layers: [{{repeat: 500, layers: [{DISTINCT}]}}]}}]\n",
    "inner": f"layers: [add: [[], [tanh, {{repeat: 500, layers: [{DISTINCT}]}}, dense: 3]]]\n",
    "repeat": "layers: [{repeat: 500, layers: [{section: s, layers: [dense: 3, relu]}]}]\n",
    "long branches": f"layers: [add: [{', '.join([LONG] * 9)}]]\n",
    "skips": "layers:\n  - {relu: null, name: a}\n  - repeat: 250\n    layers:\n"
    "      - {tanh: null, name: t}\n      - {add: null, from: ['t', a], name: m}\n",
}


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    assert folding.MOST_ROWS == folding.MOST_SKIPS == 4_000
    monkeypatch.setattr(folding, "MOST_ROWS", 80)
    monkeypatch.setattr(folding, "MOST_SKIPS", 20)


def network(kind: str) -> Costs:
    return costs(HEAD + SHAPES[kind])


@pytest.mark.parametrize("every_unit", [False, True])
@pytest.mark.parametrize("kind", SHAPES)
def test_no_node_is_lost_and_the_rest_is_small(kind: str, every_unit: bool) -> None:
    graph = network(kind).graph
    whole = drawing(graph)
    folded = fold(whole, every_unit=every_unit)
    assert [*nodes_of(folded.root)] == [*nodes_of(whole.root)]
    gaps = [item for item in folding._all_items(folded.root) if isinstance(item, Gap)]
    hidden = sum(len(gap.nodes) for gap in gaps)
    if kind == "repeat" and not every_unit:
        assert not gaps
        return
    assert hidden >= 300
    assert f"{hidden:,} layers" in left_out(folded, "drawn")
    assert len(folded.skips) <= 20
    for series in _all_series(folded.root):
        assert len(series.items) == len(series.linked)
        if len(series.items) > 1:  # of what is too long the middle is left out
            assert not isinstance(series.items[0], Gap)
            assert not isinstance(series.items[-1], Gap)


def _all_series(series: Series) -> list[Series]:
    found = [series]
    for item in folding._all_items(series):
        if isinstance(item, Parallel):
            found += item.branches
    return found


def test_what_fits_is_the_same() -> None:
    graph = costs(HEAD + f"layers: [{{repeat: 60, layers: [{DISTINCT}]}}]\n").graph
    whole = drawing(graph)
    assert fold(whole, every_unit=True) is whole
    assert left_out(whole, "drawn") == ""


@pytest.mark.parametrize("kind", SHAPES)
def test_the_documents_say_what_they_leave_out(kind: str) -> None:
    large = network(kind)
    image, page = svg.report(large), html.report(large, {})
    if kind != "repeat":
        assert "too large to be drawn whole" in image
        assert re.search(r">\u2026 [0-9,]+ layers \u2026<", image)
        assert image.count("<rect") < 400
    assert "too large to be shown whole" in page
    assert page.count('role="treeitem"') < 400


def test_the_table_and_the_listings_of_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "MOST_ROWS", 40)
    monkeypatch.setattr(html_code, "MOST_LINES", 10)
    page = html.report(network("stack"), {"torch": "".join(f"x{n} = {n}\n" for n in range(50))})
    assert page.count('<tr id="row-') == 40
    assert "the first and the last 20 of 501 layers" in page
    assert "\u2026 40 lines \u2026" in page
    assert page.count('id="torch-') == 10
    assert 'id="torch-1"' in page
    assert 'id="torch-50"' in page
