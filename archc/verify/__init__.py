"""Whether the emitted networks are the same network: each runs in its own framework, with the same
seeded weights and batch, and the outputs of every layer are compared.

Each network is first held against its ops: the initial values of its arrays, by their moments, and
what its layers drop at random in training, by counting. Then the outputs of all layers in
evaluation are compared, of the batch and of its first sample alone; then, of one training step in
which nothing is dropped and whose loss is the sum of the outputs times seeded factors, the outputs,
the loss, the gradients of all parameters and the running statistics. A backend whose networks are
for evaluation takes part in that alone.

Where a difference exceeds the tolerance, the first network runs once more with every weight and
input changed in its last bit: a deep network may magnify such changes, and then its own rounding,
which differs from framework to framework. The tolerance is raised by as much, up to a limit.
Differences beyond it that this explains are reported as such; they prove nothing, and the verdict
is that of an inconclusive comparison.

Two conventions of the frameworks differ and are accounted for. Some track the unbiased variance of
a batch in their running statistics, others the biased one, smaller by (n - 1) / n for the n values
(batch times positions) of a channel. And statistics that several steps share are updated in the
order of the spec, where some order calls by their distance from the outputs.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from time import perf_counter
from typing import Any

from archc import backends
from archc.backends.base import Emitted
from archc.backends.fusion import computed
from archc.backends.lower import fused
from archc.backends.runtime.exchange import PLAN, SUMMARY, fixed_path, write_emitted
from archc.ir.arrays import arrays
from archc.ir.costs import Costs
from archc.ir.network import Network
from archc.verify.comparison import PERTURBED, Comparison, Verification, trained, with_rounding
from archc.verify.plan import plan
from archc.verify.runtimes import Process, runner_of, runtime_of, witnesses
from archc.verify.settings import FixedTensors, Settings
from archc.verify.workers import WorkerError, Workers
from archc.version import requirement

__all__ = [
    "FixedTensors",
    "Settings",
    "Verification",
    "WorkerError",
    "Workers",
    "outputs",
    "values",
    "verify",
]

NOTHING = FixedTensors()


def verify(
    network: Network,
    settings: Settings | None = None,
    *,
    fixed: FixedTensors = NOTHING,
    sources: Mapping[str, str | bytes] | None = None,
    workers: Workers | None = None,
) -> Verification:
    """Run the modules that the backends emit for a network, and compare their results.

    `fixed` are weights and inputs to use instead of random ones; `sources` emitted modules to use
    instead of those of the backends; `workers` processes to use and leave running, else some are
    started and stopped. Raises SpecError for an op that a backend does not support (ARC601),
    WorkerError where a framework is not installed or a process dies, and ValueError for an array of
    the wrong shape."""
    costs = network.costs
    settings = _with_defaults(settings or Settings(), fixed)
    begin = perf_counter()
    with tempfile.TemporaryDirectory(prefix="archc-") as folder, _worker_pool(workers) as pool:
        _write_fixed(folder, costs, settings, fixed)
        emitted: dict[str, Emitted] = {}
        plans = {}
        for backend in settings.backends:
            compiled = backends.compile_network(backend, network)
            source = (sources or {}).get(backend, compiled.source)
            emitted[backend] = replace(compiled, source=source)
            plans[backend] = plan(backend, costs, compiled, settings, step=True)
            _prepare(os.path.join(folder, backend), emitted[backend], plans[backend])
        processes = {one: _process(one, settings, costs) for one in settings.backends}
        if workers is None:
            for process in processes.values():  # the frameworks load side by side
                pool.start(process)
        for backend, process in processes.items():
            pool.run(process, os.path.join(folder, backend))
            if workers is None:
                pool.stop(process)
        summaries = {one: _summary(folder, one, settings, costs) for one in settings.backends}
        verification = Comparison(costs, settings, folder, summaries, fixed).verification(begin)
        if verification.failures or not verification.complete or verification.agrees:
            return verification
        # Does the network magnify rounding? Asked of one that is trained, if there is one.
        first = (trained(settings.backends) or settings.backends)[0]
        perturbed = f"{first}{PERTURBED}"
        _prepare(
            os.path.join(folder, perturbed), emitted[first], {**plans[first], "perturbed": True}
        )
        pool.run(processes[first], os.path.join(folder, perturbed))
        summaries = {
            first: summaries[first],
            perturbed: _summary(folder, perturbed, settings, costs),
        }
        pair = settings._replace(backends=(first, perturbed))
        rounding = Comparison(costs, pair, folder, summaries, fixed).verification(begin)
        return with_rounding(verification, rounding)._replace(seconds=perf_counter() - begin)


def outputs(
    network: Network,
    backend: str,
    fixed: FixedTensors = NOTHING,
    settings: Settings | None = None,
    *,
    workers: Workers | None = None,
) -> dict[str, Any]:
    """The outputs of the network that a backend emits, in evaluation: arrays in canonical layout by
    the outputs' paths, with the batch as their first axis. Raises what `values` raises."""
    graph = network.costs.graph
    computed = values(network, backend, fixed, settings, chosen=graph.outputs, workers=workers)
    return {graph.nodes[index].path: value for index, value in computed.items()}


