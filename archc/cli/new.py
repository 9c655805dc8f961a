"""`archc new`: creates a valid spec to start from."""

from __future__ import annotations

import os
import sys

import click

from archc.api import load
from archc.cli import completing, streams
from archc.diagnostics import SourceText, SpecError, did_you_mean, formats, visible
from archc.files import write_files
from archc.files.reading import files_below
from archc.language import scaffold
from archc.language.extends import root_of
from archc.language.module_names import network_error
from archc.language.names import suggested_name
from archc.spec import read_source

_SCHEMA = "../archc/language/schema/archc-1.json"


@click.command("new", help="Create a spec from another one or from a small network.")
@click.argument("name", metavar="NAME")
@click.option(
    "--like",
    metavar="SPEC",
    shell_complete=completing.specs,
    help="The spec to copy: a path, or a name in specs.",
)
@click.option("--extend", is_flag=True, help="Extend the spec of --like instead of copying it.")
@click.option(
    "-o", "folder", metavar="FOLDER", default="specs", show_default=True, help="Output folder."
)
@click.option("--force", is_flag=True, help="Overwrite an existing spec.")
def command(name: str, like: str | None, extend: bool, folder: str, force: bool) -> int:
    """The spec is checked before it is written as FOLDER/NAME.yaml."""
    problem = network_error(name)
    if problem is not None:
        hint = suggested_name(name, network_error)
        message = f"the name {visible(repr(name))} {problem}"
        raise click.BadParameter(f"{message}; {hint}" if hint else message, param_hint="NAME")
    if extend and like is None:
        raise click.UsageError("--extend needs --like with the spec to extend")
    target = os.path.join(folder, f"{name}.yaml")
    if not force and os.path.lexists(target):
        streams.print_message(f"archc: {visible(target)} exists already (--force overwrites it)")
        return 2
    if like is None:
        text = _with_schema(scaffold.starter(name), folder)
    else:
        text = _like(name, _find(like, folder), folder, extend)
    try:
        real = os.path.realpath(target)
        totals = read_source(SourceText(target, text), root_of(real), real).checked().totals
    except SpecError as error:
        streams.print_message(formats.full(error.diagnostics, streams.colors(sys.stderr)))
        streams.print_message("archc: nothing was written")
        return formats.exit_code(error.diagnostics)
    write_files({f"{name}.yaml": text}, folder, force=True)
    streams.print_message(
        f"wrote {visible(target)}: {totals.params:,} parameters, {totals.macs:,} MACs"
    )
    return 0


def _find(like: str, folder: str) -> str:
    """The path of the spec of `--like`: a path, or a name in the new spec's folder `specs`."""
    if os.path.exists(like):
        return like
    root = os.path.relpath(root_of(os.path.realpath(os.path.join(folder, "-"))))
    known: dict[str, str] = {}
    for path in sorted(files_below(root, ".yaml")):
        known.setdefault(os.path.basename(path).removesuffix(".yaml"), path)
    if like in known:
        return known[like]
    hint = did_you_mean(like, known)
    hint = hint or (f"known: {', '.join(known)}" if known else f"there are no specs in {root}")
    raise click.BadParameter(f"no spec {visible(repr(like))}; {hint}", param_hint="--like")


def _like(name: str, path: str, folder: str, extend: bool) -> str:
    network = load(path, {})
    title = network.spec.document.title or network.spec.document.name
    here = os.path.dirname(path) or "."
    if not extend:
        return scaffold.copy(network.spec.texts[0], name, title, (here, folder))
    to_parent = os.path.relpath(os.path.realpath(path), os.path.realpath(folder))
    text = scaffold.variant(name, title, to_parent.replace(os.sep, "/"), network.spec.merged)
    return _with_schema(text, folder)


def _with_schema(text: str, folder: str) -> str:
    """A text with the schema line for editors, if the schema exists in the project."""
    if not os.path.isfile(os.path.join(folder, _SCHEMA)):
        return text
    return f"{scaffold.SCHEMA_LINE}{_SCHEMA}\n{text}"
