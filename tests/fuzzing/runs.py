"""Runs the inputs of seeds, each under a watchdog."""

from __future__ import annotations

import shutil
import signal
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import NamedTuple, Self

from tests.fuzzing.file_checks import check_file
from tests.fuzzing.inputs import FILE_KINDS, Input, of_seed
from tests.fuzzing.isolation import Readers
from tests.fuzzing.spec_checks import check_spec

SECONDS = 20
"""CPU time that an input may take: some thousand times what it usually does. It does not depend on
what else the machine does."""


class Fault(NamedTuple):
    """An input at which archc failed, and how."""

    made: Input
    how: str

    @property
    def told(self) -> str:
        """The input and the fault, for a failing test."""
        return f"{self.how}\n{self.made}"


class SlowError(BaseException):
    """An input has taken more than `SECONDS`. No handler of `Exception` takes it."""


class Fuzzer:
    """Runs inputs, in this process but for what archc reads in others; `outcomes` counts what came
    of those of each kind."""

    def __init__(self) -> None:
        self.readers = Readers()
        self.folder = Path(tempfile.mkdtemp(prefix="fuzzing-"))
        self.outcomes: Counter[str] = Counter()
        self.faults: list[Fault] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.readers.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, seed: int, kind: str | None = None) -> Fault | None:
        """Run the input of a seed."""
        return self.run_input(of_seed(seed, kind))

    def run_input(self, made: Input) -> Fault | None:
        """Run an input. Returns the fault, if archc has one."""
        try:
            with _watchdog():
                outcome = self._check(made)
        except (Exception, SlowError) as error:
            fault = Fault(made, "".join(traceback.format_exception(error)))
            self.faults.append(fault)
            return fault
        self.outcomes[f"{made.kind}: {outcome}"] += 1
        return None

    def _check(self, made: Input) -> str:
        if made.kind not in FILE_KINDS:
            return check_spec(made)
        for path in self.folder.iterdir():
            path.unlink()
        return check_file(made, self.folder, self.readers)


@contextmanager
def _watchdog() -> Iterator[None]:
    previous = signal.signal(signal.SIGVTALRM, _too_slow)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, previous)


def _too_slow(number: int, frame: FrameType | None) -> None:
    raise SlowError(f"more than {SECONDS} s of CPU time")
