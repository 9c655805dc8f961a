"""Pages in a browser: rendering and interaction."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from archc.diagnostics import SourceText
from archc.reports import svg
from archc.spec import Spec, read_source, read_spec
from tests.backends.networks import SHIPPED, SPECS, shipped
from tests.reports.drawing.networks import CROSSED, INCEPTION, TWO_TWO, U_NET, costs, deep
from tests.reports.pages.conftest import Open

CLASSIC = ("lenet5", "lenet5_1998", "alexnet", "vgg16", "resnet50")
DRAWN = {"inception": INCEPTION, "crossed": CROSSED, "u_net": U_NET, "two_two": TWO_TWO}

# Overlapping areas, and ops whose text does not fit.
OVERLAPS = """() => {
  const select = (selector) => [...document.querySelectorAll(selector)]
    .filter((element) => element.offsetParent !== null);
  const boxes = select(".box, .frame > .head, .flow > span").map((element) => {
    const range = document.createRange();
    range.selectNodeContents(element);
    const area = (element.matches("span") ? range : element).getBoundingClientRect();
    return { area, name: element.textContent.trim().slice(0, 40) };
  });
  const overlaps = [];
  boxes.sort((a, b) => a.area.top - b.area.top);
  for (const [index, one] of boxes.entries()) {
    for (const other of boxes.slice(index + 1)) {
      if (other.area.top > one.area.bottom - 1) break;
      if (one.area.left < other.area.right - 1 && other.area.left < one.area.right - 1)
        overlaps.push(`${one.name} / ${other.name}`);
    }
  }
  for (const op of select(".op, .frame > .head"))
    if (op.scrollWidth > op.clientWidth) overlaps.push(`${op.textContent} is cut`);
  return overlaps;
}"""


def spec_of(text: str) -> Spec:
    return read_source(SourceText("spec.yaml", text), ".", "spec.yaml")


def shipped_spec(name: str) -> Spec:
    return read_spec(str(SPECS / f"{name}.yaml"))


def column(page: Page, number: int) -> list[str]:
    result: list[str] = page.evaluate(
        "number => [...document.querySelectorAll('#layers tbody tr:not([hidden])')]"
        ".map(row => row.cells[number].textContent)",
        number,
    )
    return result


def lit(page: Page) -> list[str]:
    result: list[str] = page.evaluate("[...document.querySelectorAll('.lit')].map(e => e.id)")
    return result


@pytest.mark.parametrize("name", CLASSIC)
def test_nothing_overlaps_in_the_page_of_a_classic_network(show: Open, name: str) -> None:
    page = show(shipped_spec(name))
    assert page.evaluate(OVERLAPS) == []
    page.get_by_role("button", name="Open all").click()
    assert page.evaluate(OVERLAPS) == []
    layers = shipped(name).costs.layers
    assert column(page, 0) == [layer.node.path for layer in layers]
    assert column(page, 3) == [f"{layer.params:,}" for layer in layers]


@pytest.mark.parametrize("text", DRAWN.values(), ids=DRAWN)
def test_nothing_overlaps_in_a_page(show: Open, text: str) -> None:
    page = show(spec_of(text))
    assert page.evaluate(OVERLAPS) == []
    page.get_by_role("button", name="Open all").click()
    assert page.evaluate(OVERLAPS) == []


def test_frames_open_and_fold_by_click(show: Open) -> None:
    page = show(shipped_spec("resnet50"))
    frame = page.get_by_role("treeitem", name="bottleneck \u00d75")
    inner = page.locator("#op-101")
    expect(frame).to_have_attribute("aria-expanded", "false")
    expect(page.get_by_role("treeitem", name="layer3")).to_have_attribute("aria-expanded", "true")
    frame.locator("> .head").click()
    expect(frame).to_have_attribute("aria-expanded", "true")
    expect(frame.locator("> .body > .series")).to_have_count(5)
    expect(inner).not_to_be_visible()
    page.get_by_role("button", name="Open all").click()
    expect(inner).to_be_visible()
    page.get_by_role("button", name="Fold all").click()
    expect(page.locator(".frame .op:visible")).to_have_count(0)


def test_the_graph_is_moved_through_by_keys(show: Open) -> None:
    page = show(shipped_spec("resnet50"))

    def focused() -> str:
        actual: str = page.evaluate(
            "document.activeElement.getAttribute('aria-label').split(/[:,]/)[0]"
        )
        return actual

    # The graph is a single tab stop.
    assert page.locator('[role="tree"] [tabindex="0"]').count() == 1
    page.locator('[role="tree"] [tabindex="0"]').focus()
    assert focused() == "input"
    walked = []
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
        walked.append(focused())
    assert walked == ["conv1", "bn1", "relu_1", "max_pool_1", "layer1", "bottleneck_1"]
    page.keyboard.press("ArrowDown")
    assert focused() == "bottleneck \u00d72"
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")  # opens it
    page.keyboard.press("ArrowRight")
    assert focused() == "layer1.bottleneck_1.conv1"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.closest('tr').id") == "row-5"
    page.keyboard.press("Shift+Tab")
    page.locator("#op-5").focus()
    page.keyboard.press("ArrowLeft")
    assert focused() == "bottleneck_1"
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#op-5")).not_to_be_visible()
    page.keyboard.press("End")
    assert page.evaluate("document.activeElement.textContent.trim()") == "output"
    page.keyboard.press("Home")
    assert focused() == "input"


def test_search_keeps_what_has_every_word(show: Open) -> None:
    page = show(shipped_spec("resnet50"))
    count = len(shipped("resnet50").costs.layers)
    box = page.get_by_label("Search")
    box.fill("LAYER4 conv2")
    assert column(page, 0) == [f"layer4.bottleneck_{number}.conv2" for number in (1, 2, 3)]
    expect(page.get_by_role("status")).to_have_text(f"3 of {count} layers")
    assert page.locator(".op.dim").count() == count - 3
    box.fill("no such layer")
    assert column(page, 0) == []
    expect(page.get_by_role("status")).to_have_text(f"0 of {count} layers")
    box.fill("")
    assert len(column(page, 0)) == count
    expect(page.get_by_role("status")).to_have_text("")


def test_columns_sort_by_their_values(show: Open) -> None:
    page = show(shipped_spec("lenet5"))
    heads = page.locator("thead th")

    def click(name: str) -> Any:
        page.get_by_role("columnheader", name=name).get_by_role("button").click()
        return [heads.nth(index).get_attribute("aria-sort") for index in range(8)]

    params = [layer.params for layer in shipped("lenet5").costs.layers]
    assert click("parameters") == ["none"] * 3 + ["ascending"] + ["none"] * 4
    assert column(page, 3) == [f"{count:,}" for count in sorted(params)]
    assert click("parameters")[3] == "descending"
    assert column(page, 3) == [f"{count:,}" for count in sorted(params, reverse=True)]
    assert click("parameters")[3] == "none"
    assert column(page, 0)[0] == "conv_1"
    assert click("op")[1] == "ascending"
    assert column(page, 1) == sorted(layer.node.op.name for layer in shipped("lenet5").costs.layers)
    assert click("memory") == ["none"] * 5 + ["ascending"] + ["none"] * 2
    assert column(page, 0)[0] == "flatten_1"
    assert column(page, 0)[-1] == "dense_1"


def test_graph_and_table_point_at_each_other(show: Open) -> None:
    page = show(shipped_spec("resnet50"))
    page.locator("#op-1").hover()
    assert lit(page) == ["op-1", "row-1"]
    page.locator("#row-5 td").first.hover()
    # A folded item is represented by its frame.
    assert lit(page)[-1] == "row-5"
    frame = page.locator(".frame.lit")
    expect(frame).to_have_attribute("aria-label", "bottleneck_1, 75,008 parameters")
    page.locator("#row-60 a").first.click()
    expect(page.locator("#op-60")).to_be_in_viewport()
    expect(page.locator("#op-60")).to_be_focused()
    assert lit(page) == ["op-60", "row-60"]
    page.locator("#op-1").click()
    expect(page.locator("#row-1")).to_be_in_viewport()


def test_a_layer_leads_to_its_line_of_the_spec(show: Open) -> None:
    page = show(shipped_spec("vgg19"))
    page.locator("#row-1 a").last.click()
    expect(page.get_by_role("tab", name="Spec")).to_have_attribute("aria-selected", "true")
    line = page.locator(".line.lit")
    expect(line).to_be_in_viewport()
    assert line.inner_text().strip() == "- conv:"
    # It is in vgg16.yaml, which vgg19.yaml extends.
    assert line.get_attribute("id").startswith("spec-1-")  # type: ignore[union-attr]
    heads = page.locator("#panel-spec h2").all_inner_texts()
    assert heads == ["specs/vgg19.yaml", "specs/vgg16.yaml"]


def test_tabs_show_the_sources(show: Open) -> None:
    page = show(shipped_spec("lenet5"))
    page.get_by_role("tab", name="PyTorch").click()
    actual = page.locator("#panel-torch code").text_content()
    assert actual == shipped("lenet5").emit("torch")
    assert page.locator("#panel-torch .nc").first.inner_text() == "LeNet5"
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Network")).to_be_focused()
    page.get_by_role("tab", name="PyTorch").click()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Keras")).to_be_focused()
    expect(page.locator("main > :visible")).to_have_count(1)
    actual = page.locator("#panel-keras code").text_content()
    assert actual == shipped("lenet5").emit("keras")


def test_edges_that_skip_are_led_along_lanes(show: Open) -> None:
    page = show(spec_of(CROSSED))
    count = len(page.locator("#skips path:not(.head)").all())
    assert count == 6
    page.get_by_role("button", name="Fold all").click()
    ends: list[list[float]] = page.evaluate(
        """() => {
          const box = document.querySelector('.frame[aria-label^="enc"] > .head');
          const tree = document.querySelector('[role="tree"]').getBoundingClientRect();
          const right = box.getBoundingClientRect().right - tree.left;
          return [...document.querySelectorAll("#skips path:not(.head)")]
            .map((path) => [path.getPointAtLength(0).x, right]);
        }"""
    )
    # The edge from inside the section now begins at its frame.
    assert sum(abs(x - right) < 1 for x, right in ends) == 1
    lanes = page.evaluate(
        """() => [...document.querySelectorAll("#skips path:not(.head)")]
          .map((path) => { const b = path.getBBox(); return b.x + b.width; })"""
    )
    boxes = page.evaluate(
        """() => { const tree = document.querySelector('[role="tree"]').getBoundingClientRect();
          return Math.max(...[...document.querySelectorAll(".box, .frame")]
            .filter((e) => e.offsetParent)
            .map((e) => e.getBoundingClientRect().right - tree.left)); }"""
    )
    assert min(lanes) > boxes


def test_light_and_dark(show: Open) -> None:
    page = show(shipped_spec("lenet5"))

    def ground() -> str:
        actual: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return actual

    light, dark = "rgb(255, 255, 255)", "rgb(22, 25, 29)"
    page.emulate_media(color_scheme="light")
    assert ground() == light
    page.emulate_media(color_scheme="dark")
    assert ground() == dark
    button = page.locator("#theme")
    button.click()
    expect(button).to_have_text("Theme: light")
    assert ground() == light
    button.click()
    expect(button).to_have_text("Theme: dark")
    page.emulate_media(color_scheme="light")
    assert ground() == dark
    page.emulate_media(media="print")
    assert ground() == light
    button.dispatch_event("click")
    page.emulate_media(media="screen")
    assert ground() == light


def test_text_is_read_easily(show: Open) -> None:
    """WCAG contrast of 4.5 to 1 between the text of ops and their background, light and dark."""
    page = show(spec_of(CROSSED))
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        ratios = page.evaluate(
            """() => {
              const canvas = document.createElement("canvas").getContext("2d",
                { willReadFrequently: true });
              const luminance = (color) => {
                canvas.fillStyle = "#000";
                canvas.fillStyle = color;
                canvas.fillRect(0, 0, 1, 1);
                const parts = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3)
                  .map((part) => part / 255)
                  .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
                return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
              };
              return [...document.querySelectorAll(".op span")].map((span) => {
                const ground = getComputedStyle(span.parentElement).backgroundColor;
                const two = [luminance(getComputedStyle(span).color), luminance(ground)].sort();
                return (two[1] + 0.05) / (two[0] + 0.05);
              });
            }"""
        )
        assert min(ratios) > 4.5


def test_paper_shows_all_layers(show: Open) -> None:
    page = show(shipped_spec("resnet50"))
    page.emulate_media(media="print")
    for hidden in ('[role="tablist"]', ".tools", "#theme"):
        assert not any(element.is_visible() for element in page.locator(hidden).all())
    for scroll in page.locator(".scroll").all():
        assert scroll.evaluate("e => e.scrollHeight <= e.clientHeight + 1")
    assert page.locator("thead").evaluate("e => getComputedStyle(e).display") == (
        "table-header-group"
    )
    assert page.evaluate("document.documentElement.scrollHeight") > 3000


def test_paper_cuts_no_branches_and_has_all_lines(show: Open) -> None:
    page = show(shipped_spec("resnet50"))
    page.emulate_media(media="print")

    def styles(selector: str, name: str) -> set[str]:
        actual: list[str] = page.locator(selector).evaluate_all(
            "(all, name) => all.map(element => getComputedStyle(element)[name])", name
        )
        assert actual
        return set(actual)

    # Chromium draws following elements over branches that it cuts.
    assert styles(".parallel, .frame:has(> .body > .series > .parallel)", "breakInside") == {
        "avoid"
    }
    # A line is a background, which is not printed.
    assert styles(".flow", "printColorAdjust") == {"exact"}
    assert len(styles("tbody td, tbody th", "fontSize")) == 1


def test_figures_stand_below_their_heads(show: Open) -> None:
    page = show(shipped_spec("vgg16"))
    for index, name in enumerate(("parameters", "MACs", "memory"), 3):
        head = page.get_by_role("columnheader", name=name)
        assert head.evaluate("e => getComputedStyle(e).textAlign") == "right"
        cell = page.locator("tbody tr").first.locator("th, td").nth(index)
        assert cell.evaluate("e => getComputedStyle(e).textAlign") == "right"


@pytest.mark.parametrize("name", CLASSIC)
def test_tables_fit_their_pane(show: Open, name: str) -> None:
    page = show(shipped_spec(name))
    table = page.get_by_role("region", name="Layers")
    assert table.evaluate("e => e.scrollWidth <= e.clientWidth")


def test_a_long_title_leaves_room_for_the_network(show: Open) -> None:
    page = show(spec_of(deep(3).replace("archc: 1\n", f"archc: 1\ntitle: {'word ' * 9000}\n", 1)))
    box = page.locator("#graph").bounding_box()
    assert box is not None
    assert box["y"] + 300 < 900


def test_a_thousand_layers_stay_usable(show: Open) -> None:
    spec = spec_of(deep(1000))
    begin = perf_counter()
    page = show(spec)
    begin_page = perf_counter()
    page.get_by_label("Search").fill("conv_300")
    assert column(page, 0) == ["conv_300"]
    page.get_by_label("Search").fill("")
    page.get_by_role("columnheader", name="MACs").get_by_role("button").click()
    page.locator("#op-500").hover()
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    print(f"1,000 layers: {begin_page - begin:.2f} s to write and open the page")
    assert perf_counter() - begin_page < 10
    timing = page.evaluate("performance.getEntriesByType('navigation')[0].domInteractive")
    assert timing < 5000


@pytest.mark.parametrize("name", [*SHIPPED, *DRAWN])
def test_text_of_drawings_fits_its_boxes(
    context: BrowserContext, tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    network = costs(DRAWN[name]) if name in DRAWN else shipped(name).costs
    path = tmp_path_factory.mktemp("drawings") / f"{name}.svg"
    path.write_text(svg.document(network), encoding="utf-8")
    page = context.new_page()
    page.goto(path.as_uri())
    over = page.evaluate(
        """() => [...document.querySelectorAll("g > g")].flatMap((box) => {
          const room = box.querySelector("rect").getBBox();
          const parts = [...box.querySelectorAll("text")].map((text) => text.getBBox());
          const wide = parts.some((part) =>
            part.x < room.x + 2 || part.x + part.width > room.x + room.width - 2);
          const met = parts.length > 1 && parts[0].x + parts[0].width > parts[1].x - 2;
          return wide || met ? [box.textContent] : [];
        })"""
    )
    assert over == []
    whole = page.evaluate(
        """() => { const svg = document.documentElement; const all = svg.getBBox();
          return [all.x, all.y, svg.width.baseVal.value - all.x - all.width,
                  svg.height.baseVal.value - all.y - all.height]; }"""
    )
    assert min(whole) >= 0
