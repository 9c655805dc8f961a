"""`archc weights`: conversion of weights between files, frameworks and the neutral format."""

from __future__ import annotations

import os

import click

from archc import backends
from archc.api import Network, load
from archc.cli import completing, streams
from archc.cli.options import not_installed, read_settings, set_option, warn_unchecked
from archc.ir.checkpoints import Table, read_table
from archc.language.reader import parse, read_text
from archc.weights import transfer
from archc.weights.files import formats

NEUTRAL = ".safetensors"
"""The suffix of files in the neutral format, whatever other formats have it too."""

_spec = click.argument("spec", metavar="SPEC", shell_complete=completing.specs)
_names = click.option(
    "--names",
    metavar="FILE",
    help="A YAML mapping of the paths of ops to the names of layers in the file.",
)
_force = click.option("--force", is_flag=True, help="Overwrite an existing file.")
_output = click.option("-o", "output", metavar="FILE", required=True, help="The file to write.")


@click.group("weights", help="Convert weights between file formats and frameworks.")
def command() -> None:
    """The command group."""


@command.command("import")
@_spec
@click.argument("file", metavar="FILE")
@click.option(
    "-o", "output", metavar="FILE", help="The file to write, by default NAME.safetensors."
)
@_names
@_force
@set_option
def import_(
    spec: str,
    file: str,
    output: str | None,
    names: str | None,
    force: bool,
    settings: tuple[str, ...],
) -> int:
    """Import a checkpoint of a framework (.pth, .safetensors, .h5, .onnx) to the neutral format.

    The names of its layers are those of the emitted network, or of one of the spec's `checkpoints`.
    """
    network = _network(spec, settings)
    target = output or f"{network.costs.graph.about.name}{NEUTRAL}"
    return _convert(network, file, target, None, names, force)


@command.command("export")
@_spec
@click.argument("file", metavar="FILE")
@click.option("--backend", type=click.Choice(backends.names()), required=True)
@_output
@_force
@set_option
def export(
    spec: str, file: str, backend: str, output: str, force: bool, settings: tuple[str, ...]
) -> int:
    """Export weights to the format of a backend's emitted network."""
    if backend not in formats():
        raise click.UsageError(f"the {backend} backend has no weight files")
    return _convert(_network(spec, settings), file, output, backend, None, force)


@command.command("convert")
@_spec
@click.argument("file", metavar="FILE")
@_output
@_names
@_force
@set_option
def convert(
    spec: str,
    file: str,
    output: str,
    names: str | None,
    force: bool,
    settings: tuple[str, ...],
) -> int:
    """Import and export in one step; the output's suffix is its format: `.safetensors` the
    neutral one, `.pth` and `.weights.h5` those of frameworks."""
    endings: dict[str, str | None] = {NEUTRAL: None}
    for name, form in formats().items():
        for ending in form.endings:
            endings.setdefault(ending, name)
    kinds = [backend for ending, backend in endings.items() if output.endswith(ending)]
    if not kinds:
        raise click.UsageError(f"{output}: the suffix must be one of {', '.join(endings)}")
    return _convert(_network(spec, settings), file, output, kinds[0], names, force)


def _network(spec: str, settings: tuple[str, ...]) -> Network:
    network = load(spec, read_settings(settings))
    warn_unchecked(network)
    return network


def _convert(
    network: Network, file: str, output: str, backend: str | None, names: str | None, force: bool
) -> int:
    """Read the weights of a network from a file and write them to another one, in the neutral
    format if `backend` is None."""
    endings = (NEUTRAL,) if backend is None else formats()[backend].endings
    if not output.endswith(endings):
        listed = " or ".join(endings)
        raise click.UsageError(
            f"{output}: the name of a {backend or 'neutral'} file must end in {listed}"
        )
    if os.path.lexists(output) and not force:
        streams.print_message(f"archc: {output} exists already (--force overwrites it)")
        return 2
    table = None if names is None else _table(names)
    try:
        weights, in_order, checkpoint = transfer.read(file, network, table)
    except ImportError as error:
        streams.print_message(f"archc: {not_installed(error.name, backend or backends.names()[0])}")
        return 2
    if checkpoint is not None:
        streams.print_message(f"{file}: its names are those of `{checkpoint}`")
    if in_order:
        streams.print_message(transfer.ordering_note(file))
    try:
        transfer.save(output, weights, network, backend)
    except OSError as error:
        streams.print_message(
            f"archc: {output}: {(error.strerror or 'input/output error').lower()}"
        )
        return 2
    streams.print_message(f"wrote {output}: {len(weights)} arrays")
    return 0


def _table(path: str) -> Table:
    """A table of names. It is no link: excerpts of its errors would show what that points to."""
    return read_table(parse(read_text(path, root=os.path.dirname(path) or os.curdir)))
