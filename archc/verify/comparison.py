"""Comparison of the results that the processes of a verification wrote to their folders."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from time import perf_counter
from typing import Any, NamedTuple

from archc.backends.fusion import computed, fuse_movements
from archc.backends.runtime.random_values import random_array
from archc.ir.arrays import Array, arrays
from archc.ir.costs import Costs
from archc.ir.graph import Node
from archc.verify.compare import Difference, difference, size
from archc.verify.random_values import distribution_of
from archc.verify.runtimes import runner_of
from archc.verify.settings import FixedTensors, Settings


class Failure(NamedTuple):
    """An error of an emitted network that is not what the spec says; `path` is that of the op
    concerned, if any."""

    backend: str
    path: str | None
    message: str


class Row(NamedTuple):
    """The largest differences of an op: of its output in evaluation and in training, its arrays'
    gradients, and its running statistics. None where it has none, or where nothing was compared: a
    reshape that is computed together with the one after it has no value of its own.
    `size` is the root mean square of the first backend's output in evaluation."""

    node: Node
    size: float | None
    evaluation: Difference | None
    training: Difference | None
    gradient: Difference | None
    statistics: Difference | None

    @property
    def differences(self) -> dict[str, Difference | None]:
        """The differences of the row, by what is compared."""
        return {kind: getattr(self, kind) for kind in KINDS}


KINDS = ("evaluation", "training", "gradient", "statistics")
PERTURBED = "_perturbed"
"""The suffix of a backend that runs with weights and inputs changed in their last bits."""


class Verification(NamedTuple):
    """The result of a verification. `versions` are those of the frameworks, by backend; `loss` is
    the difference of the losses; `complete` says whether every backend wrote all that is
    compared."""

    costs: Costs
    settings: Settings
    versions: Mapping[str, str]
    rows: tuple[Row, ...]
    loss: Difference | None
    failures: tuple[Failure, ...]
    complete: bool
    seconds: float

    @property
    def agrees(self) -> bool:
        """Whether the networks are the same: no network failed, everything was compared where there
        are two networks, and all of it agrees."""
        loss = self.loss is None or self.loss.agrees
        return not self.failures and self.complete and loss and self.first is None

    @property
    def first(self) -> tuple[str, str] | None:
        """The path of the op that diverges first, and in what: in evaluation, then in training, in
        its statistics, and last in its gradients, which reach an op from those after it. What
        rounding explains comes after all that it does not."""
        failures = {one.path: one for one in reversed(self.failures)}
        explained: tuple[str, str] | None = None
        for kind in ("evaluation", "training", "statistics", "gradient"):
            for row in reversed(self.rows) if kind == "gradient" else self.rows:
                path, difference = row.node.path, row.differences[kind]
                if kind == "evaluation" and path in failures:
                    return path, f"{failures[path].backend} {failures[path].message}"
                if difference is None or difference.agrees:
                    continue
                if not difference.is_rounding:
                    return path, kind
                explained = explained or (path, kind)
        return explained


