"""Comparison of the results that the processes of a verification wrote to their folders."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import sqrt
from time import perf_counter
from typing import Any, Literal, NamedTuple

from archc import backends
from archc.backends.fusion import computed
from archc.backends.lower import fused
from archc.backends.runtime.exchange import DROPPED, EVALUATION, SINGLE, TRAINING
from archc.ir.arrays import Array, arrays
from archc.ir.costs import Costs
from archc.ir.graph import Node
from archc.verify.compare import (
    Difference,
    difference,
    largest_of,
    root_mean_square,
    worst,
)
from archc.verify.dropping import dropping_error
from archc.verify.initial_values import initial_error, is_too_small
from archc.verify.settings import FixedTensors, Settings


class Failure(NamedTuple):
    """An error of an emitted network that is not what the spec says; `path` is that of the op
    concerned, if any."""

    backend: str
    path: str | None
    message: str


class Row(NamedTuple):
    """The differences of an op: of its output by mode, and of its arrays' gradients and running
    statistics by the arrays' names. There are none where nothing was compared: a reshape that is
    computed together with the one after it has no value of its own. `size` is the root mean square
    of the first backend's output in evaluation, `gradient_size` the largest of its gradients."""

    node: Node
    size: float | None = None
    gradient_size: float | None = None
    outputs: Mapping[str, Difference] = {}
    gradients: Mapping[str, Difference] = {}
    statistics: Mapping[str, Difference] = {}

    @property
    def differences(self) -> dict[str, Difference | None]:
        """The differences of the row, by what is compared: of several arrays that which agrees
        least."""
        return {
            **{mode: self.outputs.get(mode) for mode in MODES},
            "gradient": worst(self.gradients.values()),
            "statistics": worst(self.statistics.values()),
        }


