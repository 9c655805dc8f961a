"""The processes that read PyTorch's and HDF5 files, forked from one that has imported the framework
already: starting each anew takes seconds. `python -m tests.fuzzing.isolation MODULE` is that one.

It reads a line with a JSON list of arguments for each file, and answers with the exit status of the
fork, negative for a signal, and what the fork would have written to standard output.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from importlib import import_module
from typing import Any

from archc.backends.runtime import sandbox

SECONDS = 5
"""CPU time for each file: files here are small."""
READERS = {
    "archc.backends.keras.hdf5": "h5py",
    "archc.backends.onnx.initializers": "numpy",
    "archc.backends.torch.pickled": "torch",
}


class Readers:
    """Running readers, started when they are first used. `run_isolated` takes the place of that of
    `archc.backends.runtime.sandbox`."""

    def __init__(self) -> None:
        self.processes: dict[str, subprocess.Popen[str]] = {}

    def run_isolated(self, module: str, *arguments: str) -> str | None:
        """The error of a reader in one line, or None. Raises AssertionError where the reader ended
        with an exit code: with an exception that nothing caught."""
        process = self.processes.get(module)
        if process is None:
            process = self.processes[module] = subprocess.Popen(
                [sys.executable, "-m", "tests.fuzzing.isolation", module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=sandbox.environment({"OMP_NUM_THREADS": "1"}),
            )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(arguments) + "\n")
        process.stdin.flush()
        answer: dict[str, Any] = json.loads(process.stdout.readline())
        status = answer["status"]
        if status == -signal.SIGXCPU:
            return "reading it takes too long"
        if status < 0:
            return f"its process was killed by signal {-status}"
        assert status == 0, answer["output"]
        error: str | None = json.loads(answer["output"])
        return error

    def stop(self) -> None:
        for process in self.processes.values():
            assert process.stdin is not None
            process.stdin.close()
            process.wait()
        self.processes.clear()


def serve(module: str) -> None:
    """Fork for each line of standard input."""
    sandbox.SECONDS = SECONDS
    import_module(READERS[module])
    reader = import_module(module)
    for line in sys.stdin:
        verb, *arguments = json.loads(line)
        assert verb == "read"
        with tempfile.TemporaryFile("w+") as output:
            process = os.fork()
            if not process:
                _read(reader, arguments, output)
            _, status = os.waitpid(process, 0)
            output.seek(0)
            answer = {"status": os.waitstatus_to_exitcode(status), "output": output.read()}
        print(json.dumps(answer), flush=True)


def _read(reader: Any, arguments: list[str], output: Any) -> None:
    """Read a file in the fork, and end it."""
    status = 1
    try:
        os.dup2(os.open(os.devnull, os.O_RDWR), 2)  # where libraries print their warnings
        output.write(json.dumps(reader._read(*arguments)))
        status = 0
    except BaseException:
        import traceback

        output.write(traceback.format_exc())
    finally:
        output.flush()
        os._exit(status)


if __name__ == "__main__":
    serve(sys.argv[1])
