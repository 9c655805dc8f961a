"""The process that trains or predicts: `python -P -m archc.training.worker PLAN`, and over several
processes `torchrun -m archc.training.worker PLAN`."""

from __future__ import annotations

import signal
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

from archc.files.signals import interruptible
from archc.training.data.stream import ending_decoders
from archc.training.errors import DataError, InterruptionError, RunError
from archc.training.plan import Plan, read_plan
from archc.training.run.length import finished_message
from archc.training.run.options import FitOptions, PredictOptions
from archc.training.run.record import settled_options
from archc.training.run.results import check_output, tell_predictions, tell_scores
from archc.training.run.startup import quiet_startup
from archc.training.task import trainer_of


def main(arguments: list[str]) -> int:
    """Execute a plan. Returns 0, 1 (data), 2 (anything else), or 130 (interrupted)."""
    (path,) = arguments
    try:
        with interruptible():
            execute(read_plan(Path(path)))
    except (DataError, RunError, OSError, MemoryError) as error:
        sys.stderr.write(f"archc: {one_line(error)}\n")
        return 1 if isinstance(error, DataError) else 2
    except (InterruptionError, KeyboardInterrupt) as error:
        message = f" {error}" if str(error) else ""
        sys.stderr.write(f"archc: interrupted{message}\n")
        return 128 + signal.SIGINT
    return 0


def execute(plan: Plan) -> None:
    """Train, predict or evaluate with the loop of the plan's backend."""
    options = plan.options
    if isinstance(options, FitOptions):
        settings = settled_options(options, plan.task.name, plan.recipe)
        message = finished_message(settings, plan.task.name, plan.recipe)
        if message is not None:
            sys.stderr.write(f"{message}\n" * (not options.quiet))
            return
        with ending_decoders():
            _loop(plan).fit(plan, settings)
        return
    if isinstance(options, PredictOptions):
        check_output(options)
    with ending_decoders():
        inference = _loop(plan).infer(plan, options)
    if isinstance(options, PredictOptions):
        tell_predictions(options, inference)
    else:
        tell_scores(options, inference)


def _loop(plan: Plan) -> ModuleType:
    with quiet_startup():
        return import_module(trainer_of(plan.backend).loop)


def one_line(error: Exception) -> str:
    """An error on one line, without characters that a terminal would interpret."""
    message = str(error)
    if isinstance(error, OSError) and error.strerror is not None:
        place = "" if error.filename is None else f"{error.filename}: "
        message = f"{place}{error.strerror}"
    if isinstance(error, MemoryError):
        message = f"not enough memory {message}".rstrip()
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in message)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
