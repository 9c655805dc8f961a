"""Charts as SVG: panels side by side, in colours for light and dark backgrounds.

Panels are embedded one by one in a page, or together in a file. No font is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from archc.reports.drawing.labels import FONT, SMALL
from archc.reports.svg import escape

HEADING = 16
MARGIN = 16

COLOURS = {
    "ground": ("#ffffff", "#16191d"),
    "ink": ("#1c2024", "#e6e9ec"),
    "quiet": ("#59636e", "#a3adb8"),
    "grid": ("#e3e7eb", "#2c333a"),
    "training": ("#0b5cad", "#7db8f5"),
    "validation": ("#b34700", "#ffab70"),
    "right": ("#0b5cad", "#7db8f5"),
    "wrong": ("#b34700", "#ffab70"),
    "over": ("#ffffff", "#101418"),
}
"""Colours by purpose, on a light and on a dark background."""

_RULES = (
    ".chart text{{font-family:Helvetica,Arial,sans-serif;font-size:{font}px;fill:{ink}}}"
    ".chart .heading{{font-size:{heading}px;font-weight:bold}}"
    ".chart .title{{font-weight:bold}}"
    ".chart .quiet,.chart .tick{{font-size:{small}px;fill:{quiet}}}"
    ".chart .end{{text-anchor:end}}.chart .middle{{text-anchor:middle}}"
    ".chart .over{{fill:{over}}}.chart .small{{font-size:{small}px}}"
    ".chart .ground{{fill:{ground}}}"
    ".chart .grid{{stroke:{grid};fill:none}}"
    ".chart .frame{{stroke:{quiet};fill:none}}"
    ".chart .best{{stroke:{quiet};stroke-dasharray:2 3;fill:none}}"
    ".chart .line{{fill:none;stroke-width:1.8;stroke-linejoin:round}}"
    ".chart .line.training,.chart .dot.training{{stroke:{training}}}"
    ".chart .line.validation,.chart .dot.validation{{stroke:{validation}}}"
    ".chart .line.validation{{stroke-dasharray:6 3}}"
    ".chart .dot{{stroke-width:1.5;fill:{ground}}}"
    ".chart .cell{{stroke:{grid}}}.chart .empty{{fill:none}}"
    ".chart .right{{fill:{right}}}.chart .wrong{{fill:{wrong}}}"
)


class Panel(NamedTuple):
    """A chart: its size, a description for screen readers, and its elements."""

    width: float
    height: float
    description: str
    lines: tuple[str, ...]


def style() -> str:
    """The CSS of panels, with colours for light and dark mode."""
    light, dark = ({name: pair[which] for name, pair in COLOURS.items()} for which in (0, 1))
    sizes = {"font": FONT, "small": SMALL, "heading": HEADING}
    return (
        f"{_RULES.format(**light, **sizes)}"
        f"@media(prefers-color-scheme:dark){{{_RULES.format(**dark, **sizes)}}}"
    )


def document(title: str, panels: Sequence[Panel]) -> bytes:
    """Panels side by side as an SVG file."""
    width = sum(panel.width for panel in panels) + MARGIN * (len(panels) + 1)
    top = 2 * MARGIN + HEADING
    height = top + max(panel.height for panel in panels) + MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img"'
        f' viewBox="0 0 {number(width)} {number(height)}"'
        f' width="{number(width)}" height="{number(height)}">',
        f"<title>{escape(title)}</title>",
        f"<desc>{escape(' '.join(panel.description for panel in panels))}</desc>",
        f"<style>{style()}</style>",
        '<rect class="ground" width="100%" height="100%"/>',
        text(MARGIN, MARGIN + HEADING, title, "heading"),
    ]
    left = float(MARGIN)
    for panel in panels:
        lines += [f'<g transform="translate({number(left)} {number(top)})">', *panel.lines, "</g>"]
        left += panel.width + MARGIN
    return "\n".join([*lines, "</svg>\n"]).encode()


def text(x: float, y: float, content: str, kind: str = "", degrees: int = 0) -> str:
    """A line of text at (x, y), rotated about it by `degrees`."""
    style = f' class="{kind}"' if kind else ""
    turn = f' transform="rotate({degrees} {number(x)} {number(y)})"' if degrees else ""
    return f'<text{style} x="{number(x)}" y="{number(y)}"{turn}>{escape(content)}</text>'


def number(value: float) -> str:
    """A length to a tenth, the same on every machine."""
    return f"{value:.1f}".removesuffix(".0")
