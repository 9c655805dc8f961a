"""`archc train`: a spec's recipe carried out, by the script that `archc build --training` gives."""

from __future__ import annotations

import os
from contextlib import suppress

import click

from archc import training
from archc.api import Network, load
from archc.cli import completing, streams
from archc.cli.options import not_installed, read_settings, set_option, tell_unchecked
from archc.diagnostics import visible
from archc.files import OutputError, write_files
from archc.language.recipe import LARGEST_SEED
from archc.reports.resolved import Unwritable, resolved
from archc.training import launch

PASSED = ("validation", "epochs", "seed", "device", "precision")
"""Options that the script takes under the same names."""


@click.command("train", help="Train a network by the recipe in its spec.")
@click.argument("spec", metavar="SPEC", shell_complete=completing.specs)
@click.option("--backend", type=click.Choice(training.trainable()), required=True)
@click.option(
    "--data",
    required=True,
    metavar="PATH",
    help="CSV with a label and pixels a row, MNIST's idx files, .npz, a folder for each class.",
)
@click.option("-o", "run", required=True, metavar="RUN", help="The folder that the run goes into.")
@click.option("--validation", metavar="PATH", help="Images to validate with, in place of a share.")
@click.option("--resume", is_flag=True, help="Go on with the run where it was ended.")
@click.option("--epochs", type=click.IntRange(1), metavar="N", help="In place of the recipe's.")
@click.option(
    "--seed",
    type=click.IntRange(0, LARGEST_SEED),
    metavar="N",
    help="In place of the recipe's.",
)
@click.option("--device", metavar="NAME", help="auto, cpu or cuda.")
@click.option("--precision", metavar="NAME", help="In place of the recipe's.")
@click.option("-q", "--quiet", is_flag=True, help="Tell nothing but faults.")
@set_option
def command(
    spec: str,
    backend: str,
    data: str,
    run: str,
    resume: bool,
    quiet: bool,
    settings: tuple[str, ...],
    **given: object,
) -> int:
    """The script is written into the run's folder, and may be run again without archc."""
    network = load(spec, read_settings(settings))
    tell_unchecked(network)
    script = training.emit(backend, network)
    lacking = launch.missing(backend)
    if lacking is not None:
        streams.tell(f"archc: {not_installed(lacking, backend)}")
        return 2
    path = os.path.join(run, launch.script_name(network.costs.graph.about.name))
    before = _files_in(run)
    fault = _prepare(network, script, path, resume=resume)
    if fault is not None:
        streams.tell(f"archc: {fault}")
        return 2
    arguments = ["fit", f"--data={data}", f"--out={run}"]
    arguments += [f"--{name}={given[name]}" for name in PASSED if given[name] is not None]
    arguments += ["--resume"] * resume + ["--quiet"] * quiet
    code = launch.run_script(path, arguments)
    if not resume and not os.path.exists(os.path.join(run, launch.RECORD)):
        _take_back(path, before)
    if code == 0:
        from archc.training.report import draw

        for drawn in draw(run):
            if not quiet:
                streams.tell(f"wrote {visible(str(drawn))}")
    return code


def _files_in(folder: str) -> list[str] | None:
    """Names of what is in a folder; None where there is none."""
    with suppress(OSError):
        return os.listdir(folder)
    return None


def _take_back(path: str, before: list[str] | None) -> None:
    """Remove what was put into the folder of a run that has not begun, but for what was there."""
    run, script = os.path.split(path)
    for name in {script, launch.SPEC}.difference(before or []):
        with suppress(OSError):
            os.remove(os.path.join(run, name))
    if before is None:
        with suppress(OSError):
            os.rmdir(run)


def _prepare(network: Network, script: str, path: str, *, resume: bool) -> str | None:
    """Put the script and the network's spec into the run's folder; why that cannot be."""
    run, name = os.path.split(path)
    if resume:
        return _other(script, path)
    if os.path.exists(os.path.join(run, launch.RECORD)):
        return f"{run} holds a run already: go on with it by --resume, or choose another folder"
    about = network.costs.graph.about
    try:
        spec = f"# {about.header}\n{resolved(network.costs)}"
        write_files({name: script, launch.SPEC: spec}, run)
    except Unwritable as error:
        return f"{about.source}: {error}"
    except OutputError as error:
        return f"{error.message}: choose another folder"
    return None


def _other(script: str, path: str) -> str | None:
    """Why a run is not that of a script."""
    try:
        with open(path, encoding="utf-8") as stream:
            written = stream.read()
    except OSError:
        return f"{os.path.dirname(path)} holds no run of this network"
    if written != script:
        return f"{path} is of another spec or recipe; run it yourself to go on with it"
    return None
