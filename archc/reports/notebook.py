"""The HTML of a network for notebooks, and its layers as a pandas DataFrame."""

from __future__ import annotations

from base64 import b64encode
from html import escape
from typing import TYPE_CHECKING, Any

from archc.diagnostics import visible
from archc.ir.costs import Costs
from archc.reports.rows import COLUMNS, axes_line, human, rows, totals
from archc.reports.table import heading
from archc.version import requirement

if TYPE_CHECKING:
    import pandas

_STYLE = "max-height: 40em; overflow: auto"


class Report(dict[str, Any]):
    """A report of `archc.reports.json`: a dict of JSON types."""

    def to_dataframe(self) -> pandas.DataFrame:
        """One row per layer, indexed by path: the op, the inputs' paths, the sizes of the output
        and the receptive field as tuples, the figures per sample.

        Raises ModuleNotFoundError if pandas is not installed.
        """
        try:
            import pandas
        except ModuleNotFoundError as error:
            if error.name != "pandas":
                raise
            message = f"to_dataframe needs pandas: pip install '{requirement('notebook')}'"
            raise ModuleNotFoundError(message, name="pandas") from None
        layers = [
            {
                **layer,
                "inputs": tuple(layer["inputs"]),
                "output": tuple(layer["output"].values()),
                "receptive_field": _sizes(layer["receptive_field"]),
                "jump": _sizes(layer["jump"]),
            }
            for layer in self["layers"]
        ]
        columns = list(layers[0]) if layers else ["path", "op", "params", "macs"]
        return pandas.DataFrame(layers, columns=columns).set_index("path")


def _sizes(values: list[float] | None) -> tuple[float, ...] | None:
    return None if values is None else tuple(values)


def fragment(costs: Costs, drawing: str | None = None) -> str:
    """The heading or, with a title of its own, the drawing (SVG), the table of layers and totals
    as HTML. There is no script, all text is escaped, and the drawing is an image, in which a
    browser runs and loads nothing."""
    lines = [
        # A drawing has the title.
        f"<div><strong>{_text(heading(costs))}</strong><br>{_text(axes_line(costs))}"
        if drawing is None
        else f"<div>{_image(drawing, heading(costs))}<br>{_text(axes_line(costs))}",
        # An attribute, which a notebook's own table style overrides.
        f'<div style="{_STYLE}"><table cellpadding="4">',
        f"<thead><tr>{_cells([column.title for column in COLUMNS], 'th')}</tr></thead>",
        "<tbody>",
    ]
    for row in rows(costs):
        margin = f"padding-left: {row.depth * 1.5 + 0.5}em"
        name = f'<td style="text-align: left; {margin}">{_text(row.label)}</td>'
        if row.figures is None:
            rest = (
                f'<td colspan="{len(COLUMNS) - 1}" style="text-align: left">{_text(row.kind)}</td>'
            )
        else:
            rest = _cells([human(column.value(row.figures)) for column in COLUMNS[1:]], "td", 1)
        lines.append(f"<tr>{name}{rest}</tr>")
    sums = "<br>".join(f"{_text(name)}: {_text(value)}" for name, value in totals(costs))
    return "\n".join([*lines, "</tbody></table></div>", f"{sums}</div>"]) + "\n"


def _image(drawing: str, title: str) -> str:
    """The whole drawing, at most as wide as the cell."""
    data = b64encode(drawing.encode("utf-8")).decode("ascii")
    return (
        f'<img alt="{_text(title)}, as a drawing" style="max-width: 100%; height: auto" '
        f'src="data:image/svg+xml;base64,{data}">'
    )


def _cells(texts: list[str], tag: str, first: int = 0) -> str:
    """Cells for the columns from `first` on."""
    return "".join(
        f'<{tag} style="text-align: {"right" if column.right else "left"}">{_text(text)}</{tag}>'
        for column, text in zip(COLUMNS[first:], texts, strict=True)
    )


def _text(text: str) -> str:
    return escape(visible(text))
