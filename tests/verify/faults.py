"""Faults that an emitter could have, each seeded into an emitted module: a spec, the text that is
put in place of what the emitter wrote, and the layer where verification must find it first."""

from __future__ import annotations

from typing import NamedTuple

MAP = "{channels: 4, height: 12, width: 10}"
SQUARE = "{channels: 3, height: 8, width: 8}"
LINE = "{channels: 4, length: 9}"
TOKENS = "{tokens: 5, features: 6}"
VECTOR = "{features: 8}"


class Fault(NamedTuple):
    """`old` stands in what the backend emits for `steps` on `input`; `new` takes its place. The
    layer `at` diverges first."""

    backend: str
    input: str
    steps: tuple[str, ...]
    old: str
    new: str
    at: str


def _torch(old: str, new: str, at: str, *steps: str, input: str = MAP) -> Fault:
    return Fault("torch", input, steps, old, new, at)


def _keras(old: str, new: str, at: str, *steps: str, input: str = MAP) -> Fault:
    return Fault("keras", input, steps, old, new, at)


_CONV = "conv: {filters: 4, kernel_size: 3, stride: 2, padding: 1}"
_GROUPED = "conv: {filters: 4, kernel_size: 3, groups: 2, dilation: 2}"
_UP = "conv_transpose: {filters: 2, kernel_size: 3, stride: 2, padding: 1, output_padding: 1}"
_AVERAGE = "avg_pool: {kernel_size: 3, stride: 1, padding: 1}"
_CEIL = "max_pool: {kernel_size: 3, stride: 3, ceil_mode: true}"
_SHORTCUT = "add: [[], [{conv: {filters: 4, kernel_size: 1}}]]"
_TWO = "concat: [[relu], [tanh]]"
_SQUEEZE = "multiply: [[], [{global_avg_pool: {keep_dims: true}}, sigmoid]]"
_LRN = "local_response_norm: {size: 3, alpha: 0.5, beta: 0.6, k: 1.5}"
_NORMAL = "conv: {filters: 64, kernel_size: 5, initializer: {normal: 0.02}}"
_HE = "conv: {filters: 64, kernel_size: 5, initializer: he_normal}"

