"""What the processes of a verification left in their folders, compared."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any, NamedTuple

from archc.backends.fusion import computed, fuse_movements
from archc.backends.runtime.random_values import drawn
from archc.ir.arrays import Array, arrays
from archc.ir.costs import Costs
from archc.ir.graph import Node
from archc.verify.compare import Difference, difference, size
from archc.verify.random_values import draw_of
from archc.verify.runtimes import runner_of
from archc.verify.settings import FixedTensors, Settings


class Fault(NamedTuple):
    """Where an emitted network is not what the spec says; `path` is that of the op, if of one."""

    backend: str
    path: str | None
    message: str


class Row(NamedTuple):
    """The largest differences of an op: of its output in evaluation and in training, its arrays'
    gradients, and its running statistics. None where it has none, or where nothing was compared: a
    reshape that is computed together with the one behind it has no value of its own.
    `size` is the root of the mean square of the first backend's output in evaluation."""

    node: Node
    size: float | None
    evaluation: Difference | None
    training: Difference | None
    gradient: Difference | None
    statistics: Difference | None

    @property
    def differences(self) -> dict[str, Difference | None]:
        """Those of the row, by what is compared."""
        return {kind: getattr(self, kind) for kind in KINDS}


KINDS = ("evaluation", "training", "gradient", "statistics")
PERTURBED = "_perturbed"
"""What ends the name of a backend that runs with weights and inputs changed in their last bits."""


class Verification(NamedTuple):
    """What a verification found. `versions` are those of the frameworks, by backend; `loss` is the
    difference of the losses; `complete` tells that every backend has left all that there is to
    compare."""

    costs: Costs
    settings: Settings
    versions: Mapping[str, str]
    rows: tuple[Row, ...]
    loss: Difference | None
    faults: tuple[Fault, ...]
    complete: bool
    seconds: float

    @property
    def agrees(self) -> bool:
        """Whether the networks are one: there is no fault, everything was compared where there are
        two networks, and all of it agrees."""
        loss = self.loss is None or self.loss.agrees
        return not self.faults and self.complete and loss and self.first is None

    @property
    def first(self) -> tuple[str, str] | None:
        """The path of the op that diverges first, and in what: in evaluation, then in training, in
        its statistics, and last in its gradients, which reach an op from those behind it. What
        rounding explains comes after all that it does not."""
        at_fault = {fault.path: fault for fault in reversed(self.faults)}
        explained: tuple[str, str] | None = None
        for kind in ("evaluation", "training", "statistics", "gradient"):
            for row in reversed(self.rows) if kind == "gradient" else self.rows:
                path, found = row.node.path, row.differences[kind]
                if kind == "evaluation" and path in at_fault:
                    return path, f"{at_fault[path].backend} {at_fault[path].message}"
                if found is None or found.agrees:
                    continue
                if not found.is_rounding:
                    return path, kind
                explained = explained or (path, kind)
        return explained


class Comparison:
    """What the processes left in the folders of a verification, compared with the first's."""

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
        """The whole. `begin` is when it began, by the performance counter."""
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
            tuple(self._faults()),
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
                gradient = _joined(gradient, self._differences(f"gradient_{number}"))
            else:
                statistics = _joined(statistics, self._statistics(number, array))
        return Row(
            node,
            None if first is None else size(first),
            evaluation,
            self._differences(f"training_{index}"),
            gradient,
            statistics,
        )

    def _load(self, backend: str, name: str) -> Any:
        """An array that a process left, mapped to memory; None where it left none."""
        import numpy

        path = os.path.join(self.folder, backend, f"{name}.npy")
        return numpy.load(path, mmap_mode="r") if os.path.exists(path) else None

    def _differences(self, name: str) -> Difference | None:
        """The largest difference of an array from the first backend's; None where a fault has
        kept one from it, or there is one backend alone."""
        return self._apart([self._load(backend, name) for backend in self.settings.backends])

    def _apart(self, values: Sequence[Any]) -> Difference | None:
        if len(values) < 2:
            return None
        if any(value is None for value in values):
            self.complete = False
            return None
        reference, *others = values
        return _joined(*(difference(one, reference, self.settings.tolerance) for one in others))

    def _statistics(self, number: int, array: Array) -> Difference | None:
        """That of running statistics, unbiased variances made biased ones."""
        values = []
        for backend in self.settings.backends:
            value = self._load(backend, f"state_{number}")
            runner = runner_of(backend.removesuffix(PERTURBED))
            unbiased = runner.unbiased and array.variable.role == "variance"
            values.append(self._biased(value, array) if unbiased and value is not None else value)
        return self._apart(values)

    def _biased(self, running: Any, array: Array) -> Any:
        """A running variance as it were with the biased variance of the batch."""
        (x,) = self.costs.graph.input_axes(array.node)
        count = self.settings.batch * (x.elements // x.width)
        before = self.fixed.weights.get(array.key)
        if before is None:
            draw = draw_of(array, self.costs.graph, [])
            before = drawn(self.settings.seed, array.key, array.variable.shape, draw)
        kept = array.variable.momentum * before.astype(self.settings.dtype)
        return kept + (running - kept) * (count - 1) / count

    def _loss(self) -> Difference | None:
        from numpy import array

        losses = [one.get("loss") for one in self.summaries.values()]
        return self._apart([None if loss is None else array([loss]) for loss in losses])

    def _faults(self) -> list[Fault]:
        """What the processes tell, and counts that are not those of the report."""
        totals = self.costs.totals
        faults = []
        for backend, summary in self.summaries.items():
            faults += [Fault(backend, one["path"], one["message"]) for one in summary["faults"]]
            for key, wanted in (
                ("params", totals.params),
                ("counted", totals.params + totals.state),
            ):
                if summary.get(key, wanted) != wanted:
                    told = f"has {summary[key]:,} parameters in place of {wanted:,}"
                    faults.append(Fault(backend, None, told))
        return faults


def beside_rounding(found: Verification, perturbed: Verification) -> Verification:
    """What a verification found, its differences beside those of a backend and the same backend
    perturbed."""
    rows = tuple(
        Row(row.node, row.size, *map(_beside, row.differences.values(), other.differences.values()))
        for row, other in zip(found.rows, perturbed.rows, strict=True)
    )
    return found._replace(rows=rows, loss=_beside(found.loss, perturbed.loss))


def _beside(one: Difference | None, perturbed: Difference | None) -> Difference | None:
    return one if one is None or perturbed is None else one._replace(rounding=perturbed.share)


def _joined(*differences: Difference | None) -> Difference | None:
    found: Difference | None = None
    for one in differences:
        if one is not None:
            found = one if found is None else found.joined(one)
    return found