MODES = (EVALUATION, SINGLE, TRAINING)
PERTURBED = "_perturbed"
"""The suffix of a backend that runs with weights and inputs changed in their last bits."""
Verdict = Literal["agree", "differ", "inconclusive"]
"""What a verification comes to; inconclusive where only rounding could be told."""


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
    def differences(self) -> list[Difference]:
        """All differences: those of the rows, and that of the losses."""
        rows = (one for row in self.rows for one in row.differences.values())
        return [one for one in (*rows, self.loss) if one is not None]

    @property
    def untrained(self) -> list[str]:
        """The backends that take no training step."""
        backends = self.settings.backends
        return [one for one in backends if one not in trained(backends)]

    @property
    def verdict(self) -> Verdict:
        """What is proven of the networks: nothing where differences beyond the tolerance are no
        larger than rounding explains."""
        if self.failures or not self.complete:
            return "differ"
        apart = [one for one in self.differences if not one.agrees]
        if not apart:
            return "agree"
        return "inconclusive" if all(one.is_rounding for one in apart) else "differ"

    @property
    def agrees(self) -> bool:
        """Whether the networks are the same: no network failed, everything was compared where there
        are two networks, and all of it agrees."""
        return self.verdict == "agree"

    @property
    def first(self) -> tuple[str, str] | None:
        """The path of the op that diverges first, and in what: in evaluation, then in training, in
        its statistics, and last in its gradients, which reach an op from those after it. What
        rounding explains comes after all that it does not."""
        failures = {one.path: one for one in reversed(self.failures)}
        explained: tuple[str, str] | None = None
        for kind in (*MODES, "statistics", "gradient"):
            for row in reversed(self.rows) if kind == "gradient" else self.rows:
                path, difference = row.node.path, row.differences[kind]
                if kind == EVALUATION and path in failures:
                    return path, f"{failures[path].backend} {failures[path].message}"
                if difference is None or difference.agrees:
                    continue
                if not difference.is_rounding:
                    return path, kind
                explained = explained or (path, kind)
        return explained

    @property
    def vacuous(self) -> dict[str, list[str]]:
        """What a comparison says nothing of, for its values are zero within the tolerance: the
        paths of ops and the keys of arrays, by what is compared."""
        names: dict[str, list[str]] = {}
        for row in self.rows:
            path = row.node.path
            compared = [(kind, path, one) for kind, one in row.outputs.items()]
            compared += [("gradient", f"{path}.{key}", one) for key, one in row.gradients.items()]
            for kind, name, one in compared:
                if one.is_vacuous:
                    names.setdefault(kind, []).append(name)
        return names

    @property
    def undrawn(self) -> list[str]:
        """The keys of arrays with too few initial values to tell their distribution."""
        return [one.key for one in arrays(self.costs) if is_too_small(one.variable)]


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
        self.computed = computed(fused(costs.graph))
        self.alone = costs.graph.training_only
        self.complete = True
        self.trained = trained(settings.backends)
        computed_layers = [one.index for one in costs.graph.layers if one.index in self.computed]
        learned = [n for n, array in enumerate(self.arrays) if is_trained(array)]
        self.sizes = {mode: self._sizes(mode, computed_layers) for mode in MODES}
        self.sizes["gradient"] = self._sizes("gradient", learned)
        self.largest = {kind: largest_of(sizes.values()) for kind, sizes in self.sizes.items()}

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
            return Row(node)
        modes = (TRAINING,) if index in self.alone else MODES
        outputs = {mode: self._differences(mode, index) for mode in modes}
        gradients: dict[str, Difference | None] = {}
        statistics: dict[str, Difference | None] = {}
        sizes = []
        for number, array in by_node.get(index, []):
            name = array.variable.name
            if is_trained(array):
                gradients[name] = self._differences("gradient", number)
                sizes.append(self.sizes["gradient"].get(number, 0.0))
            elif not array.variable.learned:
                statistics[name] = self._statistics(number, array)
        return Row(
            node,
            self.sizes[modes[0]].get(index),
            max(sizes, default=None),
            *map(_existing, (outputs, gradients, statistics)),
        )

    def _sizes(self, kind: str, numbers: Iterable[int]) -> dict[int, float]:
        """The sizes of arrays of the first backend that has such, by the numbers in their
        names."""
        first = self._backends_with(kind)[:1]
        loaded = {n: self._load(one, f"{kind}_{n}") for one in first for n in numbers}
        return {n: root_mean_square(one) for n, one in loaded.items() if one is not None}

    def _backends_with(self, kind: str) -> tuple[str, ...]:
        """The backends that are compared in something: those for evaluation in that alone."""
        return self.settings.backends if kind in (EVALUATION, SINGLE) else self.trained

    def _load(self, backend: str, name: str) -> Any:
        """An array that a process wrote, mapped to memory; None where it wrote none."""
        import numpy

        path = os.path.join(self.folder, backend, f"{name}.npy")
        return numpy.load(path, mmap_mode="r") if os.path.exists(path) else None

    def _differences(self, kind: str, number: int) -> Difference | None:
        """The largest difference of an array from that of the first backend; None where a
        failure prevented one, or there is one backend only."""
        name = f"{kind}_{number}"
        values = [self._load(backend, name) for backend in self._backends_with(kind)]
        return self._compare(values, self.sizes[kind].get(number), self.largest[kind])

    def _compare(
        self, values: Sequence[Any], size: float | None, largest_size: float
    ) -> Difference | None:
        if len(values) < 2:
            return None
        if size is None or any(value is None for value in values):
            self.complete = False
            return None
        reference, *others = values
        tolerance = self.settings.tolerance
        return worst(difference(one, reference, tolerance, size, largest_size) for one in others)

    def _statistics(self, number: int, array: Array) -> Difference | None:
        """The difference of running statistics."""
        values = [self._load(backend, f"state_{number}") for backend in self.trained]
        size = None if not values or values[0] is None else root_mean_square(values[0])
        return self._compare(values, size, self.largest[TRAINING])

    def _loss(self) -> Difference | None:
        """The difference of the losses, each a sum of as many terms as there are outputs."""
        from numpy import array

        losses = [self.summaries[backend].get("loss") for backend in self.trained]
        values = [None if loss is None else array([loss]) for loss in losses]
        graph, sizes = self.costs.graph, self.sizes[TRAINING]
        squares = sum(
            sizes.get(index, 0.0) ** 2 * self.settings.batch * graph.nodes[index].output.elements
            for index in graph.all_outputs
        )
        size = None if not losses or losses[0] is None else max(abs(losses[0]), sqrt(squares))
        return self._compare(values, size, 1.0)

    def _failures(self) -> list[Failure]:
        """The errors that the processes report, and what is not as the spec says: initial values,
        what is dropped at random, and parameter counts."""
        totals = self.costs.totals
        failures = []
        for backend, summary in self.summaries.items():
            failures += [Failure(backend, one["path"], one["message"]) for one in summary["errors"]]
            if backend in self.trained:
                failures += self._initial_failures(backend, summary)
                failures += self._dropping_failures(backend)
            for key, expected in (
                ("params", totals.params),
                ("trainable", totals.trainable_params),
                ("counted", totals.params + totals.state),
            ):
                if summary.get(key, expected) != expected:
                    kind = "trainable parameters" if key == "trainable" else "parameters"
                    message = f"has {summary[key]:,} {kind}, expected {expected:,}"
                    failures.append(Failure(backend, None, message))
        return failures

    def _initial_failures(self, backend: str, summary: Mapping[str, Any]) -> Iterator[Failure]:
        """Arrays that do not begin as their ops say."""
        for number, array in enumerate(self.arrays):
            if array.variable.initial is None:
                continue
            moments = summary["initial"].get(str(number))
            if moments is None:
                self.complete = False
                continue
            message = initial_error(array.variable, moments)
            if message is not None:
                yield Failure(backend, array.node.path, message)

    def _dropping_failures(self, backend: str) -> Iterator[Failure]:
        """Ops that do not drop in training what they say."""
        for node in self.costs.graph.layers:
            rate = node.op.drop_rate
            if rate is None or node.op.drop_unit == "inner":
                continue
            values = self._load(backend, f"{DROPPED}_{node.index}")
            if values is None:
                self.complete = False
                continue
            message = dropping_error(values, rate, node.op.drop_unit)
            if message is not None:
                yield Failure(backend, node.path, message)


