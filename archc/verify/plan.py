"""The plan for the process of one backend, as JSON types: which layer or operation computes each
op, which variable holds each array, and the distribution of its values.

Nodes are referred to by their indices in the graph, inputs first; arrays are in the order of
`archc.ir.arrays.arrays` on every backend.
"""

from __future__ import annotations

from typing import Any

from archc import backends
from archc.backends.base import Emitted, Placement, StoredVariable, placeholder
from archc.backends.blocks.dataflow import Uses
from archc.backends.layouts import unchanged
from archc.backends.lower import fused
from archc.backends.sharing import counterparts
from archc.backends.storage import every_variable
from archc.codegen.rewrite import children
from archc.codegen.tree import Attribute, Binary, Call, Expr, Index, Ref, Unary
from archc.ir.arrays import Array, arrays
from archc.ir.costs import Costs
from archc.ir.graph import known_ids
from archc.verify.random_values import distribution_of
from archc.verify.settings import Settings

OPERATORS = {"+": "add", "-": "sub", "*": "mul", "/": "truediv", "//": "floordiv", "**": "pow"}
"""The operators that emitted expressions have, as `operator` calls them."""


def plan(
    backend: str, costs: Costs, emitted: Emitted, settings: Settings, *, step: bool
) -> dict[str, Any]:
    """The plan of one backend, with a training `step` or without. Raises SpecError where no
    variable of the backend is known to hold an array (ARC602)."""
    graph = costs.graph
    users = Uses(graph).users
    variables = every_variable(backends.backend(backend), costs, emitted)
    whole = fused(graph)
    ids = known_ids(graph)
    again, alone = counterparts(graph), graph.training_only
    return {
        "dtype": settings.dtype,
        "seed": settings.seed,
        "batch": settings.batch,
        "step": step,
        "perturbed": False,
        "nodes": [
            {
                "path": node.path,
                "inputs": node.inputs,
                "layout": emitted.values[node.index],
                "lowered": [
                    _lowered(one, len(node.inputs))
                    for one in emitted.placements.get(node.index, ())
                ],
                "drops": node.op.drop_rate is not None and node.op.drop_unit != "inner",
                "rate": node.op.drop_rate if node.op.drop_unit == "inner" else None,
                "ids": ids.get(node.index),
                "training": node.index in alone,
                "again": node.weights >= 0 or node.index in again,
            }
            for node in whole.nodes
        ],
        "inputs": graph.inputs,
        "outputs": graph.outputs,
        "training_outputs": graph.training_outputs,
        "arrays": [
            {
                "key": array.key,
                **_stored(variables.get(array.key), array),
                "learned": array.variable.learned,
                "training": array.node.index in alone,
                "trainable": array.variable.learned and array.node.trainable,
                "initial": array.variable.initial is not None,
                "distribution": distribution_of(array, graph, users),
            }
            for array in arrays(costs)
        ],
        "aliases": [
            {"key": one.key, "layer": one.stored.layer, "variable": one.stored.name}
            for one in emitted.aliases
        ],
    }


def _stored(variable: StoredVariable | None, array: Array) -> dict[str, Any]:
    """Where an array is kept; of one that a backend for evaluation lacks, its shape alone."""
    if variable is None:
        return {"layer": None, "variable": None, "layout": unchanged(array.variable.shape)}
    return {"layer": variable.layer, "variable": variable.name, "layout": variable.layout}


def _lowered(placement: Placement, inputs: int) -> dict[str, Any]:
    """A lowered layer: its path, name or position, or the operations of an expression."""
    if placement.path is not None:
        return {"layer": placement.path}
    assert placement.lowered.expression is not None
    return {"operations": operations(placement.lowered.expression, inputs)}


def operations(expression: Expr, inputs: int) -> list[tuple[str, list[int]]]:
    """The calls, operators and subscripts of an expression on so many inputs, inner ones first:
    the name of each and its operands, the inputs from 0 up, the results of earlier operations from
    -1 down."""
    results: list[tuple[str, list[int]]] = []
    placeholders = {placeholder(index).name: index for index in range(inputs)}

    def visit(expr: Expr) -> list[int]:
        if isinstance(expr, Ref):
            return [placeholders[expr.name]] if expr.name in placeholders else []
        operands = [value for child in children(expr) for value in visit(child)]
        if not isinstance(expr, Binary | Call | Index | Unary) or not operands:
            return operands  # what takes no value is computed once, as a number
        results.append((_name_of(expr), operands))
        return [-len(results)]

    visit(expression)
    return results


def _name_of(expr: Binary | Call | Index | Unary) -> str:
    """What Python calls an operation: the function's own name, or that in `operator`."""
    if isinstance(expr, Binary):
        return OPERATORS[expr.operator]
    if isinstance(expr, Unary):
        return "neg"
    if isinstance(expr, Index):
        return "getitem"
    function = expr.function
    return function.name.rpartition(".")[2] if isinstance(function, Ref | Attribute) else ""
