"""`python -m docs.generate.pictures`: the report of LeNet-5 in Chromium, light and dark, as the
README shows it."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from playwright.sync_api import sync_playwright

from archc import api
from archc.reports import html

FOLDER = Path(__file__).parents[1] / "images"
SCHEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")


def take(folder: Path) -> None:
    """Write a picture for each scheme of colours. Raises FileNotFoundError without Chromium."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise FileNotFoundError("chromium")
    network = api.load("lenet5", {})
    sources = {name: network.emit(name) for name in ("torch", "keras")}
    text = {name: source for name, source in sources.items() if isinstance(source, str)}
    with TemporaryDirectory() as temporary, sync_playwright() as playwright:
        page = Path(temporary) / "lenet5.html"
        page.write_text(html.report(network.costs, text), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for scheme in SCHEMES:
            window = browser.new_page(viewport={"width": 1280, "height": 700}, color_scheme=scheme)
            window.goto(page.as_uri())
            window.screenshot(path=folder / f"report-{scheme}.png")
        browser.close()


if __name__ == "__main__":
    take(FOLDER)
