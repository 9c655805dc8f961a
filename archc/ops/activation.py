"""Activations: each an op of its own, and a value of the `activation` field of others."""

from __future__ import annotations

from typing import Annotated, ClassVar

from archc.ops.axes import Axes
from archc.ops.base import Op, Order, OutputKind, Sign, Variable, is_bare
from archc.ops.fields import (
    Doc,
    Kind,
    NonNegative,
    Number,
    Schema,
    choice,
    fields_of,
    or_expression,
)
from archc.ops.initializer import constant
from archc.records import record


class Activation(Op):
    """An op that works element by element, or along the channels."""

    element_order: ClassVar[Order] = "carried"


class Relu(Activation):
    """max(x, 0)."""

    name: ClassVar[str] = "relu"
    aliases: ClassVar[tuple[str, ...]] = ("rectifier", "rectified_linear", "rectified_linear_unit")
    sign: ClassVar[Sign] = "nonnegative"
    kernel_gain: ClassVar[float] = 2.0


class Relu6(Activation):
    """min(max(x, 0), 6)."""

    name: ClassVar[str] = "relu6"
    sign: ClassVar[Sign] = "nonnegative"
    kernel_gain: ClassVar[float] = 2.0
    input_deviation: ClassVar[float] = 3.0
    bounds: ClassVar[tuple[float, float]] = (0.0, 6.0)


@record
class LeakyRelu(Activation):
    """x where positive, else slope * x."""

    name: ClassVar[str] = "leaky_relu"
    aliases: ClassVar[tuple[str, ...]] = ("lrelu",)
    shorthand: ClassVar[str] = "slope"
    kernel_gain: ClassVar[float] = 2.0

    slope: Annotated[NonNegative, Doc("factor of the negative half")] = 0.01


@record
class Prelu(Activation):
    """Leaky ReLU with one learned slope a channel (He et al. 2015)."""

    name: ClassVar[str] = "prelu"
    aliases: ClassVar[tuple[str, ...]] = ("parametric_relu",)
    kernel_gain: ClassVar[float] = 2.0

    slope: Annotated[Number, Doc("initial slope of every channel")] = 0.25

    def variables(self, inputs: tuple[Axes, ...]) -> tuple[Variable, ...]:
        initial = constant(self.slope)
        return (Variable("slope", "slope", (inputs[0].width,), initial=initial),)


@record
class Elu(Activation):
    """x where positive, else alpha * (exp(x) - 1)."""

    name: ClassVar[str] = "elu"
    aliases: ClassVar[tuple[str, ...]] = ("exponential_linear_unit",)
    shorthand: ClassVar[str] = "alpha"
    kernel_gain: ClassVar[float] = 2.0

    alpha: Annotated[Number, Doc("factor of the negative half")] = 1.0


class Selu(Activation):
    """Scaled ELU with the self-normalising constants (Klambauer et al. 2017)."""

    name: ClassVar[str] = "selu"
    kernel_gain: ClassVar[float] = 2.0


@record
class Gelu(Activation):
    """x * Phi(x), Phi the normal distribution's cumulative function (Hendrycks & Gimpel 2016)."""

    name: ClassVar[str] = "gelu"
    kernel_gain: ClassVar[float] = 2.0

    approximate: Annotated[
        str, choice("none", "tanh"), Doc("exact by the error function, or by tanh")
    ] = "none"


class Silu(Activation):
    """x * sigmoid(x), also called swish."""

    name: ClassVar[str] = "silu"
    aliases: ClassVar[tuple[str, ...]] = ("swish",)
    kernel_gain: ClassVar[float] = 2.0


class Sigmoid(Activation):
    """1 / (1 + exp(-x))."""

    name: ClassVar[str] = "sigmoid"
    aliases: ClassVar[tuple[str, ...]] = ("logistic",)
    sign: ClassVar[Sign] = "nonnegative"
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)


class HardSigmoid(Activation):
    """relu6(x + 3) / 6."""

    name: ClassVar[str] = "hard_sigmoid"
    sign: ClassVar[Sign] = "nonnegative"
    input_deviation: ClassVar[float] = 3.0
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)


