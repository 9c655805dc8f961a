"""Functions of `keras.ops` as ops of archc: activations, arithmetic, means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from archc.importers.keras.calls import Call, Draft, RefusedError, check, short
from archc.ops import activation
from archc.ops.activation import Activation
from archc.ops.axes import Axes
from archc.ops.merge import Add, Multiply
from archc.ops.parameter import Scale
from archc.ops.pooling import GlobalAvgPool, GlobalMaxPool

FUNCTIONS = {
    "Add": "add",
    "Celu": "celu",
    "Elu": "elu",
    "Gelu": "gelu",
    "HardSigmoid": "hard_sigmoid",
    "HardSilu": "hard_silu",
    "LeakyRelu": "leaky_relu",
    "LogSoftmax": "log_softmax",
    "Max": "max",
    "Mean": "mean",
    "Multiply": "multiply",
    "Negative": "negative",
    "Power": "power",
    "Relu": "relu",
    "Relu6": "relu6",
    "Selu": "selu",
    "Sigmoid": "sigmoid",
    "Silu": "silu",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Square": "square",
    "Subtract": "subtract",
    "Tanh": "tanh",
    "TrueDivide": "divide",
}
"""The functions of `keras.ops` by what Keras calls them in a configuration."""

PLAIN: dict[str, type[Activation]] = {
    "HardSigmoid": activation.HardSigmoid,
    "HardSilu": activation.HardSwish,
    "Relu": activation.Relu,
    "Relu6": activation.Relu6,
    "Selu": activation.Selu,
    "Sigmoid": activation.Sigmoid,
    "Silu": activation.Silu,
    "Softplus": activation.Softplus,
    "Softsign": activation.Softsign,
    "Tanh": activation.Tanh,
}
WITH_FIELDS: dict[str, Callable[[Any], Activation]] = {
    "Elu": lambda config: activation.Elu(alpha=config.get("alpha", 1.0)),
    "Gelu": lambda config: activation.Gelu(
        approximate="tanh" if config.get("approximate", True) else "none"
    ),
    "LeakyRelu": lambda config: activation.LeakyRelu(slope=config.get("negative_slope", 0.2)),
}
NEGATIVE = Scale(initial=-1.0, learned=False)


def activate(call: Call, x: Axes) -> Draft:
    """An activation."""
    check(call, "alpha", "approximate", "negative_slope")
    if call.kind in PLAIN:
        return Draft(PLAIN[call.kind](), call.inputs)
    return Draft(WITH_FIELDS[call.kind](call.config), call.inputs)


def celu(call: Call, x: Axes) -> Draft:
    """CELU, which by an alpha of 1 is ELU."""
    check(call, alpha=1.0)
    return Draft(activation.Elu(), call.inputs)


def log_softmax(call: Call, x: Axes) -> Draft:
    """The logarithm of softmax along the channels."""
    check(call, "axis")
    if call.config.get("axis", -1) not in (-1, len(x.sizes)):
        raise RefusedError(f"{call.kind} along the axis {short(call.config['axis'])}")
    return Draft(activation.LogSoftmax(), call.inputs)


def subtract(call: Call, x: Axes) -> Draft:
    """A difference of two values: the sum of one and minus the other."""
    check(call)
    first, second = call.inputs
    return Draft(Add(), (second,), before=NEGATIVE, others=(first,))


def negative(call: Call, x: Axes) -> Draft:
    """A value times -1."""
    check(call)
    return Draft(NEGATIVE, call.inputs)


def divide(call: Call, x: Axes) -> Draft:
    """A quotient by a number."""
    divisor = call.constants.get("1")
    if len(call.inputs) != 1 or type(divisor) not in (int, float) or not divisor:
        raise RefusedError(f"{call.kind} by anything but a number")
    return Draft(Scale(initial=1 / divisor, learned=False), call.inputs)


def square(call: Call, x: Axes) -> Draft:
    """A value times itself."""
    if call.kind == "Power" and call.constants != {"1": 2}:
        raise RefusedError(f"{call.kind} with {short(call.constants)}")
    return Draft(Multiply(), (*call.inputs, *call.inputs))


def mean(call: Call, x: Axes) -> Draft:
    """The mean, or the largest, over all of space or over all tokens."""
    check(call, "axis", "keepdims", initial=None)
    axis, rank = call.config.get("axis"), len(x.sizes)
    axes = [
        one % (rank + 1) for one in (axis if isinstance(axis, list) else [axis] if axis else [])
    ]
    if rank < 2 or sorted(axes) != list(range(1, rank)):
        raise RefusedError(f"{call.kind} of {x} over the axes {short(axis)}")
    op = GlobalMaxPool if call.kind == "Max" else GlobalAvgPool
    return Draft(op(keep_dims=bool(call.config.get("keepdims", False))), call.inputs)