FAULTS: dict[str, Fault] = {
    # Convolutions
    "torch stride": _torch("stride=2", "stride=3", "conv_1", _CONV),
    "torch padding left out": _torch(", padding=1", "", "conv_1", _CONV),
    "torch padding reflects": _torch(
        "padding=1", 'padding=1, padding_mode="reflect"', "conv_1", _CONV
    ),
    "torch groups left out": _torch(", groups=2", "", "conv_1", _GROUPED),
    "torch dilation left out": _torch("dilation=2, ", "padding=0, ", "conv_1", _GROUPED),
    "torch bias dropped": _torch("padding=1)", "padding=1, bias=False)", "conv_1", _CONV),
    "torch bias added": _torch(
        ", bias=False", "", "conv_1", "conv: {filters: 4, kernel_size: 3, bias: false}"
    ),
    "keras bias dropped": _keras("strides=2", "strides=2, use_bias=False", "conv_1", _CONV),
    "keras padding on the other side": _keras(
        "layers.ZeroPadding2D(1)", "layers.ZeroPadding2D(((0, 2), (0, 2)))", "conv_1", _CONV
    ),
    "keras padding by its own rule": _keras(
        "layers.ZeroPadding2D(1),\n            layers.Conv2D(4, 3, strides=2)",
        'layers.ZeroPadding2D(0),\n            layers.Conv2D(4, 3, strides=2, padding="same")',
        "conv_1",
        _CONV,
    ),
    "keras dilation on one axis": _keras(
        "dilation_rate=2", "dilation_rate=(2, 1)", "conv_1", _GROUPED
    ),
    "keras transposed crop on the other side": _keras(
        "((1, 0), (1, 0))", "((0, 1), (0, 1))", "conv_transpose_1", _UP
    ),
    "torch transposed output padding as padding": _torch(
        "padding=1, output_padding=1", "padding=0", "conv_transpose_1", _UP
    ),
    "torch depthwise filters shared": _torch(
        "groups=4",
        "groups=2",
        "depthwise_conv_1",
        "depthwise_conv: {kernel_size: 3, multiplier: 2}",
    ),
    "keras depth multiplier": _keras(
        ", depth_multiplier=2",
        "",
        "depthwise_conv_1",
        "depthwise_conv: {kernel_size: 3, multiplier: 2}",
    ),
    # Normalisation
    "torch batch norm epsilon": _torch(
        "nn.BatchNorm2d(4", "nn.BatchNorm2d(4, eps=1e-3", "batch_norm_1", "batch_norm", "relu"
    ),
    "keras batch norm epsilon": _keras(
        "epsilon=1e-5", "epsilon=1e-3", "batch_norm_1", "batch_norm", "relu"
    ),
    "torch batch norm momentum": _torch(
        "momentum=0.2", "momentum=0.8", "batch_norm_1", "batch_norm: {momentum: 0.8}", "relu"
    ),
    "keras batch norm momentum": _keras(
        "momentum=0.8", "momentum=0.2", "batch_norm_1", "batch_norm: {momentum: 0.8}", "relu"
    ),
    "keras batch norm axis": _keras(
        "epsilon=1e-5", "axis=1, epsilon=1e-5", "batch_norm_1", "batch_norm", "relu", input=SQUARE
    ),
    "keras batch norm without offset": _keras(
        "epsilon=1e-5", "center=False, epsilon=1e-5", "batch_norm_1", "batch_norm", "relu"
    ),
    "torch batch norm without statistics": _torch(
        "nn.BatchNorm2d(4",
        "nn.BatchNorm2d(4, track_running_stats=False",
        "batch_norm_1",
        "batch_norm",
        "relu",
    ),
    "torch layer norm epsilon": _torch(
        "ChannelLayerNorm(4", "ChannelLayerNorm(4, eps=1e-4", "layer_norm_1", "layer_norm", "relu"
    ),
    "keras layer norm axis": _keras(
        "epsilon=1e-5",
        "axis=1, epsilon=1e-5",
        "layer_norm_1",
        "layer_norm",
        input="{tokens: 6, features: 6}",
    ),
    "torch group norm groups": _torch(
        "nn.GroupNorm(2", "nn.GroupNorm(4", "group_norm_1", "group_norm: 2", "relu"
    ),
    "keras group norm epsilon": _keras(
        "epsilon=1e-5", "epsilon=1e-3", "group_norm_1", "group_norm: 2", "relu"
    ),
    "torch lrn alpha not times size": _torch(
        "alpha=1.5", "alpha=0.5", "local_response_norm_1", _LRN
    ),
    "torch lrn beta": _torch("beta=0.6", "beta=0.75", "local_response_norm_1", _LRN),
    "torch lrn k": _torch("k=1.5", "k=1.0", "local_response_norm_1", _LRN),
    "torch lrn size": _torch(
        "nn.LocalResponseNorm(3", "nn.LocalResponseNorm(5", "local_response_norm_1", _LRN
    ),
    "keras lrn alpha": _keras("alpha=0.5", "alpha=0.25", "local_response_norm_1", _LRN),
    # Activations
    "torch gelu by tanh": _torch(
        "nn.GELU()", 'nn.GELU(approximate="tanh")', "gelu_1", "gelu", "dropout: 0.1"
    ),
    "keras gelu by tanh": _keras(
        'layers.Activation("gelu")',
        "layers.Activation(lambda x: keras.ops.gelu(x, approximate=True))",
        "gelu_1",
        "gelu",
        "dropout: 0.1",
    ),
    "torch leaky slope": _torch(
        "negative_slope=0.3", "negative_slope=0.2", "leaky_relu_1", "leaky_relu: 0.3", "tanh"
    ),
    "keras leaky slope by default": _keras(
        "negative_slope=0.01", "", "leaky_relu_1", "leaky_relu", "tanh"
    ),
    "torch elu alpha": _torch("alpha=0.5", "alpha=1.0", "elu_1", "elu: 0.5", "tanh"),
    "keras relu6 unbounded": _keras(
        "layers.ReLU(6.0)",
        "layers.ReLU()",
        "relu6_1",
        "conv: {filters: 8, kernel_size: 3}",
        "relu6",
        input="{channels: 64, height: 6, width: 6}",
    ),
    "torch selu as elu": _torch("nn.SELU(", "nn.ELU(", "selu_1", "selu", "tanh"),
    "torch silu as gelu": _torch("nn.SiLU(", "nn.GELU(", "silu_1", "silu", "tanh"),
    "torch hard sigmoid by a fifth": _torch(
        "nn.Hardsigmoid()", "nn.Sigmoid()", "hard_sigmoid_1", "hard_sigmoid", "tanh"
    ),
    "keras hard swish as swish": _keras(
        '"hard_silu"', '"silu"', "hard_swish_1", "hard_swish", "tanh"
    ),
    "torch scaled tanh unscaled": _torch("2 * x / 3", "x", "scaled_tanh_1", "scaled_tanh", "relu"),
    "torch softmax axis": _torch(
        "dim=-1", "dim=1", "softmax_1", "dense: 4", "softmax", input=TOKENS
    ),
    "keras softmax axis": _keras(
        "layers.Softmax()",
        "layers.Softmax(axis=1)",
        "softmax_1",
        "dense: 4",
        "softmax",
        input=TOKENS,
    ),
    "torch log softmax without log": _torch(
        "nn.LogSoftmax(", "nn.Softmax(", "log_softmax_1", "dense: 4", "log_softmax", input=VECTOR
    ),
    "keras prelu a slope for each element": _keras(
        "shared_axes=[1, 2]", "shared_axes=[1]", "prelu_1", "prelu", "tanh"
    ),
    "torch fused activation forgotten": _torch(
        "nn.ReLU(inplace=True),",
        "nn.Identity(),",
        "conv_1",
        "conv: {filters: 3, kernel_size: 3, activation: relu}",
        "tanh",
    ),
    "keras fused activation": _keras(
        'activation="relu"',
        'activation="tanh"',
        "conv_1",
        "conv: {filters: 3, kernel_size: 3, activation: relu}",
    ),
    # Pools
    "torch pool stride": _torch(
        "kernel_size=2)", "kernel_size=2, stride=1)", "max_pool_1", "max_pool: 2"
    ),
    "torch pool of the mean": _torch("nn.MaxPool2d", "nn.AvgPool2d", "max_pool_1", "max_pool: 2"),
    "torch pool ceil mode left out": _torch(", ceil_mode=True", "", "max_pool_1", _CEIL),
    "torch pool counts its padding": _torch(
        "count_include_pad=False", "count_include_pad=True", "avg_pool_1", _AVERAGE
    ),
    "keras pool counts its padding": _keras(
        'padding="same"', 'padding="valid"', "avg_pool_1", _AVERAGE
    ),
    "keras pool pads on one side": _keras(
        "PaddedMaxPooling(3, 2, ((1, 1), (1, 1)))",
        'layers.MaxPooling2D(3, strides=2, padding="same")',
        "max_pool_1",
        "max_pool: {kernel_size: 3, stride: 2, padding: 1}",
    ),
    "torch global pool of the largest": _torch(
        "nn.AdaptiveAvgPool2d(1)",
        "nn.AdaptiveMaxPool2d(1)",
        "global_avg_pool_1",
        "global_avg_pool",
        "dense: 3",
    ),
    "keras global pool of the mean": _keras(
        "layers.GlobalMaxPooling2D(",
        "layers.GlobalAveragePooling2D(",
        "global_max_pool_1",
        "global_max_pool",
        "dense: 3",
    ),
    "torch adaptive pool": _torch(
        "nn.AdaptiveAvgPool2d(5)",
        "nn.AdaptiveAvgPool2d((5, 4))",
        "adaptive_avg_pool_1",
        "adaptive_avg_pool: 5",
    ),
    # Dropout
    "torch dropout in evaluation": _torch(
        "nn.Dropout(0.5)", "_Always(0.5)", "dropout_1", "dropout: 0.5", "tanh"
    ),
    "torch dropout rate": _torch(
        "nn.Dropout(0.5)", "nn.Dropout(0.4)", "dropout_1", "dropout: 0.5", "tanh"
    ),
    "keras dropout keeps what it should drop": _keras(
        "layers.Dropout(0.3)", "layers.Dropout(0.7)", "dropout_1", "dropout: 0.3", "tanh"
    ),
    "torch dropout of whole channels": _torch(
        "nn.Dropout(0.3)", "nn.Dropout2d(0.3)", "dropout_1", "dropout: 0.3", "tanh"
    ),
    "torch dropout never": _torch(
        "nn.Dropout(0.3)", "nn.Dropout(0.0)", "dropout_1", "dropout: 0.3", "tanh"
    ),
    "keras dropout of another rate": _keras(
        "layers.Dropout(0.3)", "layers.Dropout(0.301)", "dropout_1", "dropout: 0.3", "tanh"
    ),
    "keras dropout of whole positions": _keras(
        "layers.Dropout(0.3)",
        "layers.Dropout(0.3, noise_shape=(None, None, None, 1))",
        "dropout_1",
        "dropout: 0.3",
        "tanh",
    ),
    "torch drop path rate": _torch(
        "DropPath(0.2)", "DropPath(0.8)", "drop_path_1", "drop_path: 0.2", "tanh"
    ),
    "torch drop path of the batch": _torch(
        "x.new_empty(len(x), ", "x.new_empty(1, ", "drop_path_1", "drop_path: 0.2", "tanh"
    ),
    "torch drop path of elements": _torch(
        "x.new_empty(len(x), *[1] * (x.dim() - 1))",
        "x.new_empty(x.shape)",
        "drop_path_1",
        "drop_path: 0.2",
        "tanh",
    ),
    "torch drop path unscaled": _torch(
        "x * kept / (1 - self.rate)", "x * kept", "drop_path_1", "drop_path: 0.2", "tanh"
    ),
    "torch drop path scaled by its rate": _torch(
        "x * kept / (1 - self.rate)",
        "x * kept / (1 + self.rate)",
        "drop_path_1",
        "drop_path: 0.2",
        "tanh",
    ),
    "torch drop path keeps what it should drop": _torch(
        ".bernoulli_(1 - self.rate)", ".bernoulli_(self.rate)", "drop_path_1", "drop_path: 0.2"
    ),
    "torch drop path in no training": _torch(
        "if not self.training:", "if True:", "drop_path_1", "drop_path: 0.2", "tanh"
    ),
    "keras drop path of the batch": _keras(
        "noise_shape=(None, 1, 1, 1)",
        "noise_shape=(1, 1, 1, 1)",
        "drop_path_1",
        "drop_path: 0.2",
        "tanh",
    ),
    "keras drop path of elements": _keras(
        ", noise_shape=(None, 1, 1, 1)", "", "drop_path_1", "drop_path: 0.2", "tanh"
    ),
    # One sample
    "torch one sample loses its axis": _torch(
        "nn.Flatten()", "_Squeeze()", "flatten_1", "global_avg_pool: {keep_dims: true}", "flatten"
    ),
    # Initial values
    "torch prelu begins elsewhere": _torch(
        "init=0.1", "init=0.2", "prelu_1", "prelu: {slope: 0.1}", "tanh"
    ),
    "torch prelu begins by default": _torch(
        ", init=0.1", "", "prelu_1", "prelu: {slope: 0.1}", "tanh"
    ),
    "torch prelu of features begins elsewhere": _torch(
        "(features,), init)",
        "(features,), 0.5)",
        "prelu_1",
        "prelu",
        "tanh",
        input=TOKENS,
    ),
    "keras prelu begins elsewhere": _keras(
        "Constant(0.1)", "Constant(0.2)", "prelu_1", "prelu: {slope: 0.1}", "tanh"
    ),
    "keras fused prelu begins elsewhere": _keras(
        "Constant(0.1)",
        "Constant(0.2)",
        "conv_1",
        "conv: {filters: 3, kernel_size: 3, activation: {prelu: {slope: 0.1}}}",
    ),
    "torch scale begins elsewhere": _torch(
        "initial=0.5)", "initial=0.4)", "scale_1", "scale: {initial: 0.5}", "tanh"
    ),
    "torch scale begins with an offset": _torch(
        "torch.zeros(channels)",
        "torch.ones(channels)",
        "scale_1",
        "scale: {bias: true}",
        "tanh",
    ),
    "keras scale begins elsewhere": _keras(
        "initial=0.5)", "initial=0.4)", "scale_1", "scale: {initial: 0.5}", "tanh"
    ),
    "keras scale ignores what it begins with": _keras(
        "Constant(self.initial)", "Constant(1.0)", "scale_1", "scale: {initial: 0.5}", "tanh"
    ),
    "keras norm begins at zero": _keras(
        "epsilon=1e-5",
        'gamma_initializer="zeros", epsilon=1e-5',
        "batch_norm_1",
        "batch_norm",
        "relu",
    ),
    "torch kernel of another deviation": _torch("std=0.02", "std=0.03", "conv_1", _NORMAL),
    "torch kernel as by default": _torch(
        "nn.init.normal_(self.conv.weight, std=0.02)", "pass", "conv_1", _NORMAL
    ),
    "torch kernel of another mean": _torch("std=0.02", "mean=0.01, std=0.02", "conv_1", _NORMAL),
    "torch kernel truncated": _torch(
        "nn.init.normal_(self.conv.weight, std=0.02)",
        "nn.init.trunc_normal_(self.conv.weight, std=0.0227, a=-0.0455, b=0.0455)",
        "conv_1",
        _NORMAL,
    ),
    "torch kernel uniform for normal": _torch("kaiming_normal_", "kaiming_uniform_", "conv_1", _HE),
    "torch kernel by what goes out": _torch(
        'nonlinearity="relu"', 'mode="fan_out", nonlinearity="relu"', "conv_1", _HE
    ),
    "torch kernel for no rectifier": _torch(
        'nonlinearity="relu"', 'nonlinearity="linear"', "conv_1", _HE
    ),
    "keras kernel of another deviation": _keras("stddev=0.02", "stddev=0.03", "conv_1", _NORMAL),
    "keras kernel truncated": _keras(', distribution="untruncated_normal"', "", "conv_1", _HE),
    "keras kernel of another scale": _keras("scale=2.0", "scale=1.0", "conv_1", _HE),
    "keras kernel of another limit": _keras(
        "RandomUniform(-0.1, 0.1)",
        "RandomUniform(-0.1, 0.08)",
        "dense_1",
        "dense: {units: 64, initializer: {uniform: 0.1}}",
        input=VECTOR,
    ),
    "torch kernel of another constant": _torch(
        "weight, 0.1)",
        "weight, 0.11)",
        "dense_1",
        "dense: {units: 3, initializer: {constant: 0.1}}",
        input=VECTOR,
    ),
    "torch kernel not orthogonal": _torch(
        "nn.init.orthogonal_(self[0].weight)",
        "nn.init.xavier_normal_(self[0].weight)",
        "dense_1",
        "dense: {units: 8, initializer: orthogonal}",
        "tanh",
        input=VECTOR,
    ),
    # Shapes and order
    "torch flatten from the batch on": _torch(
        "nn.Flatten()", "nn.Flatten(0)", "flatten_1", "flatten", "dense: 3"
    ),
    "keras flatten in its own order": _keras(
        "layers.Permute((3, 1, 2))",
        "layers.Permute((1, 2, 3))",
        "flatten_1",
        "flatten",
        "select: [0, 5, 7]",
    ),
    "torch permute": _torch(
        "transpose(2, 3)",
        "transpose(2, 2)",
        "permute_1",
        "permute: [channels, width, height]",
        "relu",
        input=SQUARE,
    ),
    "keras permute": _keras(
        "layers.Permute((2, 1, 3))",
        "layers.Permute((1, 2, 3))",
        "permute_1",
        "permute: [channels, width, height]",
        "relu",
        input=SQUARE,
    ),
    "torch tokens of columns": _torch(
        "flatten(2).transpose(1, 2)",
        "transpose(2, 3).flatten(2).transpose(1, 2)",
        "reshape_2",
        "reshape: {channels: 4, length: 120}",
        "permute: [length, channels]",
        "reshape: {tokens: 120, features: 4}",
    ),
    "keras slice off by one": _keras(
        "inputs[..., 1:3]",
        "inputs[..., 2:4]",
        "select_1",
        "add: [[{select: [1, 2]}], [{conv: {filters: 2, kernel_size: 1}}]]",
        "tanh",
    ),
    "torch upsampling mode": _torch(
        ', mode="bilinear"', "", "upsample_1", "upsample: {scale: 2, mode: linear}", "relu"
    ),
    "torch upsampling by its corners": _torch(
        'mode="bilinear"',
        'mode="bilinear", align_corners=True',
        "upsample_1",
        "upsample: {scale: 2, mode: linear}",
        "relu",
    ),
    "torch pad value": _torch(
        "nn.ConstantPad2d(1, 0.5)",
        "nn.ConstantPad2d(1, 0.0)",
        "pad_1",
        "pad: {padding: 1, value: 0.5}",
        "relu",
    ),
    "torch pad mode": _torch(
        "nn.ReflectionPad2d",
        "nn.ReplicationPad2d",
        "pad_1",
        "pad: {padding: 1, mode: reflect}",
        "relu",
    ),
    "keras crop on the other side": _keras(
        "((0, 1), (1, 0))", "((1, 0), (1, 0))", "crop_1", "crop: [[0, 1], [1, 0]]", "relu"
    ),
    "torch shuffle groups": _torch(
        "nn.ChannelShuffle(2)",
        "nn.ChannelShuffle(3)",
        "channel_shuffle_1",
        "channel_shuffle: 2",
        "relu",
        input="{channels: 6, height: 3, width: 3}",
    ),
    "torch select off by one": _torch("[0, 2]", "[1, 3]", "select_1", "select: [0, 2]", "relu"),
    "torch code of another sign": _torch(
        '"##..##"', '"##..#."', "rbf_1", "rbf: [[1, 1, -1, -1, 1, 1]]", input="{features: 6}"
    ),
    # Sequences
    "torch causal mask missing": _torch(
        "causal=True",
        "causal=False",
        "attention_1",
        "attention: {heads: 2, causal: true}",
        input=TOKENS,
    ),
    "keras causal mask missing": _keras(
        "use_causal_mask=True",
        "use_causal_mask=False",
        "attention_1",
        "attention: {heads: 2, causal: true}",
        input=TOKENS,
    ),
    "torch heads of another size": _torch(
        "SelfAttention(6, 2)", "SelfAttention(6, 3)", "attention_1", "attention: 2", input=TOKENS
    ),
    "torch rotation the other way": _torch(
        "cat([a * cos - b * sin, b * cos + a * sin",
        "cat([a * cos - b * sin, b * cos - a * sin",
        "attention_1",
        "attention: {heads: 1, rotary: 100}",
        input=TOKENS,
    ),
    "keras rotation from position one": _keras(
        "ops.arange(x.shape[1], dtype=dtype)",
        "ops.arange(1, 1 + x.shape[1], dtype=dtype) ** 2",
        "attention_1",
        "attention: {heads: 1, rotary: 100}",
        input=TOKENS,
    ),
    "torch window of one more": _torch(
        "triu(1 - self.window)",
        "triu(-self.window)",
        "attention_1",
        "attention: {heads: 2, window: 2}",
        input=TOKENS,
    ),
    "keras window of one more": _keras(
        "sliding_window=2",
        "sliding_window=3",
        "attention_1",
        "attention: {heads: 2, window: 2}",
        input=TOKENS,
    ),
    "torch tokens in another order": _torch(
        "[self.token.expand(len(x), -1, -1), x]",
        "[x, self.token.expand(len(x), -1, -1)]",
        "class_token_1",
        "class_token",
        input=TOKENS,
    ),
    "torch positions backwards": _torch(
        "self.weight[: x.shape[1]]",
        "self.weight[: x.shape[1]].flip(0)",
        "position_embedding_1",
        "position_embedding",
        input=TOKENS,
    ),
    "keras sines as cosines": _keras(
        "[ops.sin(angles), ops.cos(angles)]",
        "[ops.cos(angles), ops.sin(angles)]",
        "position_embedding_1",
        "position_embedding: sinusoidal",
        input=TOKENS,
    ),
    "torch first layer in place of the last": _torch(
        "states[-1]",
        "states[0]",
        "lstm_1",
        "lstm: {units: 3, layers: 2}",
        input=TOKENS,
    ),
    "keras second direction missing": _keras(
        "layers.Bidirectional(layers.GRU(3))",
        "layers.GRU(6)",
        "gru_1",
        "gru: {units: 3, bidirectional: true}",
        input=TOKENS,
    ),
    "keras reset gate before the product": _keras(
        "layers.GRU(3)", "layers.GRU(3, reset_after=False)", "gru_1", "gru: 3", input=TOKENS
    ),
    # Merges, branches and modules
    "torch concat in another order": _torch(
        "[out, self.tanh(x)]", "[self.tanh(x), out]", "concat_1", _TWO, "softsign"
    ),
    "torch concat along another axis": _torch("dim=1", "dim=2", "concat_1", _TWO, "softsign"),
    "torch sum as product": _torch(
        "x + self.conv(x)", "x * self.conv(x)", "add_1", _SHORTCUT, "tanh"
    ),
    "torch shortcut of something else": _torch(
        "x + self.conv(x)", "self.conv(x) + self.conv(x)", "add_1", _SHORTCUT, "tanh"
    ),
    "keras shortcut missing": _keras("([inputs, x])", "([x, x])", "add_1", _SHORTCUT, "tanh"),
    "keras sum as mean": _keras("layers.Add(", "layers.Average(", "add_1", _SHORTCUT, "tanh"),
    "keras largest as smallest": _keras(
        "layers.Maximum(", "layers.Minimum(", "maximum_1", "maximum: [[], [tanh]]", "relu"
    ),
    "torch mean without its divisor": _torch(
        " / 2", " / 1", "average_1", "average: [[], [tanh]]", "relu"
    ),
    "keras excitation of another value": _keras(
        "([inputs, scale])", "([scale, scale])", "multiply_1", _SQUEEZE, "tanh"
    ),
    "torch two layers with one weight": _torch(
        "self.two(x)",
        "self.one(x)",
        "two",
        "{dense: 8, name: one}",
        "{dense: 8, name: two}",
        input=VECTOR,
    ),
    "keras scale without offset": _keras(
        "ChannelScale(use_bias=True)", "ChannelScale()", "scale_1", "scale: {bias: true}", "tanh"
    ),
    "torch dense without bias": _torch(
        "nn.Linear(8, 3)",
        "nn.Linear(8, 3, bias=False)",
        "dense_1",
        "dense: 3",
        "tanh",
        input=VECTOR,
    ),
}

HELPERS = """class _Always(nn.Dropout):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(x, self.p, training=True)


class _Squeeze(nn.Flatten):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.squeeze()


class """
"""What a fault with an underscore needs before the first class."""