class HardSwish(Activation):
    """x * relu6(x + 3) / 6 (Howard et al. 2019)."""

    name: ClassVar[str] = "hard_swish"
    aliases: ClassVar[tuple[str, ...]] = ("hard_silu",)
    kernel_gain: ClassVar[float] = 2.0
    input_deviation: ClassVar[float] = 3.0


class Tanh(Activation):
    """The hyperbolic tangent."""

    name: ClassVar[str] = "tanh"
    aliases: ClassVar[tuple[str, ...]] = ("hyperbolic_tangent",)
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)


class ScaledTanh(Activation):
    """1.7159 * tanh(2x / 3) (LeCun et al. 1998, appendix A)."""

    name: ClassVar[str] = "scaled_tanh"
    bounds: ClassVar[tuple[float, float]] = (-1.7159, 1.7159)


class Softplus(Activation):
    """log(1 + exp(x))."""

    name: ClassVar[str] = "softplus"
    sign: ClassVar[Sign] = "nonnegative"
    kernel_gain: ClassVar[float] = 2.0


class Softsign(Activation):
    """x / (1 + |x|)."""

    name: ClassVar[str] = "softsign"
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)


class Softmax(Activation):
    """exp(x) over its sum, along the channels or features."""

    name: ClassVar[str] = "softmax"
    sign: ClassVar[Sign] = "nonnegative"
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    output_kind: ClassVar[OutputKind] = "probabilities"


class LogSoftmax(Activation):
    """The logarithm of softmax, along the channels or features."""

    name: ClassVar[str] = "log_softmax"
    output_kind: ClassVar[OutputKind] = "log_probabilities"


OPS: tuple[type[Activation], ...] = (
    Relu,
    Relu6,
    LeakyRelu,
    Prelu,
    Elu,
    Selu,
    Gelu,
    Silu,
    Sigmoid,
    HardSigmoid,
    HardSwish,
    Tanh,
    ScaledTanh,
    Softplus,
    Softsign,
    Softmax,
    LogSoftmax,
)

_BY_NAME = {op.name: op for op in OPS}


def _convert(value: object) -> Activation | None:
    """`relu`, `{leaky_relu: {slope: 0.2}}`, `{elu: 0.5}` or `none`."""
    if value == "none":
        return None
    if isinstance(value, str) and value in _BY_NAME:
        return _BY_NAME[value]()
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError
    ((name, fields),) = value.items()
    if name not in _BY_NAME:
        raise ValueError
    op = _BY_NAME[name]
    if fields is None:
        fields = {}
    elif not isinstance(fields, dict):
        if op.shorthand is None:
            raise ValueError
        fields = {op.shorthand: fields}
    kinds = {field.name: field.kind for field in fields_of(op)}
    if not fields.keys() <= kinds.keys():
        raise ValueError
    return op(**{key: kinds[key].convert(item) for key, item in fields.items()})


def _schema() -> Schema:
    """A name, or one name with its fields."""
    names = [op.name for op in OPS if is_bare(op)]
    fielded: dict[str, Schema] = {}
    for op in OPS:
        fields = fields_of(op)
        if not fields:
            continue
        mapping: Schema = {
            "type": ["object", "null"] if is_bare(op) else "object",
            "additionalProperties": False,
            "properties": {
                field.name: {
                    "description": field.doc,
                    "x-expected": f"{field.kind.expected}, or an expression",
                    **or_expression(field.kind.schema),
                }
                for field in fields
            },
        }
        scalar = [
            or_expression(field.kind.schema) for field in fields if field.name == op.shorthand
        ]
        fielded[op.name] = {"anyOf": [mapping, *scalar]} if scalar else mapping
    return {
        "anyOf": [
            {"type": "string", "enum": ["none", *names]},
            {
                "type": "object",
                "additionalProperties": False,
                "minProperties": 1,
                "maxProperties": 1,
                "properties": fielded,
            },
        ]
    }


ACTIVATION = Kind(
    "the name of an activation, an activation with its fields, or none", _schema, _convert
)
ActivationField = Annotated[Activation | None, ACTIVATION]
