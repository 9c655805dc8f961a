"""The page of a difference in Chromium: standalone, no script, nothing cut off at any width."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

from archc.api import load
from archc.difference import difference
from archc.reports.html_difference import report
from tests.difference.networks import network

SPECS = Path(__file__).parents[3] / "specs"
Open = Callable[[str], Page]


@pytest.fixture
def shown(context: BrowserContext, tmp_path: Path) -> Open:
    """Open a page."""

    def opened(content: str) -> Page:
        path = tmp_path / "difference.html"
        path.write_text(content, encoding="utf-8")
        page = context.new_page()
        page.goto(path.as_uri())
        return page

    return opened


def page_of(a: str, b: str) -> str:
    one, two = (load(str(SPECS / f"{name}.yaml"), {}).costs for name in (a, b))
    return report(difference(one, two))


def test_corresponding_layers_stand_on_one_line(shown: Open) -> None:
    page = shown(page_of("alexnet", "alexnet_torchvision"))
    pairs = page.locator(".line.changed")
    assert pairs.count() == 7
    for number in range(7):
        left, right = (pairs.nth(number).locator(".box").nth(side) for side in (0, 1))
        one, two = left.bounding_box(), right.bounding_box()
        assert one is not None
        assert two is not None
        assert one["y"] == two["y"]
        assert one["x"] + one["width"] <= two["x"]


def test_causes_are_lines_of_the_specs(shown: Open) -> None:
    page = shown(page_of("alexnet", "alexnet_torchvision"))
    first = page.locator(".line.changed .cause").first
    sources = first.locator(".source").all_inner_texts()
    assert [text.split(":")[:2] for text in sources] == [
        ["A", " alexnet.yaml"],
        ["B", " alexnet_torchvision.yaml"],
    ]
    lines = {
        name: (SPECS / f"{name}.yaml").read_text(encoding="utf-8").split("\n")
        for name in ("alexnet", "alexnet_torchvision")
    }
    for text in page.locator(".source").all_inner_texts():
        match = re.fullmatch(r"(?:[AB]|A and B): (\w+)\.yaml:(\d+) (.*)", text)
        assert match is not None
        assert lines[match[1]][int(match[2]) - 1].strip() == match[3]
    # The pool after it differs only by the channels that this convolution gives it.
    pool = page.locator(".line.changed", has_text="max_pool_1").locator(".source code")
    assert [text[:19] for text in pool.all_inner_texts()] == ["- conv: {filters: 6"]


def test_whole_blocks_open_by_click(shown: Open) -> None:
    page = shown(page_of("resnet18", "resnet34"))
    blocks = page.locator("details.added")
    assert blocks.count() == 8
    inner = blocks.first.locator(".line.added .box")
    assert not inner.first.is_visible()
    side = blocks.first.locator("summary .side").first
    turn, frame = side.bounding_box(), blocks.first.locator("summary .begins").bounding_box()
    assert turn is not None
    assert frame is not None
    assert abs(turn["x"] - frame["x"] - frame["width"]) <= 2
    blocks.first.locator("summary").click()
    assert not side.is_visible()
    assert inner.first.is_visible()
    assert inner.count() == 7


def test_a_shortcut_is_one_line_from_its_source_to_the_sum(shown: Open) -> None:
    steps = "  - {leaky_relu: {slope: 0.1}, name: a}\n  - section: s\n    layers:\n"
    steps += "      - {conv: {filters: 3, kernel_size: 1}, name: c}\n"
    steps += "  - {add: , from: [a, s], name: e}\n"
    other = steps.replace("0.1", "0.2")
    page = shown(report(difference(network("a", steps), network("b", other))))
    drawn = page.evaluate(
        "[...document.querySelectorAll('.line')].map(line => {"
        " const cell = line.querySelector('.cell'), box = cell.querySelector('.box');"
        " const place = one => { const r = one.getBoundingClientRect();"
        "   return [r.left, r.top, r.right, r.bottom].map(Math.round) };"
        " return { cell: place(cell), box: box && place(box),"
        "   lane: [...cell.querySelectorAll('.lane')].map(place),"
        "   side: [...cell.querySelectorAll('.side')].map(place) } })"
    )
    source, heading, inside, target = drawn
    ((left, top, x, _),) = source["side"]
    assert left == source["box"][2]
    assert source["box"][1] < top < source["box"][3]
    for line in (heading, inside):
        ((lane, above, _, below),) = line["lane"]
        assert abs(lane - x) <= 1
        assert [above, below] == [line["cell"][1], line["cell"][3]]
    ((left, top, end, _),) = target["side"]
    assert left == target["box"][2]
    assert target["box"][1] < top < target["box"][3]
    assert abs(end - x) <= 1


def test_a_line_leads_through_folds_and_frames(shown: Open) -> None:
    page = shown(page_of("resnet18", "resnet34"))
    drawn = page.evaluate(
        """() => [...document.querySelectorAll("main > .line, summary > .line")]
          .map((line) => line.querySelector(".cell")).map((cell) => {
            const line = [...cell.querySelectorAll(".edge.arrow, .wire, .passing, .box")];
            const own = cell.getBoundingClientRect();
            const ends = line.map((one) => one.getBoundingClientRect());
            return { text: cell.textContent.trim(), top: own.top, bottom: own.bottom,
              first: Math.min(...ends.map((one) => one.top)),
              last: Math.max(...ends.map((one) => one.bottom)) }; })"""
    )
    assert [one["text"] for one in drawn[:3]] == [
        "4 layers the same",
        "layer1",
        "14 layers the same",
    ]
    for above, below in pairwise(drawn):
        assert below["first"] - above["last"] <= 2, (above, below)
    # On both sides, into each of the five folds of what is the same.
    assert page.locator("details.same > summary .edge.arrow").count() == 10


@pytest.mark.parametrize("width", [390, 768, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_runs_out_of_the_page(shown: Open, width: int, scheme: str) -> None:
    page = shown(page_of("resnet18", "resnet50"))
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    outside = page.evaluate(
        "[...document.querySelectorAll('.box, .title')].filter(one => {"
        " const box = one.getBoundingClientRect(), cell = one.closest('.cell')"
        ".getBoundingClientRect();"
        " return box.left < cell.left - 3 || box.right > cell.right + 3 }).length"
    )
    assert outside == 0


def test_text_of_a_spec_is_text(shown: Open) -> None:
    evil = "&lt;/code&gt;<script>alert(1)</script><img src=x onerror=alert(1)>"
    steps = f"  - relu # {evil}\n"
    page = shown(report(difference(network("a", steps), network("b", steps + steps))))
    assert page.locator("script, img").count() == 0
    assert evil in page.locator(".source code").first.inner_text()
    assert page.locator("[style], [onclick], link").count() == 0


def test_a_huge_difference_is_cut(shown: Open) -> None:
    many = "  - repeat: 6000\n    layers: [relu, tanh]\n"
    content = report(difference(network("a", many), network("b", many.replace("relu", "sigmoid"))))
    assert "too large to be shown whole" in content
    assert len(content) < 20_000_000
