"""What ONNX makes of each op: an expression of its own operators."""

from __future__ import annotations

from functools import reduce

from archc.backends.base import Lowering, LoweringContext, placeholder
from archc.backends.differences import Difference, Opposite
from archc.backends.fusion import Rearrange
from archc.backends.onnx import normalization as norms
from archc.backends.onnx import shapes, windows
from archc.backends.onnx.activations import FORMS, activated, lower_activation
from archc.backends.onnx.attention import attention as attended
from archc.backends.onnx.operators import (
    X,
    as_lowering,
    linear,
    op,
    per_channel,
    simple,
    variable,
)
from archc.backends.onnx.recurrence import lower_recurrence
from archc.backends.onnx.window_attention import window_attention
from archc.codegen.tree import Expr
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


def _dense(context: LoweringContext) -> Expr:
    own = context.op
    assert isinstance(own, dense.Dense)
    if context.x.is_sequence:
        y = linear(X, "weight", "bias" if own.bias else None)
    else:
        bias = [variable("bias")] if own.bias else []
        y = op("Gemm", X, variable("weight"), *bias, transB=1)
    return activated(own.activation, y, context.output)


def _embedding(_: LoweringContext) -> Expr:
    return op("Gather", variable("weight"), X, axis=0)


def _radial_basis(context: LoweringContext) -> Expr:
    own = context.op
    assert isinstance(own, dense.Rbf)
    apart = op("Sub", op("Unsqueeze", X, (1,)), own.codes)
    return op("ReduceSumSquare", apart, (2,), keepdims=0)


def _scale(context: LoweringContext) -> Expr:
    own = context.op
    assert isinstance(own, parameter.Scale)
    if not own.learned:
        return op("Mul", X, float(own.initial))
    scaled = op("Mul", X, per_channel("weight", context.rank))
    return op("Add", scaled, per_channel("bias", context.rank)) if own.bias else scaled


def _class_token(context: LoweringContext) -> Expr:
    shape_of_tokens = op("Concat", op("Shape", X, start=0, end=1), (1, context.x.width), axis=0)
    return op("Concat", op("Expand", variable("token"), shape_of_tokens), X, axis=1)


def _position_embedding(context: LoweringContext) -> Expr:
    own = context.op
    assert isinstance(own, parameter.PositionEmbedding)
    if own.kind == "learned":
        return op("Add", X, variable("weight"))
    tokens, features = context.x.sizes
    exponents = op("Div", op("Range", 0.0, float(features), 2.0), float(features))
    positions = op("Unsqueeze", op("Range", 0.0, float(tokens), 1.0), (1,))
    angles = op("Div", positions, op("Pow", 10000.0, exponents))
    waves = [op("Unsqueeze", op(name, angles), (2,)) for name in ("Sin", "Cos")]
    paired = op("Flatten", op("Concat", *waves, axis=2), axis=1)
    return op("Add", X, op("Slice", paired, (0,), (features,), (1,)) if features % 2 else paired)


def _values(context: LoweringContext) -> list[Expr]:
    return [placeholder(index) for index in range(len(context.inputs))]


def _add(context: LoweringContext) -> Expr:
    values = _values(context)
    return op("Add" if len(values) == 2 else "Sum", *values)


def _opposite(context: LoweringContext) -> Expr:
    return op("Mul", X, -1.0)


def _difference(context: LoweringContext) -> Expr:
    """As the spec says it, so that the importer finds its steps."""
    first, second = _values(context)
    return op("Add", first, op("Mul", second, -1.0))


LONGEST_CHAIN = 16
"""Products in one chain."""


def _product(values: list[Expr]) -> Expr:
    """All values from left to right; very many by halves, so that the tree stays flat."""
    if len(values) > LONGEST_CHAIN:
        half = len(values) // 2
        return op("Mul", _product(values[:half]), _product(values[half:]))
    return reduce(lambda one, other: op("Mul", one, other), values)


def _multiply(context: LoweringContext) -> Expr:
    return _product(_values(context))


def _concat(context: LoweringContext) -> Expr:
    return op("Concat", *_values(context), axis=2 if context.inputs[0].is_sequence else 1)


def _dropout(context: LoweringContext) -> Expr:
    """In evaluation, as a file of ONNX has it unless it says otherwise, nothing is dropped."""
    own = context.op
    assert isinstance(own, regularization.Dropout)
    return op("Dropout", X, float(own.rate))


LOWERINGS: dict[type[Op], Lowering] = {
    convolution.Conv: as_lowering(windows.convolution),
    convolution.DepthwiseConv: as_lowering(windows.convolution),
    convolution.ConvTranspose: as_lowering(windows.transposed_convolution),
    dense.Dense: as_lowering(_dense),
    dense.Embedding: as_lowering(_embedding),
    dense.Rbf: as_lowering(_radial_basis),
    pooling.MaxPool: as_lowering(windows.max_pool),
    pooling.AvgPool: as_lowering(windows.avg_pool),
    pooling.AdaptiveAvgPool: as_lowering(windows.adaptive_avg_pool),
    pooling.GlobalAvgPool: as_lowering(windows.global_pool),
    pooling.GlobalMaxPool: as_lowering(windows.global_pool),
    normalization.BatchNorm: as_lowering(norms.batch_norm),
    normalization.LayerNorm: as_lowering(norms.layer_norm),
    normalization.RmsNorm: as_lowering(norms.rms_norm),
    normalization.GroupNorm: as_lowering(norms.group_norm),
    normalization.LocalResponseNorm: as_lowering(norms.local_response_norm),
    **dict.fromkeys(FORMS, lower_activation),
    regularization.Dropout: as_lowering(_dropout),
    regularization.DropPath: simple("Identity"),
    shape.Flatten: as_lowering(shapes.flattened),
    shape.Reshape: as_lowering(shapes.moved),
    shape.Permute: as_lowering(shapes.moved),
    Rearrange: as_lowering(shapes.moved),
    Difference: as_lowering(_difference),
    Opposite: as_lowering(_opposite),
    arrangement.ToTokens: as_lowering(shapes.moved),
    arrangement.ToMap: as_lowering(shapes.moved),
    arrangement.SpaceToDepth: as_lowering(shapes.moved),
    arrangement.DepthToSpace: as_lowering(shapes.depth_to_space),
    attention.Attention: as_lowering(attended),
    attention.WindowAttention: as_lowering(window_attention),
    recurrence.Lstm: lower_recurrence,
    recurrence.Gru: lower_recurrence,
    shape.Pad: as_lowering(windows.pad),
    shape.Crop: as_lowering(windows.crop),
    shape.Upsample: as_lowering(shapes.upsample),
    shape.Select: as_lowering(shapes.select),
    shape.Split: as_lowering(shapes.split),
    shape.ChannelShuffle: as_lowering(shapes.channel_shuffle),
    parameter.Scale: as_lowering(_scale),
    parameter.ClassToken: as_lowering(_class_token),
    parameter.PositionEmbedding: as_lowering(_position_embedding),
    merge.Add: as_lowering(_add),
    merge.Multiply: as_lowering(_multiply),
    merge.Average: simple("Mean"),
    merge.Maximum: simple("Max"),
    merge.Concat: as_lowering(_concat),
}
"""What each op becomes."""

REFUSED: dict[type[Op], str] = {}
"""Why an op cannot be computed: ONNX has them all."""
