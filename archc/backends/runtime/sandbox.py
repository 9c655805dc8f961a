"""Files that no library is trusted with in this process: PyTorch's pickles and HDF5, whose library
crashes or goes round for ever on damaged files. A process of its own writes what they hold to a
safetensors file, and may take so much memory and time and no more.

Such a process is a module of a backend, run as `python -m MODULE VERB FILE RESULT`; it writes to
standard output, as JSON, what is wrong with the file, or null.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from types import MappingProxyType

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
"""Where the package lies: the processes import it from there."""
ROOM = 8 << 30
"""Bytes that a framework and its libraries may take beside the file."""
SECONDS = 10
"""Of computing that a process may take for a small file."""
BYTES_PER_SECOND = 10 << 20
"""How slowly a file may be read at worst."""
SHARED = 4
"""How many times the file's size its arrays may be, where several share their numbers."""


def environment(more: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """The variables of a process of archc's own, with `more`: those of this one, but it computes on
    the CPU, quietly, and has this archc before what else PYTHONPATH names."""
    path = [ROOT, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "CUDA_VISIBLE_DEVICES": "",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.pathsep.join(path),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        **more,
    }


def asked(module: str, *arguments: str) -> str | None:
    """What is wrong, as the process of a module finds it."""
    completed = subprocess.run(
        [sys.executable, "-P", "-m", module, *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        errors="backslashreplace",
        check=False,
    )
    if completed.returncode == -getattr(signal, "SIGXCPU", 0):
        return "reading it takes too long"
    if completed.returncode < 0:
        return f"its process was ended by signal {-completed.returncode}"
    if completed.returncode > 0:
        return f"its process ended with exit code {completed.returncode}"
    reason: str | None = json.loads(completed.stdout)
    return reason


def limit(size: int) -> None:
    """Limit what this process may take, for a file of so many bytes."""
    try:
        import resource
    except ImportError:  # Windows
        return
    room, seconds = 2 * size + ROOM, SECONDS + size // BYTES_PER_SECOND
    resource.setrlimit(resource.RLIMIT_AS, (room, room))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def too_large(needed: int, path: str) -> str | None:
    """What is wrong where the arrays of a file take so many bytes: a few bytes of a file may tell
    that they stand for a terabyte."""
    if needed > SHARED * os.path.getsize(path):
        return f"its arrays would take {needed:,} bytes, far more than the file has"
    return None


def not_installed(error: ImportError, extra: str) -> str:
    """What is missing, and the extra of archc that brings it."""
    return f"{error.name} is not installed: pip install 'archc[{extra}]'"


def line(error: Exception) -> str:
    """An error's message in one line."""
    return " ".join(str(error).split())[:200]
