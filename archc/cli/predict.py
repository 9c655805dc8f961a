"""`archc predict`: labels images with the network of a run."""

from __future__ import annotations

import os
import tempfile

import click

from archc import training
from archc.api import load
from archc.cli import streams
from archc.cli.options import not_installed
from archc.diagnostics import visible
from archc.training import launch


@click.command("predict", help="Label images with the network of a run.")
@click.argument("run", metavar="RUN", type=click.Path())
@click.option("--data", required=True, metavar="PATH", help="Images, as for `archc train`.")
@click.option(
    "-o", "file", required=True, metavar="FILE", help="CSV file to write, with rows ImageId,Label."
)
@click.option(
    "--weights", metavar="best|last|FILE", help="The weights to use, by default the best."
)
@click.option(
    "--backend",
    type=click.Choice(training.trainable()),
    help="The backend, by default that of the run.",
)
@click.option("--device", metavar="NAME", help="auto, cpu or cuda.")
def command(
    run: str,
    data: str,
    file: str,
    weights: str | None,
    backend: str | None,
    device: str | None,
) -> int:
    """A different backend than the run's gives the same labels."""
    trained = launch.recorded_backend(run)
    if trained is None:
        reason = "a script that was run directly has its own `predict`"
        streams.print_message(f"archc: {visible(run)} is not a run of `archc train` ({reason})")
        return 2
    backend = backend or trained
    module = launch.missing(backend)
    if module is not None:
        streams.print_message(f"archc: {not_installed(module, backend)}")
        return 2
    arguments = ["predict", f"--run={run}", f"--data={data}", f"--out={file}"]
    arguments += [] if weights is None else [f"--weights={weights}"]
    arguments += [] if device is None else [f"--device={device}"]
    network = load(os.path.join(run, launch.SPEC), {})
    source = training.emit(backend, network)
    # Never the script in the run's folder: a run may come from anybody.
    with tempfile.TemporaryDirectory(prefix="archc-") as folder:
        name = launch.script_name(network.costs.graph.about.name)
        path = os.path.join(folder, name)
        with open(path, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(source)
        return launch.run_script(path, arguments)
