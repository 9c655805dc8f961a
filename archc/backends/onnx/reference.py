"""The reference evaluator of `onnx`, with numbers of float64 in place of those of float32."""

from __future__ import annotations

from typing import Any

from onnx.reference import ReferenceEvaluator

from archc.backends.onnx.kernels import OPERATORS
from archc.backends.onnx.rewriting import exact
from archc.onnx_format.messages import DOUBLE


class Evaluator(ReferenceEvaluator):
    """The evaluator with archc's kernels, in functions too, which are evaluators of the same
    class."""

    def __init__(self, proto: Any, **options: Any) -> None:
        super().__init__(proto, new_ops=OPERATORS, **options)


def evaluator(model: Any) -> Evaluator:
    """What evaluates a model."""
    evaluate = Evaluator(model)
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
