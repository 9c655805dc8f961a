"""The pages of a folder of specs, and the data that their scripts ask for.

A page of a spec, or of two that are compared, is the one that `archc report` or `archc diff`
writes, inside a frame that loads it again when a file is saved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from json import dumps
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from archc.api import Network
from archc.diagnostics import SpecError
from archc.diagnostics.characters import inert_json
from archc.difference import difference
from archc.reports import html, html_difference, html_errors
from archc.reports.catalog import data
from archc.reports.emitted import sources
from archc.reports.html_page import page, text
from archc.server.folder import Folder

STYLE, INDEX, FRAME = (
    Path(__file__).with_name(name) for name in ("server.css", "index.js", "frame.js")
)
LIVE = "; connect-src 'self'; frame-src 'self'"
"""What the scripts of these pages may do: ask this server, and show its pages."""
HTML, JSON = "text/html; charset=utf-8", "application/json"


class Answer(NamedTuple):
    """What a request is answered with."""

    text: str
    kind: str = HTML
    status: HTTPStatus = HTTPStatus.OK


def answer(folder: Folder, path: str, query: Mapping[str, Sequence[str]]) -> Answer:
    """The answer to the request for a path with a query: `spec` is the name of a spec, `a` and `b`
    are those of two. Unknown paths and specs are answered with NOT_FOUND."""
    find = PATHS.get(path)
    if find is None:
        return _missing(f"no page {path}")
    names = [name for key in find.keys for name in query.get(key, ())]
    unknown = [name for name in names if not folder.has(name)]
    if unknown:
        return _missing(f"no spec {unknown[0]} in {folder.path}")
    if len(names) < len(find.keys) and find.required:
        return _missing(f"{path} asks for {' and '.join(find.keys)}")
    return find.page(folder, names)


def _missing(message: str) -> Answer:
    body = (
        f'<main class="alone">\n<h1>{text(message)}</h1>\n<p><a href="/">all specs</a></p></main>\n'
    )
    return Answer(page("not found", body, STYLE), status=HTTPStatus.NOT_FOUND)


def _index(folder: Folder, _names: Sequence[str]) -> Answer:
    heads = "".join(
        f'<th scope="col" aria-sort="none"{_FIGURE * (name in _FIGURES)}>'
        f'<button type="button" data-key="{key}">{name}</button></th>'
        for key, name in _COLUMNS.items()
    )
    body = (
        f"<header>\n<h1>{text(folder.path)}</h1>\n"
        '<label for="search">Search</label> '
        '<input type="search" id="search" autocomplete="off" spellcheck="false"> '
        '<span role="status" id="shown"></span>\n'
        '<button type="button" id="compare" disabled>Compare two</button>\n</header>\n'
        '<main>\n<table>\n<thead><tr><th scope="col"><span class="aside">compare</span></th>'
        f'{heads}</tr></thead>\n<tbody id="specs"></tbody>\n</table>\n'
        "<noscript><p>This page needs its script.</p></noscript>\n</main>\n"
    )
    return Answer(page(f"{text(folder.path)} - archc", body, STYLE, (INDEX,), LIVE))


_COLUMNS = {
    "spec": "spec",
    "title": "title",
    "family": "family",
    "year": "year",
    "task": "task",
    "params": "parameters",
    "macs": "MACs",
}
_FIGURES = ("year", "parameters", "MACs")
_FIGURE = ' class="figure"'


def _entries(folder: Folder, _names: Sequence[str]) -> Answer:
    state = folder.token()  # of what changes meanwhile the pages are told by the next one
    entries, complete = folder.entries()
    rows = [{"spec": entry.spec, **data(entry)} for entry in entries]
    document = {"state": state, "complete": complete, "specs": rows}
    return Answer(inert_json(dumps(document)), JSON)


def _state(folder: Folder, names: Sequence[str]) -> Answer:
    return Answer(dumps({"state": folder.token(names)}), JSON)


def _spec_frame(folder: Folder, names: Sequence[str]) -> Answer:
    (name,) = names
    others = "".join(f"<option>{text(other)}</option>" for other in folder.names() if other != name)
    tools = (
        f'<label for="other">Compare with</label> <select id="other" data-with="{text(name)}">'
        f'<option value="">\N{HORIZONTAL ELLIPSIS}</option>{others}</select>\n'
    )
    return _frame(name, f"/report?spec={quote(name, safe='')}", names, tools)


def _difference_frame(_folder: Folder, names: Sequence[str]) -> Answer:
    one, two = names
    path = f"/difference?a={quote(one, safe='')}&b={quote(two, safe='')}"
    swapped = f"/diff?a={quote(two, safe='')}&b={quote(one, safe='')}"
    tools = f'<a href="{text(swapped)}">swap</a>\n'
    return _frame(f"{one} \N{RIGHTWARDS ARROW} {two}", path, names, tools)


def _frame(title: str, path: str, names: Sequence[str], tools: str) -> Answer:
    """A page that shows another one, and shows it again when one of these specs is saved."""
    state = "&".join(f"spec={quote(name, safe='')}" for name in names)
    specs = " ".join(
        f'<a href="/spec?spec={quote(name, safe="")}">{text(name)}</a>' for name in names
    )
    body = (
        f'<nav>\n<a href="/">all specs</a> <span class="names">{specs}</span>\n{tools}'
        '<span role="status" id="live"></span>\n</nav>\n'
        f'<iframe id="page" title="{text(title)}" src="{text(path)}" '
        f'data-state="/state?{text(state)}"></iframe>\n'
    )
    return Answer(page(f"{text(title)} - archc", body, STYLE, (FRAME,), LIVE))


def _report(folder: Folder, names: Sequence[str]) -> Answer:
    return _of_networks(folder, names, _report_of)


def _report_of(networks: Sequence[Network]) -> str:
    (network,) = networks
    return html.report(network.costs, sources(network.emit, len(network.costs.layers)))


def _difference(folder: Folder, names: Sequence[str]) -> Answer:
    return _of_networks(folder, names, _difference_of)


def _difference_of(networks: Sequence[Network]) -> str:
    one, two = (network.costs for network in networks)
    return html_difference.report(difference(one, two))


def _of_networks(
    folder: Folder, names: Sequence[str], write: Callable[[Sequence[Network]], str]
) -> Answer:
    """The page of networks, or of the errors of the first that has some."""
    networks = []
    for name in names:
        try:
            networks.append(folder.load(name))
        except SpecError as error:
            return Answer(html_errors.report(name, error.diagnostics))
    return Answer(write(networks))


class Find(NamedTuple):
    """How a path is answered: the keys of its query, and its page."""

    page: Callable[[Folder, Sequence[str]], Answer]
    keys: tuple[str, ...] = ()
    required: bool = True


PATHS: Mapping[str, Find] = {
    "/": Find(_index),
    "/entries": Find(_entries),
    "/state": Find(_state, ("spec",), required=False),
    "/spec": Find(_spec_frame, ("spec",)),
    "/report": Find(_report, ("spec",)),
    "/diff": Find(_difference_frame, ("a", "b")),
    "/difference": Find(_difference, ("a", "b")),
}
