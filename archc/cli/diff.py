"""`archc diff`: two networks compared layer by layer."""

from __future__ import annotations

import os
import sys

import click

from archc.api import Network, load
from archc.cli import streams
from archc.difference import difference


@click.command("diff", help="Compare two networks layer by layer.")
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option(
    "--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True
)
@click.option("--exit-code", is_flag=True, help="Exit with 1 where the networks differ.")
def command(a: str, b: str, form: str, exit_code: bool) -> int:
    """The difference on standard output."""
    if a == b == "-":
        raise click.UsageError("one of A and B alone can be standard input")
    found = difference(_load(a).costs, _load(b).costs)
    if form == "json":
        from archc.reports import json

        streams.write(json.text(found.report()))
    else:
        from archc.reports.difference import table

        streams.write(table(found, color=streams.colors(sys.stdout)))
    return 1 if exit_code and not found.is_empty else 0


def _load(path: str) -> Network:
    if ":" in path and not os.path.exists(path):
        raise click.UsageError(
            f"{path}: no such file, and specs of another revision are not read: check it out first"
        )
    return load(path, {})
