"""The report as an HTML page: a single self-contained file.

The page's content security policy allows only its own style and script, by their hashes; all text
is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping

from archc import backends
from archc.ir.costs import BYTES, Costs, Layer, Memory
from archc.reports import json
from archc.reports.html_code import listing
from archc.reports.html_graph import graph, legend
from archc.reports.html_page import page, text
from archc.reports.rows import axes_line, human, totals


def report(costs: Costs, sources: Mapping[str, str], memory: Memory | None = None) -> str:
    """The page: the totals, the graph beside the table of layers, the spec with its parents, and
    the emitted modules (`sources`) by backend."""
    about = costs.graph.about
    panels = {"network": ("Network", _network(costs)), "spec": ("Spec", _specs(costs))}
    for backend, source in sources.items():
        emitted_by = backends.backend(backend)
        name = f"<h2>{text(about.name + emitted_by.suffix)}</h2>\n"
        panels[backend] = (emitted_by.title, name + listing(source, "python", f"{backend}-"))
    title = text(about.title or about.name)
    notes = "".join(
        f"<p>{text(note)}</p>\n" for note in (about.description, *about.references) if note
    )
    changed = ", ".join(f"{name}={value!r}" for name, value in about.overrides.items())
    if changed:
        notes += f"<p>with {text(changed)}</p>\n"
    header = (
        f"<header>\n<div><h1>{title}</h1>\n{notes}<p>{text(axes_line(costs))}</p></div>\n"
        f"{_totals(costs, memory)}"
        '<button type="button" id="theme" hidden>Theme: automatic</button>\n</header>\n'
    )
    scripts = ("session.js", "page.js", "panes.js")
    return page(title, f"{header}{_tabs(panels)}", "page.css", scripts)


MOST_ROWS = 10_000
"""Layers that the table shows."""


def _is_large(costs: Costs) -> bool:
    return len(costs.layers) > MOST_ROWS


def _specs(costs: Costs) -> str:
    """The spec and its parents, under the file names in the report."""
    about = costs.graph.about
    layers = json.report(costs)["layers"]
    names = {
        layer.node.origin.span.source.text: row["file"]
        for layer, row in zip(costs.layers, layers, strict=True)
    }
    names[about.texts[0]] = about.source
    return "".join(
        f"<h2>{text(names.get(source, 'extended'))}</h2>\n"
        f"{listing(source, 'yaml', f'spec-{number}-')}"
        for number, source in enumerate(about.texts)
    )


def _totals(costs: Costs, memory: Memory | None) -> str:
    items = "".join(
        f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>\n"
        for name, value in totals(costs, memory)
    )
    return f'<dl class="totals">\n{items}</dl>\n'


def _tabs(panels: Mapping[str, tuple[str, str]]) -> str:
    first = next(iter(panels))
    tabs = "".join(
        f'<button type="button" role="tab" id="tab-{key}" aria-controls="panel-{key}" '
        f'aria-selected="{_flag(key == first)}" tabindex="{0 if key == first else -1}">'
        f"{text(title)}</button>\n"
        for key, (title, _) in panels.items()
    )
    sections = "".join(
        f'<section role="tabpanel" id="panel-{key}" aria-labelledby="tab-{key}" class="{kind}"'
        f"{'' if key == first else ' hidden'}>\n{content}</section>\n"
        for key, (_, content) in panels.items()
        for kind in ("views" if key == first else "code",)
    )
    return f'<div role="tablist" aria-label="Views">\n{tabs}</div>\n<main>\n{sections}</main>\n'


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _network(costs: Costs) -> str:
    return (
        '<div class="view graph">\n<div class="tools" id="folds" hidden>'
        '<button type="button" id="open-all">Open all</button>'
        '<button type="button" id="fold-all">Fold all</button>'
        '<span class="zoom" role="group" aria-label="Zoom">'
        '<button type="button" id="zoom-out" aria-label="smaller" title="smaller (-)">'
        '\u2212</button><span id="zoom">100%</span>'
        '<button type="button" id="zoom-in" aria-label="larger" title="larger (+)">+</button>'
        '<button type="button" id="zoom-fit" title="as wide as the pane (f)">Fit</button>'
        "</span></div>\n"
        f"{legend(costs)}{graph(costs)}"
        '<aside id="details" aria-label="Attributes" aria-live="polite" hidden></aside>\n</div>\n'
        '<div id="divider" role="separator" aria-orientation="vertical" tabindex="0" '
        'aria-label="Width of the drawing" aria-valuemin="15" aria-valuemax="85" '
        'aria-valuenow="32"></div>\n'
        '<div class="view layers">\n<div class="tools"><label for="search">Search</label> '
        '<input type="search" id="search" autocomplete="off" spellcheck="false"> '
        '<span role="status" id="matches"></span></div>\n'
        f"{_table(costs)}</div>\n"
    )


_FIELD = "receptive field"
_COLUMNS = (
    ("layer", "path in the network"),
    ("op", "kind of layer"),
    ("output", "sizes of the output's axes"),
    ("parameters", "learned values"),
    ("MACs", "multiply-accumulates per sample"),
    ("memory", "weights and output of one sample, in float32"),
    (_FIELD, "elements of each spatial axis of the input"),
    ("line", "line in the spec"),
)
_BARS = ("parameters", "MACs", "memory")
_FIGURE = ' class="figure"'


def _table(costs: Costs) -> str:
    with_field = any(layer.receptive_field for layer in costs.layers)
    heads = "".join(
        f'<th scope="col" aria-sort="none"{_FIGURE * (name in _BARS)}>'
        f'<button type="button" title="{text(doc)}">{text(name)}</button></th>'
        for name, doc in _COLUMNS
        if name != _FIELD or with_field
    )
    files = {source: number for number, source in enumerate(costs.graph.about.texts)}
    most = [max((figure(layer) for layer in costs.layers), default=0) for figure in _FIGURES]
    layers = costs.layers
    shown = [*layers[: MOST_ROWS // 2], *layers[-MOST_ROWS // 2 :]]
    rows = "".join(
        _row(layer, most, files, with_field=with_field)
        for layer in (shown if _is_large(costs) else layers)
    )
    note = ""
    if _is_large(costs):
        note = f"<p>the first and the last {MOST_ROWS // 2:,} of {len(layers):,} layers: "
        note += "<code>archc report --format csv</code> has all</p>\n"
    return (
        f'{note}<div class="scroll" role="region" aria-label="Layers" tabindex="0">'
        '<table id="layers">\n'
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n"
    )


def _memory(layer: Layer) -> int:
    return BYTES * (layer.params + layer.state + layer.activations)


_FIGURES = (lambda layer: layer.params, lambda layer: layer.macs, _memory)


def _row(layer: Layer, most: list[int], files: Mapping[str, int], *, with_field: bool) -> str:
    node = layer.node
    params, macs, memory = (figure(layer) for figure in _FIGURES)
    field = layer.receptive_field
    cell = f'<td data-value="{_elements(field and field.sizes)}">{text(human(field))}</td>'
    span = node.origin.span
    line = f'<a href="#spec-{files[span.source.text]}-{span.line}">{span.line}</a>'
    return (
        f'<tr id="row-{node.index}"><th scope="row"><a href="#op-{node.index}">'
        f"{_breakable(node.path)}</a></th><td>{text(node.op.name)}</td>"
        f'<td data-value="{node.output.elements}">{text(human(node.output.sizes))}</td>'
        f"{_bar(params, most[0], human(params))}{_bar(macs, most[1], human(macs))}"
        f"{_bar(memory, most[2], size(memory))}"
        f"{cell * with_field}"
        f'<td data-value="{span.line}">{line}</td></tr>\n'
    )


LONGEST_PART = 18
"""Characters of a name's part that fit into the column of names."""


