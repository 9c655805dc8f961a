"""`archc build`: the emitted modules and the reports of specs, all of them written or none."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import click

from archc import backends
from archc.api import Network, load
from archc.cli import completing, streams
from archc.cli.options import read_settings, set_option, tell_unchecked
from archc.diagnostics import Diagnostic, SpecError, formats
from archc.files import OutputError, check_files, write_files
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
    help="Where to write: BACKEND/NAME.py, reports/NAME.json, .md and .svg.",
)
@set_option
@click.option("--training", is_flag=True, help="Also write NAME_train.py, by the spec's recipe.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 where files differ.")
@click.option("--stdout", is_flag=True, help="Print the one emitted module instead of writing.")
@click.option("--force", is_flag=True, help="Overwrite files that archc has not generated.")
@click.option("-w", "--watch", is_flag=True, help="Build again whenever a spec changes.")
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
        only = "--stdout takes one SPEC and one --backend, and no --check or --training"
        raise click.UsageError(only)
    if watch and (check or stdout or "-" in specs):
        raise click.UsageError("--watch takes files, and no --check or --stdout")
    names = list(backends.names()) if backend == "all" else [backend]
    if training and not _is_trainable(names):
        raise click.UsageError(f"the {backend} backend trains no networks")
    wanted = Wanted(names, read_settings(settings), training)
    if watch:
        from archc.cli.watching import watch as whenever_changed

        whenever_changed(specs, lambda: _build(specs, wanted, folder, force))
    files = _made(specs, wanted)
    if isinstance(files, int):
        return files
    if stdout:
        streams.write(next(iter(files.values())))
        return 0
    if check:
        return _check(files, folder)
    return _write(files, folder, force)


def _is_trainable(names: Sequence[str]) -> bool:
    return any(backends.backend(name).trainer is not None for name in names)


class Wanted(NamedTuple):
    """What is built of each spec."""

    backends: list[str]
    overrides: Mapping[str, object]
    training: bool


def _build(specs: Sequence[str], wanted: Wanted, folder: str, force: bool) -> int:
    files = _made(specs, wanted)
    return files if isinstance(files, int) else _write(files, folder, force)


def _made(specs: Sequence[str], wanted: Wanted) -> dict[str, str] | int:
    """The files of all specs by their paths; where one has faults, these are told and the exit
    code is given instead."""
    files: dict[str, str] = {}
    found: list[Diagnostic] = []
    for spec in specs:
        try:
            network = load(spec, wanted.overrides)
            made = _files(network, wanted)
        except SpecError as error:
            found += error.diagnostics
            continue
        tell_unchecked(network)
        twice = next((path for path in made if path in files), None)
        if twice is not None:
            raise click.UsageError(f"two specs would both write {twice}: give them other names")
        files |= made
    if found:
        streams.tell(formats.full(found, streams.colors(sys.stderr)))
        return formats.exit_code(found)
    return files


def _files(network: Network, wanted: Wanted) -> dict[str, str]:
    """The files of one build by their paths, the emitted modules first."""
    about = network.costs.graph.about
    files = {
        f"{name}/{about.name}{backends.backend(name).suffix}": network.emit(name)
        for name in wanted.backends
    }
    if wanted.training:
        from archc import training

        for name in wanted.backends:
            if name in training.trainable():
                files[f"{name}/{about.name}_train.py"] = training.emit(name, network)
    files[f"reports/{about.name}.json"] = json.text(network.report())
    files[f"reports/{about.name}.md"] = markdown.document(network.costs)
    files[f"reports/{about.name}.svg"] = svg.document(network.costs)
    return files


def _check(files: dict[str, str], folder: str) -> int:
    difference = check_files(files, folder)
    streams.write(difference)
    if not difference:
        return 0
    streams.tell(f"{folder} is not what archc would write: run `archc build` again")
    return 1


def _write(files: dict[str, str], folder: str, force: bool) -> int:
    try:
        written = write_files(files, folder, force)
    except OutputError as error:
        hint = "" if error.hint is None else f" ({error.hint})"
        streams.tell(f"archc: {error.message}{hint}")
        return 2
    for path in written:
        streams.tell(f"wrote {path}")
    if not written:
        streams.tell(f"{folder} is up to date")
    return 0
