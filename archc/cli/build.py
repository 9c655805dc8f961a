"""`archc build`: writes the emitted modules and the reports of specs, all of them or none."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import click

from archc.api import Network, load
from archc.backends import BACKENDS
from archc.cli import completing, streams
from archc.cli.options import read_settings, set_option, warn_unchecked
from archc.diagnostics import Diagnostic, SpecError, formats
from archc.files import OutputError, check_files, write_files
from archc.reports import json, markdown, svg


@click.command("build", help="Write the emitted modules and the reports of specs.")
@click.argument(
    "specs", nargs=-1, required=True, metavar="SPEC...", shell_complete=completing.specs
)
@click.option("--backend", type=click.Choice([*BACKENDS, "all"]), default="all", show_default=True)
@click.option(
    "-o",
    "folder",
    metavar="FOLDER",
    default="generated",
    show_default=True,
    help="Output folder: torch/NAME.py, keras/NAME.py, reports/NAME.json, .md and .svg.",
)
@set_option
@click.option("--training", is_flag=True, help="Also write NAME_train.py with the spec's recipe.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if files differ.")
@click.option("--stdout", is_flag=True, help="Print the emitted module instead of writing it.")
@click.option("--force", is_flag=True, help="Overwrite files that archc did not generate.")
@click.option("-w", "--watch", is_flag=True, help="Rebuild whenever a spec changes.")
def command(
    specs: tuple[str, ...],
    backend: str,
    folder: str,
    settings: tuple[str, ...],
    training: bool,
    check: bool,
    stdout: bool,
    force: bool,
    watch: bool,
) -> int:
    """All specs are checked before anything is written."""
    if stdout and (check or training or backend == "all" or len(specs) != 1):
        conflict = "--stdout needs one SPEC and one --backend, without --check or --training"
        raise click.UsageError(conflict)
    if watch and (check or stdout or "-" in specs):
        raise click.UsageError("--watch needs files, without --check or --stdout")
    names = list(BACKENDS) if backend == "all" else [backend]
    options = Options(names, read_settings(settings), training)
    if watch:
        from archc.cli.watching import watch as whenever_changed

        whenever_changed(specs, lambda: _build(specs, options, folder, force))
    files = _build_all(specs, options)
    if isinstance(files, int):
        return files
    if stdout:
        streams.write(next(iter(files.values())))
        return 0
    if check:
        return _check(files, folder)
    return _write(files, folder, force)


class Options(NamedTuple):
    """The backends, parameters and extra files of a build."""

    backends: list[str]
    overrides: Mapping[str, object]
    training: bool


def _build(specs: Sequence[str], options: Options, folder: str, force: bool) -> int:
    files = _build_all(specs, options)
    return files if isinstance(files, int) else _write(files, folder, force)


def _build_all(specs: Sequence[str], options: Options) -> dict[str, str] | int:
    """The files of all specs by path; if specs have errors, prints these and returns the exit code
    instead."""
    files: dict[str, str] = {}
    diagnostics: list[Diagnostic] = []
    for spec in specs:
        try:
            network = load(spec, options.overrides)
            outputs = _files(network, options)
        except SpecError as error:
            diagnostics += error.diagnostics
            continue
        warn_unchecked(network)
        twice = next((path for path in outputs if path in files), None)
        if twice is not None:
            raise click.UsageError(f"two specs would both write {twice}: rename one of them")
        files |= outputs
    if diagnostics:
        streams.print_message(formats.full(diagnostics, streams.colors(sys.stderr)))
        return formats.exit_code(diagnostics)
    return files


def _files(network: Network, options: Options) -> dict[str, str]:
    """The files of one spec by path, the emitted modules first."""
    about = network.costs.graph.about
    backends = options.backends
    files = {f"{backend}/{about.name}.py": network.emit(backend) for backend in backends}
    if options.training:
        from archc import training

        for backend in backends:
            source = training.emit(backend, network.spec, network.costs)
            files[f"{backend}/{about.name}_train.py"] = source
    files[f"reports/{about.name}.json"] = json.text(network.report())
    files[f"reports/{about.name}.md"] = markdown.document(network.costs)
    files[f"reports/{about.name}.svg"] = svg.document(network.costs)
    return files


def _check(files: dict[str, str], folder: str) -> int:
    difference = check_files(files, folder)
    streams.write(difference)
    if not difference:
        return 0
    streams.print_message(f"{folder} is out of date: run `archc build`")
    return 1


def _write(files: dict[str, str], folder: str, force: bool) -> int:
    try:
        written = write_files(files, folder, force)
    except OutputError as error:
        hint = "" if error.hint is None else f" ({error.hint})"
        streams.print_message(f"archc: {error.message}{hint}")
        return 2
    for path in written:
        streams.print_message(f"wrote {path}")
    if not written:
        streams.print_message(f"{folder} is up to date")
    return 0
