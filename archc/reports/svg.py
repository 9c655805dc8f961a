"""The network as a drawing: a self-contained SVG."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from archc.diagnostics import visible
from archc.ir.costs import Costs
from archc.reports.drawing.contents import Row
from archc.reports.drawing.fold import fold, left_out
from archc.reports.drawing.labels import (
    BOLD,
    FILLS,
    FONT,
    SMALL,
    axes_on_edges,
    convolution_legend,
    family,
    wrap_text,
)
from archc.reports.drawing.layout import Border, Box, Ending, Layout, layout
from archc.reports.drawing.pieces import HEADER, PAD, ROW, SHADOW, Edge, Point
from archc.reports.drawing.tree import drawing
from archc.reports.rows import axes_line, human, totals

MARGIN = 20
TITLE = 18
NARROWEST = 420
"""A drawing is at least this wide, so that its title has room."""
LONGEST_TITLE = 3
"""Lines."""
ARROW = 7
CLOSE = 4
"""The offset of a box's text below the middle of its row."""


def document(costs: Costs) -> str:
    """The drawing as a file, with the header as a comment."""
    # Two hyphens would end the comment.
    line = costs.graph.about.header.replace("--", "-&#45;")
    return f"<!-- {line} -->\n{report(costs)}"


def report(costs: Costs) -> str:
    """The drawing with its title and totals above it."""
    about = costs.graph.about
    folded = fold(drawing(costs.graph), every_unit=False)
    arrangement = layout(costs, folded)
    width = max(arrangement.width, NARROWEST)
    head = _heading(costs, width, left_out(folded, "drawn"))
    top = head.height
    size = f"{_number(width + 2 * MARGIN)} {_number(top + arrangement.height + MARGIN)}"
    left = MARGIN + (width - arrangement.width) / 2
    spans = dict(zip(("width", "height"), size.split(), strict=True))
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {size}"'
        f' width="{spans["width"]}" height="{spans["height"]}">',
        f"<title>{escape(about.title or about.name)}</title>",
        f"<desc>{escape(_description(costs))}</desc>",
        f"<style>{_style()}</style>",
        '<rect class="ground" width="100%" height="100%"/>',
        *head.lines,
        f'<g transform="translate({_number(left)} {_number(top)})">',
        *_elements(costs, arrangement),
        "</g>",
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Text as the content of an element."""
    text = visible(text).replace("&", "&amp;")
    return text.replace("<", "&lt;").replace(">", "&gt;")


class _Heading(NamedTuple):
    lines: list[str]
    height: float


def _heading(costs: Costs, width: float, missing: str) -> _Heading:
    about = costs.graph.about
    lines = []
    y = float(MARGIN)
    for line in wrap_text(visible(about.title or about.name), TITLE * BOLD, width, LONGEST_TITLE):
        y += TITLE
        lines.append(_text(MARGIN, y, line, "title"))
        y += 4
    figures = costs.totals
    sums = f"{human(figures.params)} parameters \u00b7 {human(figures.macs)} MACs per sample"
    legend = f"in the boxes: parameters \u00b7 on the edges: {axes_on_edges(costs.graph.nodes)}"
    convolution = convolution_legend(costs.graph.nodes)
    legend += f" \u00b7 {convolution}" if convolution else ""
    notes = [wrap_text(text, SMALL, width, 2) for text in (legend, missing) if text]
    for line in (*wrap_text(sums, FONT, width, 2), *(line for note in notes for line in note)):
        y += FONT + 5
        lines.append(_text(MARGIN, y, line, "note"))
    return _Heading(lines, y + MARGIN)


def _description(costs: Costs) -> str:
    figures = "; ".join(f"{name}: {value}" for name, value in totals(costs))
    return f"{axes_line(costs)}. {len(costs.layers):,} layers; {figures}."


def _style() -> str:
    light = "".join(f".{name}{{fill:{fill}}}" for name, (fill, _) in FILLS.items())
    dark = "".join(f".{name}{{fill:{fill}}}" for name, (_, fill) in FILLS.items())
    return (
        f"text{{font-family:Helvetica,Arial,sans-serif;font-size:{FONT}px;fill:#1c2024}}"
        f".title{{font-size:{TITLE}px;font-weight:bold}}"
        f".note,.axes,.figure{{font-size:{SMALL}px;fill:#5b6470}}"
        f".head{{font-weight:bold}}"
        ".figure{text-anchor:end}"
        ".alone{text-anchor:middle}"
        ".ground{fill:#ffffff}"
        ".frame{fill:#8a94a0;fill-opacity:.08;stroke:#aab2bb}"
        ".bar{fill:#8a94a0;fill-opacity:.16}"
        ".box{stroke:#6b7580}"
        ".edge{fill:none;stroke:#6b7580}"
        ".arrow{fill:#6b7580}"
        f"{light}"
        "@media(prefers-color-scheme:dark){"
        "text{fill:#e6e9ec}.note,.axes,.figure{fill:#a3adb8}.ground{fill:#16191d}"
        ".frame{stroke:#59626c}.box{stroke:#8a94a0}"
        f".edge{{stroke:#8a94a0}}.arrow{{fill:#8a94a0}}{dark}}}"
    )


def _elements(costs: Costs, arrangement: Layout) -> Iterable[str]:
    """Frames, outermost first, then edges, then the boxes on top."""
    for border in arrangement.borders:
        yield from _border(border)
    yield f'<path class="edge" d="{"".join(map(_path, arrangement.edges))}"/>'
    heads = "".join(_arrow(*edge.points[-2:]) for edge in arrangement.edges if edge.arrow)
    yield f'<path class="arrow" d="{heads}"/>'
    for label in arrangement.labels:
        yield _text(label.x, label.y, label.text, "axes")
    for box in arrangement.boxes:
        yield from _box(costs, box)
    for omission in arrangement.omissions:
        yield _rect(omission.x, omission.y, omission.width, ROW, "frame", ROW / 2)
        middle = omission.x + omission.width / 2
        yield _text(middle, omission.y + ROW / 2 + CLOSE, omission.label, "alone")
    for ending in arrangement.endings:
        yield from _ending(ending)


def _border(border: Border) -> Iterable[str]:
    x, y, width, height = border.x, border.y, border.width, border.height
    # A pile of frames represents a repeat.
    for away in (2 * SHADOW, SHADOW, 0) if border.times > 1 else ():
        yield _rect(x + away, y + away, width, height, "ground", 6)
        if away:
            yield _rect(x + away, y + away, width, height, "frame", 6)
    yield _rect(x, y, width, height, "frame", 6)
    yield _rect(x, y, width, HEADER, "bar", 6)
    base = y + HEADER / 2 + CLOSE
    yield _text(x + PAD, base, border.label, "head")
    if border.figure:
        yield _text(x + width - PAD, base, border.figure, "figure")


def _box(costs: Costs, box: Box) -> Iterable[str]:
    x, width = box.x, box.width
    for number, row in enumerate(box.rows):
        y = box.y + ROW * number
        yield f"<g><title>{escape(_tooltip(costs, row))}</title>"
        # Only the outer corners of a stack are round.
        corners = 4 if len(box.rows) == 1 else 0
        yield _rect(x, y, width, ROW, f"box {family(row.node.op)}", corners)
        base = y + ROW / 2 + CLOSE
        if row.figure:
            yield _text(x + PAD, base, row.label)
            yield _text(x + width - PAD, base, row.figure, "figure")
        elif len(box.rows) == 1:
            yield _text(x + width / 2, base, row.label, "alone")
        else:
            yield _text(x + PAD, base, row.label)
        yield "</g>"


def _tooltip(costs: Costs, row: Row) -> str:
    """The tooltip of an op."""
    node = row.node
    text = f"{node.path}: {node.output}"
    return f"{text}, {row.figure} parameters" if row.figure else text


def _ending(ending: Ending) -> Iterable[str]:
    yield _rect(ending.x, ending.y, ending.width, ROW, "box input", ROW / 2)
    middle = ending.x + ending.width / 2
    yield _text(middle, ending.y + ROW / 2 + CLOSE, ending.label, "alone")


def _path(edge: Edge) -> str:
    (x, y), *others = edge.points
    steps = [f"M{_number(x)} {_number(y)}"]
    for to_x, to_y in others:
        steps.append(f"V{_number(to_y)}" if to_x == x else f"H{_number(to_x)}")
        x, y = to_x, to_y
    return "".join(steps)


def _arrow(before: Point, tip: Point) -> str:
    """A triangle at the end of an edge."""
    x, y = tip
    half = ARROW / 2
    start = f"M{_number(x)} {_number(y)}"
    if before[0] == x:
        back = -ARROW if before[1] < y else ARROW
        return f"{start}l{_number(-half)} {back}h{ARROW}z"
    back = -ARROW if before[0] < x else ARROW
    return f"{start}l{back} {_number(-half)}v{ARROW}z"


def _rect(x: float, y: float, width: float, height: float, kind: str, corners: float) -> str:
    rounded = f' rx="{_number(corners)}"' if corners else ""
    return (
        f'<rect class="{kind}" x="{_number(x)}" y="{_number(y)}"'
        f' width="{_number(width)}" height="{_number(height)}"{rounded}/>'
    )


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{_number(x)}" y="{_number(y)}">{escape(text)}</text>'


def _number(value: float) -> str:
    """A length to a tenth, the same on every machine."""
    return f"{value:.1f}".removesuffix(".0")
