"""The served pages in a browser: they follow what is saved."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from archc.server.http import Server
from tests.server.conftest import TINY


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """A window; errors and requests to others are checked at the end."""
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    messages: list[str] = []
    asked: list[str] = []
    context.on("console", lambda message: messages.append(f"{message.type}: {message.text}"))
    context.on("weberror", lambda error: messages.append(str(error.error)))
    context.on("request", lambda request: asked.append(request.url))
    yield context.new_page()
    context.close()
    assert messages == []
    assert all(url.startswith(server.url) for url in asked)


def rows(page: Page) -> list[str]:
    return page.locator("#specs a").all_inner_texts()


def test_the_index_lists_searches_and_sorts(page: Page, server: Server) -> None:
    page.goto(server.url)
    expect(page.locator("#shown")).to_have_text("3 of 3 specs")
    assert rows(page) == ["lenet5.yaml", "more/child.yaml", "tiny.yaml"]
    expect(page.locator("#specs tr").first).to_contain_text("61,706")
    page.get_by_role("button", name="parameters").click()
    assert rows(page)[-1] == "lenet5.yaml"
    page.get_by_label("Search").fill("tin")
    assert rows(page) == ["tiny.yaml"]
    page.get_by_role("link", name="tiny.yaml").click()
    expect(page.frame_locator("#page").locator("h1")).to_have_text("tiny")


def test_the_index_follows_the_folder(page: Page, server: Server, folder: Path) -> None:
    page.goto(server.url)
    expect(page.locator("#shown")).to_have_text("3 of 3 specs")
    (folder / "tiny.yaml").write_text(TINY.replace("dense: 2", "dense: x"))
    expect(page.locator("tr.invalid")).to_have_count(2)  # and the one that extends it
    (folder / "new.yaml").write_text(TINY)
    expect(page.locator("#shown")).to_have_text("4 of 4 specs")


def test_a_report_follows_its_file(page: Page, server: Server, folder: Path) -> None:
    page.goto(f"{server.url}spec?spec=tiny.yaml")
    inside = page.frame_locator("#page")
    expect(page.locator("#live")).to_have_text("live")
    inside.get_by_role("button", name="larger").click()
    inside.get_by_role("separator").press("End")
    inside.get_by_role("button", name="Theme").click()
    inside.get_by_role("tab", name="PyTorch").click()
    (folder / "tiny.yaml").write_text(TINY.replace("dense: 3", "dense: 77"))
    expect(inside.locator("#panel-torch")).to_contain_text("77")
    # The tab that was chosen still is.
    expect(inside.get_by_role("tab", name="PyTorch")).to_have_attribute("aria-selected", "true")
    (folder / "tiny.yaml").write_text(TINY.replace("dense: 3", "dens: 3"))
    expect(inside.locator(".errors li")).to_have_count(1)
    expect(inside.locator(".line.lit")).to_contain_text("dens: 3")
    (folder / "tiny.yaml").write_text(TINY)
    # All that was set still is, also after the page of errors.
    expect(inside.get_by_role("tab", name="PyTorch")).to_have_attribute("aria-selected", "true")
    expect(inside.get_by_role("button", name="Theme")).to_have_text("Theme: light")
    inside.get_by_role("tab", name="Network").click()
    expect(inside.locator("#zoom")).to_have_text("125%")
    expect(inside.get_by_role("separator")).to_have_attribute("aria-valuenow", "85")


def test_frames_stay_as_they_were_set(page: Page, server: Server, folder: Path) -> None:
    layers = "  - section: one\n    layers: [dense: 3]\n  - block: b\n"
    text = f"{TINY}{layers}blocks: {{b: {{layers: [dense: 4]}}}}\n"
    (folder / "tiny.yaml").write_text(text)
    page.goto(f"{server.url}spec?spec=tiny.yaml")
    inside = page.frame_locator("#page")
    expect(page.locator("#live")).to_have_text("live")
    heads = inside.locator(".frame > .head")
    for head in heads.all():
        head.click()
    (folder / "tiny.yaml").write_text(text.replace("dense: 3", "dense: 7"))
    expect(inside.locator(".frame").last).to_contain_text("32")
    opened = inside.locator(".frame")
    expect(opened.first).to_have_attribute("aria-expanded", "false")
    expect(opened.last).to_have_attribute("aria-expanded", "true")
    # Another spec has its own.
    page.goto(f"{server.url}spec?spec=lenet5.yaml")
    expect(inside.locator("#zoom")).to_have_text("100%")


def test_the_place_in_the_table_stays_each_time(page: Page, server: Server, folder: Path) -> None:
    page.set_viewport_size({"width": 1200, "height": 400})
    page.goto(f"{server.url}spec?spec=lenet5.yaml")
    inside = page.frame_locator("#page")
    table = inside.get_by_role("region", name="Layers")
    text = (folder / "lenet5.yaml").read_text()
    title = re.search("title: .*", text)
    assert title is not None
    expect(page.locator("#live")).to_have_text("live")
    for number, y in enumerate((20, 35)):
        table.evaluate("(table, y) => { table.scrollTop = y; }", y)
        (folder / "lenet5.yaml").write_text(text.replace(title[0], f"title: number {number}"))
        expect(inside.locator("h1")).to_have_text(f"number {number}")
        expect(table).to_have_js_property("scrollTop", y)


def test_two_are_compared_by_click(page: Page, server: Server, folder: Path) -> None:
    page.goto(server.url)
    expect(page.locator("#shown")).to_have_text("3 of 3 specs")
    compare = page.get_by_role("button", name="Compare two")
    expect(compare).to_be_disabled()
    page.get_by_label("compare tiny.yaml").check()
    page.get_by_label("compare more/child.yaml").check()
    compare.click()
    expect(page).to_have_url(re.compile(r"/diff\?a=tiny\.yaml&b=more%2Fchild\.yaml"))
    inside = page.frame_locator("#page")
    expect(inside.locator("h1")).to_have_text("tiny \N{RIGHTWARDS ARROW} child")
    (folder / "more" / "child.yaml").write_text(TINY.replace("dense: 2", "dense: 9"))
    expect(inside.locator("main")).to_contain_text("units")
    page.get_by_role("link", name="tiny.yaml").click()
    page.get_by_label("Compare with").select_option("lenet5.yaml")
    expect(page).to_have_url(re.compile(r"/diff\?a=tiny\.yaml&b=lenet5\.yaml"))


def test_an_end_of_the_server_is_told(browser: Browser, server: Server) -> None:
    page = browser.new_page()
    page.goto(f"{server.url}spec?spec=tiny.yaml")
    expect(page.locator("#live")).to_have_text("live")
    page.route("**/state*", lambda route: route.abort())
    expect(page.locator("#live")).to_have_text("the server has ended")
    page.unroute("**/state*")
    expect(page.locator("#live")).to_have_text("live")
    page.close()
