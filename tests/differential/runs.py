"""Random specs by their seeds, each carried through the whole chain: both modules emitted and
compiled, run with one set of weights, every layer compared."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

from archc.api import Network
from archc.ir.costs import Costs
from archc.verify import Settings, Verification, WorkerError, Workers, verify
from archc.verify.runtimes import witnesses
from tests.differential.accepting import read
from tests.differential.generator import spec_text

BATCH = 4
"""Samples: of two alone, normalisation of a vector over the batch keeps nothing but a sign."""
FRESH = 250
"""Specs after which the processes are started anew: frameworks keep what they have compiled."""
ONE_CORE = {
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
}
ENVIRONMENT = {
    **ONE_CORE,
    # Each network runs once: with few optimisations XLA takes a fifth of the time to compile it.
    # With none (level 0) it once computed an infinite gradient (seed 5536).
    "XLA_FLAGS": " ".join(
        (
            "--xla_backend_optimization_level=1",
            "--xla_llvm_disable_expensive_passes=true",
            "--xla_cpu_use_fusion_emitters=false",
            "--xla_cpu_parallel_codegen_split_count=1",
        )
    ),
}


class Run(NamedTuple):
    """One random spec with the modules that it comes to, and what verification says of it: `found`,
    or where it came to none, why."""

    seed: int | None
    text: str
    costs: Costs
    sources: Mapping[str, str]
    found: Verification | None
    failure: str | None

    @property
    def agrees(self) -> bool:
        """Whether both networks are one."""
        return self.found is not None and self.found.agrees

    @property
    def told(self) -> str:
        """What diverges, for a failing test."""
        if self.found is None:
            return f"seed {self.seed}: {self.failure}\n{self.text}"
        failures = "; ".join(
            f"{one.backend} {one.path}: {one.message}" for one in self.found.failures
        )
        return f"seed {self.seed}: {self.found.first} {failures}\n{self.text}"

    @property
    def share(self) -> float:
        """The largest share of what is tolerated that any two values are apart."""
        differences = self.found.differences if self.found is not None else ()
        return max((one.relative / one.tolerance.relative for one in differences), default=0.0)


def quick_workers() -> Workers:
    """Processes that run many small networks, on one core each."""
    return Workers(ENVIRONMENT)


def run_text(
    text: str, workers: Workers, seed: int | None = None, settings: Settings | None = None
) -> Run:
    """Verify a spec."""
    network = Network(*read(text))
    costs = network.costs
    chosen = settings or Settings(seed=seed or 0)
    emitted = {one: network.emit(one) for one in chosen.backends or witnesses()}
    sources = {one: source for one, source in emitted.items() if isinstance(source, str)}
    try:
        for backend, source in sources.items():
            compile(source, f"{backend}.py", "exec")
        found = verify(network, chosen._replace(batch=BATCH), sources=sources, workers=workers)
    except (SyntaxError, WorkerError) as error:
        return Run(seed, text, costs, sources, None, f"{type(error).__name__}: {error}")
    return Run(seed, text, costs, sources, found, None)


def run(seed: int, workers: Workers, settings: Settings | None = None) -> Run:
    """Verify the spec of a seed."""
    chosen = (settings or Settings())._replace(seed=seed)
    return run_text(spec_text(Random(seed)), workers, seed, chosen)


def runs(seeds: Sequence[int], workers: Workers, settings: Settings | None = None) -> Iterator[Run]:
    """Verify the specs of some seeds. One that does not agree is verified as users do: XLA with
    few optimisations computes a wrong gradient of one in some thousands (seed 7850)."""
    for number, seed in enumerate(seeds, start=1):
        made = run(seed, workers, settings)
        if not made.agrees:
            with Workers(ONE_CORE) as careful:
                made = run(seed, careful, settings)
        yield made
        if number % FRESH == 0:
            for process in list(workers.processes):
                workers.stop(process)


def write_sources(made: Run, folder: Path) -> None:
    """Write the emitted modules of a spec into a folder."""
    for backend, source in made.sources.items():
        (folder / f"{backend}_{made.seed}.py").write_text(source, encoding="utf-8")


def ruff_faults(folder: Path) -> str:
    """What ruff finds in a folder's modules at its defaults; nothing where they are sound."""
    found = []
    for command in (["check"], ["format", "--diff"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--isolated", "--no-cache", str(folder)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        found += [done.stdout + done.stderr] if done.returncode else []
    return "\n".join(found)