class Comparison:
    """The results in the folders of a verification, compared with those of the first backend."""

    def __init__(
        self,
        costs: Costs,
        settings: Settings,
        folder: str,
        summaries: Mapping[str, Mapping[str, Any]],
        fixed: FixedTensors,
    ) -> None:
        self.costs = costs
        self.settings = settings
        self.folder = folder
        self.summaries = summaries
        self.fixed = fixed
        self.arrays = arrays(costs)
        self.computed = computed(fuse_movements(costs.graph))
        self.complete = True

    def verification(self, begin: float) -> Verification:
        """The result as a whole. `begin` is the start time, by the performance counter."""
        by_node: dict[int, list[tuple[int, Array]]] = {}
        for number, array in enumerate(self.arrays):
            by_node.setdefault(array.node.index, []).append((number, array))
        rows = [self._row(layer.node.index, by_node) for layer in self.costs.layers]
        loss = self._loss()
        return Verification(
            self.costs,
            self.settings,
            {backend: str(one.get("version")) for backend, one in self.summaries.items()},
            tuple(rows),
            loss,
            tuple(self._failures()),
            self.complete,
            perf_counter() - begin,
        )

    def _row(self, index: int, by_node: Mapping[int, list[tuple[int, Array]]]) -> Row:
        node = self.costs.graph.nodes[index]
        if index not in self.computed:
            return Row(node, None, None, None, None, None)
        evaluation = self._differences(f"evaluation_{index}")
        first = self._load(self.settings.backends[0], f"evaluation_{index}")
        gradient: Difference | None = None
        statistics: Difference | None = None
        for number, array in by_node.get(index, []):
            if array.variable.learned:
                gradient = _maximum(gradient, self._differences(f"gradient_{number}"))
            else:
                statistics = _maximum(statistics, self._statistics(number, array))
        return Row(
            node,
            None if first is None else size(first),
            evaluation,
            self._differences(f"training_{index}"),
            gradient,
            statistics,
        )

    def _load(self, backend: str, name: str) -> Any:
        """An array that a process wrote, mapped to memory; None where it wrote none."""
        import numpy

        path = os.path.join(self.folder, backend, f"{name}.npy")
        return numpy.load(path, mmap_mode="r") if os.path.exists(path) else None

    def _differences(self, name: str) -> Difference | None:
        """The largest difference of an array from that of the first backend; None where a
        failure prevented one, or there is one backend only."""
        return self._compare([self._load(backend, name) for backend in self.settings.backends])

    def _compare(self, values: Sequence[Any]) -> Difference | None:
        if len(values) < 2:
            return None
        if any(value is None for value in values):
            self.complete = False
            return None
        reference, *others = values
        return _maximum(*(difference(one, reference, self.settings.tolerance) for one in others))

    def _statistics(self, number: int, array: Array) -> Difference | None:
        """The difference of running statistics, unbiased variances converted to biased ones."""
        values = []
        for backend in self.settings.backends:
            value = self._load(backend, f"state_{number}")
            runner = runner_of(backend.removesuffix(PERTURBED))
            unbiased = runner.unbiased and array.variable.role == "variance"
            values.append(self._biased(value, array) if unbiased and value is not None else value)
        return self._compare(values)

    def _biased(self, running: Any, array: Array) -> Any:
        """A running variance as if it were updated with the biased variance of the batch."""
        (x,) = self.costs.graph.input_axes(array.node)
        count = self.settings.batch * (x.elements // x.width)
        before = self.fixed.weights.get(array.key)
        if before is None:
            distribution = distribution_of(array, self.costs.graph, [])
            shape = array.variable.shape
            before = random_array(self.settings.seed, array.key, shape, distribution)
        decayed = array.variable.momentum * before.astype(self.settings.dtype)
        return decayed + (running - decayed) * (count - 1) / count

    def _loss(self) -> Difference | None:
        from numpy import array

        losses = [one.get("loss") for one in self.summaries.values()]
        return self._compare([None if loss is None else array([loss]) for loss in losses])

    def _failures(self) -> list[Failure]:
        """The errors that the processes report, and parameter counts that are not those of the
        spec."""
        totals = self.costs.totals
        failures = []
        for backend, summary in self.summaries.items():
            failures += [Failure(backend, one["path"], one["message"]) for one in summary["errors"]]
            for key, expected in (
                ("params", totals.params),
                ("counted", totals.params + totals.state),
            ):
                if summary.get(key, expected) != expected:
                    message = f"has {summary[key]:,} parameters, expected {expected:,}"
                    failures.append(Failure(backend, None, message))
        return failures


def with_rounding(verification: Verification, perturbed: Verification) -> Verification:
    """A verification whose differences have as `rounding` those of a backend from itself,
    perturbed."""
    rows = tuple(
        Row(row.node, row.size, *map(_with_rounding, _kinds(row), _kinds(other)))
        for row, other in zip(verification.rows, perturbed.rows, strict=True)
    )
    return verification._replace(rows=rows, loss=_with_rounding(verification.loss, perturbed.loss))


def _kinds(row: Row) -> Collection[Difference | None]:
    return row.differences.values()


def _with_rounding(one: Difference | None, perturbed: Difference | None) -> Difference | None:
    return one if one is None or perturbed is None else one._replace(rounding=perturbed.share)


def _maximum(*differences: Difference | None) -> Difference | None:
    largest: Difference | None = None
    for one in differences:
        if one is not None:
            largest = one if largest is None else largest.maximum(one)
    return largest
