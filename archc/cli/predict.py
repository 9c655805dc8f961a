"""`archc predict`: labels for images, by the network of a run."""

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
    "-o", "file", required=True, metavar="FILE", help="CSV to write: ImageId,Label a row."
)
@click.option("--weights", metavar="best|last|FILE", help="Which weights: by default the best.")
@click.option(
    "--backend",
    type=click.Choice(training.trainable()),
    help="What to compute with: by default what the run was trained with.",
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
    """Another backend than the run's computes the same labels from the same weights."""
    trained = launch.recorded_backend(run)
    if trained is None:
        told = "a script that was run by itself predicts by itself"
        streams.tell(f"archc: {visible(run)} holds no run of `archc train` ({told})")
        return 2
    backend = backend or trained
    lacking = launch.missing(backend)
    if lacking is not None:
        streams.tell(f"archc: {not_installed(lacking, backend)}")
        return 2
    arguments = ["predict", f"--run={run}", f"--data={data}", f"--out={file}"]
    arguments += [] if weights is None else [f"--weights={weights}"]
    arguments += [] if device is None else [f"--device={device}"]
    network = load(os.path.join(run, launch.SPEC), {})
    source = training.emit(backend, network)
    # Never the script in the run's folder: a run may come from somebody else.
    with tempfile.TemporaryDirectory(prefix="archc-") as folder:
        name = launch.script_name(network.costs.graph.about.name)
        path = os.path.join(folder, name)
        with open(path, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(source)
        return launch.run_script(path, arguments)
