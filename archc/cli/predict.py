"""`archc predict`: labels images with the network of a run."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from archc import training
from archc.api import load
from archc.cli import streams
from archc.cli.options import file_format_options, not_installed
from archc.diagnostics import visible
from archc.training import launch
from archc.training.file_format import FileFormat
from archc.training.plan import PLAN, plan_files
from archc.training.run.options import DEVICES, EvaluateOptions, PredictOptions


@click.command("predict", help="Label images with the network of a run.")
@click.argument("run", metavar="RUN", type=click.Path())
@click.option("--data", required=True, metavar="PATH", help="Images, as for `archc train`.")
@click.option(
    "-o", "file", required=True, metavar="FILE", help="CSV file to write, with rows ImageId,Label."
)
@click.option(
    "--weights",
    metavar="best|last|FILE",
    default="best",
    help="The weights to use, by default the best.",
)
@click.option(
    "--backend",
    type=click.Choice(training.trainable()),
    help="The backend, by default that of the run.",
)
@click.option("--device", type=click.Choice(DEVICES), default="auto", show_default=True)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@file_format_options
def command(
    run: str,
    data: str,
    file: str,
    weights: str,
    backend: str | None,
    device: str,
    force: bool,
    label: str | None,
    separator: str | None,
    channels: str | None,
) -> int:
    """A different backend than the run's gives the same labels."""
    options = PredictOptions(
        Path(run),
        Path(data),
        Path(file),
        weights,
        device,
        force=force,
        file_format=FileFormat(label, separator, channels),
    )
    return execute(options, backend)


def execute(options: PredictOptions | EvaluateOptions, backend: str | None) -> int:
    """Have a worker predict or evaluate with the network of a run, on its own backend where none is
    chosen. The exit code."""
    run = str(options.run)
    trained = launch.recorded_backend(run)
    if trained is None:
        streams.print_message(f"archc: {visible(run)} is not a run of `archc train`")
        return 2
    backend = backend or trained
    module = launch.missing(backend)
    if module is not None:
        streams.print_message(f"archc: {not_installed(module, backend)}")
        return 2
    network = load(os.path.join(run, launch.SPEC), {})
    # Never the network in the run's folder: a run may come from anybody.
    with tempfile.TemporaryDirectory(prefix="archc-") as folder:
        for name, text in plan_files(backend, network, options).items():
            with open(os.path.join(folder, name), "w", encoding="utf-8", newline="\n") as stream:
                stream.write(text)
        return launch.run_worker(os.path.join(folder, PLAN))
