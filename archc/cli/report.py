"""`archc report`: the layers of a network with their costs."""

from __future__ import annotations

import sys

import click

from archc.api import Network, load
from archc.cli import completing, streams
from archc.cli.options import (
    depth_option,
    max_steps_option,
    read_settings,
    set_option,
    warn_unchecked,
)
from archc.ir.costs import Memory, memory

EVERY_LAYER = ("json", "svg", "html")
"""Formats without --depth."""


@click.command("report", help="Show the layers of a network with their costs.")
@click.argument("spec", metavar="SPEC", shell_complete=completing.specs)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv", "markdown", "latex", "svg", "html"]),
    default="table",
    show_default=True,
)
@set_option
@depth_option
@max_steps_option
@click.option(
    "--batch", type=click.IntRange(1), help="Also report the memory for a batch of N samples."
)
@click.option("--max-params", type=click.IntRange(0), help="Exit with 1 above N parameters.")
@click.option("--max-macs", type=click.IntRange(0), help="Exit with 1 above N MACs per sample.")
def command(
    spec: str,
    form: str,
    settings: tuple[str, ...],
    depth: int | None,
    most_steps: int,
    batch: int | None,
    max_params: int | None,
    max_macs: int | None,
) -> int:
    """The report on standard output; exceeded budgets are reported on standard error."""
    if depth is not None and form in EVERY_LAYER:
        raise click.UsageError(f"--depth is not for {form}, which has every layer")
    network = load(spec, read_settings(settings), most_steps)
    warn_unchecked(network)
    usage = None if batch is None else memory(network.costs, batch)
    _write(network, form, usage, depth)
    totals = network.costs.totals
    exceeded = 0
    for name, actual, budget in (
        ("parameters", totals.params, max_params),
        ("MACs per sample", totals.macs, max_macs),
    ):
        if budget is not None and actual > budget:
            exceeded = 1
            message = f"{actual:,} {name}, {actual - budget:,} above the budget of {budget:,}"
            streams.print_message(f"{network.costs.graph.about.name}: {message}")
    return exceeded


def _write(network: Network, form: str, usage: Memory | None, depth: int | None) -> None:
    costs = network.costs
    if form == "json":
        from archc.reports import json

        streams.write(json.text(json.report(costs, usage)))
    elif form == "csv":
        from archc.reports import csv

        streams.write(csv.report(costs, depth))
    elif form == "markdown":
        from archc.reports import markdown

        streams.write(markdown.report(costs, usage, depth))
    elif form == "latex":
        from archc.reports import latex

        streams.write(latex.report(costs, usage, depth))
    elif form == "svg":
        from archc.reports import svg

        streams.write(svg.report(costs))
    elif form == "html":
        from archc.reports import html
        from archc.reports.emitted import sources

        emitted = sources(network.emit, len(costs.layers))
        streams.write(html.report(costs, emitted, usage))
    else:
        from archc.reports import table

        width = streams.terminal_width()
        if streams.colors(sys.stdout):
            streams.write(table.color_report(costs, usage, width, depth))
        else:
            streams.write(table.report(costs, usage, width, depth))
