"""The program."""

import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from archc.training.script.parts.common.arguments import FitOptions, parse_command
from archc.training.script.parts.common.faults import DataError, InterruptionError, RunError
from archc.training.script.parts.common.record import settled_options
from archc.training.script.parts.torch.loop import fit, predict


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command line; exit with 0, 1 (data), 2 (anything else), or 130."""
    options = parse_command(arguments)
    try:
        if isinstance(options, FitOptions):
            fit(settled_options(options))
        else:
            predict(options)
    except (DataError, RunError, OSError, MemoryError) as error:
        sys.stderr.write(f"{Path(sys.argv[0]).name}: {one_line(error)}\n")
        sys.exit(1 if isinstance(error, DataError) else 2)
    except (InterruptionError, KeyboardInterrupt) as error:
        told = f" {error}" if str(error) else ""
        sys.stderr.write(f"{Path(sys.argv[0]).name}: interrupted{told}\n")
        sys.exit(128 + signal.SIGINT)


def one_line(error: Exception) -> str:
    """What went wrong, on one line that no terminal takes for a command."""
    told = str(error)
    if isinstance(error, OSError) and error.strerror is not None:
        place = "" if error.filename is None else f"{error.filename}: "
        told = f"{place}{error.strerror}"
    if isinstance(error, MemoryError):
        told = f"not enough memory {told}".rstrip()
    shown = (one if one.isprintable() else ascii(one)[1:-1] for one in told)
    return "".join(shown)
