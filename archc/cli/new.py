"""`archc new`: a spec to start from, which builds as it is."""

from __future__ import annotations

import os
import sys
from glob import escape, glob

import click

from archc.api import load
from archc.cli import completing, streams
from archc.diagnostics import SourceText, SpecError, did_you_mean, formats, visible
from archc.files import OutputError, write_files
from archc.language import scaffold
from archc.language.extends import root_of
from archc.language.names import name_error, suggested_name
from archc.spec import read_source

_SCHEMA = "../archc/language/schema/archc-1.json"


@click.command("new", help="Start a spec, from another one or from a small network.")
@click.argument("name", metavar="NAME")
@click.option(
    "--like",
    metavar="SPEC",
    shell_complete=completing.specs,
    help="Copy a spec: its path, or its name in specs.",
)
@click.option("--extend", is_flag=True, help="Extend the spec of --like instead of copying it.")
@click.option(
    "-o", "folder", metavar="FOLDER", default="specs", show_default=True, help="Where to write it."
)
@click.option("--force", is_flag=True, help="Overwrite a spec that is there.")
def command(name: str, like: str | None, extend: bool, folder: str, force: bool) -> int:
    """The spec is checked before it is written as FOLDER/NAME.yaml."""
    fault = name_error(name)
    if fault is not None:
        hint = suggested_name(name, name_error)
        told = f"the name {visible(repr(name))} {fault}"
        raise click.BadParameter(f"{told}; {hint}" if hint else told, param_hint="NAME")
    if extend and like is None:
        raise click.UsageError("--extend takes --like with the spec to extend")
    target = os.path.join(folder, f"{name}.yaml")
    if not force and os.path.lexists(target):
        streams.tell(f"archc: {visible(target)} is there already (--force overwrites it)")
        return 2
    if like is None:
        text = _with_schema(scaffold.starter(name), folder)
    else:
        text = _like(name, _find(like, folder), folder, extend)
    try:
        real = os.path.realpath(target)
        totals = read_source(SourceText(target, text), root_of(real), real).checked().totals
    except SpecError as error:
        streams.tell(formats.full(error.diagnostics, streams.colors(sys.stderr)))
        streams.tell("archc: nothing is written")
        return formats.exit_code(error.diagnostics)
    try:
        write_files({f"{name}.yaml": text}, folder, force=True)
    except OutputError as refused:
        streams.tell(f"archc: {refused.message}" + (f" ({refused.hint})" if refused.hint else ""))
        return 2
    streams.tell(f"wrote {visible(target)}: {totals.params:,} parameters, {totals.macs:,} MACs")
    return 0


def _find(like: str, folder: str) -> str:
    """The path of the spec that `--like` means: a path, or a name in the folder `specs` that the
    new one will stand in."""
    if os.path.exists(like):
        return like
    root = os.path.relpath(root_of(os.path.realpath(os.path.join(folder, "-"))))
    below = sorted(glob(os.path.join(escape(root), "**", "*.yaml"), recursive=True))
    known: dict[str, str] = {}
    for path in below:
        known.setdefault(os.path.basename(path).removesuffix(".yaml"), path)
    if like in known:
        return known[like]
    hint = did_you_mean(like, known)
    hint = hint or (f"known: {', '.join(known)}" if known else f"{root} holds none")
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
    """A text below the line by which editors find the schema, where it stands in the project."""
    if not os.path.isfile(os.path.join(folder, _SCHEMA)):
        return text
    return f"{scaffold.SCHEMA_LINE}{_SCHEMA}\n{text}"
