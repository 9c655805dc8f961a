"""How each operator of ONNX is said in archc: a function for each.

A function writes the steps of one node and gives the values of its leading outputs: those that
archc has (no indices of maxima, no masks, no moments). What archc cannot say it refuses, with the
reason.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tests.backends.onnx_data import layers, shapes
from tests.backends.onnx_data.cases import Case
from tests.backends.onnx_data.reasons import NotApplicableError
from tests.backends.onnx_data.translation import Node, Translated, Translation, Value

Lower = Callable[[Translation, Node], "Value | list[Value]"]

OPERATORS: dict[str, Lower] = {
    "Add": partial(shapes.add_or_multiply, "add"),
    "AveragePool": layers.average_pool,
    "BatchNormalization": layers.batch_norm,
    "CenterCropPad": shapes.center_crop_pad,
    "Concat": shapes.concat,
    "Conv": layers.conv,
    "ConvTranspose": layers.conv_transpose,
    "Dropout": layers.dropout,
    "Elu": layers.elu,
    "Flatten": shapes.flatten,
    "Gather": shapes.gather,
    "Gelu": layers.gelu,
    "Gemm": layers.gemm,
    "GlobalAveragePool": partial(layers.global_pool, "global_avg_pool"),
    "GlobalMaxPool": partial(layers.global_pool, "global_max_pool"),
    "GroupNormalization": layers.group_norm,
    "HardSigmoid": layers.hard_sigmoid,
    "HardSwish": partial(layers.plain, "hard_swish"),
    "InstanceNormalization": layers.instance_norm,
    "LRN": layers.local_response_norm,
    "LayerNormalization": layers.layer_norm,
    "LeakyRelu": layers.leaky_relu,
    "LogSoftmax": partial(layers.softmax, "log_softmax"),
    "MatMul": layers.matmul,
    "Max": partial(shapes.merge, "maximum"),
    "MaxPool": layers.max_pool,
    "Mean": partial(shapes.merge, "average"),
    "Mul": partial(shapes.add_or_multiply, "multiply"),
    "PRelu": layers.prelu,
    "Pad": shapes.pad,
    "ReduceMax": partial(layers.reduce, "global_max_pool"),
    "ReduceMean": partial(layers.reduce, "global_avg_pool"),
    "Relu": partial(layers.plain, "relu"),
    "Reshape": shapes.reshape,
    "Resize": shapes.resize,
    "Selu": layers.selu,
    "Sigmoid": partial(layers.plain, "sigmoid"),
    "Slice": shapes.slice_,
    "Softmax": partial(layers.softmax, "softmax"),
    "Softplus": partial(layers.plain, "softplus"),
    "Softsign": partial(layers.plain, "softsign"),
    "Split": shapes.split,
    "Squeeze": shapes.reshape,
    "Sum": partial(shapes.merge, "add"),
    "Swish": layers.swish,
    "Tanh": partial(layers.plain, "tanh"),
    "Transpose": shapes.transpose,
    "Unsqueeze": shapes.reshape,
    "Upsample": shapes.resize,
}
"""What archc has a step for, or a few."""


def judged_by(case: Case) -> str | None:
    """The first operator of a case that computes something, if archc has all of them."""
    operators = [one for one in case.operators if one != "Constant"]
    return operators[0] if operators and set(operators) <= OPERATORS.keys() else None


def translate(case: Case) -> Translated:
    """A case as a spec. Raises NotApplicableError, for the reason against a batch where
    neither a batch nor a single sample does."""
    try:
        return _translate(Translation(case, whole=False))
    except NotApplicableError as against:
        try:
            return _translate(Translation(case, whole=True))
        except NotApplicableError:
            raise against from None


def _translate(to: Translation) -> Translated:
    for one in to.case.model.graph.node:
        if not to.fold(one):
            node = Node(one)
            result = OPERATORS[node.operator](to, node)
            values = result if isinstance(result, list) else [result]
            to.values.update(zip(node.outputs, values, strict=False))
    return to.translated()
