"""`archc train`: trains with a spec's recipe, in a process of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import click

from archc import training
from archc.api import Network, load
from archc.cli import completing, streams
from archc.cli.options import (
    file_format_options,
    not_installed,
    read_settings,
    set_option,
    warn_unchecked,
)
from archc.diagnostics import visible
from archc.files import OutputError, write_files
from archc.files.reading import read_below
from archc.language.recipe import LARGEST_SEED, PRECISIONS
from archc.reports.resolved import UnwritableError, resolved
from archc.training import launch
from archc.training.file_format import FileFormat
from archc.training.plan import PLAN, plan_files
from archc.training.run.options import DEVICES, FitOptions
from archc.training.task import trainer_of


@click.command("train", help="Train a network with the recipe in its spec.")
@click.argument("spec", metavar="SPEC", shell_complete=completing.specs)
@click.option("--backend", type=click.Choice(training.trainable()), required=True)
@click.option(
    "--data",
    required=True,
    metavar="PATH",
    help="CSV with a label and pixels per row, MNIST's idx files, .npz, or a folder per class.",
)
@click.option("-o", "run", required=True, metavar="RUN", help="The folder of the run.")
@click.option(
    "--validation", metavar="PATH", help="Validation images, instead of a fraction of the data."
)
@click.option("--resume", is_flag=True, help="Resume the run.")
@click.option("--epochs", type=click.IntRange(1), metavar="N", help="Override the recipe's epochs.")
@click.option(
    "--seed",
    type=click.IntRange(0, LARGEST_SEED),
    metavar="N",
    help="Override the recipe's seed.",
)
@click.option("--device", type=click.Choice(DEVICES), default="auto", show_default=True)
@click.option("--precision", type=click.Choice(PRECISIONS), help="Override the recipe's precision.")
@click.option(
    "--processes",
    type=click.IntRange(1),
    default=1,
    metavar="N",
    help="Processes that share each batch, for PyTorch: one for each GPU.",
)
@click.option(
    "--plan",
    "is_planned",
    is_flag=True,
    help="Write the plan and start nothing: `torchrun -m archc.training.worker RUN/plan.json` "
    "trains on several machines.",
)
@click.option("-q", "--quiet", is_flag=True, help="Only print errors.")
@file_format_options
@set_option
def command(
    spec: str,
    backend: str,
    data: str,
    run: str,
    validation: str | None,
    resume: bool,
    epochs: int | None,
    seed: int | None,
    device: str,
    precision: str | None,
    processes: int,
    is_planned: bool,
    quiet: bool,
    label: str | None,
    separator: str | None,
    channels: str | None,
    settings: tuple[str, ...],
) -> int:
    """The emitted network is written to the run's folder, for whoever uses the weights."""
    starter = trainer_of(backend).processes
    if processes > 1 and starter is None:
        raise click.UsageError(f"--processes: one process of {backend} uses all devices")
    network = load(spec, read_settings(settings))
    warn_unchecked(network)
    options = FitOptions(
        data=Path(data),
        out=Path(run),
        validation=None if validation is None else Path(validation),
        resume=resume,
        epochs=epochs,
        seed=seed,
        device=device,
        precision=precision,
        quiet=quiet,
        file_format=FileFormat(label, separator, channels),
    )
    files = plan_files(backend, network, options)
    module = launch.missing(backend)
    if module is not None:
        streams.print_message(f"archc: {not_installed(module, backend)}")
        return 2
    before = _files_in(run)
    error = _prepare(network, files, run, resume=resume)
    if error is not None:
        streams.print_message(f"archc: {error}")
        return 2
    if is_planned:
        return 0
    plan = os.path.join(run, PLAN)
    several = starter(processes) if starter is not None and processes > 1 else ()
    code = launch.run_worker(plan, several)
    if not resume and not os.path.exists(os.path.join(run, launch.RECORD)):
        _clean_up(run, {*files, launch.SPEC}, before)
    if code == 0:
        from archc.training.report import draw

        for drawn in draw(run):
            if not quiet:
                streams.print_message(f"wrote {visible(str(drawn))}")
    return code


def _files_in(folder: str) -> list[str] | None:
    """The names in a folder; None if it does not exist."""
    with suppress(OSError):
        return os.listdir(folder)
    return None


def _clean_up(run: str, names: set[str], before: list[str] | None) -> None:
    """Remove the new files of a run that has not started."""
    for name in names.difference(before or []):
        with suppress(OSError):
            os.remove(os.path.join(run, name))
    if before is None:
        with suppress(OSError):
            os.rmdir(run)


def _prepare(network: Network, files: Mapping[str, str], run: str, *, resume: bool) -> str | None:
    """Write the plan, the network and its spec to the run's folder. Returns an error message."""
    about = network.costs.graph.about
    if resume:
        error = _mismatch(files, run)
        if error is None:
            write_files({PLAN: files[PLAN]}, run, force=True)
        return error
    if os.path.exists(os.path.join(run, launch.RECORD)):
        return f"{run} contains a run already: use --resume, or another folder"
    try:
        spec = f"# {about.header}\n{resolved(network.costs)}"
        write_files({**files, launch.SPEC: spec}, run)
    except UnwritableError as error:
        return f"{about.source}: {error}"
    except OutputError as error:
        return f"{error.message}: choose another folder"
    return None


def _mismatch(files: Mapping[str, str], run: str) -> str | None:
    """Why a run does not belong to a network and recipe: its files are compared, and only what was
    emitted now is run."""
    for name, text in files.items():
        path = os.path.join(run, name)
        try:
            existing = (read_below(run, name) or b"").decode("utf-8")
        except (OSError, UnicodeDecodeError):
            existing = ""
        if not existing:
            return f"{run} contains no run of this network"
        if _without_request(existing) != _without_request(text):
            return f"{path} is for a different spec or recipe"
    return None


def _without_request(text: str) -> object:
    """A plan without what may differ when a run is resumed; another file as it is."""
    try:
        plan = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return {**plan, "fit": None} if isinstance(plan, dict) else plan
