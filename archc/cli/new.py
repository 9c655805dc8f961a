"""`archc new`: creates a valid spec to start from."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

import click

from archc.api import load
from archc.cli import completing, streams
from archc.diagnostics import SourceText, SpecError, did_you_mean, formats, visible
from archc.files import write_files
from archc.files.reading import files_below, read_below
from archc.language import library, scaffold
from archc.language.extends import ON_DISK, Files, root_of
from archc.language.module_names import network_error
from archc.language.names import suggested_name
from archc.language.reader import parse
from archc.language.values import mapping
from archc.language.writer import document
from archc.spec import read_source

_SCHEMA = "../archc/language/schema/archc-1.json"


@click.command("new", help="Create a spec from another one or from a small network.")
@click.argument("name", metavar="NAME")
@click.option(
    "--like",
    metavar="SPEC",
    shell_complete=completing.specs,
    help="The spec to copy: a path, or the name of one in specs or of an installed one.",
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
    files = {f"{name}.yaml": ""}
    if not force and _exists(files, folder):
        return 2
    if like is None:
        text = _with_schema(scaffold.starter(name), folder)
    else:
        path = _find(like, folder)
        if path is None:
            text, parents = _from_installed(name, like, folder, extend)
            files |= parents
        else:
            text = _like(name, path, folder, extend)
    files[f"{name}.yaml"] = text
    if not force and _exists(files, folder):
        return 2
    try:
        real = os.path.realpath(target)
        source = SourceText(target, text)
        spec = read_source(source, root_of(real), real, _instead_of_disk(files, folder))
        totals = spec.checked().totals
    except SpecError as error:
        streams.print_message(formats.full(error.diagnostics, streams.colors(sys.stderr)))
        streams.print_message("archc: nothing was written")
        return formats.exit_code(error.diagnostics)
    write_files(files, folder, force=True)
    streams.print_message(
        f"wrote {visible(target)}: {totals.params:,} parameters, {totals.macs:,} MACs"
    )
    return 0


def _exists(files: Mapping[str, str], folder: str) -> bool:
    """Whether one of the files is there already with another text; reports it."""
    for file, text in files.items():
        path = os.path.join(folder, file)
        if os.path.lexists(path) and read_below(folder, file) != text.encode("utf-8"):
            streams.print_message(f"archc: {visible(path)} exists already (--force overwrites it)")
            return True
    return False


def _instead_of_disk(files: Mapping[str, str], folder: str) -> Files:
    """Reads the texts of files that are not yet written."""
    texts = {os.path.realpath(os.path.join(folder, name)): text for name, text in files.items()}

    def read(path: str, display: str, root: str) -> SourceText:
        text = texts.get(path)
        return ON_DISK.read(path, display, root) if text is None else SourceText(display, text)

    return Files(os.path.realpath, read)


def _find(like: str, folder: str) -> str | None:
    """The path of the spec of `--like`: a path, or a name in the new spec's folder `specs`. None if
    it is the name of an installed spec."""
    if os.path.exists(like):
        return like
    root = os.path.relpath(root_of(os.path.realpath(os.path.join(folder, "-"))))
    known: dict[str, str] = {}
    for path in sorted(files_below(root, ".yaml")):
        known.setdefault(os.path.basename(path).removesuffix(".yaml"), path)
    if like in known:
        return known[like]
    installed = library.installed()
    if like in installed:
        return None
    hint = did_you_mean(like, {**installed, **known})
    hint = hint or "`archc list --installed` shows those that come with archc"
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


def _from_installed(name: str, like: str, folder: str, extend: bool) -> tuple[str, dict[str, str]]:
    """The text of a spec from an installed one, and those of the specs that it extends, by their
    file names: copies of the installed ones. A copy extends nothing: it is merged with its
    parents."""
    network = load(library.installed()[like], {})
    texts = [_without_schema(text) for text in network.spec.texts]
    title = network.spec.document.title or network.spec.document.name
    merged = network.spec.merged
    if not extend:
        plain = merged.plain()
        assert isinstance(plain, dict)
        text = texts[0] if len(texts) == 1 else document(plain)
        return _with_schema(scaffold.copy(text, name, title, (folder, folder)), folder), {}
    parents = {}
    file = f"{like}.yaml"
    for text in texts:
        parents[file] = _with_schema(text, folder)
        extends = mapping(parse(SourceText(file, text))).get("extends")
        file = "" if extends is None else str(extends.data)
    return _with_schema(scaffold.variant(name, title, f"{like}.yaml", merged), folder), parents


def _without_schema(text: str) -> str:
    """A text without the schema line for editors."""
    line, _, rest = text.partition("\n")
    return rest if line.startswith(scaffold.SCHEMA_LINE) else text


def _with_schema(text: str, folder: str) -> str:
    """A text with the schema line for editors, if the schema exists in the project."""
    if not os.path.isfile(os.path.join(folder, _SCHEMA)):
        return text
    return f"{scaffold.SCHEMA_LINE}{_SCHEMA}\n{text}"
