"""The style of a run's page: light, dark, narrow, and for print."""

from __future__ import annotations

from archc.training.report.svg import COLOURS, style

_PAGE = """
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 76em; padding: 16px 20px 48px;
  background: var(--ground); color: var(--ink);
  font: 14px/1.45 system-ui, Helvetica, Arial, sans-serif;
}
h1 { margin: 0; font-size: 22px; overflow-wrap: anywhere; }
h2 { margin: 32px 0 8px; font-size: 17px; }
p { margin: 4px 0; }
.quiet { color: var(--quiet); }
:focus-visible { outline: 2px solid var(--training); outline-offset: 1px; }
.totals { margin: 16px 0 0; display: flex; flex-wrap: wrap; gap: 12px 32px; }
.totals dt { color: var(--quiet); font-size: 13px; }
.totals dd { margin: 0; font-size: 20px; font-variant-numeric: tabular-nums; }
.charts { display: flex; flex-wrap: wrap; gap: 16px; }
.charts svg { display: block; max-width: none; }
.scroll { overflow: auto; max-height: 32em; }
.wide { overflow-x: auto; }
summary { cursor: pointer; padding: 6px 0; color: var(--training); }
table { border-collapse: collapse; font-size: 13px; }
thead th {
  position: sticky; top: 0; background: var(--ground); box-shadow: inset 0 -1px var(--quiet);
}
th, td { text-align: left; padding: 3px 14px 3px 0; font-weight: normal; vertical-align: top; }
thead th { font-weight: 600; white-space: nowrap; }
th[scope="row"] { overflow-wrap: anywhere; }
tbody tr { border-bottom: 1px solid var(--grid); }
td.figure, th.figure { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td { overflow-wrap: anywhere; }
tr.best { font-weight: 600; }
tr.best th { font-weight: 600; }
.summary { margin: 16px 0 0; }
.summary th { white-space: nowrap; color: var(--quiet); }
.settings { columns: 24em; column-gap: 48px; margin-bottom: 8px; }
.settings > div { break-inside: avoid; padding-bottom: 12px; }
.settings th { white-space: nowrap; }
h3 { margin: 8px 0 4px; font-size: 14px; }
pre {
  margin: 0; padding: 10px; overflow-x: auto; border: 1px solid var(--grid); border-radius: 4px;
  font: 12.5px/1.5 ui-monospace, Menlo, Consolas, monospace;
}
.mistakes {
  list-style: none; margin: 0; padding: 0; display: grid; gap: 16px 12px;
  grid-template-columns: repeat(auto-fill, minmax(128px, 1fr));
}
.mistakes li { font-size: 13px; line-height: 1.3; overflow-wrap: anywhere; }
.mistakes span { white-space: nowrap; }
.mistakes img { display: block; margin-bottom: 4px; image-rendering: pixelated; max-width: 100%; }
@media print {
  .scroll { max-height: none; overflow: visible; }
  .mistakes li, .charts svg, tr { break-inside: avoid; }
}
"""


def page_style() -> str:
    """The CSS of a page with charts."""
    light, dark = (
        "".join(f"--{name}:{pair[which]};" for name, pair in COLOURS.items()) for which in (0, 1)
    )
    return (
        f":root{{color-scheme:light dark;{light}}}"
        f"@media(prefers-color-scheme:dark){{:root{{{dark}}}}}{_PAGE}{style()}"
    )
