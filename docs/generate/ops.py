"""The ops: a page for each, with its fields, an example, what it costs, its drawing, and what the
backends emit; all of it from the op's definition."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from archc import backends
from archc.api import Network
from archc.diagnostics import SourceText, SpecError
from archc.language.schema.derive import op_doc
from archc.ops import FAMILIES, MERGES, OPS
from archc.ops.base import Op
from archc.ops.fields import FieldInfo, fields_of
from archc.reports import svg
from archc.reports.rows import COLUMNS, figures_of, human
from archc.spec import read_source
from docs.generate.language import FIELD_HEADS, field_row
from docs.generate.markdown import code, drawing, folded, plain, prose, table

MAP = "{channels: 16, height: 32, width: 32}"
INPUTS = (
    MAP,
    "{features: 64}",
    "{tokens: 16, features: 64}",
    "{tokens: 16, dtype: int32}",
    "{features: 2}",
)
"""Inputs of examples: the first one that the op takes."""

TYPICAL: Mapping[str, str] = {
    "filters": "32",
    "kernel_size": "3",
    "units": "10",
    "vocabulary": "1000",
    "features": "64",
    "heads": "4",
    "window": "8",
    "groups": "4",
    "rate": "0.5",
    "codes": "[[1, -1], [-1, 1]]",
    "order": "[channels, width, height]",
    "index": "0",
}
"""Values of fields that an op requires; of others the smallest that fits, from 2 on."""

SHOWN: Mapping[str, str] = {
    "reshape": "{channels: 64, height: 16, width: 16}",
    "select": "{channels: [0, 1, 2]}",
}
"""Fields of ops that show nothing without some."""


def index() -> str:
    """A table of the ops of each family, with the first sentence of their docs."""
    parts = []
    for family, ops in FAMILIES.items():
        rows = [[f"[`{op.name}`](ops/{op.name}.md)", prose(_first(op))] for op in ops]
        parts.append(f"## {family.capitalize()}\n\n{table(['op', ''], rows)}")
    return "\n".join(parts)


def _first(op: type[Op]) -> str:
    return re.split(r"(?<=\.) (?=[A-Z`])", op_doc(op))[0]


def pages() -> Iterator[tuple[str, str]]:
    """The files of all ops, by their paths: pages and drawings."""
    for name, op in OPS.items():
        network = example(op)
        yield f"reference/ops/{name}.svg", svg.report(network.costs)
        yield f"reference/ops/{name}.md", _page(op, network)


def example(op: type[Op]) -> Network:
    """A network with the op alone, on the first of the inputs that it takes. Raises LookupError
    where it takes none."""
    for given in INPUTS:
        text = _spec(op, given)
        try:
            spec = read_source(SourceText(f"{op.name}.yaml", text), "/", f"/{op.name}.yaml")
            return Network(spec, spec.checked())
        except SpecError:
            continue
    raise LookupError(f"no example of {op.name}")


def _spec(op: type[Op], given: str) -> str:
    return f"archc: 1\nname: example\ninput: {given}\nlayers:\n  - {_step(op)}\n"


def _step(op: type[Op]) -> str:
    if op.name in MERGES:
        return f"{op.name}: [[], [{{conv: {{filters: 16, kernel_size: 3, padding: same}}}}]]"
    if op.name in SHOWN:
        return f"{op.name}: {SHOWN[op.name]}"
    required = [f"{field.name}: {_typical(field)}" for field in fields_of(op) if field.required]
    return f"{op.name}: {{{', '.join(required)}}}" if required else op.name


def _typical(field: FieldInfo) -> str:
    if field.name in TYPICAL:
        return TYPICAL[field.name]
    for value in (2, 1, 0.5, "none"):
        try:
            field.kind.convert(value)
        except ValueError:
            continue
        return json.dumps(value)
    raise LookupError(f"no value of {field.name}")


def _page(op: type[Op], network: Network) -> str:
    lines = [f"# {op.name}\n", f"{prose(op_doc(op))}\n"]
    if fields_of(op):
        lines += ["## Fields\n", table(FIELD_HEADS, map(field_row, fields_of(op)))]
    if op.shorthand is not None:
        short = f"{op.name}: {op.shorthand.upper()}"
        lines.append(f"`{short}` is short for `{op.name}: {{{op.shorthand}: ...}}`.\n")
    lines += [
        "## Example\n",
        code(network.costs.graph.about.texts[0], "yaml"),
        _figures(network),
        drawing(f"{op.name}.svg", "The example as a drawing"),
        *_emitted(network),
    ]
    return "\n".join(lines)


def _figures(network: Network) -> str:
    """The costs of the example's layers, without the input."""
    figures = [figures_of(layer) for layer in network.costs.layers]
    rows = [[human(column.value(one)) for column in COLUMNS] for one in figures]
    return table([column.title for column in COLUMNS], rows)


def _emitted(network: Network) -> Iterator[str]:
    for name in backends.names():
        title = backends.title(name)
        try:
            source: Any = network.emit(name)
        except SpecError as error:
            reasons = "; ".join(plain(one.message) for one in error.diagnostics)
            yield f"{title}: {reasons}.\n"
            continue
        if isinstance(source, str):
            yield folded(f"In {title}", code(source, "python"))
