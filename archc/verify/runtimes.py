"""What each emitted network runs on: of the runtimes of its backend the first that can."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import NamedTuple

from archc import backends
from archc.backends.base import Runner, Runtime
from archc.ir.graph import Graph
from archc.verify.settings import Settings


class Process(NamedTuple):
    """What one child process is: a runner's module, on a runtime."""

    module: str
    runtime: str


def runnable() -> tuple[str, ...]:
    """The backends whose networks can be run."""
    return tuple(name for name in backends.names() if backends.backend(name).runner is not None)


def runner_of(backend: str) -> Runner:
    """How the networks of a backend are run. Raises ValueError where they cannot be."""
    runner = backends.backend(backend).runner
    if runner is None:
        raise ValueError(f"the {backend} backend runs no networks")
    return runner


def choices() -> tuple[str, ...]:
    """The runtimes of backends that have several."""
    runners = [runner_of(name) for name in runnable()]
    several = [one.runtimes for one in runners if len(one.runtimes) > 1]
    return tuple(dict.fromkeys(runtime.name for runtimes in several for runtime in runtimes))


def runtime_of(backend: str, settings: Settings, graph: Graph) -> Runtime:
    """What runs the network that a backend emits: the runtime that the settings ask for, if it is
    one of the backend's; else the first that can compute all ops and is installed; where none is,
    the first that can compute them."""
    runner = runner_of(backend)
    for runtime in runner.runtimes:
        if runtime.name == settings.runtime:
            return runtime
    able = [
        one for one in runner.runtimes if not any(runner.lacks(one.name, graph, settings.dtype))
    ]
    candidates = able or list(runner.runtimes)
    return next((one for one in candidates if find_spec(one.name) is not None), candidates[0])


def lacking(settings: Settings, graph: Graph) -> Iterator[tuple[str, str, str]]:
    """The paths of the ops that the runtime asked for cannot compute, each with the reason and a
    runtime that can."""
    for backend in settings.backends:
        runner = runner_of(backend)
        able = runtime_of(backend, settings._replace(runtime=None), graph).name
        for runtime in runner.runtimes:
            if runtime.name == settings.runtime:
                for path, reason in runner.lacks(runtime.name, graph, settings.dtype):
                    yield path, reason, able
