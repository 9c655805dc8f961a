"""Every op on every backend: the emitted network computes what the op means, in float64.

The cases stand in `cases/`, the meanings in `reference/`; the backends come from the registry.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from archc import backends
from archc.diagnostics import SpecError
from archc.ir.costs import Costs
from archc.ir.graph import known_ids
from archc.ops import OPS
from archc.ops.base import Variable
from archc.verify import FixedTensors, Settings, Workers, outputs
from tests.backends.ops.cases import Batch, batches
from tests.backends.ops.reference import MEANINGS, compute
from tests.backends.ops.reference.tensor import Array, Arrays, Tensor
from tests.differential.coverage import all_options, all_pairs, counted

TOLERANCE = 1e-9
SAMPLES = 2
SPREAD = 3.0
"""The deviation of the inputs: activations that are flat beyond 3 or 6 are seen at both ends."""


@pytest.mark.parametrize("backend", backends.names())
@pytest.mark.parametrize("op", OPS)
def test_computes_what_the_op_means(op: str, backend: str, workers: Workers) -> None:
    errors = [
        f"{batch}: {error}"
        for batch in batches()[op]
        if backend not in batch.refused
        for error in mismatches(batch, backend, workers)
    ]
    assert not errors, "\n".join(errors)


def mismatches(
    batch: Batch,
    backend: str,
    workers: Workers,
    settings: Settings | None = None,
    tolerance: float = TOLERANCE,
) -> list[str]:
    """The cases in which the emitted network does not compute what the op means."""
    network = batch.network()
    costs = network.costs
    random = np.random.default_rng(7)
    known = known_ids(costs.graph)
    inputs = {
        f"input_{index}": random.integers(known[index], size=(SAMPLES, *axes.sizes))
        if index in known
        else random.normal(size=(SAMPLES, *axes.sizes)) * SPREAD
        for index, axes in enumerate(batch.inputs)
    }
    arrays = random_arrays(costs, random)
    keyed = {f"{path}.{name}": value for path, own in arrays.items() for name, value in own.items()}
    tensors = FixedTensors(keyed, {name: value.copy() for name, value in inputs.items()})
    results = outputs(network, backend, tensors, settings, workers=workers)
    errors = []
    for number, case in enumerate(batch.cases):
        name = f"case_{number}"
        values = [
            Tensor(axes.names, value)
            for axes, value in zip(batch.inputs, inputs.values(), strict=True)
        ]
        for op in case.after:
            values = [compute(op, {}, {}, value) for value in values]
        expected = compute(case.op, case.fields, arrays[name], *values)
        (axes,) = (node.output for node in costs.graph.nodes if node.path == name)
        if (axes.names, (SAMPLES, *axes.sizes)) != (expected.axes, expected.array.shape):
            errors.append(f"{case}: {axes} in place of {expected.axes}, {expected.array.shape}")
        elif results[name].shape != expected.array.shape:
            errors.append(f"{case}: {results[name].shape} in place of {expected.array.shape}")
        else:
            distance = float(np.abs(results[name] - expected.array).max())
            if not distance <= tolerance * max(1.0, float(np.abs(expected.array).max())):
                errors.append(f"{case}: {distance:.3g} apart")
    return errors


def random_arrays(costs: Costs, random: np.random.Generator) -> dict[str, Arrays]:
    """The arrays of each op by its path: normal, but for variances."""

    def drawn(variable: Variable) -> Array:
        if variable.role == "variance":
            return random.uniform(0.5, 1.5, variable.shape)
        return random.normal(size=variable.shape)

    return {
        layer.node.path: {variable.name: drawn(variable) for variable in layer.variables}
        for layer in costs.layers
    }


@pytest.mark.parametrize("backend", backends.names())
def test_what_a_backend_cannot_compute_is_refused_with_the_reason(backend: str) -> None:
    for batch in (one for of_op in batches().values() for one in of_op if backend in one.refused):
        for case in batch.cases:
            network = batch._replace(cases=(case,)).network()
            with pytest.raises(SpecError) as caught:
                network.emit(backend)
            (diagnostic,) = caught.value.diagnostics
            assert diagnostic.code == "ARC601", case
            assert batch.refused[backend] in diagnostic.message, case


def test_every_op_has_cases_and_a_meaning() -> None:
    assert batches().keys() == OPS.keys()
    assert MEANINGS.keys() == OPS.keys()


@pytest.mark.parametrize("op", [name for name, op in OPS.items() if op.sign != "any"])
def test_no_output_is_below_zero_where_the_definition_says_so(op: str) -> None:
    """Of any input, or where that is never below zero: paddings are chosen by it."""
    for batch in batches()[op]:
        random = np.random.default_rng(7)
        arrays = random_arrays(batch.network().costs, random)
        inputs = [
            Tensor(axes.names, random.normal(size=(SAMPLES, *axes.sizes)) * SPREAD)
            for axes in batch.inputs
        ]
        if OPS[op].sign == "kept":
            inputs = [x.with_array(np.abs(x.array)) for x in inputs]
        for number, case in enumerate(batch.cases):
            if not case.after:
                output = compute(op, case.fields, arrays[f"case_{number}"], *inputs)
                assert output.array.min() >= 0, case


def test_every_option_has_a_case_and_every_pair_of_options() -> None:
    """But for pairs with an activation, which takes the result as it is, or an initial
    distribution, which is no part of what an op computes."""
    counts: Counter[str] = Counter()
    for of_op in batches().values():
        for batch in of_op:
            counts += counted(batch.network().costs)
    pairs = [
        pair for pair in all_pairs() if "activation=" not in pair and "initializer=" not in pair
    ]
    assert [option for option in (*all_options(), *pairs) if not counts[option]] == []