def trained(names: Iterable[str]) -> tuple[str, ...]:
    """Those of some backends, perturbed ones among them, whose networks take a training step."""
    return tuple(one for one in names if backends.backend(one.removesuffix(PERTURBED)).trains)


def is_trained(array: Array) -> bool:
    """Whether an array is changed by its gradient."""
    return array.variable.learned and array.node.trainable


def with_rounding(verification: Verification, perturbed: Verification) -> Verification:
    """A verification whose differences have as `rounding` those of a backend from itself,
    perturbed."""
    rows = tuple(
        row._replace(
            outputs=_all_with_rounding(row.outputs, other.outputs),
            gradients=_all_with_rounding(row.gradients, other.gradients),
            statistics=_all_with_rounding(row.statistics, other.statistics),
        )
        for row, other in zip(verification.rows, perturbed.rows, strict=True)
    )
    loss = verification.loss
    if loss is not None and perturbed.loss is not None:
        loss = loss._replace(rounding=perturbed.loss.relative)
    return verification._replace(rows=rows, loss=loss)


def _all_with_rounding(
    own: Mapping[str, Difference], perturbed: Mapping[str, Difference]
) -> dict[str, Difference]:
    return {
        name: one._replace(rounding=perturbed[name].relative) if name in perturbed else one
        for name, one in own.items()
    }


def _existing(differences: Mapping[str, Difference | None]) -> dict[str, Difference]:
    return {name: one for name, one in differences.items() if one is not None}
