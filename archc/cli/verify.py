"""`archc verify`: whether the emitted networks are one network, layer by layer."""

from __future__ import annotations

import sys

import click

from archc.api import load
from archc.backends import BACKENDS
from archc.cli import completing, streams
from archc.cli.options import read_settings, set_option, tell_unchecked
from archc.verify import Given, WorkerError, report, verify
from archc.verify.engines import ENGINES
from archc.verify.settings import TOLERANCES, Settings


@click.command("verify", help="Run the emitted networks and compare every layer.")
@click.argument("spec", metavar="SPEC", shell_complete=completing.specs)
@click.option(
    "--backends",
    default="torch,keras",
    show_default=True,
    metavar="A,B",
    help="What to compare, with the first of them; one alone is held against the report.",
)
@click.option("--dtype", type=click.Choice([*TOLERANCES]), default="float64", show_default=True)
@click.option(
    "--keras-backend",
    type=click.Choice(ENGINES),
    help="What Keras runs on: by default TensorFlow, or JAX for ops that TensorFlow rounds.",
)
@click.option(
    "--weights", metavar="FILE", help="Weights to compare with, of any format that import reads."
)
@set_option
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--batch", type=click.IntRange(2), default=2, show_default=True, metavar="N")
@click.option(
    "--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True
)
def command(
    spec: str,
    backends: str,
    dtype: str,
    keras_backend: str | None,
    weights: str | None,
    settings: tuple[str, ...],
    seed: int,
    batch: int,
    form: str,
) -> int:
    """The comparison on standard output; exits with 1 where the networks diverge."""
    names = tuple(backends.split(","))
    unknown = [name for name in names if name not in BACKENDS]
    if unknown or len(set(names)) < len(names):
        raise click.UsageError(f"--backends takes some of {', '.join(BACKENDS)}, each once")
    network = load(spec, read_settings(settings))
    tell_unchecked(network)
    given = Given()
    if weights is not None:
        from archc.weights import transfer

        given = Given(transfer.load(weights, network.spec, network.costs))
    try:
        chosen = Settings(names, dtype, keras_backend, seed, batch)
        found = verify(network.spec, network.costs, chosen, given=given)
    except WorkerError as error:
        streams.tell(f"archc: {error}")
        return 2
    if form == "json":
        from archc.reports import json

        streams.write(json.text(report.data(found)))
    else:
        streams.write(report.table(found, color=streams.colors(sys.stdout)))
    return 0 if found.agrees else 1
