"""`archc diff`: two networks compared layer by layer."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import NamedTuple

import click

from archc.cli import completing, streams
from archc.cli.options import depth_option, max_steps_option, read_settings, set_option
from archc.diagnostics import SourceText, Span, SpecError, encodable
from archc.difference import Difference, difference
from archc.files.reading import LARGEST, read_regular
from archc.ir.costs import Costs
from archc.spec import read_spec

EVERY_LAYER = ("json", "html")
"""Formats without --depth."""


class Growth(NamedTuple):
    """The largest allowed growth of a total: a number, or a percentage in thousandths of a percent.
    `text` is the option as typed."""

    text: str
    amount: int
    share: bool

    def exceeded(self, before: int, after: int) -> bool:
        """Whether the growth exceeds this limit."""
        allowed = self.amount * before if self.share else self.amount * 100_000
        return (after - before) * 100_000 > allowed


def read_growth(ctx: click.Context, param: click.Parameter, text: str | None) -> Growth | None:
    """Parse `100000`, or `5%` with up to three decimals."""
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
    type=click.Choice(["table", "json", "markdown", "html"]),
    default="table",
    show_default=True,
)
@click.option("--all", "everything", is_flag=True, help="Show all layers, identical ones too.")
@depth_option
@click.option("--exit-code", is_flag=True, help="Exit with 1 if networks or recipes differ.")
@click.option(
    "--max-params-growth",
    callback=read_growth,
    metavar="N|P%",
    help="Exit with 1 if B has over N, or P percent, more parameters than A.",
)
@click.option(
    "--max-macs-growth",
    callback=read_growth,
    metavar="N|P%",
    help="The same for MACs per sample.",
)
@set_option
@click.option("--set-a", "settings_a", multiple=True, metavar="NAME=VALUE", help="Of A alone.")
@click.option("--set-b", "settings_b", multiple=True, metavar="NAME=VALUE", help="Of B alone.")
@max_steps_option
def command(
    a: str,
    b: str,
    form: str,
    everything: bool,
    depth: int | None,
    exit_code: bool,
    max_params_growth: Growth | None,
    max_macs_growth: Growth | None,
    settings: tuple[str, ...],
    settings_a: tuple[str, ...],
    settings_b: tuple[str, ...],
    most_steps: int,
) -> int:
    """Compare two networks layer by layer.

    Blocks and sections that are added or removed are one row each, and so are equal changes of
    several layers: --depth opens them. A and B are specs, or models that `archc import` reads, or
    REV:PATH for one in a revision of the git repository (HEAD:specs/vgg16.yaml). Expectations are
    not checked.
    """
    if a == b == "-":
        raise click.UsageError("only one of A and B can be standard input")
    if form in EVERY_LAYER and depth is not None:
        raise click.UsageError(f"--depth is not for {form}, which has every layer")
    both = read_settings(settings)
    result = difference(
        _read(a, most_steps, both | read_settings(settings_a)),
        _read(b, most_steps, both | read_settings(settings_b)),
    )
    _write(result, form, depth, everything)
    before, after = result.a.totals, result.b.totals
    exceeded = False
    for name, limit, totals in (
        ("parameters", max_params_growth, (before.params, after.params)),
        ("MACs per sample", max_macs_growth, (before.macs, after.macs)),
    ):
        if limit is not None and limit.exceeded(*totals):
            exceeded = True
            _report_growth(result, name, totals, limit)
    return 1 if exceeded or (exit_code and not result.is_empty) else 0


def _read(path: str, most_steps: int, params: Mapping[str, object]) -> Costs:
    """The network of a spec, or of a file that `archc import` reads; of a revision with `REV:PATH`.
    Raises SpecError."""
    if ":" in path and not os.path.lexists(path):
        from archc.cli.revision import read_file, read_revision, revision_of

        revision = revision_of(path)
        if revision is not None:
            if _is_model(revision.path, b""):
                content = read_file(revision, LARGEST)
                return _imported(path, os.path.basename(revision.path), content, params)
            return read_revision(revision, most_steps).build(params)
    if os.path.isfile(path) and _is_model(path, read_regular(path, 16)):
        return _of_model(path, params)
    return read_spec(path, most_steps).build(params)


MODELS = (".onnx", ".keras", ".json", ".pt2")


def _is_model(path: str, begin: bytes) -> bool:
    """Whether a file is no spec, by its name and its first bytes: a spec is text."""
    return path.endswith(MODELS) or any(byte < 9 for byte in begin)


def _imported(path: str, name: str, content: bytes, params: Mapping[str, object]) -> Costs:
    """The network of a model's content, imported from a file of its own with a name. Raises
    SpecError, whose errors are of the model's path."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="archc-") as folder:
        copy = os.path.join(folder, name)
        with open(copy, "wb") as file:
            file.write(content)
        try:
            return _of_model(copy, params)
        except SpecError as error:
            span = Span(SourceText(encodable(path), ""), 1, 1, 1, 1)
            raise SpecError([one._replace(span=span) for one in error.diagnostics]) from None


def _of_model(path: str, params: Mapping[str, object]) -> Costs:
    from archc.importers import formats
    from archc.importers.spec import as_spec, name_of

    imported = as_spec(formats.read(path), name_of(path), path, ())
    return imported.loaded.spec.build(params)


def _write(result: Difference, form: str, depth: int | None, everything: bool) -> None:
    if form == "json":
        from archc.reports import json

        streams.write(json.text(result.report()))
    elif form == "html":
        from archc.reports import html_difference

        streams.write(html_difference.report(result))
    elif form == "markdown":
        from archc.reports.difference_markdown import comment

        streams.write(comment(result, depth=depth, everything=everything))
    else:
        from archc.reports.difference import table

        color = streams.colors(sys.stdout)
        width = streams.terminal_width()
        streams.write(table(result, width=width, color=color, depth=depth, everything=everything))


def _report_growth(result: Difference, name: str, totals: tuple[int, int], limit: Growth) -> None:
    from archc.reports.difference_rows import growth

    before, after = totals
    grown = growth(before, after)
    text = f"{after - before:,} more {name} than {result.a.graph.about.name}"
    text += f" ({grown})" if grown else ""
    streams.print_message(
        f"{result.b.graph.about.name}: {text}, above the allowed growth of {limit.text}"
    )
