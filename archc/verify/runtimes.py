"""The runtime of each emitted network: the first of its backend's that can compute it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import NamedTuple

from archc import backends
from archc.backends.base import Runner, Runtime
from archc.ir.graph import Graph
from archc.verify.settings import Settings


class Process(NamedTuple):
    """The key of a child process: the module of a runner, and a runtime."""

    module: str
    runtime: str


def runnable() -> tuple[str, ...]:
    """The backends whose networks can be run."""
    return tuple(name for name in backends.names() if backends.backend(name).runner is not None)


def witnesses() -> tuple[str, ...]:
    """The backends that are compared by default: those whose networks can be trained too."""
    return tuple(name for name in runnable() if backends.backend(name).trains)


def runner_of(backend: str) -> Runner:
    """The runner of a backend. Raises ValueError where it has none."""
    runner = backends.backend(backend).runner
    if runner is None:
        raise ValueError(f"the {backend} backend cannot run networks")
    return runner


def choices() -> tuple[str, ...]:
    """The runtimes of backends that have several."""
    runners = [runner_of(name) for name in runnable()]
    several = [one.runtimes for one in runners if len(one.runtimes) > 1]
    return tuple(dict.fromkeys(runtime.name for runtimes in several for runtime in runtimes))


def runtime_of(backend: str, settings: Settings, graph: Graph) -> Runtime:
    """The runtime of the network that a backend emits: that of the settings, if the backend has
    it; else the first that can compute all ops and is installed; where none is,
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
    """The paths of the ops that the requested runtime cannot compute, each with the reason and a
    runtime that can."""
    for backend in settings.backends:
        runner = runner_of(backend)
        able = runtime_of(backend, settings._replace(runtime=None), graph).name
        for runtime in runner.runtimes:
            if runtime.name == settings.runtime:
                for path, reason in runner.lacks(runtime.name, graph, settings.dtype):
                    yield path, reason, able
