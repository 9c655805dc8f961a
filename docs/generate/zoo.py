"""The zoo: a table of all networks, and for each a page with its drawing, its layers, its spec and
what the backends emit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from archc import api, backends
from archc.api import Network
from archc.diagnostics import SpecError
from archc.language import library
from archc.reports import catalog, svg
from archc.reports.catalog import Entry
from archc.reports.rows import COLUMNS, approximate, axes_line, human, rows, totals
from docs.generate.markdown import code, drawing, plain, table

NO_BREAK = "\u00a0"


def names() -> list[str]:
    """All specs that come with archc."""
    return sorted(library.installed())


def entry(name: str, network: Network) -> Entry:
    """What the table of networks says of one."""
    return catalog.entry(name, name, network.costs)


def index(entries: Iterable[Entry]) -> str:
    """A table for each task."""
    listed = sorted(entries, key=lambda one: (one.task, str(one.catalog.get("family")), one.params))
    parts = []
    for task in dict.fromkeys(one.task for one in listed):
        title = task or "others"
        own = [_row(one) for one in listed if one.task == task]
        heads = ["spec", "family", "year", "parameters", "MACs", "title"]
        parts.append(f"## {plain(title[0].upper() + title[1:])}\n\n{table(heads, own)}")
    return "\n".join(parts)


def _row(one: Entry) -> Sequence[str]:
    return (
        f"[`{one.spec}`]({one.spec}.md)",
        plain(str(one.catalog.get("family", ""))),
        str(one.catalog.get("year", "")),
        approximate(one.params).replace(" ", NO_BREAK),
        approximate(one.macs).replace(" ", NO_BREAK),
        plain(one.title),
    )


def pages(name: str) -> tuple[Entry, dict[str, str]]:
    """The files of one network by their paths: its page and its drawing."""
    network = api.load(name, {})
    files = {f"zoo/{name}.svg": svg.report(network.costs), f"zoo/{name}.md": page(name, network)}
    return entry(name, network), files


def page(name: str, network: Network) -> str:
    """The page of a network."""
    about = network.costs.graph.about
    references = "\n\n".join(plain(one) for one in (about.description, *about.references) if one)
    figures = table(["", ""], [[plain(key), plain(value)] for key, value in totals(network.costs)])
    parts = [
        # Not in the menu of every page, which would be ten times as large.
        "---\norphan: true\n---\n",
        f"# {plain(about.title or name)}\n",
        f"`{name}`: {plain(axes_line(network.costs))}\n",
        f"{references}\n",
        figures,
        code(f"$ archc report {name}\n$ archc build {name}\n$ archc new mine --like {name}"),
        "## Drawing\n",
        drawing(f"{name}.svg", "The network as a drawing"),
        "## Layers\n",
        _layers(network),
        "## Spec\n",
        *(code(text, "yaml") for text in about.texts),
        *_sources(network),
    ]
    return "\n".join(parts)


def _layers(network: Network) -> str:
    """The table of layers as HTML, which takes a tenth of the time that a table of Markdown takes:
    networks have up to a thousand layers."""
    heads = "".join(f"<th>{escape(column.title)}</th>" for column in COLUMNS)
    lines = [f'<div class="layers"><table>\n<thead><tr>{heads}</tr></thead>\n<tbody>']
    for row in rows(network.costs):
        margin = f' style="padding-left: {0.6 + row.depth}em"' if row.depth else ""
        label = f"<td{margin}>{escape(row.label)}</td>"
        if row.figures is None:
            rest = f'<td colspan="{len(COLUMNS) - 1}">{escape(row.kind)}</td>'
        else:
            cells = [human(column.value(row.figures)) for column in COLUMNS[1:]]
            rest = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        lines.append(f"<tr>{label}{rest}</tr>")
    body = "\n".join([*lines, "</tbody></table></div>"])
    return code(body, "{raw} html")


def _sources(network: Network) -> Iterator[str]:
    for name in backends.names():
        try:
            source = network.emit(name)
        except SpecError as error:
            reasons = "; ".join(plain(one.message) for one in error.diagnostics)
            yield f"## {backends.title(name)}\n\n{reasons}.\n"
            continue
        if isinstance(source, str):
            yield f"## {backends.title(name)}\n\n{code(source, 'python')}"
