"""What PyTorch makes of each op, and the helper classes that emitted files may need."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

from archc.backends.attention import NAMES as ATTENTION
from archc.backends.base import LoweredLayer, Lowering, LoweringContext, RefusalError, placeholder
from archc.backends.constructors import (
    codes_literal,
    helpers_beside,
    layer,
    option,
    per_axis,
    simple,
)
from archc.backends.differences import Difference, Opposite
from archc.backends.fusion import Rearrange
from archc.backends.layouts import unchanged
from archc.backends.torch.activations import ACTIVATIONS, fused
from archc.backends.torch.attention import lower_attention
from archc.backends.torch.initializers import initialize
from archc.backends.torch.layers import PARAMETERS, incoming, tidy
from archc.backends.torch.recurrence import lower_recurrence
from archc.backends.torch.recurrence_class import NAMES as RECURRENCES
from archc.backends.torch.shapes import (
    lower_flatten,
    lower_permute,
    lower_reshape,
    lower_select,
    lower_split,
)
from archc.backends.torch.window_attention import lower_window_attention
from archc.backends.torch.windows import (
    lower_adaptive_avg_pool,
    lower_avg_pool,
    lower_conv,
    lower_conv_transpose,
    lower_crop,
    lower_depthwise_conv,
    lower_global_pool,
    lower_max_pool,
    lower_pad,
)
from archc.codegen.tree import Attribute, Binary, Expr, Keyword, ListOf, Lit, Unary, call
from archc.ops import (
    arrangement,
    attention,
    convolution,
    dense,
    merge,
    normalization,
    parameter,
    pooling,
    recurrence,
    regularization,
    shape,
)
from archc.ops.base import Op

HELPERS = {
    "ChannelLayerNorm": "channel_layer_norm.py",
    "ChannelRMSNorm": "channel_rms_norm.py",
    "ChannelScale": "channel_scale.py",
    "ClassToken": "class_token.py",
    "DropPath": "drop_path.py",
    "FeaturePReLU": "feature_prelu.py",
    "FrozenBatchNorm1d": "frozen_batch_norm_1d.py",
    "FrozenBatchNorm2d": "frozen_batch_norm_2d.py",
    "FrozenBatchNorm3d": "frozen_batch_norm_3d.py",
    "GeneralWindowAttention": "general_window_attention.py",
    "PaddedAvgPool": "padded_avg_pool.py",
    "PositionEmbedding": "position_embedding.py",
    "RadialBasis": "radial_basis.py",
    "ScaledTanh": "scaled_tanh.py",
    "SinusoidalPositions": "sinusoidal_positions.py",
    "WindowAttention": "window_attention.py",
}
"""The classes that are pasted into an emitted file where it uses them, and where each stands."""

OWN_NAMES = (*HELPERS, *ATTENTION, *RECURRENCES)
"""Those, and the classes that are built for a network."""

BATCH_NORM = {**PARAMETERS, "running_mean": "running_mean", "running_var": "running_var"}

LONGEST_CHAIN = 16
"""Values in one chain of `a + b + ...`."""


helper_source = helpers_beside("torch", __file__, HELPERS)


def lower_dense(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op = context.op
    assert isinstance(op, dense.Dense)
    units = Lit(op.units, "units")
    constructor = layer(
        "nn.Linear",
        incoming(context.x),
        units,
        keywords=[option("bias", op.bias, True, "bias")],
    )
    initial = initialize(op.initializer)
    main = LoweredLayer(
        constructor, label=op.name, main=True, variables=PARAMETERS, initialize=initial
    )
    return (main, *fused(op.activation, context.output, units))


def lower_rbf(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op = context.op
    assert isinstance(op, dense.Rbf)
    constructor = layer("RadialBasis", incoming(context.x), codes_literal(op.codes))
    return (LoweredLayer(constructor, label=op.name, main=True, variables={"codes": "codes"}),)


def lower_batch_norm(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    """PyTorch's momentum is the share of the batch, not of the running value."""
    op = context.op
    assert isinstance(op, normalization.BatchNorm)
    kind = "nn.BatchNorm" if context.trainable else "FrozenBatchNorm"
    constructor = layer(
        f"{kind}{context.rank or 1}d",
        incoming(context.x),
        keywords=[
            option("eps", op.epsilon, 1e-5, "epsilon"),
            option("momentum", tidy(1 - op.momentum), 0.1, "momentum"),
            option("affine", op.affine, True, "affine"),
        ],
    )
    return (LoweredLayer(constructor, label=op.name, main=True, variables=BATCH_NORM),)


