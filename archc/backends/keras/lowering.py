"""What Keras 3 makes of each op, and the helpers that emitted files may need.

Feature maps are stored channels last: (batch, height, width, channels).
"""

from __future__ import annotations

from archc.backends.attention import NAMES as ATTENTION
from archc.backends.base import (
    APPLIED,
    OWNER,
    LoweredLayer,
    Lowering,
    LoweringContext,
    RefusalError,
    placeholder,
)
from archc.backends.constructors import codes_literal, helpers_beside, layer, option, simple
from archc.backends.differences import Difference, Opposite
from archc.backends.fusion import Rearrange
from archc.backends.keras.activations import ACTIVATIONS, following, fused
from archc.backends.keras.attention import lower_attention
from archc.backends.keras.convolutions import (
    lower_conv,
    lower_conv_transpose,
    lower_depthwise_conv,
)
from archc.backends.keras.initializers import kernel_initializer
from archc.backends.keras.layout import KERNEL
from archc.backends.keras.pools import (
    lower_adaptive_avg_pool,
    lower_avg_pool,
    lower_global_pool,
    lower_max_pool,
)
from archc.backends.keras.recurrence import lower_recurrence
from archc.backends.keras.shapes import (
    lower_crop,
    lower_flatten,
    lower_flatten_canonical,
    lower_pad,
    lower_permute,
    lower_reshape,
    lower_select,
    lower_split,
    lower_upsample,
)
from archc.backends.keras.window_attention import lower_window_attention
from archc.backends.layouts import unchanged
from archc.codegen.tree import Call, Keyword, Lit
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

__all__ = [
    "HELPERS",
    "LOWERINGS",
    "OWN_NAMES",
    "REFUSED",
    "helper_source",
    "lower_flatten_canonical",
]

HELPERS = {
    "AdaptiveAveragePooling": "adaptive_average_pooling.py",
    "Bias": "bias.py",
    "ChannelScale": "channel_scale.py",
    "ChannelShuffle": "channel_shuffle.py",
    "ClassToken": "class_token.py",
    "ConstantPadding": "constant_padding.py",
    "DepthToSpace": "depth_to_space.py",
    "GeneralWindowAttention": "general_window_attention.py",
    "LinearUpsampling": "linear_upsampling.py",
    "LocalResponseNormalization": "local_response_normalization.py",
    "PaddedAveragePooling": "padded_average_pooling.py",
    "PaddedMaxPooling": "padded_max_pooling.py",
    "PositionEmbedding": "position_embedding.py",
    "RadialBasis": "radial_basis.py",
    "ReflectPadding": "reflect_padding.py",
    "Select": "select.py",
    "SelectTokens": "select_tokens.py",
    "SinusoidalPositions": "sinusoidal_positions.py",
    "SpaceToDepth": "space_to_depth.py",
    "WindowAttention": "window_attention.py",
    "gelu_tanh": "gelu_tanh.py",
    "scaled_tanh": "scaled_tanh.py",
}
"""The classes and functions that are pasted into an emitted file where it uses them, and where
each stands."""

OWN_NAMES = (*HELPERS, *ATTENTION)
"""Those, and the classes that are built for a network."""


NORM = {"weight": "gamma", "bias": "beta"}
BATCH_NORM = {**NORM, "running_mean": "moving_mean", "running_var": "moving_variance"}
"""The variables of normalisations, by those of the ops."""

helper_source = helpers_beside("keras", __file__, HELPERS)


