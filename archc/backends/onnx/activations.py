"""Activations as ONNX's own operators, but for its `Swish`, of which ONNX Runtime has no kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from archc.backends.base import LoweredLayer, LoweringContext
from archc.backends.onnx.operators import X, lowered, op, per_channel
from archc.codegen.tree import Expr
from archc.ops import activation
from archc.ops.activation import Activation
from archc.ops.axes import Axes
from archc.ops.base import Op

SELU_ALPHA, SELU_GAMMA = 1.6732632423543772, 1.0507009873554805
"""Klambauer et al. 2017, appendix 1."""

Form = Callable[[Any, Expr, Axes], Expr]
"""From an activation, the value that comes in and its axes to an expression."""


def _plain(name: str) -> Form:
    return lambda _, x, __: op(name, x)


def _along_channels(name: str) -> Form:
    return lambda _, x, axes: op(name, x, axis=-1 if axes.is_sequence else 1)


def _scaled_tanh(_: Activation, x: Expr, __: Axes) -> Expr:
    return op("Mul", op("Tanh", op("Mul", x, 2 / 3)), 1.7159)


FORMS: dict[type[Activation], Form] = {
    activation.Relu: _plain("Relu"),
    activation.Relu6: lambda _, x, __: op("Clip", x, 0.0, 6.0),
    activation.LeakyRelu: lambda one, x, _: op("LeakyRelu", x, alpha=float(one.slope)),
    activation.Prelu: lambda _, x, axes: op("PRelu", x, per_channel("slope", len(axes.spatial))),
    activation.Elu: lambda one, x, _: op("Elu", x, alpha=float(one.alpha)),
    activation.Selu: lambda _, x, __: op("Selu", x, alpha=SELU_ALPHA, gamma=SELU_GAMMA),
    activation.Gelu: lambda one, x, _: op("Gelu", x, approximate=one.approximate),
    activation.Silu: lambda _, x, __: op("Mul", x, op("Sigmoid", x)),
    activation.Sigmoid: _plain("Sigmoid"),
    activation.HardSigmoid: lambda _, x, __: op("HardSigmoid", x, alpha=1 / 6, beta=0.5),
    activation.HardSwish: _plain("HardSwish"),
    activation.Tanh: _plain("Tanh"),
    activation.ScaledTanh: _scaled_tanh,
    activation.Softplus: _plain("Softplus"),
    activation.Softsign: _plain("Softsign"),
    activation.Softmax: _along_channels("Softmax"),
    activation.LogSoftmax: _along_channels("LogSoftmax"),
}
"""What each activation is."""


def lower_activation(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    assert isinstance(context.op, Activation)
    return lowered(context, activated(context.op, X, context.x))


def activated(one: Op | None, x: Expr, axes: Axes) -> Expr:
    """A value through an activation, if there is one."""
    if one is None:
        return x
    assert isinstance(one, Activation)
    return FORMS[type(one)](one, x, axes)
