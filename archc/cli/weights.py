"""`archc weights`: weights moved between files, frameworks and the neutral form."""

from __future__ import annotations

import os

import click

from archc import backends
from archc.api import Network, load
from archc.cli import completing, streams
from archc.cli.options import not_installed, read_settings, set_option, tell_unchecked
from archc.files import OutputError
from archc.language.reader import parse, read_text
from archc.weights import transfer
from archc.weights.files import formats
from archc.weights.names import read_table

NEUTRAL = ".safetensors"
"""What the name of a file in the neutral form ends in, whatever else may end so."""

_spec = click.argument("spec", metavar="SPEC", shell_complete=completing.specs)
_names = click.option(
    "--names",
    metavar="FILE",
    help="A YAML table: the path of an op, then the name of its layer in the file.",
)
_force = click.option("--force", is_flag=True, help="Write over a file that is there.")
_output = click.option("-o", "output", metavar="FILE", required=True, help="The file to write.")


@click.group("weights", help="Move weights between files, frameworks and the neutral form.")
def command() -> None:
    """The group; its commands follow."""


@command.command("import")
@_spec
@click.argument("file", metavar="FILE")
@_output
@_names
@_force
@set_option
def import_(
    spec: str,
    file: str,
    output: str,
    names: str | None,
    force: bool,
    settings: tuple[str, ...],
) -> int:
    """Read a checkpoint of a framework (.pth, .safetensors, .h5) into the neutral form."""
    return _moved(_network(spec, settings), file, output, None, names, force)


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
    """Write weights as the emitted network of a backend loads them."""
    if backend not in formats():
        raise click.UsageError(f"the {backend} backend has no files of weights")
    return _moved(_network(spec, settings), file, output, backend, None, force)


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
    """Import and export in one: the output's name tells its format. `.safetensors` is the neutral
    form, `.pth` and `.weights.h5` are those of frameworks."""
    endings: dict[str, str | None] = {NEUTRAL: None}
    for name, form in formats().items():
        for ending in form.endings:
            endings.setdefault(ending, name)
    kinds = [backend for ending, backend in endings.items() if output.endswith(ending)]
    if not kinds:
        raise click.UsageError(f"{output}: its ending is none of {', '.join(endings)}")
    return _moved(_network(spec, settings), file, output, kinds[0], names, force)


def _network(spec: str, settings: tuple[str, ...]) -> Network:
    network = load(spec, read_settings(settings))
    tell_unchecked(network)
    return network


def _moved(
    network: Network, file: str, output: str, backend: str | None, names: str | None, force: bool
) -> int:
    """Read the weights of a network from a file and write them to another: in the neutral form
    where there is no backend."""
    endings = (NEUTRAL,) if backend is None else formats()[backend].endings
    if not output.endswith(endings):
        listed = " or ".join(endings)
        raise click.UsageError(
            f"{output}: the name of a {backend or 'neutral'} file ends in {listed}"
        )
    if os.path.lexists(output) and not force:
        streams.tell(f"archc: {output} is there already (--force writes over it)")
        return 2
    table = {} if names is None else read_table(parse(read_text(names)))
    try:
        weights, in_order = transfer.read(file, network, table)
    except ImportError as error:
        streams.tell(f"archc: {not_installed(error.name, backend or backends.names()[0])}")
        return 2
    if in_order:
        streams.tell(transfer.ordering_note(file))
    try:
        transfer.save(output, weights, network, backend)
    except OutputError as refused:
        hint = "" if refused.hint is None else f" ({refused.hint})"
        streams.tell(f"archc: {refused.message}{hint}")
        return 2
    except OSError as error:
        streams.tell(f"archc: {output}: {(error.strerror or 'input/output error').lower()}")
        return 2
    streams.tell(f"wrote {output}: {len(weights)} arrays")
    return 0
