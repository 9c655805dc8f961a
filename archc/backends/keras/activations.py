"""Activations in Keras: alone, and fused to the layer before."""

from __future__ import annotations

from dataclasses import replace

from archc.backends.base import LoweredLayer, Lowering, LoweringContext
from archc.backends.constructors import layer, option, simple
from archc.backends.layouts import unchanged
from archc.codegen.rewrite import transform
from archc.codegen.tree import Call, Expr, Keyword, ListOf, Lit, Ref, call
from archc.ops import activation as ops
from archc.ops.activation import Activation
from archc.ops.axes import Axes
from archc.ops.base import Op

_STRINGS: dict[type[Activation], str] = {
    ops.Relu: "relu",
    ops.Relu6: "relu6",
    ops.Selu: "selu",
    ops.Silu: "silu",
    ops.Sigmoid: "sigmoid",
    ops.HardSigmoid: "hard_sigmoid",
    ops.HardSwish: "hard_silu",
    ops.Tanh: "tanh",
    ops.Softplus: "softplus",
    ops.Softsign: "softsign",
    ops.Softmax: "softmax",
    ops.LogSoftmax: "log_softmax",
}
"""The activations without fields that Keras knows by a string."""


def _function(activation: Activation) -> Expr | None:
    """What the `activation` argument of a layer takes: a string or a function; None where only a
    layer computes it."""
    match activation:
        case ops.Gelu(approximate=approximate):
            return Lit("gelu", "activation") if approximate == "none" else Ref("gelu_tanh")
        case ops.ScaledTanh():
            return Ref("scaled_tanh")
        case ops.Elu(alpha=1.0):
            return Lit("elu", "activation")
        case ops.LeakyRelu(slope=0.2):
            return Lit("leaky_relu", "activation")
    name = _STRINGS.get(type(activation))
    return None if name is None else Lit(name, "activation")


def fused(activation: Activation | None, output: Axes) -> tuple[Keyword, tuple[LoweredLayer, ...]]:
    """An op's own activation: the `activation` argument of its layer, and the layers that follow
    where Keras has it only as a layer. `output` is what the activation takes."""
    if activation is None:
        return option("activation", None, None), ()
    function = _function(activation)
    if function is not None:
        return Keyword("activation", function, Lit(None)), ()
    return option("activation", None, None), following(activation, output)


def following(activation: Activation | None, output: Axes) -> tuple[LoweredLayer, ...]:
    """An op's own activation as the layers that follow. `output` is what it takes."""
    if activation is None:
        return ()
    lowered = ACTIVATIONS[type(activation)](LoweringContext(activation, (output,), output))
    return tuple(map(_owned, lowered))


def _owned(lowered: LoweredLayer) -> LoweredLayer:
    """The layer of an activation that another op owns, whose fields are not that op's."""

    def owned(expr: Expr) -> Expr:
        return Lit(expr.value) if isinstance(expr, Lit) else expr

    assert lowered.layer is not None
    constructor = transform(lowered.layer, owned)
    assert isinstance(constructor, Call)
    return replace(lowered, layer=constructor, main=False)


IDENTITY = call("layers.Activation", Lit("linear", "activation"))
"""A layer that does nothing."""


def general_activation(activation: Activation) -> Call | None:
    """A layer that names an activation by a string, as all activations that have one are alike."""
    function = _function(activation)
    return None if function is None else call("layers.Activation", function)


def lower_gelu(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op = context.op
    assert isinstance(op, ops.Gelu)
    function = Lit("gelu") if op.approximate == "none" else Ref("gelu_tanh")
    return (LoweredLayer(call("layers.Activation", function), label=op.name, main=True),)


def lower_prelu(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    """One slope for each channel: the other axes share it."""
    op = context.op
    assert isinstance(op, ops.Prelu)
    axes = range(1, len(context.x.sizes))
    initial = call("keras.initializers.Constant", Lit(op.slope, "slope"))
    constructor = layer(
        "layers.PReLU",
        keywords=[
            Keyword("alpha_initializer", initial),
            Keyword("shared_axes", ListOf(tuple(map(Lit, axes))), ListOf()),
        ],
    )
    # One value for each position beside the channels, which share it.
    sizes = context.x.sizes
    shared = unchanged((context.x.width,))._replace(kept=(*[1] * (len(sizes) - 1), context.x.width))
    layouts = {"slope": shared} if len(sizes) > 1 else {}
    return (
        LoweredLayer(
            constructor, label=op.name, main=True, variables={"slope": "alpha"}, layouts=layouts
        ),
    )


def _named(name: str) -> Lowering:
    return simple("layers.Activation", Lit(name))


ACTIVATIONS: dict[type[Op], Lowering] = {
    ops.Relu: simple("layers.ReLU"),
    ops.Relu6: simple("layers.ReLU", Lit(6.0)),
    ops.LeakyRelu: simple("layers.LeakyReLU", negative_slope=("slope", 0.3)),
    ops.Prelu: lower_prelu,
    ops.Elu: simple("layers.ELU", alpha=("alpha", 1.0)),
    ops.Selu: _named("selu"),
    ops.Gelu: lower_gelu,
    ops.Silu: _named("silu"),
    ops.Sigmoid: _named("sigmoid"),
    ops.HardSigmoid: _named("hard_sigmoid"),
    ops.HardSwish: _named("hard_silu"),
    ops.Tanh: _named("tanh"),
    ops.ScaledTanh: simple("layers.Activation", Ref("scaled_tanh")),
    ops.Softplus: _named("softplus"),
    ops.Softsign: _named("softsign"),
    ops.Softmax: simple("layers.Softmax"),
    ops.LogSoftmax: _named("log_softmax"),
}
