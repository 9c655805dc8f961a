"""The reference evaluator of `onnx`, with numbers of float64 in place of those of float32."""

from __future__ import annotations

from typing import Any

from archc.backends.onnx.rewriting import exact
from archc.onnx_format.messages import DOUBLE


def evaluator(model: Any) -> Any:
    """What evaluates a model."""
    from onnx.reference import ReferenceEvaluator

    from archc.backends.onnx.kernels import OPERATORS

    evaluate = ReferenceEvaluator(model, new_ops=OPERATORS)
    if model.graph.output[0].type.tensor_type.elem_type == DOUBLE:
        for nodes in (evaluate, *evaluate.functions_.values()):
            _widen(nodes.rt_nodes_)
    return evaluate


def _widen(operators: Any) -> None:
    """Set the attributes of operators, which the evaluator has as float32 has them."""
    for operator in operators:
        for name, value in exact(operator.onnx_node).items():
            if hasattr(operator, name):
                setattr(operator, name, value)
