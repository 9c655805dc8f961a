"""`archc evaluate`: scores the network of a run on labelled images."""

from __future__ import annotations

from pathlib import Path

import click

from archc import training
from archc.cli.options import file_format_options
from archc.cli.predict import execute
from archc.training.file_format import FileFormat
from archc.training.run.options import DEVICES, EvaluateOptions


@click.command("evaluate", help="Score the network of a run on labelled images.")
@click.argument("run", metavar="RUN", type=click.Path())
@click.option(
    "--data",
    required=True,
    metavar="PATH",
    help="Labelled images, as for `archc train`; of two splits the test images.",
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
@click.option("--json", "as_json", is_flag=True, help="Print the scores as JSON.")
@file_format_options
def command(
    run: str,
    data: str,
    weights: str,
    backend: str | None,
    device: str,
    as_json: bool,
    label: str | None,
    separator: str | None,
    channels: str | None,
) -> int:
    """Accuracy, top-5 accuracy and the confusion of the classes, computed in float32."""
    options = EvaluateOptions(
        Path(run),
        Path(data),
        weights,
        device,
        as_json,
        file_format=FileFormat(label, separator, channels),
    )
    return execute(options, backend)
