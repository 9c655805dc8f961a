"""`archc validate`: the findings are the data, on standard output."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import click

from archc import __version__
from archc.api import load
from archc.cli import completing, streams
from archc.diagnostics import Diagnostic, SpecError, formats, visible


def _full(found: Sequence[Diagnostic]) -> str:
    return formats.full(found, streams.colors(sys.stdout))


def _sarif(found: Sequence[Diagnostic]) -> str:
    return formats.sarif(found, __version__)


_FORMATS: dict[str, Callable[[Sequence[Diagnostic]], str]] = {
    "full": _full,
    "concise": formats.concise,
    "json": formats.as_json,
    "github": formats.github,
    "sarif": _sarif,
}


@click.command("validate", help="Check specs: schema, names, shapes, expectations.")
@click.argument(
    "specs", nargs=-1, required=True, metavar="SPEC...", shell_complete=completing.specs
)
@click.option(
    "--format", "form", type=click.Choice(list(_FORMATS)), default="full", show_default=True
)
def command(specs: tuple[str, ...], form: str) -> int:
    """All specs are checked; the worst of them gives the exit code."""
    found: list[Diagnostic] = []
    for spec in specs:
        try:
            totals = load(spec, {}).costs.totals
        except SpecError as error:
            found += error.diagnostics
        else:
            if form in ("full", "concise"):
                sums = f"{totals.params:,} parameters, {totals.macs:,} MACs"
                streams.tell(f"{visible(spec)}: valid, {sums}")
    told = _FORMATS[form](found)
    streams.write(told if not told or told.endswith("\n") else f"{told}\n")
    return formats.exit_code(found)
