"""`archc list`: specs with their parameters, MACs and layers."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import click

from archc.api import load
from archc.cli import completing, streams
from archc.cli.options import max_steps_option
from archc.diagnostics import SpecError, count, visible
from archc.files.reading import files_below
from archc.reports.rows import human
from archc.reports.table import shorten

DEFAULT = "specs"
_SHORTEST_TITLE = 16
_LONGEST_TITLE = 100


class Entry(NamedTuple):
    """A spec and its figures per sample; for an invalid one only the number of its errors."""

    path: str
    name: str = ""
    title: str = ""
    params: int = 0
    macs: int = 0
    layers: int = 0
    outputs: tuple[tuple[int, ...], ...] = ()
    errors: int = 0


@click.command("list", help="List specs with their parameters, MACs and layers.")
@click.argument("patterns", nargs=-1, metavar="[GLOB]...", shell_complete=completing.specs)
@click.option(
    "--sort",
    "key",
    type=click.Choice(["name", "params", "macs"]),
    default="name",
    show_default=True,
    help="By name, or largest first.",
)
@click.option(
    "--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True
)
@max_steps_option
def command(patterns: tuple[str, ...], key: str, form: str, most_steps: int) -> int:
    """The specs on standard output; exits with 1 if one of them is invalid."""
    entries = [_entry(path, most_steps) for path in _paths(patterns or (DEFAULT,))]
    if key == "name":
        entries.sort(key=lambda spec: (spec.errors > 0, spec.name or spec.path, spec.path))
    else:
        entries.sort(key=lambda spec: (spec.errors > 0, -getattr(spec, key), spec.name, spec.path))
    if form == "json":
        from archc.reports import json

        streams.write(json.text({"archc": 1, "specs": [_data(spec) for spec in entries]}))
    else:
        streams.write(_table(entries, streams.terminal_width()))
    return 1 if any(spec.errors for spec in entries) else 0


def _paths(patterns: Sequence[str]) -> list[str]:
    """The files that match the patterns, without duplicates; a folder means all specs in it."""
    paths: dict[str, None] = {}
    for pattern in patterns:
        if os.path.isdir(pattern):
            message = f"there are no specs in {pattern}"
            matching = list(files_below(pattern, ".yaml"))
        else:
            message = f"{pattern or repr(pattern)}: no such file"
            matching = [path for path in _matching(pattern) if not os.path.isdir(path)]
        if not matching and pattern == DEFAULT and not os.path.isdir(DEFAULT):
            raise click.UsageError(f"there is no folder {DEFAULT} here: name the specs")
        if not matching:
            raise click.UsageError(visible(message))
        paths |= dict.fromkeys(os.path.normpath(path) for path in sorted(matching))
    return list(paths)


def _matching(pattern: str) -> list[str]:
    """The paths that match a pattern. `**` follows no links, which may lead anywhere or in circles,
    and like `*` passes over hidden names."""
    if "**" not in pattern or "\0" in pattern:
        return glob.glob(pattern)
    path = Path(pattern)
    return [
        str(found)
        for found in Path(path.anchor).glob(str(path.relative_to(path.anchor)))
        if not any(part.startswith(".") for part in found.parts if part not in path.parts)
    ]


def _entry(path: str, most_steps: int) -> Entry:
    try:
        costs = load(path, {}, most_steps).costs
    except SpecError as error:
        return Entry(path, errors=count(error.diagnostics))
    graph, sums = costs.graph, costs.totals
    outputs = tuple(graph.nodes[index].output.sizes for index in graph.outputs)
    about = graph.about
    layers = len(costs.layers)
    return Entry(path, about.name, about.title, sums.params, sums.macs, layers, outputs)


def _data(spec: Entry) -> dict[str, object]:
    if spec.errors:
        return {"path": spec.path, "errors": spec.errors}
    return {**spec._asdict(), "outputs": [list(sizes) for sizes in spec.outputs]}


def _table(specs: Sequence[Entry], width: int | None) -> str:
    """Aligned text, at most `width` columns wide: titles are shortened."""
    lines: list[tuple[str, ...]] = [("spec", "title", "parameters", "MACs", "layers", "output")]
    lines += [
        (
            visible(spec.path),
            shorten(visible(" ".join(spec.title.split())), _LONGEST_TITLE),
            human(spec.params),
            human(spec.macs),
            human(spec.layers),
            ", ".join(map(human, spec.outputs)),
        )
        for spec in specs
        if not spec.errors
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    if width is not None:
        over = sum(widths) + 2 * (len(widths) - 1) - width
        widths[1] = max(widths[1] - max(over, 0), min(widths[1], _SHORTEST_TITLE))
    lines.insert(1, tuple("-" * size for size in widths))
    rows = []
    for path, title, *numbers, output in lines:
        cells = [f"{path:<{widths[0]}}", f"{shorten(title, widths[1]):<{widths[1]}}"]
        cells += [f"{cell:>{size}}" for cell, size in zip(numbers, widths[2:5], strict=True)]
        rows.append("  ".join([*cells, output]).rstrip())
    for spec in specs:
        if spec.errors:
            errors = "1 error" if spec.errors == 1 else f"{spec.errors:,} errors"
            rows.append(f"{visible(spec.path)}: {errors}, see `archc validate`")
    return "\n".join(rows) + "\n"
