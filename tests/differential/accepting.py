"""Which random networks are kept: those that archc and both backends take, small ones."""

from __future__ import annotations

import json
from math import ceil, inf
from typing import Any

from archc import backends
from archc.backends.lower import lower_graph
from archc.diagnostics import SourceText, SpecError
from archc.ir.costs import Costs
from archc.ops.base import Op
from archc.ops.normalization import LocalResponseNorm
from archc.spec import Spec, read_source
from archc.verify.runtimes import runnable

MOST_NODES = 60
MOST_ELEMENTS = 1500
MOST_PARAMS = 20_000
MOST_FACTORS = 8
"""Products of more values, squares of squares above all, leave what numbers can hold."""
MOST_GAIN = 1e6
"""Normalisation of what is constant makes rounding errors 1 / sqrt(epsilon) as large, 300 times
with the usual 1e-5: after three in a row of which each has only constants to work on, nobody could
compare two networks to 1e-9. Networks of many usual ones are among the shipped specs."""
NORMALISATIONS = ("batch_norm", "layer_norm", "rms_norm", "group_norm")


def read(text: str) -> tuple[Spec, Costs]:
    """The spec and its costs. Raises SpecError."""
    spec = read_source(SourceText("random.yaml", text), "/", "/random.yaml")
    return spec, spec.checked()


def accepted(document: dict[str, Any]) -> Costs | None:
    """The costs of a spec; None where it is not to be kept."""
    try:
        _, costs = read(json.dumps(document))
        for name in runnable():
            lower_graph(costs.graph, backends.backend(name))
    except SpecError:
        return None
    sizes = [layer.node.output.elements for layer in costs.layers]
    small = costs.totals.params <= MOST_PARAMS and max(sizes, default=0) <= MOST_ELEMENTS
    if not small or not 1 <= len(sizes) <= MOST_NODES or _degree(costs) > MOST_FACTORS:
        return None
    if _gain(costs) > MOST_GAIN:
        return None
    return costs


def _degree(costs: Costs) -> int:
    """How many factors the largest product of values has that a network computes."""
    degrees: list[int] = []
    for node in costs.graph.nodes:
        incoming = [degrees[index] for index in node.inputs]
        if node.op.name in NORMALISATIONS or not incoming:
            degrees.append(1)
        elif node.op.name == "multiply":
            degrees.append(sum(incoming))
        else:
            degrees.append(max(incoming) * _power(node.op))
    return max(degrees)


def _power(op: Op) -> int:
    """With what power of its input an op's output grows."""
    if isinstance(op, LocalResponseNorm):
        return 1 + ceil(2 * max(0.0, -op.beta))
    return 2 if op.name == "rbf" else 1


def _gain(costs: Costs) -> float:
    """How much larger normalisations one after another may make rounding errors."""
    gains: list[float] = []
    for node in costs.graph.nodes:
        normalised = 1e-6 if getattr(node.op, "qk_norm", False) else 1.0
        epsilon = getattr(node.op, "epsilon", normalised)
        own = epsilon**-0.5 if epsilon else inf
        gains.append(max(1.0, own) * max((gains[index] for index in node.inputs), default=1.0))
    return max(gains)