def values(
    network: Network,
    backend: str,
    fixed: FixedTensors = NOTHING,
    settings: Settings | None = None,
    *,
    chosen: Sequence[int] | None = None,
    workers: Workers | None = None,
) -> dict[int, Any]:
    """What the layers of the network that a backend emits compute in evaluation, all that are not
    computed together with the next one or those `chosen`, by the nodes' indices: arrays in
    canonical layout, with the batch as their first axis.

    Raises what `verify` raises, and WorkerError where the network cannot be run.
    """
    import numpy

    costs = network.costs
    settings = _with_defaults(settings or Settings(), fixed)
    if chosen is None:
        alive = computed(fused(costs.graph))
        chosen = [node.index for node in costs.graph.layers if node.index in alive]
    with tempfile.TemporaryDirectory(prefix="archc-") as folder, _worker_pool(workers) as pool:
        _write_fixed(folder, costs, settings, fixed)
        emitted = backends.compile_network(backend, network)
        own = os.path.join(folder, backend)
        _prepare(own, emitted, plan(backend, costs, emitted, settings, step=False))
        pool.run(_process(backend, settings, costs), own)
        errors = _summary(folder, backend, settings, costs)["errors"]
        if errors:
            raise WorkerError(f"the network of {backend} {errors[0]['message']}")
        return {index: numpy.load(os.path.join(own, f"evaluation_{index}.npy")) for index in chosen}


@contextmanager
def _worker_pool(workers: Workers | None) -> Iterator[Workers]:
    """The workers, or new ones that stop at the end of the context."""
    if workers is not None:
        yield workers
        return
    with Workers() as own:
        yield own


def _process(backend: str, settings: Settings, costs: Costs) -> Process:
    runtime = runtime_of(backend, settings, costs.graph)
    return Process(runner_of(backend).module, runtime.name)


def _with_defaults(settings: Settings, fixed: FixedTensors) -> Settings:
    """The settings with the backends that are trained where they name none, and with the batch size
    of the fixed inputs."""
    settings = settings._replace(backends=settings.backends or witnesses())
    sizes = {len(value) for value in fixed.inputs.values()}
    if len(sizes) > 1:
        raise ValueError("the inputs are batches of different sizes")
    return settings._replace(batch=sizes.pop()) if sizes else settings


def _write_fixed(folder: str, costs: Costs, settings: Settings, fixed: FixedTensors) -> None:
    """Write fixed arrays where every process reads them. Raises ValueError where one belongs to
    nothing, or has the wrong shape."""
    import numpy

    weights, inputs = dict(fixed.weights), dict(fixed.inputs)
    graph = costs.graph
    expected = [
        (weights, array.key, "weight", number, array.variable.shape)
        for number, array in enumerate(arrays(costs))
    ]
    expected += [
        (inputs, node.path, "input", node.index, (settings.batch, *node.output.sizes))
        for node in (graph.nodes[index] for index in graph.inputs)
    ]
    for source, key, kind, number, shape in expected:
        if key not in source:
            continue
        value = source.pop(key)
        if tuple(value.shape) != shape:
            raise ValueError(f"`{key}` has the shape {tuple(value.shape)}, expected {shape}")
        numpy.save(fixed_path(folder, kind, number), value)
    if weights or inputs:
        raise ValueError(f"the network has no `{next(iter([*weights, *inputs]))}`")


def _prepare(folder: str, emitted: Emitted, fields: Mapping[str, Any]) -> None:
    """Write the input of the process of a backend: the emitted module, and the plan as `fields`."""
    os.mkdir(folder)
    write_emitted(folder, emitted.source)
    with open(os.path.join(folder, PLAN), "w", encoding="utf-8") as stream:
        json.dump(fields, stream)


def _summary(folder: str, backend: str, settings: Settings, costs: Costs) -> dict[str, Any]:
    with open(os.path.join(folder, backend, SUMMARY), encoding="utf-8") as stream:
        summary: dict[str, Any] = json.load(stream)
    missing = summary.get("missing")
    if missing is not None:
        raise WorkerError(_not_installed(missing, backend, settings, costs))
    return summary


def _not_installed(module: str, backend: str, settings: Settings, costs: Costs) -> str:
    """The error of a module that is missing in the process of a backend, and what installs it: with
    the op that the first of its runtimes cannot compute, where another is used for that reason."""
    declared = backends.backend(backend)
    runner = runner_of(backend)
    titles = {backend: declared.title, **{one.name: one.title for one in runner.runtimes}}
    packages = {one.name: one.package for one in runner.runtimes}
    package = packages.get(module, requirement(declared.extra))
    message = f"{titles.get(module, module)} is not installed: pip install '{package}'"
    first = runner.runtimes[0].name
    if module in packages and module != first and settings.runtime is None:
        for path, reason in runner.lacks(first, costs.graph, settings.dtype):
            return f"{message} (`{path}`: {reason})"
    return message