def lower_dense(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op = context.op
    assert isinstance(op, dense.Dense)
    if context.tied:
        return _lower_tied(op, context)
    activation, after = fused(op.activation, context.output)
    constructor = layer(
        "layers.Dense",
        Lit(op.units, "units"),
        keywords=[
            option("use_bias", op.bias, True, "bias"),
            activation,
            kernel_initializer(op.initializer),
        ],
    )
    return (LoweredLayer(constructor, label=op.name, main=True, variables=KERNEL), *after)


def _lower_tied(op: dense.Dense, context: LoweringContext) -> tuple[LoweredLayer, ...]:
    """A dense layer whose kernel is the table of an embedding, transposed: the embedding in
    reverse, then an offset of its own."""
    backwards = Keyword("reverse", Lit(True), Lit(False))
    applied = Call(APPLIED, (placeholder(0),), (backwards,))
    layers = [LoweredLayer(OWNER, label=op.name, main=True, application=applied)]
    if op.bias:
        layers.append(LoweredLayer(layer("Bias"), label="bias", variables={"bias": "bias"}))
    return (*layers, *following(op.activation, context.output))


def lower_rbf(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op = context.op
    assert isinstance(op, dense.Rbf)
    constructor = layer("RadialBasis", codes_literal(op.codes))
    return (LoweredLayer(constructor, label=op.name, main=True),)


def lower_batch_norm(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op = context.op
    assert isinstance(op, normalization.BatchNorm)
    constructor = layer(
        "layers.BatchNormalization",
        keywords=[
            option("momentum", op.momentum, 0.99, "momentum"),
            option("epsilon", op.epsilon, 1e-3, "epsilon"),
            option("center", op.affine, True, "affine"),
            option("scale", op.affine, True, "affine"),
        ],
    )
    return (LoweredLayer(constructor, label=op.name, main=True, variables=BATCH_NORM),)


def lower_layer_norm(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op = context.op
    assert isinstance(op, normalization.LayerNorm)
    constructor = layer(
        "layers.LayerNormalization",
        keywords=[
            option("epsilon", op.epsilon, 1e-3, "epsilon"),
            option("center", op.affine, True, "affine"),
            option("scale", op.affine, True, "affine"),
        ],
    )
    return (LoweredLayer(constructor, label=op.name, main=True, variables=NORM),)


def lower_rms_norm(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op = context.op
    assert isinstance(op, normalization.RmsNorm)
    epsilon = option("epsilon", op.epsilon, 1e-6, "epsilon")
    constructor = layer("layers.RMSNormalization", keywords=[epsilon])
    return (LoweredLayer(constructor, label=op.name, main=True, variables={"weight": "scale"}),)


def lower_group_norm(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op = context.op
    assert isinstance(op, normalization.GroupNorm)
    constructor = layer(
        "layers.GroupNormalization",
        keywords=[
            option("groups", op.groups, 32, "groups"),
            option("epsilon", op.epsilon, 1e-3, "epsilon"),
            option("center", op.affine, True, "affine"),
            option("scale", op.affine, True, "affine"),
        ],
    )
    return (LoweredLayer(constructor, label=op.name, main=True, variables=NORM),)


def lower_drop_path(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    """A dropout whose mask has one element a sample."""
    op = context.op
    assert isinstance(op, regularization.DropPath)
    mask = Keyword("noise_shape", Lit((None, *[1] * len(context.x.sizes))))
    constructor = layer("layers.Dropout", Lit(op.rate, "rate"), keywords=[mask])
    return (LoweredLayer(constructor, label=op.name, main=True),)


def lower_scale(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op = context.op
    assert isinstance(op, parameter.Scale)
    if not op.learned:
        constructor = layer("layers.Rescaling", Lit(op.initial, "initial"))
        return (LoweredLayer(constructor, label=op.name, main=True),)
    constructor = layer(
        "ChannelScale",
        keywords=[
            option("initial", op.initial, 1.0, "initial"),
            option("use_bias", op.bias, False, "bias"),
        ],
    )
    variables = {"weight": "weight", "bias": "bias"}
    return (LoweredLayer(constructor, label=op.name, main=True, variables=variables),)


def lower_embedding(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op = context.op
    assert isinstance(op, dense.Embedding)
    kind = "layers.ReversibleEmbedding" if context.ties else "layers.Embedding"
    constructor = layer(kind, Lit(op.vocabulary, "vocabulary"), Lit(op.features, "features"))
    variables = {"weight": "embeddings"}
    return (LoweredLayer(constructor, label=op.name, main=True, variables=variables),)


def lower_class_token(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    width = context.x.width
    return (
        LoweredLayer(
            layer("ClassToken"),
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
    variables = {"weight": "weight"}
    constructor = layer("PositionEmbedding")
    return (LoweredLayer(constructor, label=op.name, main=True, variables=variables),)


def lower_sum(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    """On TensorFlow, Keras takes for a bias what it adds if one axis alone has more than one
    element: as many as the sum so far has channels, or else positions along its first spatial axis.
    That axis may be the batch."""
    if context.output.is_map:
        so_far = context.inputs[0].sizes
        for x in context.inputs[1:]:
            if _is_taken_for_another(so_far, x.sizes):
                raise RefusalError(
                    f"Keras may add {x} along another axis; name inputs before it that are smaller"
                )
            so_far = tuple(map(max, so_far, x.sizes))
    kind = "Add" if isinstance(context.op, merge.Add) else "Average"
    return (LoweredLayer(layer(f"layers.{kind}"), label=context.op.name, main=True),)


def _is_taken_for_another(so_far: tuple[int, ...], sizes: tuple[int, ...]) -> bool:
    """Whether Keras may add a map along another axis than its own to a sum of these sizes."""
    wide = [axis for axis, size in enumerate(sizes) if size > 1]
    if not wide:  # any batch: one of as many samples as there are channels or rows
        return max(so_far[:2]) > 1
    if len(wide) > 1:
        return False
    (axis,) = wide
    taken = next((one for one in (0, 1) if so_far[one] == sizes[axis]), axis)
    return taken != axis


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
    normalization.LocalResponseNorm: simple(
        "LocalResponseNormalization",
        size=("size", 5),
        alpha=("alpha", 1e-4),
        beta=("beta", 0.75),
        k=("k", 2.0),
    ),
    **ACTIVATIONS,
    regularization.Dropout: simple("layers.Dropout", "rate"),
    regularization.DropPath: lower_drop_path,
    shape.Flatten: lower_flatten,
    shape.Reshape: lower_reshape,
    shape.Permute: lower_permute,
    Rearrange: lower_reshape,
    Difference: simple("layers.Subtract"),
    Opposite: simple("layers.Rescaling", Lit(-1.0)),
    arrangement.ToTokens: lower_reshape,
    arrangement.ToMap: lower_reshape,
    arrangement.SpaceToDepth: simple("SpaceToDepth", "block_size"),
    arrangement.DepthToSpace: simple("DepthToSpace", "block_size"),
    attention.Attention: lower_attention,
    attention.WindowAttention: lower_window_attention,
    recurrence.Lstm: lower_recurrence,
    recurrence.Gru: lower_recurrence,
    shape.Pad: lower_pad,
    shape.Crop: lower_crop,
    shape.Upsample: lower_upsample,
    shape.Select: lower_select,
    shape.Split: lower_split,
    shape.ChannelShuffle: simple("ChannelShuffle", "groups"),
    parameter.Scale: lower_scale,
    parameter.ClassToken: lower_class_token,
    parameter.PositionEmbedding: lower_position_embedding,
    merge.Add: lower_sum,
    merge.Multiply: simple("layers.Multiply"),
    merge.Average: lower_sum,
    merge.Maximum: simple("layers.Maximum"),
    merge.Concat: simple("layers.Concatenate"),
}
"""What each op becomes."""

REFUSED: dict[type[Op], str] = {}
"""Why an op cannot be computed: Keras has them all."""
