"""`archc weights`: conversion of weights between files, frameworks and the neutral format."""

from __future__ import annotations

import os

import click

from archc.api import Network, load
from archc.backends import BACKENDS
from archc.cli import completing, streams
from archc.cli.options import read_settings, set_option, warn_unchecked
from archc.files import OutputError
from archc.language.reader import parse, read_text
from archc.weights import transfer
from archc.weights.names import read_table
from archc.weights.sandbox import not_installed

BY_ENDING = {
    "neutral": (".safetensors",),
    "torch": (".pth", ".pt"),
    "keras": (".weights.h5",),
}
"""The suffixes that determine the format of an output of `convert`."""
ENDINGS = {
    "neutral": (".safetensors",),
    "torch": (".pth", ".pt", ".safetensors"),
    "keras": (".weights.h5",),
}
"""The allowed suffixes of each output format."""

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
    """Import a checkpoint of PyTorch (.pth, .safetensors) or Keras (.h5) to the neutral format."""
    return _convert(_network(spec, settings), file, output, "neutral", names, force)


@command.command("export")
@_spec
@click.argument("file", metavar="FILE")
@click.option("--backend", type=click.Choice([*BACKENDS]), required=True)
@_output
@_force
@set_option
def export(
    spec: str, file: str, backend: str, output: str, force: bool, settings: tuple[str, ...]
) -> int:
    """Export weights to the format of a backend's emitted network."""
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
    """Import and export in one step; the output's suffix is its format: `.pth` of PyTorch,
    `.weights.h5` of Keras, `.safetensors` the neutral format."""
    kind = next((kind for kind, ends in BY_ENDING.items() if output.endswith(ends)), None)
    if kind is None:
        known = ", ".join(ending for ends in BY_ENDING.values() for ending in ends)
        raise click.UsageError(f"{output}: the suffix must be one of {known}")
    return _convert(_network(spec, settings), file, output, kind, names, force)


def _network(spec: str, settings: tuple[str, ...]) -> Network:
    network = load(spec, read_settings(settings))
    warn_unchecked(network)
    return network


def _convert(
    network: Network, file: str, output: str, kind: str, names: str | None, force: bool
) -> int:
    """Read the weights of a network from a file and write them to another one."""
    if not output.endswith(ENDINGS[kind]):
        listed = " or ".join(ENDINGS[kind])
        raise click.UsageError(f"{output}: the name of a {kind} file must end in {listed}")
    if os.path.lexists(output) and not force:
        streams.print_message(f"archc: {output} exists already (--force overwrites it)")
        return 2
    table = {} if names is None else read_table(parse(read_text(names)))
    spec, costs = network.spec, network.costs
    try:
        weights, in_order = transfer.read(file, spec, costs, table)
    except ImportError as error:
        streams.print_message(f"archc: {not_installed(error, 'torch')}")
        return 2
    if in_order:
        streams.print_message(transfer.in_their_order(file))
    save = {
        "neutral": transfer.save_neutral,
        "torch": transfer.save_torch,
        "keras": transfer.save_keras,
    }[kind]
    try:
        save(output, weights, spec, costs)
    except OutputError as error:
        hint = "" if error.hint is None else f" ({error.hint})"
        streams.print_message(f"archc: {error.message}{hint}")
        return 2
    except OSError as error:
        streams.print_message(
            f"archc: {output}: {(error.strerror or 'input/output error').lower()}"
        )
        return 2
    streams.print_message(f"wrote {output}: {len(weights)} arrays")
    return 0
