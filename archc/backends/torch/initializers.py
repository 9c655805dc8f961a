"""The calls of `torch.nn.init` that give a layer's weight its initial values."""

from __future__ import annotations

from archc.backends.base import placeholder
from archc.codegen.tree import Attribute, Call, Keyword, Lit, Ref, call
from archc.ops.initializer import Initializer

_NONLINEARITY = {"he": "relu", "lecun": "linear"}
"""What scales PyTorch's `kaiming` by the square root of two, or by one."""


def initialize(initializer: Initializer | None) -> Call | None:
    """The call on the weight of the layer in `placeholder(0)`; None for the framework's default."""
    if initializer is None:
        return None
    weight = Attribute(placeholder(0), "weight")
    name, value = initializer
    match name:
        case "zeros":
            return call("nn.init.zeros_", weight)
        case "orthogonal":
            return call("nn.init.orthogonal_", weight)
        case "normal":
            deviation = Keyword("std", Lit(value), Lit(1.0))
            return Call(Ref("nn.init.normal_"), (weight,), (deviation,))
        case "uniform":
            assert value is not None
            return call("nn.init.uniform_", weight, -value, value)
        case "constant":
            return call("nn.init.constant_", weight, value)
    family, distribution = name.split("_")
    if family == "glorot":
        return call(f"nn.init.xavier_{distribution}_", weight)
    nonlinearity = _NONLINEARITY[family]
    return call(f"nn.init.kaiming_{distribution}_", weight, nonlinearity=nonlinearity)
