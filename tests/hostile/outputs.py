"""What archc makes of a hostile spec, and the proof that its payload does nothing there: every
output has the structure of the same one of a harmless spec."""

from __future__ import annotations

import ast
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from typing import Any

from markdown_it import MarkdownIt

from archc import backends
from archc.api import Network
from archc.diagnostics.characters import has_command, printable
from archc.difference import difference
from archc.reports import (
    catalog,
    csv,
    html,
    html_difference,
    json,
    latex,
    markdown,
    notebook,
    resolved,
    svg,
    table,
)
from archc.reports import difference as difference_table
from archc.reports.difference_markdown import comment
from archc.spec import Spec


def outputs(spec: Spec, other: Spec, *, pages: bool) -> dict[str, str]:
    """The outputs of a valid spec, by name, with `pages` also those that take most of the time;
    `other` is what it is compared with."""
    costs = spec.checked()
    network = Network(spec, costs)
    drawing = svg.report(costs)
    sources = {name: network.emit(name) for name in backends.names()}
    result = difference(other.build(), costs)
    texts = {
        "table": table.report(costs),
        "json": json.text(json.report(costs)),
        "csv": csv.report(costs),
        "markdown": markdown.document(costs),
        "latex": latex.report(costs),
        "svg": drawing,
        "show": resolved.resolved(costs),
        "list": catalog.tables([catalog.entry(spec.source, spec.source, costs)], 80),
        "diff": difference_table.table(result),
        "comment": comment(result, everything=True),
    }
    texts |= {f"{name} source": source for name, source in sources.items()}
    if pages:
        texts["color"] = table.color_report(costs).replace("\x1b", "")
        texts["html"] = html.report(costs, sources)
        texts["diff page"] = html_difference.report(result)
        texts["notebook"] = notebook.fragment(costs, drawing)
    return texts


def structure(name: str, text: str) -> set[Any]:
    """What is left of an output once its text is taken away: what a harmless spec must have too."""
    if name.endswith("source"):
        return {_syntax(text)}
    return _STRUCTURES[name](text) if name in _STRUCTURES else set()


def check_log(name: str, text: str) -> None:
    """A terminal and a CI runner take the output for text."""
    for line in text.split("\n"):
        assert not has_command(line), (name, line)
        if name != "json":
            assert printable(line) == line, (name, line)


class _Tags(HTMLParser):
    """The tags of a page with the names of their attributes, and its texts."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, ...]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, *(name for name, _ in attributes)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def _tags(text: str) -> set[tuple[str, ...]]:
    if text.startswith("<svg"):
        ElementTree.fromstring(text)
    parser = _Tags()
    parser.feed(text)
    return set(parser.tags)


def _syntax(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
    return ast.dump(tree)


_REFERENCES = re.compile(
    r"@\w|#\d|\bgh-\d|\bghsa-\w|https?://|ftp://|\bwww\.|mailto:|xmpp:|:[\w+-]+:"
    r"|(?<![^\W_])[0-9a-f]{7,40}(?![^\W_])",
    re.IGNORECASE,
)
"""What GitHub makes links, mentions and pictures of, anywhere in a text between two tags."""


def _rendered(text: str) -> set[tuple[str, ...]]:
    """The tags that GitHub's dialect makes of a document: CommonMark with tables. Of raw HTML it
    has what archc writes itself alone."""
    parser = _Tags()
    parser.feed(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))
    for part in parser.texts:
        assert not _REFERENCES.search(part), part
    return set(parser.tags)


def _commands(text: str) -> set[str]:
    """The commands of LaTeX in a document."""
    return set(re.findall(r"\\([a-zA-Z]+)", text)) - _ESCAPES


_ESCAPES = {
    "textbackslash", "textasciitilde", "textasciicircum", "textless", "textgreater", "textbar",
    "char", "textasciigrave", "times", "ldots",
}  # fmt: skip

_STRUCTURES: Mapping[str, Callable[[str], set[Any]]] = {
    "markdown": _rendered,
    "comment": _rendered,
    "latex": _commands,
    "svg": _tags,
    "html": _tags,
    "diff page": _tags,
    "notebook": _tags,
}