def _breakable(path: str) -> str:
    """A path with places where a line may end: after a dot, and inside a part that is too long."""
    parts = (
        text(part) if len(part) <= LONGEST_PART else text(part).replace("_", "_<wbr>")
        for part in path.split(".")
    )
    return ".<wbr>".join(parts)


def _elements(sizes: tuple[int, ...] | None) -> int:
    count = 1 if sizes else 0
    for length in sizes or ():
        count *= length
    return count


def _bar(value: int, most: int, figure: str) -> str:
    """A cell with a number and a bar relative to the column's maximum."""
    share = f"{100 * value / most:.1f}" if value else "0"
    return (
        f'<td{_FIGURE} data-value="{value}">{text(figure)}<svg class="bar" aria-hidden="true" '
        f'viewBox="0 0 100 1" preserveAspectRatio="none"><rect width="{share}" height="1"/></svg>'
        "</td>"
    )


def size(count: int) -> str:
    """Bytes in the largest suitable unit, to a tenth."""
    if count < 1024:
        return f"{count} B"
    unit, of_it = "KiB", 1024
    for larger in ("MiB", "GiB"):
        if (count * 10 + of_it // 2) // of_it < 10 * 1024:
            break
        unit, of_it = larger, of_it * 1024
    tenths = (count * 10 + of_it // 2) // of_it
    return f"{human(tenths // 10)}.{tenths % 10} {unit}"
