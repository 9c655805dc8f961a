"""`archc validate`: prints diagnostics to standard output."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

import click

from archc import __version__
from archc.api import load
from archc.cli import completing, streams
from archc.cli.options import max_steps_option, specs_of
from archc.diagnostics import Diagnostic, SpecError, formats, visible
from archc.files import OutputError, replace_files
from archc.files.reading import read_regular
from archc.ir.expectations import corrections
from archc.ir.warnings import warnings
from archc.language import library
from archc.language.edit import replace_scalars
from archc.language.extends import ROOT
from archc.language.reader import MAX_BYTES
from archc.spec import read_spec


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
@click.option(
    "--update-expect",
    "update",
    is_flag=True,
    help="First write the figures under `expect` that differ into the specs; bounds stay.",
)
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings, too.")
@max_steps_option
def command(specs: tuple[str, ...], form: str, update: bool, strict: bool, most_steps: int) -> int:
    """All specs are checked, of a folder all in it; the exit code is the worst one."""
    if update and "-" in specs:
        raise click.UsageError("--update-expect writes into files, not to standard input")
    diagnostics: list[Diagnostic] = []
    for spec in specs_of(specs):
        try:
            if update:
                _update(spec, most_steps)
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


def _update(path: str, most_steps: int) -> None:
    """Write the figures of a spec that differ from its expectations into its file, nothing else.
    Raises SpecError for an invalid spec, click.UsageError for one that is not the user's."""
    found = library.find(path)
    spec = read_spec(path, most_steps)
    figures = corrections(spec.build(), spec.document.expect)
    # What stands in a parent is for the parent to correct.
    own = {span: figure for span, figure in figures.items() if span.source.text == spec.texts[0]}
    if not own:
        return
    if found != path and os.path.dirname(found) != ROOT:
        raise click.UsageError(f"{path} is installed with archc: `archc new` copies it")
    folder, name = os.path.split(found)
    try:
        data = read_regular(found, MAX_BYTES + 1)
        new = replace_scalars(data, {span: str(figure) for span, figure in own.items()})
    except ValueError as error:
        raise OutputError(f"{found} is not updated: {error}") from None
    replace_files(folder, {name: new})
    for span, figure in sorted(own.items(), key=lambda one: one[0].line):
        before = span.source.line(span.line)[span.column - 1 : span.end_column - 1]
        streams.print_message(visible(f"{found}:{span.line}: {before} \u2192 {figure}"))
