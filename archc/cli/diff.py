"""`archc diff`: two networks compared layer by layer."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

import click

from archc.cli import completing, streams
from archc.difference import Difference, difference
from archc.ir.costs import Costs
from archc.spec import read_spec


class Growth(NamedTuple):
    """The most that a total may grow: by a number, or by a share of what it was, in thousandths of
    a percent. `text` is how it was given."""

    text: str
    amount: int
    share: bool

    def exceeded(self, before: int, after: int) -> bool:
        """Whether the growth is more than this."""
        allowed = self.amount * before if self.share else self.amount * 100_000
        return (after - before) * 100_000 > allowed


def read_growth(ctx: click.Context, param: click.Parameter, text: str | None) -> Growth | None:
    """`100000`, or `5%` with up to three decimals."""
    if text is None:
        return None
    number = text.removesuffix("%")
    share = number != text
    whole, point, decimals = number.partition(".")
    digits = whole + decimals
    fits = len(digits) <= 18 and len(decimals) <= (3 if share else 0)
    if not (
        fits and digits.isascii() and digits.isdigit() and whole and bool(point) == bool(decimals)
    ):
        raise click.BadParameter(f"{text!r} is neither a number nor a percentage like 5% or 2.5%")
    return Growth(text, int(whole + decimals.ljust(3 * share, "0")), share)


@click.command("diff")
@click.argument("a", metavar="A", shell_complete=completing.specs)
@click.argument("b", metavar="B", shell_complete=completing.specs)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "markdown"]),
    default="table",
    show_default=True,
)
@click.option("--all", "everything", is_flag=True, help="Show the layers that are the same, too.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 where networks or recipes differ.")
@click.option(
    "--max-params-growth",
    callback=read_growth,
    metavar="N|P%",
    help="Exit with 1 where B has more than N, or P percent, more parameters than A.",
)
@click.option(
    "--max-macs-growth",
    callback=read_growth,
    metavar="N|P%",
    help="The same for MACs per sample.",
)
def command(
    a: str,
    b: str,
    form: str,
    everything: bool,
    exit_code: bool,
    max_params_growth: Growth | None,
    max_macs_growth: Growth | None,
) -> int:
    """Compare two networks layer by layer.

    A and B are specs, or REV:PATH for a spec as it is in a revision of the git checkout
    (HEAD:specs/vgg16.yaml). What the specs expect is not asked here.
    """
    if a == b == "-":
        raise click.UsageError("one of A and B alone can be standard input")
    found = difference(_read(a), _read(b))
    _write(found, form, everything)
    before, after = found.a.totals, found.b.totals
    exceeded = False
    for name, limit, totals in (
        ("parameters", max_params_growth, (before.params, after.params)),
        ("MACs per sample", max_macs_growth, (before.macs, after.macs)),
    ):
        if limit is not None and limit.exceeded(*totals):
            exceeded = True
            _tell_growth(found, name, totals, limit)
    return 1 if exceeded or (exit_code and not found.is_empty) else 0


def _read(path: str) -> Costs:
    if ":" in path and not os.path.lexists(path):
        from archc.cli.revision import read_revision, revision_of

        revision = revision_of(path)
        if revision is not None:
            return read_revision(revision).build()
    return read_spec(path).build()


def _write(found: Difference, form: str, everything: bool) -> None:
    if form == "json":
        from archc.reports import json

        streams.write(json.text(found.report()))
    elif form == "markdown":
        from archc.reports.difference_markdown import comment

        streams.write(comment(found, everything=everything))
    else:
        from archc.reports.difference import table

        color = streams.colors(sys.stdout)
        width = streams.terminal_width()
        streams.write(table(found, width=width, color=color, everything=everything))


def _tell_growth(found: Difference, name: str, totals: tuple[int, int], limit: Growth) -> None:
    from archc.reports.difference_rows import growth

    before, after = totals
    grown = growth(before, after)
    told = f"{after - before:,} more {name} than {found.a.graph.about.name}"
    told += f" ({grown})" if grown else ""
    streams.tell(f"{found.b.graph.about.name}: {told}, above the allowed growth of {limit.text}")
