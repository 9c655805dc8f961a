"""What scrolls in a page: the table under its heads, frames of the drawing out of view."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.reports.drawing.networks import CROSSED
from tests.reports.pages.conftest import Open
from tests.reports.pages.test_browser import shipped_spec, spec_of

# What is drawn over cells that is neither theirs nor another head's.
ON_TOP = """cells => cells.flatMap((cell) => {
  const { left, right, top, bottom } = cell.getBoundingClientRect();
  const seen = [];
  for (let x = left + 1; x < Math.min(right, innerWidth - 1); x += 7)
    for (let y = top + 1; y < bottom - 2; y += 3) {
      const other = document.elementFromPoint(x, y);
      if (!(cell.closest("thead") ?? cell).contains(other)) seen.push(other.outerHTML);
    }
  return seen;
})"""


def test_nothing_shows_through_the_heads_of_the_table(show: Open) -> None:
    page = show(shipped_spec("unet"))
    table = page.get_by_role("region", name="Layers")
    page.set_viewport_size({"width": 1000, "height": 900})
    table.evaluate("table => table.scrollBy(40, 110)")
    assert table.evaluate("table => [table.scrollLeft, table.scrollTop]") == [40, 110]
    heads = page.locator("#layers thead th")
    assert heads.evaluate_all(ON_TOP) == []
    names = page.locator("#layers tbody tr:nth-child(9) th")
    assert names.evaluate_all(ON_TOP) == []
    assert names.evaluate("cell => cell.getBoundingClientRect().left") == table.evaluate(
        "table => table.getBoundingClientRect().left"
    )
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        for cell in (heads.first, names):
            assert cell.evaluate("cell => getComputedStyle(cell).backgroundColor") == ground


def test_the_table_fits_1200_px_and_names_of_frames_never_meet_their_counts(show: Open) -> None:
    page = show(shipped_spec("resnet50"))
    page.set_viewport_size({"width": 1200, "height": 900})
    table = page.get_by_role("region", name="Layers")
    assert table.evaluate("table => table.scrollWidth <= table.clientWidth")
    page.get_by_role("button", name="Open all").click()
    met = page.evaluate(
        """() => { const graph = document.getElementById("graph"); const met = [];
          for (let left = 0; left < graph.scrollWidth; left += 20) {
            graph.scrollLeft = left;
            for (const head of document.querySelectorAll(".frame > .head")) {
              const [name, count] = [".label", ".figure"].map((one) =>
                head.querySelector(one).getBoundingClientRect());
              if (count.width && name.right > count.left) met.push(head.textContent);
            }
          }
          return met; }"""
    )
    assert met == []


def test_an_op_shows_its_attributes(show: Open) -> None:
    page = show(shipped_spec("lenet5"))
    panel = page.get_by_role("complementary", name="Attributes")
    expect(panel).not_to_be_visible()
    page.locator("#op-1").click()
    expect(panel.get_by_role("heading")).to_have_text("conv_1: conv")
    pairs = panel.evaluate(
        """panel => Object.fromEntries([...panel.querySelectorAll("dt")]
          .map((name) => [name.textContent, name.nextSibling.textContent]))"""
    )
    wanted = {"filters": "6", "kernel_size": "5", "activation": "relu", "from": "input"}
    wanted |= {"output": "6 \u00d7 28 \u00d7 28", "parameters": "156", "MACs": "117,600"}
    assert pairs | wanted == pairs
    # Along the keys the panel follows; Escape closes it.
    page.keyboard.press("ArrowDown")
    expect(panel.get_by_role("heading")).to_have_text("max_pool_1: max_pool")
    page.keyboard.press("Escape")
    expect(panel).not_to_be_visible()
    page.keyboard.press(" ")
    panel.get_by_role("button", name="Close").press("Enter")
    expect(panel).not_to_be_visible()
    expect(page.locator("#op-2")).to_be_focused()
    page.keyboard.press(" ")
    panel.get_by_role("link").click()
    expect(page.get_by_role("tab", name="Spec")).to_have_attribute("aria-selected", "true")
    page.emulate_media(media="print")
    expect(panel).not_to_be_visible()


def test_the_drawing_is_zoomed_moved_and_given_room(show: Open) -> None:
    page = show(spec_of(CROSSED))
    graph = page.locator("#graph")

    def width() -> float:
        return page.locator("#op-1").evaluate("op => op.getBoundingClientRect().width")  # type: ignore[no-any-return]

    def ends() -> list[list[float]]:
        """How far the ends of the edges are from the right side of the boxes they leave."""
        actual: list[list[float]] = page.evaluate(
            """() => { const sides = [...document.querySelectorAll(".op, .head")]
                .map((box) => box.getBoundingClientRect().right);
              return [...document.querySelectorAll("#skips path:not(.head)")].map((path) => {
                const start = path.getPointAtLength(0);
                const { x } = new DOMPoint(start.x, start.y)
                  .matrixTransform(path.getScreenCTM());
                return Math.min(...sides.map((side) => Math.abs(side - x))); }); }"""
        )
        return actual

    natural = width()
    page.get_by_role("button", name="larger").click()
    assert width() == pytest.approx(1.25 * natural, rel=0.02)
    expect(page.locator("#zoom")).to_have_text("125%")
    page.get_by_role("button", name="Fold all").click()
    page.get_by_role("button", name="Open all").click()
    assert max(ends()) < 2
    page.locator('[role="tree"] [tabindex="0"]').focus()
    for key, ratio in (("+", 1.25**2), ("-", 1.25), ("0", 1)):
        page.keyboard.press(key)
        assert width() == pytest.approx(ratio * natural, rel=0.02)
    for _ in range(6):
        page.keyboard.press("+")
    # A drag moves it and is no click.
    before = graph.evaluate("graph => graph.scrollTop")
    box = graph.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 200, box["y"] + 300)
    page.mouse.down()
    page.mouse.move(box["x"] + 190, box["y"] + 250, steps=4)
    page.mouse.up()
    assert graph.evaluate("graph => graph.scrollTop") == before + 50
    expect(page.get_by_role("complementary", name="Attributes")).not_to_be_visible()
    page.get_by_role("button", name="Fit").click()
    assert graph.evaluate("graph => graph.scrollWidth <= graph.clientWidth + 1")

    divider = page.get_by_role("separator", name="Width of the drawing")
    divider.focus()
    page.keyboard.press("End")
    assert divider.get_attribute("aria-valuenow") == "85"
    box = divider.bounding_box()
    assert box is not None
    assert box["x"] == pytest.approx(0.85 * 1400, abs=2)
    page.mouse.move(box["x"] + 3, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(700, box["y"] + 100)
    page.mouse.up()
    assert graph.evaluate("graph => graph.clientWidth") == pytest.approx(700, abs=4)


def test_a_u_net_is_drawn_as_a_u_that_begins_as_wide_as_its_pane(show: Open) -> None:
    page = show(shipped_spec("unet"))
    page.set_viewport_size({"width": 1200, "height": 900})
    page.reload()
    graph = page.locator("#graph")
    assert graph.evaluate("graph => graph.scrollWidth <= graph.clientWidth + 1")
    assert page.locator("#zoom").inner_text() != "100%"
    expect(page.locator("#op-0")).to_be_in_viewport()

    def areas(*labels: str) -> list[dict[str, float]]:
        found = page.evaluate(
            """labels => labels.map((label) => document
              .querySelector(`[aria-label^="${label}"]`).getBoundingClientRect().toJSON())""",
            labels,
        )
        return list(found)

    for opened in (False, True):
        if opened:
            page.get_by_role("button", name="Open all").click()
        encoders = areas(*(f"encoder_{level}:" for level in (1, 2, 3, 4)), "bottom:")
        ups = areas(*(f"up_{level}:" for level in (1, 2, 3, 4)))
        for number in (1, 2, 3, 4):
            encoder, below = encoders[number - 1 : number + 1]
            crop, concat, decoder = areas(
                *(f"{name}_{5 - number}:" for name in ("skip", "concat", "decoder"))
            )
            middle = (crop["top"] + crop["bottom"]) / 2
            assert encoder["bottom"] < middle < below["top"]
            assert decoder["bottom"] < concat["top"] < concat["bottom"] < middle
            assert middle < ups[4 - number]["top"]
            assert encoder["right"] < crop["right"] < decoder["left"]
        (output,) = areas("conv_1:")
        assert output["top"] < areas("decoder_4:")[0]["top"]
    # Inside what leads up, an op stands above the one that feeds it.
    first, second = areas("decoder_4.conv_1:", "decoder_4.conv_2:")
    assert second["bottom"] < first["top"]


def test_branches_that_lead_elsewhere_leave_no_gap_in_the_lines_of_others(show: Open) -> None:
    page = show(shipped_spec("whisper_tiny"))
    gaps = page.evaluate(
        """() => [...document.querySelectorAll(".parallel.partial")].map((parallel) => {
          const middle = (one) => {
            const { left, right } = one.getBoundingClientRect();
            return (left + right) / 2;
          };
          const bottom = parallel.getBoundingClientRect().bottom;
          const joins = [...document.querySelectorAll("#skips .join")]
            .map((join) => join.getBoundingClientRect())
            .filter((join) => Math.abs(join.top - bottom) < 2);
          const ends = [...parallel.children].filter((one) => one.matches(".leaves")).map(middle);
          return [ends.length, joins.length, Math.abs(Math.min(...ends) - joins[0].left),
            Math.abs(middle(parallel) - joins[0].right)]; })"""
    )
    ((leaving, joins, *apart),) = gaps
    assert (leaving, joins) == (1, 1)
    assert max(apart) < 2


def test_the_table_has_no_column_without_a_value(show: Open) -> None:
    heads = show(shipped_spec("gpt2")).locator("#layers thead th").all_inner_texts()
    assert [head.split()[0] for head in heads] == [
        *("layer", "op", "output", "parameters", "MACs", "memory", "line")
    ]


def test_the_legend_names_what_is_drawn(show: Open) -> None:
    page = show(shipped_spec("lenet5"))
    assert page.get_by_role("list", name="Legend").get_by_role("listitem").all_inner_texts() == [
        *("input", "convolution", "dense", "pooling", "shape"),
        "conv 3\u00d73, 64: window, filters",
        "in the boxes: parameters",
        "on the lines: channels \u00d7 height \u00d7 width",
    ]
    expect(page.locator("#op-3 .label")).to_have_text("conv 5\u00d75, 16 + relu")
