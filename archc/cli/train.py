"""`archc train`: trains with a spec's recipe, by the script of `archc build --training`."""

from __future__ import annotations

import os
from contextlib import suppress

import click

from archc import training
from archc.api import Network, load
from archc.cli import completing, streams
from archc.cli.options import not_installed, read_settings, set_option, warn_unchecked
from archc.diagnostics import visible
from archc.files import OutputError, write_files
from archc.files.reading import read_below
from archc.language.recipe import LARGEST_SEED
from archc.reports.resolved import UnwritableError, resolved
from archc.training import launch

PASSED = ("validation", "epochs", "seed", "device", "precision")
"""Options that are passed on to the script."""


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
@click.option("--device", metavar="NAME", help="auto, cpu or cuda.")
@click.option("--precision", metavar="NAME", help="Override the recipe's precision.")
@click.option("-q", "--quiet", is_flag=True, help="Only print errors.")
@set_option
def command(
    spec: str,
    backend: str,
    data: str,
    run: str,
    resume: bool,
    quiet: bool,
    settings: tuple[str, ...],
    **overrides: object,
) -> int:
    """The script is written to the run's folder and can be run without archc."""
    network = load(spec, read_settings(settings))
    warn_unchecked(network)
    script = training.emit(backend, network)
    module = launch.missing(backend)
    if module is not None:
        streams.print_message(f"archc: {not_installed(module, backend)}")
        return 2
    path = os.path.join(run, launch.script_name(network.costs.graph.about.name))
    before = _files_in(run)
    error = _prepare(network, script, path, resume=resume)
    if error is not None:
        streams.print_message(f"archc: {error}")
        return 2
    arguments = ["fit", f"--data={data}", f"--out={run}"]
    arguments += [f"--{name}={overrides[name]}" for name in PASSED if overrides[name] is not None]
    arguments += ["--resume"] * resume + ["--quiet"] * quiet
    code = launch.run_script(path, arguments)
    if not resume and not os.path.exists(os.path.join(run, launch.RECORD)):
        _clean_up(path, before)
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


def _clean_up(path: str, before: list[str] | None) -> None:
    """Remove the new files of a run that has not started."""
    run, script = os.path.split(path)
    for name in {script, launch.SPEC}.difference(before or []):
        with suppress(OSError):
            os.remove(os.path.join(run, name))
    if before is None:
        with suppress(OSError):
            os.rmdir(run)


def _prepare(network: Network, script: str, path: str, *, resume: bool) -> str | None:
    """Write the script and the network's spec to the run's folder. Returns an error message."""
    run, name = os.path.split(path)
    if resume:
        return _mismatch(script, path)
    if os.path.exists(os.path.join(run, launch.RECORD)):
        return f"{run} contains a run already: use --resume, or another folder"
    about = network.costs.graph.about
    try:
        spec = f"# {about.header}\n{resolved(network.costs)}"
        write_files({name: script, launch.SPEC: spec}, run)
    except UnwritableError as error:
        return f"{about.source}: {error}"
    except OutputError as error:
        return f"{error.message}: choose another folder"
    return None


def _mismatch(script: str, path: str) -> str | None:
    """Why a run does not belong to a script."""
    run, name = os.path.split(path)
    try:
        existing = read_below(run, name)
    except OSError:
        existing = None
    if existing is None:
        return f"{run} contains no run of this network"
    if existing != script.encode("utf-8"):
        return f"{path} is for a different spec or recipe; run it directly to resume"
    return None
