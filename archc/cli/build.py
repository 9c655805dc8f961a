"""`archc build`: writes the emitted modules and the reports of specs, all of them or none."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

import click

from archc import backends
from archc.api import Network, load
from archc.cli import completing, streams
from archc.cli.options import read_settings, set_option, warn_unchecked
from archc.diagnostics import Diagnostic, SpecError, formats
from archc.files import OutputError, differences, digest, foreign_files, read, write_files
from archc.reports import json, markdown, svg


@click.command("build", help="Write the emitted modules and the reports of specs.")
@click.argument(
    "specs", nargs=-1, required=True, metavar="SPEC...", shell_complete=completing.specs
)
@click.option(
    "--backend", type=click.Choice([*backends.names(), "all"]), default="all", show_default=True
)
@click.option(
    "-o",
    "folder",
    metavar="FOLDER",
    default="generated",
    show_default=True,
    help="Output folder: BACKEND/NAME.py, reports/NAME.json, .md and .svg.",
)
@set_option
@click.option("--training", is_flag=True, help="Also write NAME_train.py, with the spec's recipe.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if files differ.")
@click.option("--stdout", is_flag=True, help="Print the emitted module instead of writing it.")
@click.option("--force", is_flag=True, help="Overwrite edited files and files of others.")
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
    names = list(backends.names()) if backend == "all" else [backend]
    if training and not _is_trainable(names):
        raise click.UsageError(f"the {backend} backend trains no networks")
    request = Request(names, read_settings(settings), training)
    if watch:
        from archc.cli.watching import watch as whenever_changed

        whenever_changed(specs, lambda: _build(specs, request, folder, force))
    outputs = _outputs(specs, request)
    if isinstance(outputs, int):
        return outputs
    if stdout:
        streams.write(next(iter(outputs[0].files.values())))
        return 0
    files, digests = _with_reports(outputs, folder)
    if check:
        return _check(files, folder, digests)
    return _write(files, folder, digests, force)


def _is_trainable(names: Sequence[str]) -> bool:
    return any(backends.backend(name).trainer is not None for name in names)


class Request(NamedTuple):
    """The backends, parameters and extra files of a build."""

    backends: list[str]
    overrides: Mapping[str, object]
    training: bool


class Output(NamedTuple):
    """What is written of a network: files by their paths in the folder of the build, the emitted
    modules first, and its report as data."""

    name: str
    files: dict[str, str]
    report: Mapping[str, object]


def _build(specs: Sequence[str], request: Request, folder: str, force: bool) -> int:
    outputs = _outputs(specs, request)
    if isinstance(outputs, int):
        return outputs
    files, digests = _with_reports(outputs, folder)
    return _write(files, folder, digests, force)


def _outputs(specs: Sequence[str], request: Request) -> list[Output] | int:
    """The outputs of each spec; if specs have errors, prints these and returns the exit code
    instead."""
    outputs: list[Output] = []
    names: set[str] = set()
    diagnostics: list[Diagnostic] = []
    for spec in specs:
        try:
            network = load(spec, request.overrides)
            output = _output(network, request)
        except SpecError as error:
            diagnostics += error.diagnostics
            continue
        warn_unchecked(network)
        if output.name in names:
            path = next(iter(output.files))
            raise click.UsageError(f"two specs would both write {path}: rename one of them")
        names.add(output.name)
        outputs.append(output)
    if diagnostics:
        streams.print_message(formats.full(diagnostics, streams.colors(sys.stderr)))
        return formats.exit_code(diagnostics)
    return outputs


def _output(network: Network, request: Request) -> Output:
    name = network.costs.graph.about.name
    files = {
        f"{backend}/{name}{backends.backend(backend).suffix}": network.emit(backend)
        for backend in request.backends
    }
    if request.training:
        from archc import training
        from archc.training import script

        for backend in request.backends:
            if backend in training.trainable():
                files[f"{backend}/{name}_train.py"] = script.emit(backend, network)
    files[f"reports/{name}.md"] = markdown.document(network.costs)
    files[f"reports/{name}.svg"] = svg.document(network.costs)
    return Output(name, files, network.report())


def _with_reports(outputs: Sequence[Output], folder: str) -> tuple[dict[str, str], dict[str, str]]:
    """All files, and the digests of those that archc wrote last.

    The digests stand in each network's report. Those of files that this build leaves alone, such as
    another backend's, are kept as long as the files exist.
    """
    files: dict[str, str] = {}
    digests: dict[str, str] = {}
    for output in outputs:
        path = f"reports/{output.name}.json"
        data = None
        with suppress(OSError):  # which writing reports
            data = read(os.path.join(folder, path))
        recorded = json.recorded_files(data)
        if data is not None and recorded is not None:
            digests |= recorded | {path: digest(data)}
        current = {
            other: sha256
            for other, sha256 in (recorded or {}).items()
            if os.path.isfile(os.path.join(folder, other))
        }
        current |= {path: digest(text.encode("utf-8")) for path, text in output.files.items()}
        files |= output.files
        files[path] = json.text(json.with_files(output.report, current))
    return files, digests


def _check(files: Mapping[str, str], folder: str, digests: Mapping[str, str]) -> int:
    difference = differences(files, folder)
    streams.write(difference)
    if not difference:
        return 0
    for path, reason in foreign_files(files, folder, digests).items():
        streams.print_message(f"{path} {reason}: `archc build --force` overwrites it")
    streams.print_message(f"{folder} is out of date: run `archc build`")
    return 1


def _write(files: Mapping[str, str], folder: str, digests: Mapping[str, str], force: bool) -> int:
    try:
        paths = write_files(files, folder, digests=digests, force=force)
    except OutputError as error:
        hint = "" if error.hint is None else f" ({error.hint})"
        streams.print_message(f"archc: {error.message}{hint}")
        return 2
    for path in paths:
        streams.print_message(f"wrote {path}")
    if not paths:
        streams.print_message(f"{folder} is up to date")
    return 0
