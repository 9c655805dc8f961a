"""`archc verify`: whether the emitted networks are one network, layer by layer."""

from __future__ import annotations

import sys

import click

from archc.api import Network, load
from archc.cli import completing, streams
from archc.cli.options import not_installed, read_settings, set_option, tell_unchecked
from archc.verify import FixedTensors, WorkerError, report, verify
from archc.verify.runtimes import choices, runnable
from archc.verify.settings import TOLERANCES, Settings


@click.command("verify", help="Run the emitted networks and compare every layer.")
@click.argument("spec", metavar="SPEC", shell_complete=completing.specs)
@click.option(
    "--backends",
    "names",
    default="all",
    show_default=True,
    metavar="A,B",
    help="What to run: others are compared with the first, and one alone with the report.",
)
@click.option(
    "--dtype",
    type=click.Choice([*TOLERANCES]),
    default="float64",
    show_default=True,
    help="What to compute in.",
)
@click.option(
    "--runtime",
    type=click.Choice(choices()),
    help="What a backend computes with that has a choice: by default the first that is exact.",
)
@click.option(
    "--weights", metavar="FILE", help="Weights to compare with, of any format that import reads."
)
@set_option
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    metavar="N",
    help="What weights and inputs are drawn from.",
)
@click.option(
    "--batch", type=click.IntRange(2), default=2, show_default=True, metavar="N", help="Samples."
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
    seed: int,
    batch: int,
    form: str,
) -> int:
    """The comparison on standard output; exits with 1 where the networks diverge."""
    backends = _backends(names)
    network = load(spec, read_settings(settings))
    tell_unchecked(network)
    try:
        given = FixedTensors() if weights is None else _given(weights, network)
        chosen = Settings(backends, dtype, runtime, seed, batch)
        found = verify(network, chosen, fixed=given)
    except WorkerError as error:
        streams.tell(f"archc: {error}")
        return 2
    except ImportError as error:
        streams.tell(f"archc: {not_installed(error.name, backends[0])}")
        return 2
    if form == "json":
        from archc.reports import json

        streams.write(json.text(report.data(found)))
    else:
        streams.write(report.table(found, color=streams.colors(sys.stdout)))
    return 0 if found.agrees else 1


def _backends(given: str) -> tuple[str, ...]:
    """The backends of a list with commas, or all."""
    names = tuple(name.strip() for name in given.split(","))
    if names == ("all",):
        return runnable()
    if len(set(names)) < len(names) or not all(name in runnable() for name in names):
        known = ", ".join(runnable())
        raise click.UsageError(f"--backends takes some of {known}, each once, or `all`")
    return names


def _given(path: str, network: Network) -> FixedTensors:
    """The weights in a file."""
    from archc.weights import transfer

    weights, in_order = transfer.read(path, network)
    if in_order:
        streams.tell(transfer.ordering_note(path))
    return FixedTensors(weights)
