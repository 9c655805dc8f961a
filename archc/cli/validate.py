"""`archc validate`: the findings are the data, on standard output."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import click

from archc.api import load
from archc.cli import completing, findings, streams
from archc.diagnostics import Diagnostic, SpecError, visible


def _full(found: Sequence[Diagnostic]) -> str:
    return findings.full(found, streams.colors(sys.stdout))


_FORMATS: dict[str, Callable[[Sequence[Diagnostic]], str]] = {
    "full": _full,
    "concise": findings.concise,
    "json": findings.as_json,
    "github": findings.github,
    "sarif": findings.sarif,
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
    return findings.exit_code(found)
