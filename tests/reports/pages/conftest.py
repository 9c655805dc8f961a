"""Chromium windows for pages of `archc report --format html`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from archc import backends
from archc.api import Network
from archc.reports import html
from archc.spec import Spec


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A new window; errors and requests are checked at the end."""
    opened = browser.new_context(viewport={"width": 1400, "height": 900})
    messages: list[str] = []
    asked: list[str] = []
    opened.on("console", lambda message: messages.append(f"{message.type}: {message.text}"))
    opened.on("weberror", lambda error: messages.append(str(error.error)))
    opened.on("request", lambda request: asked.append(request.url))
    yield opened
    opened.close()
    assert messages == []
    assert all(url.startswith("file://") and url.endswith((".html", ".svg")) for url in asked)


Open = Callable[[Spec], Page]


@pytest.fixture
def show(context: BrowserContext, tmp_path: Path) -> Open:
    """Open the page of a spec."""

    def opened(spec: Spec) -> Page:
        path = tmp_path / "report.html"
        path.write_text(page_of(spec), encoding="utf-8")
        page = context.new_page()
        page.goto(path.as_uri())
        return page

    return opened


def page_of(spec: Spec) -> str:
    """The page of a spec, as the command writes it."""
    costs = spec.checked()
    network = Network(spec, costs)
    emitted = {backend: network.emit(backend) for backend in backends.names()}
    sources = {name: source for name, source in emitted.items() if isinstance(source, str)}
    return html.report(costs, sources)
