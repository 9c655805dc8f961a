"""`archc validate`: prints diagnostics to standard output."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import click

from archc import __version__
from archc.api import load
from archc.cli import completing, streams
from archc.cli.options import max_steps_option, specs_of
from archc.diagnostics import Diagnostic, SpecError, formats, visible
from archc.ir.warnings import warnings


def _full(diagnostics: Sequence[Diagnostic]) -> str:
    return formats.full(diagnostics, streams.colors(sys.stdout))


def _sarif(diagnostics: Sequence[Diagnostic]) -> str:
    return formats.sarif(diagnostics, __version__)


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
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings, too.")
@max_steps_option
def command(specs: tuple[str, ...], form: str, strict: bool, most_steps: int) -> int:
    """All specs are checked, of a folder all in it; the exit code is the worst one."""
    diagnostics: list[Diagnostic] = []
    for spec in specs_of(specs):
        try:
            network = load(spec, {}, most_steps)
        except SpecError as error:
            diagnostics += error.diagnostics
        else:
            totals = network.costs.totals
            diagnostics += warnings(network.spec.merged, network.costs)
            if form in ("full", "concise"):
                sums = f"{totals.params:,} parameters, {totals.macs:,} MACs"
                streams.print_message(f"{visible(spec)}: valid, {sums}")
    output = _FORMATS[form](diagnostics)
    streams.write(output if not output or output.endswith("\n") else f"{output}\n")
    return formats.exit_code(diagnostics) or int(strict and bool(diagnostics))
