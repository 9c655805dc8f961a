"""The report as a LaTeX table (booktabs), with the totals in the caption."""

from __future__ import annotations

import re
from collections.abc import Iterator

from archc.diagnostics import visible
from archc.ir.costs import Costs, Memory
from archc.reports.rows import Row, human, rows, totals

LONGEST = 45
"""Rows that fit on a page; a longer table is a `longtable`, which breaks across pages."""

_COLUMNS = "llrrr"
_HEAD = r"Layer & Operation & Output & Parameters & MACs \\"
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\char34{}",  # babel redefines the plain character in German and Dutch
    "`": r"\textasciigrave{}",
    "\u00d7": r"$\times$",
    "\u2026": r"\ldots{}",
}


def report(costs: Costs, memory: Memory | None = None, depth: int | None = None) -> str:
    """A table of all layers, below the headings of their sections and block instances; those at a
    `depth` are whole.

    MACs (multiply-accumulates) are per sample. Needs the package booktabs, and longtable for a
    table longer than a page.
    """
    lines = list(_rows(costs, depth))
    long = len(lines) > LONGEST
    caption = f"\\caption{{{_caption(costs, memory)}}}"
    label = f"\\label{{tab:{costs.graph.about.name}}}"
    head = ["\\toprule", _HEAD, "\\midrule"]
    packages = "booktabs, longtable" if long else "booktabs"
    output = [f"% {visible(costs.graph.about.header)}", f"% \\usepackage{{{packages}}}"]
    if long:
        output += [f"\\begin{{longtable}}{{{_COLUMNS}}}", f"  {caption} {label} \\\\"]
        output += [f"  {line}" for line in (*head, "\\endfirsthead", *head, "\\endhead")]
        output += ["  \\bottomrule", "  \\endlastfoot"]
        output += [f"  {line}" for line in lines]
        output.append("\\end{longtable}")
    else:
        output += ["\\begin{table}", "  \\centering", f"  {caption}", f"  {label}"]
        output.append(f"  \\begin{{tabular}}{{{_COLUMNS}}}")
        output += [f"    {line}" for line in (*head, *lines, "\\bottomrule")]
        output += ["  \\end{tabular}", "\\end{table}"]
    return "\n".join(output) + "\n"


def escape(text: str) -> str:
    """Text on one line, escaped for LaTeX."""
    result = "".join(_SPECIAL.get(sign, sign) for sign in visible(" ".join(text.split())))
    return re.sub("-(?=-)", "-{}", result)  # two of them would become a dash


def _caption(costs: Costs, memory: Memory | None) -> str:
    about = costs.graph.about
    sums = "; ".join(f"{name}: {value}" for name, value in totals(costs, memory))
    return escape(f"{about.title or about.name}: {sums}.")


def _rows(costs: Costs, depth: int | None) -> Iterator[str]:
    for row in rows(costs, depth):
        margin = r"\quad " * row.depth
        name, kind = escape(row.label), f"\\texttt{{{escape(row.kind)}}}"
        yield rf"{margin}{name} & {kind} & {_figures(row)} \\"


def _figures(row: Row) -> str:
    if row.figures is None:
        return "& &"
    sizes = r" \times ".join(map(str, row.figures.output))
    return f"${sizes}$ & {human(row.figures.params)} & {human(row.figures.macs)}"
