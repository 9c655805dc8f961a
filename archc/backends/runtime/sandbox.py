"""Files that are not read in this process: PyTorch's pickles, and HDF5, whose library crashes or
loops for ever on damaged files. A child process with limits on memory and time converts them to
safetensors.

The process runs a module of a backend, `python -m MODULE VERB FILE RESULT`, which writes its error
to standard output, as JSON, or null.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from types import MappingProxyType

from archc.version import requirement

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
"""The folder of the package, from which the processes import it."""
MEMORY = 8 << 30
"""Bytes that a framework and its libraries may use beside the arrays of the file."""
SECONDS = 10
"""CPU time that a process may use for a small file."""
BYTES_PER_SECOND = 10 << 20
"""The lowest speed of reading that is allowed for."""
SHARED = 4
"""How many times the size of the file its arrays may be, where several share memory."""


def environment(more: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """The environment of a child process, with `more`: that of this process, but the child runs on
    the CPU, quietly, and imports this archc before anything else on PYTHONPATH."""
    path = [ROOT, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "CUDA_VISIBLE_DEVICES": "",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.pathsep.join(path),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        **more,
    }


def run_isolated(module: str, *arguments: str) -> str | None:
    """Run a module in a child process. Returns its error in one line, or None."""
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
        return f"its process was killed by signal {-completed.returncode}"
    if completed.returncode > 0:
        return f"its process ended with exit code {completed.returncode}"
    error: str | None = json.loads(completed.stdout)
    return error


def limit(size: int, needed: int = MEMORY) -> None:
    """Limit the memory and CPU time of this process, for a file of `size` bytes; `needed` are the
    bytes that it may use beside those of the file."""
    try:
        import resource
    except ImportError:  # Windows
        return
    memory, seconds = 2 * size + needed, SECONDS + size // BYTES_PER_SECOND
    limits = {
        resource.RLIMIT_AS: (memory, memory),
        resource.RLIMIT_CPU: (seconds, seconds + 1),
        resource.RLIMIT_CORE: (0, 0),
    }
    for kind, (soft, hard) in limits.items():
        _, highest = resource.getrlimit(kind)  # lower than ours where the shell or a container is
        if highest != resource.RLIM_INFINITY:
            soft, hard = min(soft, highest), min(hard, highest)
        resource.setrlimit(kind, (soft, hard))


def too_large(needed: int, path: str) -> str | None:
    """The error where the arrays of a file need far more bytes than it has: a few bytes of a file
    may declare a terabyte. None otherwise."""
    if needed > SHARED * os.path.getsize(path):
        return f"its arrays would take {needed:,} bytes, far more than the file has"
    return None


def not_installed(error: ImportError, extra: str) -> str:
    """The error of a missing module, with the extra of archc that installs it."""
    return f"{error.name} is not installed: pip install '{requirement(extra)}'"


def line(error: Exception) -> str:
    """An error's message in one line."""
    return " ".join(str(error).split())[:200]