def lower_layer_norm(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op = context.op
    assert isinstance(op, normalization.LayerNorm)
    constructor = layer(
        "ChannelLayerNorm" if context.x.is_map else "nn.LayerNorm",
        incoming(context.x),
        keywords=[
            option("eps", op.epsilon, 1e-5, "epsilon"),
            option("elementwise_affine", op.affine, True, "affine"),
        ],
    )
    return (LoweredLayer(constructor, label=op.name, main=True, variables=PARAMETERS),)


def lower_rms_norm(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op = context.op
    assert isinstance(op, normalization.RmsNorm)
    constructor = layer(
        "ChannelRMSNorm" if context.x.is_map else "nn.RMSNorm",
        incoming(context.x),
        keywords=[Keyword("eps", Lit(op.epsilon, "epsilon"))],
    )
    return (LoweredLayer(constructor, label=op.name, main=True, variables={"weight": "weight"}),)


def lower_group_norm(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op = context.op
    assert isinstance(op, normalization.GroupNorm)
    if context.x.elements == op.groups:
        raise RefusalError("GroupNorm of PyTorch takes no groups of a single value", "groups")
    constructor = layer(
        "nn.GroupNorm",
        Lit(op.groups, "groups"),
        incoming(context.x),
        keywords=[
            option("eps", op.epsilon, 1e-5, "epsilon"),
            option("affine", op.affine, True, "affine"),
        ],
    )
    return (LoweredLayer(constructor, label=op.name, main=True, variables=PARAMETERS),)


def lower_local_response_norm(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    """PyTorch divides alpha by the size. Over three axes it takes a view of what comes in, which
    must lie in memory in the order of its axes."""
    op = context.op
    assert isinstance(op, normalization.LocalResponseNorm)
    constructor = layer(
        "nn.LocalResponseNorm",
        Lit(op.size, "size"),
        keywords=[
            option("alpha", tidy(op.alpha * op.size), 1e-4, "alpha"),
            option("beta", op.beta, 0.75, "beta"),
            option("k", op.k, 1.0, "k"),
        ],
    )
    ordered = LoweredLayer(expression=call(Attribute(placeholder(0), "contiguous")))
    first = (ordered,) if context.rank == len("dhw") else ()
    return (*first, LoweredLayer(constructor, label=op.name, main=True))


def lower_upsample(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op = context.op
    assert isinstance(op, shape.Upsample)
    linear = ("linear", "bilinear", "trilinear")[context.rank - 1]
    constructor = layer(
        "nn.Upsample",
        keywords=[
            Keyword("scale_factor", per_axis(op.scales(context.x), "scale")),
            option("mode", linear if op.mode == "linear" else "nearest", "nearest", "mode"),
        ],
    )
    return (LoweredLayer(constructor, label=op.name, main=True),)


def lower_scale(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op = context.op
    assert isinstance(op, parameter.Scale)
    if not op.learned:
        factor = Binary("*", placeholder(0), Lit(op.initial, "initial"))
        return (LoweredLayer(expression=factor, label=op.name, main=True),)
    constructor = layer(
        "ChannelScale",
        incoming(context.x),
        keywords=[
            option("spatial_axes", context.rank, 0),
            option("bias", op.bias, False, "bias"),
            option("initial", op.initial, 1.0, "initial"),
        ],
    )
    return (LoweredLayer(constructor, label=op.name, main=True, variables=PARAMETERS),)


def lower_embedding(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op = context.op
    assert isinstance(op, dense.Embedding)
    constructor = layer(
        "nn.Embedding", Lit(op.vocabulary, "vocabulary"), Lit(op.features, "features")
    )
    return (LoweredLayer(constructor, label=op.name, main=True, variables={"weight": "weight"}),)


def lower_class_token(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    width = context.x.width
    return (
        LoweredLayer(
            layer("ClassToken", incoming(context.x)),
            label=context.op.name,
            main=True,
            variables={"token": "token"},
            layouts={"token": unchanged((width,))._replace(kept=(1, 1, width))},
        ),
    )


def lower_position_embedding(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op = context.op
    assert isinstance(op, parameter.PositionEmbedding)
    if op.kind == "sinusoidal":
        return (LoweredLayer(layer("SinusoidalPositions"), label=op.name, main=True),)
    constructor = layer("PositionEmbedding", Lit(context.x.sizes[0]), incoming(context.x))
    return (LoweredLayer(constructor, label=op.name, main=True, variables={"weight": "weight"}),)


def _placeholders(context: LoweringContext) -> list[Expr]:
    return [placeholder(index) for index in range(len(context.inputs))]


def _joined(values: list[Expr], join: Callable[[Expr, Expr], Expr]) -> Expr:
    """All values joined from left to right; very many by halves, so that the tree stays flat."""
    if len(values) > LONGEST_CHAIN:
        half = len(values) // 2
        return join(_joined(values[:half], join), _joined(values[half:], join))
    return reduce(join, values)


def _sum(left: Expr, right: Expr) -> Expr:
    return Binary("+", left, right)


def _product(left: Expr, right: Expr) -> Expr:
    return Binary("*", left, right)


def _larger(left: Expr, right: Expr) -> Expr:
    return call("torch.maximum", left, right)


def lower_add(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    return (
        LoweredLayer(
            expression=_joined(_placeholders(context), _sum), label=context.op.name, main=True
        ),
    )


def lower_difference(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    difference = Binary("-", placeholder(0), placeholder(1))
    return (LoweredLayer(expression=difference, label=context.op.name, main=True),)


def lower_opposite(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    opposite = Unary("-", placeholder(0))
    return (LoweredLayer(expression=opposite, label=context.op.name, main=True),)


def lower_multiply(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    return (
        LoweredLayer(
            expression=_joined(_placeholders(context), _product), label=context.op.name, main=True
        ),
    )


def lower_maximum(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    return (
        LoweredLayer(
            expression=_joined(_placeholders(context), _larger), label=context.op.name, main=True
        ),
    )


def lower_average(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    mean = Binary("/", _joined(_placeholders(context), _sum), Lit(len(context.inputs)))
    return (LoweredLayer(expression=mean, label=context.op.name, main=True),)


def lower_concat(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    along = -1 if context.inputs[0].is_sequence else 1
    joined = call("torch.cat", ListOf(tuple(_placeholders(context))), dim=along)
    return (LoweredLayer(expression=joined, label=context.op.name, main=True),)


LOWERINGS: dict[type[Op], Lowering] = {
    convolution.Conv: lower_conv,
    convolution.DepthwiseConv: lower_depthwise_conv,
    convolution.ConvTranspose: lower_conv_transpose,
    dense.Dense: lower_dense,
    dense.Embedding: lower_embedding,
    dense.Rbf: lower_rbf,
    pooling.MaxPool: lower_max_pool,
    pooling.AvgPool: lower_avg_pool,
    pooling.AdaptiveAvgPool: lower_adaptive_avg_pool,
    pooling.GlobalAvgPool: lower_global_pool,
    pooling.GlobalMaxPool: lower_global_pool,
    normalization.BatchNorm: lower_batch_norm,
    normalization.LayerNorm: lower_layer_norm,
    normalization.RmsNorm: lower_rms_norm,
    normalization.GroupNorm: lower_group_norm,
    normalization.LocalResponseNorm: lower_local_response_norm,
    **ACTIVATIONS,
    regularization.Dropout: simple("nn.Dropout", "rate"),
    regularization.DropPath: simple("DropPath", "rate"),
    shape.Flatten: lower_flatten,
    shape.Reshape: lower_reshape,
    shape.Permute: lower_permute,
    Rearrange: lower_reshape,
    Difference: lower_difference,
    Opposite: lower_opposite,
    arrangement.ToTokens: lower_reshape,
    arrangement.ToMap: lower_reshape,
    arrangement.SpaceToDepth: simple("nn.PixelUnshuffle", "block_size"),
    arrangement.DepthToSpace: simple("nn.PixelShuffle", "block_size"),
    attention.Attention: lower_attention,
    attention.WindowAttention: lower_window_attention,
    recurrence.Lstm: lower_recurrence,
    recurrence.Gru: lower_recurrence,
    shape.Pad: lower_pad,
    shape.Crop: lower_crop,
    shape.Upsample: lower_upsample,
    shape.Select: lower_select,
    shape.Split: lower_split,
    shape.ChannelShuffle: simple("nn.ChannelShuffle", "groups"),
    parameter.Scale: lower_scale,
    parameter.ClassToken: lower_class_token,
    parameter.PositionEmbedding: lower_position_embedding,
    merge.Add: lower_add,
    merge.Multiply: lower_multiply,
    merge.Average: lower_average,
    merge.Maximum: lower_maximum,
    merge.Concat: lower_concat,
}
"""What each op becomes."""

REFUSED: dict[type[Op], str] = {}
"""Why an op cannot be computed: PyTorch has them all."""
