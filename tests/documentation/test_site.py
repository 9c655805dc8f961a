"""The built site in Chromium, from its files: search, and pages that fit a phone. It is there after
`make docs`; `make docs-test` builds it and runs these."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.documentation.pages import ROOT

SITE = ROOT / "build/docs/html"
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
KINDS = (
    "index",
    "tutorial",
    "install",
    "changelog",
    "guides/training",
    "guides/add-an-architecture",
    "reference/language",
    "reference/ops",
    "reference/ops/conv",
    "reference/errors",
    "reference/commands",
    "reference/recipe",
    "reference/python",
    "reference/json",
    "zoo/index",
    "zoo/lenet5",
)

pytestmark = pytest.mark.skipif(not SITE.is_dir(), reason="`make docs` has not built the site")


def _open(browser: Browser, size: dict[str, int], path: str) -> Iterator[Page]:
    """A page in a window; whatever it loads is a file of the site."""
    context = browser.new_context(viewport={"width": size["width"], "height": size["height"]})
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.goto((SITE / path).as_uri())
    yield page
    context.close()
    assert asked
    assert [url for url in asked if not url.startswith((SITE.as_uri(), "data:"))] == []


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("path", KINDS)
def test_a_page_is_no_wider_than_its_window(
    browser: Browser, path: str, size: dict[str, int]
) -> None:
    for page in _open(browser, size, f"{path}.html"):
        expect(page.locator("h1").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        broken = "image => !image.complete || image.naturalWidth === 0"
        images = page.locator("article img")
        assert not images.evaluate_all(f"images => images.some({broken})")


def test_what_is_wider_than_a_phone_scrolls_by_itself(browser: Browser) -> None:
    for page in _open(browser, PHONE, "zoo/resnet18.html"):
        for box in (".layers", ".drawing"):
            inside = page.locator(box).evaluate("box => [box.clientWidth, box.scrollWidth]")
            assert inside[0] <= PHONE["width"] < inside[1]
        image = page.locator(".drawing img").evaluate("one => [one.width, one.naturalWidth]")
        assert image[0] == image[1]


@pytest.mark.parametrize(
    ("words", "result"),
    [
        ("batch_norm", "reference/ops/batch_norm.html"),
        ("ARC104", "reference/errors.html"),
        ("LeNet-5", "zoo/lenet5.html"),
        ("round_to", "reference/language.html"),
        ("--update-expect", "reference/commands.html"),
    ],
)
def test_search_finds_pages_without_a_server(browser: Browser, words: str, result: str) -> None:
    for page in _open(browser, WIDE, "index.html"):
        page.locator("input[name=q]").first.fill(words)
        page.locator("input[name=q]").first.press("Enter")
        found = page.locator(f"#search-results a[href*='{result}']")
        expect(found.first).to_be_visible()
        found.first.click()
        expect(page.locator("article h1").first).to_be_visible()
        assert Path(page.url.partition("?")[0].partition("#")[0]).name == Path(result).name
