"""Activations in PyTorch: alone, and fused to the layer before."""

from __future__ import annotations

from dataclasses import replace

from archc.backends.base import INCOMING, LoweredLayer, Lowering, LoweringContext
from archc.backends.constructors import layer, option, simple
from archc.backends.torch.layers import incoming
from archc.codegen.rewrite import transform
from archc.codegen.tree import Call, Expr, Keyword, Lit, call
from archc.ops import activation as ops
from archc.ops.activation import Activation
from archc.ops.axes import Axes
from archc.ops.base import Op


def lower_prelu(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    """`nn.PReLU` takes its slopes along axis 1, which of a sequence is the tokens."""
    op = context.op
    assert isinstance(op, ops.Prelu)
    constructor = layer(
        "FeaturePReLU" if context.x.is_sequence else "nn.PReLU",
        incoming(context.x),
        keywords=[option("init", op.slope, 0.25, "slope")],
    )
    return (LoweredLayer(constructor, label=op.name, main=True, variables={"slope": "weight"}),)


def lower_softmax(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    """The two softmaxes, along the channels or features."""
    name = "nn.Softmax" if isinstance(context.op, ops.Softmax) else "nn.LogSoftmax"
    constructor = call(name, dim=-1 if context.x.is_sequence else 1)
    return (LoweredLayer(constructor, label=context.op.name, main=True),)


ACTIVATIONS: dict[type[Op], Lowering] = {
    ops.Relu: simple("nn.ReLU"),
    ops.Relu6: simple("nn.ReLU6"),
    ops.LeakyRelu: simple("nn.LeakyReLU", negative_slope=("slope", 0.01)),
    ops.Prelu: lower_prelu,
    ops.Elu: simple("nn.ELU", alpha=("alpha", 1.0)),
    ops.Selu: simple("nn.SELU"),
    ops.Gelu: simple("nn.GELU", approximate=("approximate", "none")),
    ops.Silu: simple("nn.SiLU"),
    ops.Sigmoid: simple("nn.Sigmoid"),
    ops.HardSigmoid: simple("nn.Hardsigmoid"),
    ops.HardSwish: simple("nn.Hardswish"),
    ops.Tanh: simple("nn.Tanh"),
    ops.ScaledTanh: simple("ScaledTanh"),
    ops.Softplus: simple("nn.Softplus"),
    ops.Softsign: simple("nn.Softsign"),
    ops.Softmax: lower_softmax,
    ops.LogSoftmax: lower_softmax,
}

_IN_PLACE = (
    ops.Relu,
    ops.Relu6,
    ops.LeakyRelu,
    ops.Elu,
    ops.Selu,
    ops.Silu,
    ops.HardSigmoid,
    ops.HardSwish,
)


def fused(activation: Activation | None, output: Axes, width: Lit) -> tuple[LoweredLayer, ...]:
    """The layers of an op's own activation. `output` is what it takes and `width` the literal in
    the layer before that sets its channels. It may work in place: nothing else reads that value.
    """
    if activation is None:
        return ()
    context = LoweringContext(activation, (output,), output)

    def owned(expr: Expr) -> Expr:
        """The op's own fields are not the activation's, and its width goes out, not in."""
        if not isinstance(expr, Lit):
            return expr
        return Lit(expr.value, width.field if expr.field == INCOMING else None)

    layers = []
    for lowered in ACTIVATIONS[type(activation)](context):
        assert lowered.layer is not None
        constructor = transform(lowered.layer, owned)
        assert isinstance(constructor, Call)
        if works_in_place(activation):
            inplace = Keyword("inplace", Lit(True), Lit(False))
            constructor = replace(constructor, keywords=(*constructor.keywords, inplace))
        layers.append(replace(lowered, layer=constructor, main=False))
    return tuple(layers)


def works_in_place(activation: Activation) -> bool:
    """Backward in place needs the input's sign, which a negative factor loses."""
    factor = getattr(activation, "slope", getattr(activation, "alpha", 1.0))
    return isinstance(activation, _IN_PLACE) and factor >= 0
