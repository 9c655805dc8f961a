"""Runs of many inputs in processes of their own, limited in memory: one that dies takes no other
with it."""

from __future__ import annotations

import multiprocessing
import resource
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from tests.fuzzing.runs import Fault, Fuzzer

MEMORY = 4 << 30
"""Bytes of address space, of which libraries take one GiB: an input that takes more is a fault."""

Run = Callable[[Fuzzer, int], Fault | None]


def run_chunk(
    seeds: Sequence[int], run: Run = Fuzzer.run
) -> tuple[Counter[str], list[tuple[int, str]]]:
    """Run the inputs of some seeds in a process of its own: what came of those of each kind, and
    the seeds at which archc failed, with how."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(seeds, sender, run))
    process.start()
    sender.close()
    current = seeds[0]
    outcomes: Counter[str] = Counter()
    faults: list[tuple[int, str]] = []
    try:
        while True:
            message = receiver.recv()
            if isinstance(message, int):
                current = message
            elif isinstance(message, tuple):
                faults.append(message)
            else:
                outcomes = message
    except EOFError:
        process.join()
    if process.exitcode:
        faults.append((current, f"the process ended with exit code {process.exitcode}"))
    return outcomes, faults


def _run(seeds: Sequence[int], sender: Any, run: Run) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with Fuzzer() as fuzzer:
        for seed in seeds:
            sender.send(seed)
            fault = run(fuzzer, seed)
            if fault is not None:
                sender.send((seed, fault.how))
        sender.send(fuzzer.outcomes)
