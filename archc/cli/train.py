"""`archc train`: trains with a spec's recipe, in a process of its own."""

from __future__ import annotations

import json
import os
import shlex
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import click
from click.core import ParameterSource

from archc import training
from archc.api import Network, load
from archc.cli import completing, streams
from archc.cli.options import (
    file_format_options,
    not_installed,
    read_overrides,
    set_recipe_option,
    warn_unchecked,
)
from archc.diagnostics import visible
from archc.files import OutputError, write_files
from archc.files.reading import read_below
from archc.language.recipe import LARGEST_SEED, PRECISIONS, Training
from archc.ops.fields import fields_of
from archc.reports.resolved import UnwritableError, resolved
from archc.training import launch
from archc.training.errors import RunError
from archc.training.file_format import FileFormat
from archc.training.plan import PLAN, plan_files
from archc.training.run.options import DEVICES, IN_MEMORY, FitOptions
from archc.training.start import INITIAL, read_initial, write_initial
from archc.training.task import recipe_of, trainer_of
from archc.training.threads import (
    MOST_THREADS,
    WAITING,
    available_cores,
    choose_threads,
    idle_cores,
)
from archc.weights import transfer

INTERRUPTED = 128 + signal.SIGINT
REPORT = "report.html"

GIB = 1 << 30


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
@click.option(
    "--weights",
    metavar="FILE",
    help="Start from these weights: any file that `archc weights` reads.",
)
@click.option(
    "--skip",
    multiple=True,
    metavar="PART",
    help="A step or section that does not get the weights of --weights: --skip fc.",
)
@click.option(
    "--freeze",
    multiple=True,
    metavar="PART",
    help="A step or section that does not train; its batch normalization keeps its statistics.",
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
    "--in-memory",
    type=click.FloatRange(0),
    default=IN_MEMORY / GIB,
    show_default=True,
    metavar="GIB",
    help="A folder whose decoded images need more memory is read anew in each epoch.",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    metavar="N",
    help="Processes that decode such images, by default one for each core.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, MOST_THREADS),
    metavar="N",
    help="Threads of each process, by default one for each core that is idle at the start of the "
    "run, shared by the processes; a run that resumes has as many as before.",
)
@click.option(
    "--wait",
    "waiting",
    type=click.Choice(WAITING),
    help="How threads of OpenMP, which PyTorch has, wait for one another: passively lets others "
    "work, briefly and actively are faster on a machine without other work. By default briefly on "
    "one that is idle at the start of the run, and passively on others.",
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
@set_recipe_option
def command(
    spec: str,
    backend: str,
    data: str,
    run: str,
    validation: str | None,
    weights: str | None,
    skip: tuple[str, ...],
    freeze: tuple[str, ...],
    resume: bool,
    epochs: int | None,
    seed: int | None,
    device: str,
    precision: str | None,
    processes: int,
    in_memory: float,
    workers: int | None,
    threads: int | None,
    waiting: str | None,
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
    if skip and weights is None:
        raise click.UsageError("--skip needs --weights")
    params, changes = read_overrides(settings)
    network = load(spec, params, recipe=changes)
    warn_unchecked(network)
    module = launch.missing(backend)
    if module is not None:
        streams.print_message(f"archc: {not_installed(module, backend)}")
        return 2
    initial = None
    if weights is not None or freeze:
        initial = read_initial(network, weights, skip, freeze)
        if initial.in_order and not quiet:
            streams.print_message(transfer.ordering_note(str(weights)))
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
        in_memory=int(in_memory * GIB),
        workers=workers,
        start=None if initial is None else initial.start,
        settings=settings,
        file_format=FileFormat(label, separator, channels),
    )
    files = plan_files(backend, network, options)
    plan = os.path.join(run, PLAN)
    several = starter(processes) if starter is not None and processes > 1 else ()
    before = _files_in(run)
    is_kept = False
    try:
        message = _finished(network, files, options)
        if message is not None:
            streams.print_message(visible(message) * (not quiet))
            return 0 if os.path.exists(os.path.join(run, REPORT)) else _draw(run, quiet)
        _prepare(network, files, run, resume=resume)
        if initial is not None and not resume:
            write_initial(Path(run), initial, network)
        if is_planned:
            is_kept = True
            return 0
        if resume and threads is None:
            threads = launch.recorded_count(run)
        chosen = choose_threads(threads, waiting, processes, os.environ, lambda: _idle_cores(data))
        if chosen.busy and not quiet:
            streams.print_message(
                f"no thread for {chosen.busy} of {available_cores()} cores, which others use: "
                "--threads chooses otherwise"
            )
        code = launch.run_worker(plan, several, chosen)
    except RunError as error:
        streams.print_message(f"archc: {visible(str(error))}")
        return 2
    finally:
        has_begun = os.path.exists(os.path.join(run, launch.RECORD))
        if not has_begun and not is_kept:
            _clean_up(run, {*files, launch.SPEC, INITIAL}, before)
    if code == INTERRUPTED and has_begun:
        command_line = _resuming(click.get_current_context())
        streams.print_message(f"resume it with: {visible(command_line)}")
    return _draw(run, quiet) if code == 0 else code


def _idle_cores(data: str) -> float | None:
    """The cores that nobody uses: None where the data are folders of images, which processes of the
    run's own may decode all the time."""
    if os.path.isdir(data) and any(entry.is_dir() for entry in os.scandir(data)):
        return None
    return idle_cores()


def _draw(run: str, quiet: bool) -> int:
    from archc.training.report import draw

    for drawn in draw(run):
        if not quiet:
            streams.print_message(f"wrote {visible(str(drawn))}")
    return 0


def _resuming(context: click.Context) -> str:
    """The command line that resumes the run: as it was called, and `--resume`."""
    words = ["archc", "train"]
    for param in context.command.params:
        name = str(param.name)
        if context.get_parameter_source(name) != ParameterSource.COMMANDLINE or name == "resume":
            continue
        value = context.params[name]
        if isinstance(param, click.Argument):
            words.append(value)
        elif value is True:
            words.append(param.opts[-1])
        else:
            several = value if isinstance(value, tuple) else (value,)
            words += [word for one in several for word in (param.opts[-1], str(one))]
    return shlex.join([*words, "--resume"])


def _finished(network: Network, files: Mapping[str, str], options: FitOptions) -> str | None:
    """What there is to say of a run that is finished. Raises RunError for one of another network or
    recipe, and one that cannot have the length that it is to have."""
    if not options.resume:
        return None
    error = _mismatch(files, str(options.out))
    if error is not None:
        raise RunError(error)
    from archc.training.run.length import finished_message
    from archc.training.run.record import settled_options

    recipe, name = recipe_of(network), network.costs.graph.about.name
    return finished_message(settled_options(options, name, recipe), name, recipe)


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


def _prepare(network: Network, files: Mapping[str, str], run: str, *, resume: bool) -> None:
    """Write the plan, the network and its spec to the run's folder. Raises RunError."""
    about = network.costs.graph.about
    if resume:
        write_files({PLAN: files[PLAN]}, run, force=True)
        return
    if os.path.exists(os.path.join(run, launch.RECORD)):
        message = f"{run} contains a run already: use --resume, or another folder"
        raise RunError(message)
    try:
        spec = f"# {about.header}\n{resolved(network.costs)}"
        write_files({**files, launch.SPEC: spec}, run)
    except UnwritableError as error:
        message = f"{about.source}: {error}"
        raise RunError(message) from None
    except OutputError as error:
        message = f"{error.message}: choose another folder"
        raise RunError(message) from None


def _mismatch(files: Mapping[str, str], run: str) -> str | None:
    """Why a run does not belong to a network and recipe: its files are compared, and only what was
    emitted now is run."""
    backend, asked = launch.recorded_backend(run), json.loads(files[PLAN])["backend"]
    if backend not in (None, asked):
        return f"{run} is a run of {backend}, not of {asked}"
    different: list[str] = []
    fields = ""
    for name, text in files.items():
        try:
            existing = (read_below(run, name) or b"").decode("utf-8")
        except (OSError, UnicodeDecodeError):
            existing = ""
        if not existing:
            return f"{run} contains no run of this network"
        before, now = _without_request(existing), _without_request(text)
        if before != now:
            different.append(os.path.join(run, name))
            fields += _changed_fields(before, now)
    return f"{different[0]} is for a different spec or recipe{fields}" if different else None


def _without_request(text: str) -> object:
    """A plan without what may differ when a run is resumed; another file as it is."""
    try:
        plan = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return {**plan, "fit": None} if isinstance(plan, dict) else plan


def _changed_fields(before: object, now: object) -> str:
    """The fields of the recipe in which two plans differ, in brackets."""
    recipes = [plan.get("recipe") if isinstance(plan, dict) else None for plan in (before, now)]
    one, other = (recipe if isinstance(recipe, dict) else {} for recipe in recipes)
    fields = [name for name in sorted(other) if one.get(name) != other[name]]
    fields += sorted(one.keys() - other.keys())
    known = [name for name in fields if name in {field.name for field in fields_of(Training)}]
    return f" ({', '.join(f'training.{name}' for name in known)})" if known else ""
