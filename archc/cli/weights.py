"""`archc weights`: weights moved between files, frameworks and the neutral form."""

from __future__ import annotations

import os

import click

from archc.api import Network, load
from archc.backends import BACKENDS
from archc.cli import completing, streams
from archc.cli.options import read_settings, set_option, tell_unchecked
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
"""What the endings of names stand for where nothing else tells the kind of a file."""
ENDINGS = {
    "neutral": (".safetensors",),
    "torch": (".pth", ".pt", ".safetensors"),
    "keras": (".weights.h5",),
}
"""What the name of a written file of each kind ends in."""

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
    """Read a checkpoint of PyTorch (.pth, .safetensors) or Keras (.h5) into the neutral form."""
    return _moved(_network(spec, settings), file, output, "neutral", names, force)


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
    """Write weights as the emitted network of a backend loads them."""
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
    """Import and export in one: the output's name tells its format. `.pth` is PyTorch's,
    `.weights.h5` Keras', `.safetensors` the neutral form."""
    kind = next((kind for kind, ends in BY_ENDING.items() if output.endswith(ends)), None)
    if kind is None:
        known = ", ".join(ending for ends in BY_ENDING.values() for ending in ends)
        raise click.UsageError(f"{output}: its ending is none of {known}")
    return _moved(_network(spec, settings), file, output, kind, names, force)


def _network(spec: str, settings: tuple[str, ...]) -> Network:
    network = load(spec, read_settings(settings))
    tell_unchecked(network)
    return network


def _moved(
    network: Network, file: str, output: str, kind: str, names: str | None, force: bool
) -> int:
    """Read the weights of a network from a file and write them to another."""
    if not output.endswith(ENDINGS[kind]):
        listed = " or ".join(ENDINGS[kind])
        raise click.UsageError(f"{output}: the name of a {kind} file ends in {listed}")
    if os.path.lexists(output) and not force:
        streams.tell(f"archc: {output} is there already (--force writes over it)")
        return 2
    table = {} if names is None else read_table(parse(read_text(names)))
    spec, costs = network.spec, network.costs
    try:
        weights, in_order = transfer.read(file, spec, costs, table)
    except ImportError as error:
        streams.tell(f"archc: {not_installed(error, 'torch')}")
        return 2
    if in_order:
        streams.tell(transfer.in_their_order(file))
    save = {
        "neutral": transfer.save_neutral,
        "torch": transfer.save_torch,
        "keras": transfer.save_keras,
    }[kind]
    try:
        save(output, weights, spec, costs)
    except OutputError as refused:
        hint = "" if refused.hint is None else f" ({refused.hint})"
        streams.tell(f"archc: {refused.message}{hint}")
        return 2
    except OSError as error:
        streams.tell(f"archc: {output}: {(error.strerror or 'input/output error').lower()}")
        return 2
    streams.tell(f"wrote {output}: {len(weights)} arrays")
    return 0
