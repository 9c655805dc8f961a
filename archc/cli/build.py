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
from archc.cli.options import (
    Overrides,
    max_steps_option,
    read_overrides,
    set_recipe_option,
    specs_of,
    warn_unchecked,
)
from archc.diagnostics import Diagnostic, SpecError, formats, visible
from archc.files import (
    Content,
    OutputError,
    Reader,
    data_of,
    differences,
    digest,
    foreign_files,
    is_up_to_date,
    locked,
)
from archc.files.reading import read_below
from archc.reports import json, markdown, orphans, svg
from archc.reports.orphans import Orphan


@click.command("build", help="Write the emitted modules and the reports of specs.")
@click.argument(
    "paths", nargs=-1, required=True, metavar="SPEC...", shell_complete=completing.specs
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
    help="Output folder: BACKEND/NAME.py or .onnx, reports/NAME.json, .md and .svg.",
)
@set_recipe_option
@max_steps_option
@click.option("--training", is_flag=True, help="Also write NAME_train.py, with the spec's recipe.")
@click.option("--text", is_flag=True, help="Also write emitted files that are no text as text.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if files differ.")
@click.option("--stdout", is_flag=True, help="Print the emitted file instead of writing it.")
@click.option("--force", is_flag=True, help="Overwrite edited files and files of others.")
@click.option("--prune", is_flag=True, help="Remove unedited files of specs that no longer exist.")
@click.option("-w", "--watch", is_flag=True, help="Rebuild whenever a spec changes.")
def command(
    paths: tuple[str, ...],
    backend: str,
    folder: str,
    settings: tuple[str, ...],
    most_steps: int,
    training: bool,
    text: bool,
    check: bool,
    stdout: bool,
    force: bool,
    prune: bool,
    watch: bool,
) -> int:
    """All specs are checked before anything is written, and all files are written or none."""
    specs = specs_of(paths)
    if stdout and (check or training or backend == "all" or len(specs) != 1):
        conflict = "--stdout needs one SPEC and one --backend, without --check or --training"
        raise click.UsageError(conflict)
    if watch and (check or stdout or "-" in specs):
        raise click.UsageError("--watch needs files, without --check or --stdout")
    if prune and (check or stdout or watch):
        raise click.UsageError("--prune writes: leave out --check, --stdout and --watch")
    names = list(backends.names()) if backend == "all" else [backend]
    if text and not any(backends.backend(name).text for name in names):
        raise click.UsageError(f"the {backend} backend emits text already")
    if training and not _is_trainable(names):
        raise click.UsageError(f"the {backend} backend trains no networks")
    request = Request(names, read_overrides(settings), training, text, most_steps)
    if watch:
        from archc.cli.watching import watch as whenever_changed

        whenever_changed(specs, lambda: _build(specs, request, folder, force))
    outputs = _outputs(specs, request)
    if isinstance(outputs, int):
        return outputs
    if stdout:
        *_, content = outputs[0].emitted.values()
        if isinstance(content, bytes) and sys.stdout.isatty():
            raise click.UsageError("--stdout of a file that is no text: redirect it, or add --text")
        streams.write(content)
        return 0
    if check:
        return _check(specs, outputs, folder)
    return _write(specs, outputs, folder, force=force, prune=prune)


def _is_trainable(names: Sequence[str]) -> bool:
    return any(backends.backend(name).trainer is not None for name in names)


class Request(NamedTuple):
    """The backends, parameters, extra files and step limit of a build."""

    backends: list[str]
    overrides: Overrides
    training: bool
    text: bool
    most_steps: int


class Output(NamedTuple):
    """What is written of a network: files by their paths in the folder of the build, what backends
    emit by itself, and its report as data. `readers` give the text of files that are none."""

    name: str
    emitted: dict[str, Content]
    others: dict[str, Content]
    readers: dict[str, Reader]
    report: Mapping[str, object]

    @property
    def files(self) -> dict[str, Content]:
        """All of them, the emitted ones first."""
        return self.emitted | self.others


def _build(specs: Sequence[str], request: Request, folder: str, force: bool) -> int:
    outputs = _outputs(specs, request)
    if isinstance(outputs, int):
        return outputs
    return _write(specs, outputs, folder, force=force, prune=False)


