"""`archc verify`: compares the emitted networks layer by layer."""

from __future__ import annotations

import sys

import click

from archc.api import Network, load
from archc.cli import completing, streams
from archc.cli.options import (
    max_steps_option,
    not_installed,
    read_settings,
    set_option,
    warn_unchecked,
)
from archc.verify import FixedTensors, WorkerError, report, verify
from archc.verify.compare import ROUNDING
from archc.verify.runtimes import choices, runnable, witnesses
from archc.verify.settings import TOLERANCES, Settings

_DOUBLE, _SINGLE = TOLERANCES["float64"], TOLERANCES["float32"]
HELP = f"""Run the emitted networks and compare every layer.

All get the same seeded weights and batch. Compared are the initial values with the spec (a
`default` initializer is each framework's own), the output of every layer in evaluation, of the
batch and of one sample, what dropout leaves of ones, and of one training step without dropout the
outputs, the loss, the gradients and the running statistics.

A cell of the table is the largest difference of two values, relative to the scale of the
computation: the value's own amount, plus the root mean square (size) of its array, plus
{_DOUBLE.zero:g} times the largest size in the network (in float32 {_SINGLE.zero:g} times). It may
be {_DOUBLE.relative:g} (float32: {_SINGLE.relative:g}). Where it is more (!), the first network
runs again with every weight and input changed in its last bit: {ROUNDING} times what that makes is
tolerated too (*), up to {_DOUBLE.proof:g} (float32: {_SINGLE.proof:g}). Beyond that (~) nothing
but rounding can be told. What is zero within the tolerance is named in a warning: there the
comparison says nothing.

\b
Verdicts and exit codes:
  agree         0  the networks are the same
  differ        1  a network is another, or cannot be run
  inconclusive  1  differences are as large as the network magnifies rounding
  An error of usage, or a framework that is not installed, exits with 2."""


@click.command("verify", help=HELP)
@click.argument("spec", metavar="SPEC", shell_complete=completing.specs)
@click.option(
    "--backends",
    "names",
    default=",".join(witnesses()),
    show_default=True,
    metavar="A,B",
    help="Backends to compare with the first one, or `all`; a single one is compared with the "
    "report. One that emits networks for evaluation takes no training step.",
)
@click.option(
    "--dtype",
    type=click.Choice([*TOLERANCES]),
    default="float64",
    show_default=True,
    help="The data type to compute in.",
)
@click.option(
    "--runtime",
    type=click.Choice(choices()),
    help="The framework of a backend that runs on several; by default the first exact one.",
)
@click.option(
    "--weights",
    metavar="FILE",
    help="Weights to use, in any format that `archc weights import` reads.",
)
@set_option
@max_steps_option
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    metavar="N",
    help="Seed of random weights and inputs.",
)
@click.option(
    "--batch", type=click.IntRange(2), default=2, show_default=True, metavar="N", help="Batch size."
)
@click.option(
    "--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True
)
def command(
    spec: str,
    names: str,
    dtype: str,
    runtime: str | None,
    weights: str | None,
    settings: tuple[str, ...],
    most_steps: int,
    seed: int,
    batch: int,
    form: str,
) -> int:
    """The comparison on standard output; exits with 1 unless the networks are proven to agree."""
    backends = _backends(names)
    network = load(spec, read_settings(settings), most_steps)
    warn_unchecked(network)
    try:
        fixed = FixedTensors() if weights is None else _read_weights(weights, network)
        verify_settings = Settings(backends, dtype, runtime, seed, batch)
        result = verify(network, verify_settings, fixed=fixed)
    except WorkerError as error:
        streams.print_message(f"archc: {error}")
        return 2
    except ImportError as error:
        streams.print_message(f"archc: {not_installed(error.name, backends[0])}")
        return 2
    if form == "json":
        from archc.reports import json

        streams.write(json.text(report.data(result)))
    else:
        streams.write(report.table(result, color=streams.colors(sys.stdout)))
    return 0 if result.agrees else 1


def _backends(text: str) -> tuple[str, ...]:
    """Parse a comma-separated list of backends, or `all`."""
    names = tuple(name.strip() for name in text.split(","))
    if names == ("all",):
        return runnable()
    if len(set(names)) < len(names) or not all(name in runnable() for name in names):
        known = ", ".join(runnable())
        raise click.UsageError(f"--backends needs a list of {known} without duplicates, or `all`")
    return names


def _read_weights(path: str, network: Network) -> FixedTensors:
    """Read the weights of a file."""
    from archc.weights import transfer

    weights, in_order, _ = transfer.read(path, network)
    if in_order:
        streams.print_message(transfer.ordering_note(path))
    return FixedTensors(weights)
