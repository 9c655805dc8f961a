"""`archc list`: networks with their family, year, task, parameters, MACs and input."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import click

from archc.api import load
from archc.cli import completing, streams
from archc.cli.options import max_steps_option
from archc.diagnostics import SpecError, count, did_you_mean, visible
from archc.files.reading import files_below
from archc.language import library
from archc.language.catalog import KEYS
from archc.language.extends import ROOT
from archc.reports import catalog
from archc.reports.catalog import Entry

WIDTH = 80
"""Columns of a table that is not for a terminal."""

Function = TypeVar("Function", bound=Callable[..., object])


def _filters(function: Function) -> Function:
    """An option for each key by which networks are filtered."""
    for key, one in [*KEYS.items()][::-1]:
        option = click.option(f"--{key}", metavar="TEXT", help=f"Only those with it: {one.doc}.")
        function = option(function)
    return function


@click.command("list")
@click.argument("patterns", nargs=-1, metavar="[GLOB]...", shell_complete=completing.specs)
@_filters
@click.option(
    "--sort",
    "key",
    type=click.Choice(["name", *KEYS, "params", "macs"]),
    default="name",
    show_default=True,
    help="By a text, or largest first.",
)
@click.option("--installed", is_flag=True, help="Only the specs that come with archc.")
@click.option(
    "--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True
)
@max_steps_option
def command(
    patterns: tuple[str, ...],
    key: str,
    installed: bool,
    form: str,
    most_steps: int,
    **filters: str | None,
) -> int:
    """List networks with their parameters and MACs.

    By default those in the folder `specs`, and without one those that come with archc. A GLOB is of
    files, or of the names of these.
    """
    if installed and patterns:
        raise click.UsageError("--installed takes no GLOB")
    default = library.folder() if installed or not os.path.isdir(ROOT) else ROOT
    entries = [_entry(path, most_steps) for path in _paths(patterns or (default,))]
    more = "; --installed lists those of archc" if not patterns and default == ROOT else ""
    for name, text in filters.items():
        if text is not None:
            entries = _having(entries, name, text, more)
    entries.sort(key=lambda one: _order(one, key))
    if form == "json":
        from archc.reports import json

        streams.write(json.text({"archc": 1, "specs": [catalog.data(one) for one in entries]}))
    else:
        streams.write(catalog.tables(entries, streams.terminal_width() or WIDTH))
    return 1 if any(one.errors for one in entries) else 0


def _paths(patterns: Sequence[str]) -> list[str]:
    """The files that the patterns match, without duplicates; a folder means all specs in it."""
    paths: dict[str, None] = {}
    for pattern in patterns:
        if os.path.isdir(pattern):
            message = f"there are no specs in {pattern}"
            matching = list(files_below(pattern, ".yaml"))
        else:
            message = f"{pattern or repr(pattern)}: no such file"
            matching = [path for path in _matching(pattern) if not os.path.isdir(path)]
            if not matching and os.path.basename(pattern) == pattern:
                known = library.known()
                matching = [known[name] for name in fnmatch.filter(known, pattern)]
                hint = did_you_mean(pattern, known)
                message += f", and no spec of this name{f'; {hint}' if hint else ''}"
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
    name = os.path.basename(path).removesuffix(".yaml")
    spec = name if os.path.realpath(library.find(name)) == os.path.realpath(path) else path
    try:
        costs = load(spec, {}, most_steps).costs
    except SpecError as error:
        return Entry(spec, path, errors=count(error.diagnostics))
    return catalog.entry(spec, path, costs)


def _having(entries: Sequence[Entry], key: str, text: str, more: str) -> list[Entry]:
    """The entries with a value under a key, in any case. Raises click.UsageError without any, which
    says `more` at its end."""
    known = [str(one.catalog[key]) for one in entries if key in one.catalog]
    values = {value.lower(): value for value in known}
    if text.lower() not in values:
        hint = did_you_mean(text, (), values) or f"known: {', '.join(sorted(set(known)))}"
        raise click.UsageError(visible(f"no spec has the {key} {text}; {hint}{more}"))
    return [one for one in entries if str(one.catalog.get(key, "")).lower() == text.lower()]


def _order(one: Entry, key: str) -> tuple[object, ...]:
    """The place of an entry among the others: invalid ones last, and those without a value."""
    # resnet18 comes before resnet101.
    parts = re.split("([0-9]+)", one.name or one.path)
    name = ([int(part) if index % 2 else part for index, part in enumerate(parts)], one.path)
    if key in ("params", "macs"):
        return (one.errors > 0, -getattr(one, key), *name)
    value = one.catalog.get(key, "")
    return (one.errors > 0, key in KEYS and value == "", value or 0, *name)
