"""Links between the pages, and from the pages about the project, lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.documentation.pages import FENCE, PAGES, ROOT

LINK = re.compile(r"(?:\]\(|srcset=\"|src=\")(?P<target>[^)\"\s]+)[)\"]")
FILES = sorted(
    [
        ROOT / "README.md",
        *(ROOT / ".github").glob("*.md"),
        *PAGES.rglob("*.md"),
    ]
)


def _prose(page: Path) -> str:
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text(encoding="utf-8")))


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MyST make them."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", FILES, ids=[str(page.relative_to(ROOT)) for page in FILES])
def test_links_lead_somewhere(page: Path) -> None:
    for match in LINK.finditer(_prose(page)):
        path, _, anchor = match["target"].partition("#")
        if path.startswith("https://"):
            continue
        target = page.parent / path if path else page
        assert target.exists(), match["target"]
        if anchor:
            assert anchor in _anchors(target), match["target"]


def test_the_readme_is_short() -> None:
    assert (ROOT / "README.md").read_text("utf-8").count("\n") <= 150


def test_no_page_has_a_place_to_fill_in() -> None:
    for page in FILES:
        assert "OWNER" not in page.read_text("utf-8"), page