def _outputs(specs: Sequence[str], request: Request) -> list[Output] | int:
    """The outputs of each spec; if specs have errors, prints these and returns the exit code
    instead."""
    outputs: list[Output] = []
    names: set[str] = set()
    diagnostics: list[Diagnostic] = []
    for spec in specs:
        try:
            params, recipe = request.overrides
            network = load(spec, params, request.most_steps, recipe)
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
    emitted: dict[str, Content] = {}
    others: dict[str, Content] = {}
    readers: dict[str, Reader] = {}
    for one in map(backends.backend, request.backends):
        path = f"{one.name}/{name}{one.suffix}"
        emitted[path] = source = network.emit(one.name)
        if isinstance(source, bytes) and one.text is not None:
            readers[path] = one.text
            if request.text:
                emitted[f"{one.name}/{name}{one.text_suffix}"] = one.text(source)
    if request.training:
        from archc import training
        from archc.training import script

        for backend in request.backends:
            if backend in training.trainable():
                others[f"{backend}/{name}_train.py"] = script.emit(backend, network)
    others[f"reports/{name}.md"] = markdown.document(network.costs)
    others[f"reports/{name}.svg"] = svg.document(network.costs)
    return Output(name, emitted, others, readers, network.report())


def _records(outputs: Sequence[Output], folder: str) -> dict[str, Mapping[str, str]]:
    """The digests in the report of each network's last build, by the report's path."""
    records: dict[str, Mapping[str, str]] = {}
    for output in outputs:
        path = f"reports/{output.name}.json"
        record = None
        with suppress(OSError, OutputError):  # which writing reports
            record = json.record(read_below(folder, path), path)
        records[path] = {} if record is None else record.digests
    return records


def _with_reports(
    outputs: Sequence[Output], folder: str, records: Mapping[str, Mapping[str, str]]
) -> dict[str, Content]:
    """All files, each network's report among them, in which their digests stand.

    Those of files that this build leaves alone, such as another backend's, are kept as long as the
    files exist.
    """
    files: dict[str, Content] = {}
    for output in outputs:
        path = f"reports/{output.name}.json"
        current = {
            other: sha256
            for other, sha256 in records[path].items()
            if os.path.isfile(os.path.join(folder, other))
        }
        current |= {path: digest(data_of(content)) for path, content in output.files.items()}
        files |= output.files
        files[path] = json.with_files(output.report, current, path)
    return files


def _last_written(records: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The digests of all files that archc wrote last."""
    return {path: sha256 for record in records.values() for path, sha256 in record.items()}


def _orphans(specs: Sequence[str], outputs: Sequence[Output], folder: str) -> list[Orphan]:
    names: dict[str, set[str]] = {}
    for output in outputs:
        names.setdefault(str(output.report["source"]), set()).add(output.name)
    roots = orphans.bases(spec for spec in specs if spec != "-")
    return orphans.find(folder, [*backends.names(), "reports"], names, roots)


def _check(specs: Sequence[str], outputs: Sequence[Output], folder: str) -> int:
    records = _records(outputs, folder)
    files = _with_reports(outputs, folder, records)
    readers = {path: one for output in outputs for path, one in output.readers.items()}
    difference = differences(files, folder, readers)
    foreign = foreign_files(files, folder, _last_written(records))
    gone = _orphans(specs, outputs, folder)
    streams.write(difference)
    for error in foreign:
        streams.print_message(visible(str(error)))
    for orphan in gone:
        streams.print_message(visible(f"{orphan.path} has no spec any more: {orphan.reason}"))
    if any(orphan.sha256 is not None for orphan in gone):
        streams.print_message("`archc build --prune` removes unedited files without a spec")
    if difference or foreign:
        streams.print_message(f"{folder} is out of date: run `archc build`")
    return 1 if difference or foreign or gone else 0


def _write(
    specs: Sequence[str], outputs: Sequence[Output], folder: str, *, force: bool, prune: bool
) -> int:
    records = _records(outputs, folder)
    files = _with_reports(outputs, folder, records)
    if not prune and is_up_to_date(files, folder):
        streams.print_message(f"{folder} is up to date")
        return 0
    with locked(folder) as output:
        now = _records(outputs, folder)
        if now != records:  # another build has ended meanwhile
            files = _with_reports(outputs, folder, now)
        gone = _orphans(specs, outputs, folder) if prune else []
        removed = {orphan.name: orphan.sha256 for orphan in gone if orphan.sha256 is not None}
        digests = _last_written(now) | removed
        paths = output.write(files, digests=digests, force=force, remove=removed)
    for path in paths:
        streams.print_message(f"wrote {path}")
    for orphan in gone:
        done = "removed" if orphan.sha256 is not None else "kept"
        streams.print_message(visible(f"{done} {orphan.path}: {orphan.reason}"))
    if not paths and not removed:
        streams.print_message(f"{folder} is up to date")
    return 0
