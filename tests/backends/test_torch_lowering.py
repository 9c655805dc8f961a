"""What PyTorch makes of each op: the text that is written, and the numbers that it computes.

The numbers are held against plain NumPy loops, written here from the definitions of the ops.
"""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from archc.backends.base import INCOMING, LoweredLayer, LoweringContext, Refusal
from archc.backends.fusion import Rearrange
from archc.backends.torch import lowering
from archc.backends.torch.lowering import (
    HELPERS,
    LOWERINGS,
    REFUSED,
    helper_source,
)
from archc.codegen.printer import render
from archc.codegen.rewrite import walk
from archc.codegen.tree import Assign, Expr, Lit, Module, Raw, Ref
from archc.ops import OPS, activation
from archc.ops.axes import Axes, feature_map, vector
from archc.ops.base import Op, ShapeError
from archc.ops.convolution import Conv, ConvTranspose, DepthwiseConv
from archc.ops.dense import Dense, Rbf
from archc.ops.fields import Amounts, pairs_per_axis, per_axis
from archc.ops.initializer import NAMES, Initializer
from archc.ops.merge import Add, Average, Concat, Maximum, Multiply
from archc.ops.normalization import (
    BatchNorm,
    GroupNorm,
    LayerNorm,
    LocalResponseNorm,
)
from archc.ops.parameter import Scale
from archc.ops.pooling import (
    AdaptiveAvgPool,
    AvgPool,
    GlobalAvgPool,
    GlobalMaxPool,
    MaxPool,
)
from archc.ops.regularization import Dropout, DropPath
from archc.ops.shape import (
    ChannelShuffle,
    Crop,
    Flatten,
    Pad,
    Permute,
    Reshape,
    Select,
    Upsample,
)
from archc.records import replace

pytestmark = pytest.mark.torch

Array = Any
BATCH = 2


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Threads cost these small tensors more than they save."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def sequence(tokens: int, features: int) -> Axes:
    return Axes(("tokens", "features"), (tokens, features))


# The lowered op, run


def text(expr: Expr) -> str:
    return render(Module(body=(Assign(Ref("made"), expr),))).removeprefix("made = ").rstrip("\n")


def namespace() -> dict[str, Any]:
    scope: dict[str, Any] = {}
    exec("import torch\nfrom torch import nn\nfrom torch.nn import functional", scope)
    for name in HELPERS:
        imports, source = helper_source(name)
        exec("\n".join([*imports, render(Module(body=(Raw(source),)))]), scope)
    return scope


SCOPE = namespace()


def stages_of(op: Op, *inputs: Axes) -> tuple[LoweredLayer, ...]:
    return LOWERINGS[type(op)](LoweringContext(op, inputs, op.infer(inputs)))


def written(op: Op, *inputs: Axes) -> list[str]:
    """The text of each stage: its layer, or else its expression."""
    return [text(stage.layer or stage.expression) for stage in stages_of(op, *inputs)]  # type: ignore[arg-type]


class Lowered:
    """The layers of a lowered op in float64, with random weights."""

    def __init__(self, op: Op, inputs: tuple[Axes, ...], *, train: bool = False) -> None:
        self.op, self.inputs = op, inputs
        self.stages = stages_of(op, *inputs)
        self.layers: list[Any] = [
            None if stage.layer is None else eval(text(stage.layer), SCOPE).double()
            for stage in self.stages
        ]
        for layer in self.modules():
            layer.train(train)
            for parameter in layer.parameters():
                torch.nn.init.normal_(parameter)
            if hasattr(layer, "running_var") and layer.running_var is not None:
                torch.nn.init.normal_(layer.running_mean)
                torch.nn.init.uniform_(layer.running_var, 0.5, 1.5)

    def modules(self) -> Iterator[Any]:
        return (layer for layer in self.layers if layer is not None)

    def weights(self) -> dict[str, Array]:
        (main,) = (
            layer for layer, stage in zip(self.layers, self.stages, strict=True) if stage.main
        )
        if main is None:
            return {}
        return {name: value.numpy().copy() for name, value in main.state_dict().items()}

    def __call__(self, *values: Array) -> Array:
        given = [torch.from_numpy(value) for value in values]
        with torch.no_grad():
            for stage, layer in zip(self.stages, self.layers, strict=True):
                names = {f"_{index}": value for index, value in enumerate(given)}
                computed = []
                if stage.expression is not None:
                    computed.append(eval(text(stage.expression), SCOPE, names))
                if layer is not None:
                    computed.append(layer(given[0].clone()))
                assert all(torch.equal(computed[0], other) for other in computed[1:])
                given = computed[:1]
        return given[0].numpy()


def random_input(axes: Axes, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=(BATCH, *axes.sizes))


def check(op: Op, *inputs: Axes) -> None:
    """Shape, number of learned and kept values, and every number."""
    torch.manual_seed(0)
    lowered = Lowered(op, inputs)
    values = [random_input(axes, seed) for seed, axes in enumerate(inputs)]
    kept = [value.copy() for value in values]
    output = lowered(*values)
    assert output.shape == (BATCH, *op.infer(inputs).sizes)
    assert all(np.array_equal(a, b) for a, b in zip(values, kept, strict=True))
    weights = op.weights(inputs)
    learned = sum(p.numel() for layer in lowered.modules() for p in layer.parameters())
    assert learned == sum(weight.elements for weight in weights if weight.learned)
    state = sum(
        value.numel()
        for layer in lowered.modules()
        for name, value in layer.state_dict().items()
        if name.startswith("running")
    )
    assert state == sum(weight.elements for weight in weights if not weight.learned)
    expected = REFERENCES[type(op)](op, lowered.weights(), *values)
    if getattr(op, "activation", None) is not None:
        expected = REFERENCES[type(op.activation)](  # type: ignore[attr-defined]
            op.activation,  # type: ignore[attr-defined]
            {name: value.numpy() for name, value in lowered.layers[-1].state_dict().items()},
            expected,
        )
    np.testing.assert_allclose(output, expected, rtol=1e-9, atol=1e-9)


# The references


def sides(
    padding: str | Amounts,
    sizes: Sequence[int],
    kernels: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> list[tuple[int, int]]:
    """Elements that are added at the begin and end of each axis."""
    if padding == "valid":
        return [(0, 0)] * len(sizes)
    if not isinstance(padding, str):
        return list(pairs_per_axis(padding, len(sizes)))
    found = []
    for n, k, s, d in zip(sizes, kernels, strides, dilations, strict=True):
        wanted = math.ceil(n / s)
        total = max(0, (wanted - 1) * s + (k - 1) * d + 1 - n)
        found.append((total // 2, total - total // 2))
    return found


def windows(
    sizes: Sequence[int],
    pads: Sequence[tuple[int, int]],
    kernels: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    *,
    ceil_mode: bool = False,
) -> tuple[tuple[int, ...], Callable[[tuple[int, ...]], Iterator[tuple[Any, Any]]]]:
    """The number of windows along each axis, and what a window holds: each offset in the kernel
    with the position in the map."""
    counts = []
    for n, (begin, end), k, s, d in zip(sizes, pads, kernels, strides, dilations, strict=True):
        starts = range(-begin, n + end, s)
        if ceil_mode:
            whole = [start for start in starts if start + (k - 1) * d < n + end]
            partial = starts[len(whole) : len(whole) + 1]
            fits = whole and whole[-1] + (k - 1) * d == n + end - 1
            counts.append(len(whole) + sum(start < n for start in partial if not fits))
        else:
            counts.append(sum(start + (k - 1) * d < n + end for start in starts))

    def inside(window: tuple[int, ...]) -> Iterator[tuple[Any, Any]]:
        for offset in product(*map(range, kernels)):
            yield (
                offset,
                tuple(
                    i * s - begin + o * d
                    for i, s, (begin, _), o, d in zip(
                        window, strides, pads, offset, dilations, strict=True
                    )
                ),
            )

    return tuple(counts), inside


def within(position: Sequence[int], sizes: Sequence[int]) -> bool:
    return all(0 <= p < n for p, n in zip(position, sizes, strict=True))


def convolve(op: Any, weights: dict[str, Array], x: Array) -> Array:
    sizes, weight = x.shape[2:], weights["weight"]
    rank = len(sizes)
    geometry = [per_axis(v, rank) for v in (op.kernel_size, op.stride, op.dilation)]
    pads = sides(op.padding, sizes, *geometry)
    counts, inside = windows(sizes, pads, *geometry)
    filters = weight.shape[0]
    groups = x.shape[1] // weight.shape[1]
    y = np.zeros((BATCH, filters, *counts))
    for window in product(*map(range, counts)):
        for offset, position in inside(window):
            if not within(position, sizes):
                continue
            seen = x[(slice(None), slice(None), *position)].reshape(BATCH, groups, -1)
            kernel = weight[(slice(None), slice(None), *offset)].reshape(
                groups, filters // groups, -1
            )
            y[(slice(None), slice(None), *window)] += np.einsum(
                "bgi,gfi->bgf", seen, kernel
            ).reshape(BATCH, filters)
    return plus_bias(y, weights)


def plus_bias(y: Array, weights: dict[str, Array]) -> Array:
    if "bias" not in weights:
        return y
    return y + weights["bias"].reshape(-1, *[1] * (y.ndim - 2))


def convolve_back(op: Any, weights: dict[str, Array], x: Array) -> Array:
    """Each input element lays the kernel down at its place in the output."""
    sizes, weight = x.shape[2:], weights["weight"]
    rank = len(sizes)
    kernels, strides, dilations, extras = (
        per_axis(v, rank) for v in (op.kernel_size, op.stride, op.dilation, op.output_padding)
    )
    if op.padding == "same":
        totals = [
            max(0, (k - 1) * d + 1 - s) for k, s, d in zip(kernels, strides, dilations, strict=True)
        ]
        crops = [(total // 2, total - total // 2) for total in totals]
        outputs = tuple(n * s + e for n, s, e in zip(sizes, strides, extras, strict=True))
    else:
        crops = sides(op.padding, sizes, kernels, strides, dilations)
        outputs = tuple(
            (n - 1) * s + (k - 1) * d + 1 - begin - end + e
            for n, k, s, d, (begin, end), e in zip(
                sizes, kernels, strides, dilations, crops, extras, strict=True
            )
        )
    groups = op.groups
    y = np.zeros((BATCH, op.filters, *outputs))
    for source in product(*map(range, sizes)):
        seen = x[(slice(None), slice(None), *source)].reshape(BATCH, groups, -1)
        for offset in product(*map(range, kernels)):
            position = tuple(
                i * s + o * d - begin
                for i, s, o, d, (begin, _) in zip(
                    source, strides, offset, dilations, crops, strict=True
                )
            )
            if within(position, outputs):
                kernel = weight[(slice(None), slice(None), *offset)].reshape(
                    groups, x.shape[1] // groups, -1
                )
                y[(slice(None), slice(None), *position)] += np.einsum(
                    "bgi,gif->bgf", seen, kernel
                ).reshape(BATCH, op.filters)
    return plus_bias(y, weights)


def pool(op: Any, weights: dict[str, Array], x: Array) -> Array:
    sizes = x.shape[2:]
    rank = len(sizes)
    kernels = per_axis(op.kernel_size, rank)
    strides = kernels if op.stride is None else per_axis(op.stride, rank)
    pads = sides(op.padding, sizes, kernels, strides, [1] * rank)
    counts, inside = windows(sizes, pads, kernels, strides, [1] * rank, ceil_mode=op.ceil_mode)
    padded = [n + end for n, (_, end) in zip(sizes, pads, strict=True)]
    y = np.zeros((*x.shape[:2], *counts))
    for window in product(*map(range, counts)):
        positions = [position for _, position in inside(window)]
        seen = [
            x[(slice(None), slice(None), *position)]
            for position in positions
            if within(position, sizes)
        ]
        if isinstance(op, MaxPool):
            y[(slice(None), slice(None), *window)] = np.max(seen, axis=0)
            continue
        counted = len(seen)
        if op.count_include_pad:
            counted = sum(
                all(p < end for p, end in zip(position, padded, strict=True))
                for position in positions
            )
        y[(slice(None), slice(None), *window)] = np.sum(seen, axis=0) / counted
    return y


def adaptive_pool(op: Any, weights: dict[str, Array], x: Array) -> Array:
    sizes = x.shape[2:]
    outputs = per_axis(op.output_size, len(sizes))
    y = np.zeros((*x.shape[:2], *outputs))
    for window in product(*map(range, outputs)):
        cut = tuple(
            slice(i * n // out, math.ceil((i + 1) * n / out))
            for i, n, out in zip(window, sizes, outputs, strict=True)
        )
        axes = tuple(range(2, x.ndim))
        y[(slice(None), slice(None), *window)] = x[(slice(None), slice(None), *cut)].mean(axis=axes)
    return y


def global_pool(op: Any, weights: dict[str, Array], x: Array) -> Array:
    reduced = np.mean if isinstance(op, GlobalAvgPool) else np.max
    return reduced(x, axis=tuple(range(2, x.ndim)), keepdims=op.keep_dims)


def normalize(x: Array, axes: tuple[int, ...], epsilon: float) -> Array:
    centred = x - x.mean(axis=axes, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=axes, keepdims=True) + epsilon)


def affine(op: Any, weights: dict[str, Array], x: Array, along: int = 1) -> Array:
    shape = [1] * x.ndim
    shape[along] = x.shape[along]
    y = x * weights["weight"].reshape(shape) if "weight" in weights else x
    return y + weights["bias"].reshape(shape) if "bias" in weights else y


def batch_norm(op: Any, weights: dict[str, Array], x: Array) -> Array:
    shape = (-1, *[1] * (x.ndim - 2))
    mean, variance = (weights[name].reshape(shape) for name in ("running_mean", "running_var"))
    return affine(op, weights, (x - mean) / np.sqrt(variance + op.epsilon))


def channel_axis(x: Array, weights: dict[str, Array]) -> int:
    """Axis 1 of maps and vectors, the last of sequences; the tests give these 3 x 4 elements."""
    return -1 if x.shape[1:] == (3, 4) else 1


def layer_norm(op: Any, weights: dict[str, Array], x: Array) -> Array:
    along = channel_axis(x, weights)
    return affine(op, weights, normalize(x, (along,), op.epsilon), along)


def group_norm(op: Any, weights: dict[str, Array], x: Array) -> Array:
    split = x.reshape(BATCH, op.groups, -1)
    return affine(op, weights, normalize(split, (2,), op.epsilon).reshape(x.shape))


def response_norm(op: Any, weights: dict[str, Array], x: Array) -> Array:
    y = np.empty_like(x)
    for channel in range(x.shape[1]):
        near = range(channel - op.size // 2, channel - op.size // 2 + op.size)
        total = sum(x[:, other] ** 2 for other in near if 0 <= other < x.shape[1])
        y[:, channel] = x[:, channel] / (op.k + op.alpha * total) ** op.beta
    return y


def shuffle(op: Any, weights: dict[str, Array], x: Array) -> Array:
    each = x.shape[1] // op.groups
    order = [group * each + index for index in range(each) for group in range(op.groups)]
    return x[:, order]


def radial(op: Any, weights: dict[str, Array], x: Array) -> Array:
    codes = np.array(op.codes, dtype=np.float32).astype(np.float64)
    return np.stack([((x - code) ** 2).sum(axis=1) for code in codes], axis=1)


def upsample(op: Any, weights: dict[str, Array], x: Array) -> Array:
    for axis, scale in enumerate(per_axis(op.scale, x.ndim - 2), start=2):
        size = x.shape[axis]
        planes = []
        for index in range(size * scale):
            if op.mode == "nearest":
                planes.append(x.take(index // scale, axis))
                continue
            place = min(max((index + 0.5) / scale - 0.5, 0), size - 1)
            low = math.floor(place)
            share = place - low
            high = x.take(min(low + 1, size - 1), axis)
            planes.append((1 - share) * x.take(low, axis) + share * high)
        x = np.stack(planes, axis)
    return x


def pad(op: Any, weights: dict[str, Array], x: Array) -> Array:
    amounts = [(0, 0), (0, 0), *pairs_per_axis(op.padding, x.ndim - 2)]
    if op.mode == "reflect":
        return np.pad(x, amounts, mode="reflect")
    return np.pad(x, amounts, constant_values=op.value)


def crop(op: Any, weights: dict[str, Array], x: Array) -> Array:
    pairs = pairs_per_axis(op.cropping, x.ndim - 2)
    cut = (slice(b, n - e) for (b, e), n in zip(pairs, x.shape[2:], strict=True))
    return x[(slice(None), slice(None), *cut)]


def reshape(op: Any, weights: dict[str, Array], x: Array) -> Array:
    names = ("channels", "depth", "length", "height", "width", "tokens", "features")
    sizes = [getattr(op, name) for name in names if getattr(op, name) is not None]
    return x.reshape(BATCH, *sizes)


def permute(op: Any, weights: dict[str, Array], x: Array) -> Array:
    letters = dict(zip(op.order, "bcdef", strict=False))
    names = {
        2: ("features",),
        3: ("tokens", "features"),
        4: ("channels", "height", "width"),
        5: ("channels", "depth", "height", "width"),
    }[x.ndim]
    taken = "".join(letters[name] for name in names)
    return np.einsum(f"a{taken}->a{''.join(letters[name] for name in op.order)}", x)


def dense(op: Any, weights: dict[str, Array], x: Array) -> Array:
    return affine(
        op, {k: v for k, v in weights.items() if k == "bias"}, x @ weights["weight"].T, -1
    )


def softmax(x: Array, weights: dict[str, Array]) -> Array:
    along = channel_axis(x, weights)
    raised = np.exp(x)
    return raised / raised.sum(axis=along, keepdims=True)


def prelu(op: Any, weights: dict[str, Array], x: Array) -> Array:
    shape = [1] * x.ndim
    shape[channel_axis(x, weights)] = -1
    return np.where(x > 0, x, x * weights["weight"].reshape(shape))


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def relu6(x: Array) -> Array:
    return np.minimum(np.maximum(x, 0), 6)


def elu(x: Array, alpha: float) -> Array:
    return np.where(x > 0, x, alpha * (np.exp(x) - 1))


def gelu(x: Array, approximate: str) -> Array:
    if approximate == "tanh":
        return x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return x / 2 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772

REFERENCES: dict[type[Op], Callable[..., Array]] = {
    Conv: convolve,
    DepthwiseConv: convolve,
    ConvTranspose: convolve_back,
    Dense: dense,
    Rbf: radial,
    MaxPool: pool,
    AvgPool: pool,
    AdaptiveAvgPool: adaptive_pool,
    GlobalAvgPool: global_pool,
    GlobalMaxPool: global_pool,
    BatchNorm: batch_norm,
    LayerNorm: layer_norm,
    GroupNorm: group_norm,
    LocalResponseNorm: response_norm,
    activation.Relu: lambda op, w, x: np.maximum(x, 0),
    activation.Relu6: lambda op, w, x: relu6(x),
    activation.LeakyRelu: lambda op, w, x: np.where(x > 0, x, op.slope * x),
    activation.Prelu: prelu,
    activation.Elu: lambda op, w, x: elu(x, op.alpha),
    activation.Selu: lambda op, w, x: SELU_SCALE * elu(x, SELU_ALPHA),
    activation.Gelu: lambda op, w, x: gelu(x, op.approximate),
    activation.Silu: lambda op, w, x: x * sigmoid(x),
    activation.Sigmoid: lambda op, w, x: sigmoid(x),
    activation.HardSigmoid: lambda op, w, x: relu6(x + 3) / 6,
    activation.HardSwish: lambda op, w, x: x * relu6(x + 3) / 6,
    activation.Tanh: lambda op, w, x: np.tanh(x),
    activation.ScaledTanh: lambda op, w, x: 1.7159 * np.tanh(2 * x / 3),
    activation.Softplus: lambda op, w, x: np.log1p(np.exp(x)),
    activation.Softsign: lambda op, w, x: x / (1 + np.abs(x)),
    activation.Softmax: lambda op, w, x: softmax(x, w),
    activation.LogSoftmax: lambda op, w, x: np.log(softmax(x, w)),
    Dropout: lambda op, w, x: x,
    DropPath: lambda op, w, x: x,
    Flatten: lambda op, w, x: x.reshape(BATCH, -1),
    Reshape: reshape,
    Permute: permute,
    Pad: pad,
    Crop: crop,
    Upsample: upsample,
    Select: lambda op, w, x: x[:, list(op.channels)],
    ChannelShuffle: shuffle,
    Scale: lambda op, w, x: affine(op, w, x, channel_axis(x, w)),
    Add: lambda op, w, *x: sum(x),
    Multiply: lambda op, w, *x: math.prod(x),
    Average: lambda op, w, *x: sum(x) / len(x),
    Maximum: lambda op, w, *x: np.max(np.broadcast_arrays(*x), axis=0),
    Concat: lambda op, w, *x: np.concatenate(x, axis=channel_axis(x[0], w)),
}


# The cases

LINE, EVEN, ODD, BOX = (
    feature_map(4, (9,)),
    feature_map(4, (6, 8)),
    feature_map(4, (7, 5)),
    feature_map(4, (3, 4, 5)),
)
VECTOR, TOKENS = vector(12), sequence(3, 4)
MAPS = (LINE, EVEN, ODD, BOX)

WindowSize = int | tuple[int, ...]
Case = tuple[Op, tuple[Axes, ...]]


def possible(ops: Sequence[Op], *inputs: Axes) -> list[Case]:
    """The ops that take the inputs."""
    found: list[Case] = []
    for op in ops:
        try:
            op.infer(inputs)
        except ShapeError:
            continue
        found.append((op, inputs))
    return found


PADDINGS: tuple[str | Amounts, ...] = ("valid", "same", 1, ((0, 1), (0, 1)), ((1, 0), (2, 1)))


def convolutions() -> list[Case]:
    cases = []
    kernels: tuple[WindowSize, ...] = (1, 2, 3, 4, (3, 1))
    for kernel, stride, padding in product(kernels, (1, 2, 3), PADDINGS):
        op = Conv(filters=4, kernel_size=kernel, stride=stride, padding=padding)
        cases += possible([op], EVEN) + possible([op], ODD)
    dilated = [
        Conv(filters=4, kernel_size=3, stride=stride, padding=padding, dilation=(1, 2), groups=2)
        for stride, padding in product((1, 2), PADDINGS)
    ]
    grouped = [
        DepthwiseConv(kernel_size=kernel, multiplier=multiplier, padding="same", stride=stride)
        for kernel, multiplier, stride in product((2, 3), (1, 2), (1, 2))
    ]
    for x in MAPS:
        cases += possible([*dilated, *grouped], x)
        cases += possible([Conv(filters=6, kernel_size=2, padding="same", bias=False)], x)
    return cases


def transposed() -> list[Case]:
    cases = []
    extras: tuple[WindowSize, ...] = (0, 1, (0, 3))
    for kernel, stride, padding, extra in product(
        (1, 2, 3, 4, 5), (1, 2, 4), (*PADDINGS, ((3, 0), (0, 3))), extras
    ):
        op = ConvTranspose(
            filters=2,
            kernel_size=kernel,
            stride=stride,
            padding=padding,
            output_padding=extra,
            groups=2,
        )
        cases += possible([op], feature_map(4, (3, 2)))
    dilated = [
        ConvTranspose(
            filters=3, kernel_size=2, stride=stride, dilation=2, padding="same", bias=bias
        )
        for stride, bias in product((1, 2), (True, False))
    ]
    for x in MAPS:
        cases += possible(dilated, x)
    return cases


def pools() -> list[Case]:
    cases = []
    kernels: tuple[WindowSize, ...] = (1, 2, 3, 4, (3, 2))
    for kernel, stride, padding, ceil in product(
        kernels, (None, 1, 2, 3, 5), (*PADDINGS, 2), (False, True)
    ):
        ops = [
            MaxPool(kernel_size=kernel, stride=stride, padding=padding, ceil_mode=ceil),
            *(
                AvgPool(
                    kernel_size=kernel,
                    stride=stride,
                    padding=padding,
                    ceil_mode=ceil,
                    count_include_pad=counted,
                )
                for counted in (False, True)
            ),
        ]
        cases += possible(ops, EVEN) + possible(ops, ODD)
    sized = [
        kind(kernel_size=3, stride=2, padding=padding, ceil_mode=ceil)
        for kind, padding, ceil in product((MaxPool, AvgPool), ("same", 1, 2), (False, True))
    ]
    return cases + possible(sized, LINE) + possible(sized, BOX)


def others() -> list[Case]:
    everywhere: list[Op] = [
        *(kind() for kind in activation.OPS),
        activation.LeakyRelu(slope=0.2),
        activation.Elu(alpha=0.5),
        activation.Gelu(approximate="tanh"),
        activation.Prelu(slope=0.5),
        LayerNorm(),
        LayerNorm(epsilon=0.5),
        Scale(),
        Scale(bias=True, initial=0.5),
        Dropout(rate=0.5),
        DropPath(rate=0.5),
        Flatten(),
        Dense(units=3),
        Dense(units=4, bias=False),
        *(Dense(units=4, activation=kind()) for kind in activation.OPS),
        BatchNorm(),
        BatchNorm(epsilon=0.5, affine=False),
        GroupNorm(groups=2),
        GroupNorm(groups=1, epsilon=0.5),
        *(LocalResponseNorm(size=size, alpha=0.5, k=1.5) for size in (1, 2, 3, 4, 5)),
        LocalResponseNorm(),
        GlobalAvgPool(),
        GlobalAvgPool(keep_dims=True),
        GlobalMaxPool(),
        GlobalMaxPool(keep_dims=True),
        *(AdaptiveAvgPool(output_size=size) for size in (1, 2, 3, 7, (2, 3), (7, 1))),
        *(Upsample(scale=scale, mode=mode) for scale in (1, 2, 3, (2, 3)) for mode in MODES),
        *(Pad(padding=amount, value=value) for amount in AMOUNTS for value in (0.0, 1.5)),
        *(Pad(padding=amount, mode="reflect") for amount in AMOUNTS),
        *(Crop(cropping=amount) for amount in AMOUNTS),
        Select(channels=(0, 1)),
        Select(channels=(2,)),
        Select(channels=(3, 1, 1)),
        ChannelShuffle(groups=2),
        ChannelShuffle(groups=4),
        Permute(order=("channels", "width", "height")),
        Permute(order=("width", "depth", "channels", "height")),
        Permute(order=("features", "tokens")),
        Permute(order=("features",)),
        Reshape(features=12),
        Reshape(tokens=6, features=2),
        Reshape(channels=3, height=2, width=2),
        Reshape(channels=2, length=6),
        Reshape(channels=4, height=8, width=6),
        Reshape(channels=6, depth=2, height=4, width=4),
        Rbf(
            codes=tuple(
                tuple(1.0 if (3 * n + m) % 5 else -1.0 for m in range(12)) for n in range(3)
            )
        ),
        Rbf(codes=tuple(tuple((n + m) / 8 for m in range(12)) for n in range(2))),
    ]
    cases = [case for x in (*MAPS, VECTOR, TOKENS) for case in possible(everywhere, x)]
    merges = [Add(), Multiply(), Average(), Maximum(), Concat()]
    for x in (*MAPS, VECTOR, TOKENS):
        cases += possible(merges, x, x) + possible(merges, x, x, x)
    narrow = EVEN.with_spatial((1, 1))
    cases += possible(merges, EVEN, narrow) + possible(merges, EVEN.with_spatial((1, 8)), EVEN)
    cases += possible([Concat()], EVEN, EVEN.with_width(3))
    wide = vector(130)
    cases += possible(
        [
            Rbf(
                codes=tuple(
                    tuple(float((-1) ** (n + m // 7)) for m in range(130)) for n in range(3)
                )
            )
        ],
        wide,
    )
    for kind, x in product(activation.OPS, MAPS):
        cases += possible([Conv(filters=3, kernel_size=1, activation=kind())], x)
    cases += possible(
        [
            DepthwiseConv(kernel_size=2, multiplier=2, activation=activation.Prelu()),
            ConvTranspose(
                filters=2, kernel_size=3, stride=2, padding="same", activation=activation.Relu()
            ),
        ],
        ODD,
    )
    return cases


MODES = ("nearest", "linear")
AMOUNTS: tuple[Amounts, ...] = (0, 1, (1, 2), ((0, 1), (2, 0)), (1, 0, 1))


def by_op() -> dict[str, list[Case]]:
    """All cases, by the op and the kind of its input."""
    found: dict[str, list[Case]] = {}
    for op, inputs in (*convolutions(), *transposed(), *pools(), *others()):
        found.setdefault(f"{op.name}-{'x'.join(map(str, inputs[0].sizes))}", []).append(
            (op, inputs)
        )
    return found


CASES = by_op()


@pytest.mark.parametrize("name", CASES)
def test_computes_what_the_op_means(name: str) -> None:
    for op, inputs in CASES[name]:
        try:
            check(op, *inputs)
        except Exception as fault:
            fault.add_note(f"{op} on {', '.join(map(str, inputs))}: {written(op, *inputs)}")
            raise


def test_every_op_is_lowered_or_refused_and_computed_here() -> None:
    assert not LOWERINGS.keys() & REFUSED.keys()
    assert LOWERINGS.keys() | REFUSED.keys() == {*OPS.values(), Rearrange}
    assert {type(op) for cases in CASES.values() for op, _ in cases} == {*OPS.values()}
    assert all(REFUSED.values())


# The text


@pytest.mark.parametrize(
    ("op", "x", "lines"),
    [
        (
            Conv(filters=64, kernel_size=3, stride=2, padding=1, bias=False),
            feature_map(3, (32, 32)),
            ["nn.Conv2d(3, 64, kernel_size=3, stride=2, padding=1, bias=False)"],
        ),
        (
            Conv(filters=8, kernel_size=(3, 5), padding="same", activation=activation.Relu()),
            EVEN,
            ["nn.Conv2d(4, 8, kernel_size=(3, 5), padding=(1, 2))", "nn.ReLU(inplace=True)"],
        ),
        (
            Conv(filters=8, kernel_size=3, stride=2, padding="same"),
            feature_map(4, (6, 7)),
            ["nn.ZeroPad2d((1, 1, 0, 1))", "nn.Conv2d(4, 8, kernel_size=3, stride=2)"],
        ),
        (
            Conv(filters=8, kernel_size=(2, 3), padding="same"),
            EVEN,
            ['nn.Conv2d(4, 8, kernel_size=(2, 3), padding="same")'],
        ),
        (
            Conv(filters=8, kernel_size=2, padding=((1, 0), (0, 1))),
            EVEN,
            ["nn.ZeroPad2d((0, 1, 1, 0))", "nn.Conv2d(4, 8, kernel_size=2)"],
        ),
        (
            DepthwiseConv(kernel_size=3, padding="same", dilation=2),
            LINE,
            ["nn.Conv1d(4, 4, kernel_size=3, padding=2, dilation=2, groups=4)"],
        ),
        (
            ConvTranspose(filters=2, kernel_size=4, stride=2, padding="same"),
            EVEN,
            ["nn.ConvTranspose2d(4, 2, kernel_size=4, stride=2, padding=1)"],
        ),
        (
            ConvTranspose(filters=2, kernel_size=3, stride=2, padding="same"),
            EVEN,
            ["nn.ConvTranspose2d(4, 2, kernel_size=3, stride=2)", "nn.ZeroPad2d((0, -1, 0, -1))"],
        ),
        (
            ConvTranspose(filters=2, kernel_size=1, stride=3, padding="same", output_padding=1),
            LINE,
            [
                "nn.ZeroPad1d((0, 1))",
                "nn.ConvTranspose1d(4, 2, kernel_size=1, stride=3)",
            ],
        ),
        (
            ConvTranspose(filters=2, kernel_size=2, dilation=2, output_padding=1),
            LINE,
            ["nn.ConvTranspose1d(4, 2, kernel_size=2, output_padding=1, dilation=2)"],
        ),
        (
            MaxPool(kernel_size=2, padding=1, ceil_mode=True),
            ODD,
            ["nn.MaxPool2d(kernel_size=2, padding=1, ceil_mode=True)"],
        ),
        (MaxPool(kernel_size=2), EVEN, ["nn.MaxPool2d(kernel_size=2)"]),
        (MaxPool(kernel_size=3, stride=2), EVEN, ["nn.MaxPool2d(kernel_size=3, stride=2)"]),
        (
            MaxPool(kernel_size=3, stride=2, padding="same"),
            EVEN,
            ["nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)"],
        ),
        (
            MaxPool(kernel_size=2, stride=1, padding=((1, 0), (1, 0))),
            EVEN,
            [
                'nn.ConstantPad2d((1, 0, 1, 0), float("-inf"))',
                "nn.MaxPool2d(kernel_size=2, stride=1)",
            ],
        ),
        (AvgPool(kernel_size=2), EVEN, ["nn.AvgPool2d(kernel_size=2)"]),
        (
            AvgPool(kernel_size=3, stride=1, padding="same"),
            BOX,
            ["nn.AvgPool3d(kernel_size=3, stride=1, padding=1, count_include_pad=False)"],
        ),
        (
            AvgPool(kernel_size=2, stride=1, padding=((1, 0), (1, 0))),
            EVEN,
            ["PaddedAvgPool(kernel_size=2, stride=1, padding=(1, 0, 1, 0))"],
        ),
        (GlobalAvgPool(), EVEN, ["nn.AdaptiveAvgPool2d(1)", "nn.Flatten()"]),
        (BatchNorm(), EVEN, ["nn.BatchNorm2d(4)"]),
        (
            BatchNorm(momentum=0.99, epsilon=1e-3),
            VECTOR,
            ["nn.BatchNorm1d(12, eps=0.001, momentum=0.01)"],
        ),
        (LayerNorm(), TOKENS, ["nn.LayerNorm(4)"]),
        (LayerNorm(epsilon=1e-6), EVEN, ["ChannelLayerNorm(4, eps=1e-6)"]),
        (
            LocalResponseNorm(),
            EVEN,
            ["nn.LocalResponseNorm(5, alpha=0.0005, k=2.0)"],
        ),
        (activation.Relu(), EVEN, ["nn.ReLU()"]),
        (activation.LeakyRelu(slope=0.2), EVEN, ["nn.LeakyReLU(negative_slope=0.2)"]),
        (activation.Prelu(), TOKENS, ["FeaturePReLU(4)"]),
        (activation.Softmax(), EVEN, ["nn.Softmax(dim=1)"]),
        (activation.LogSoftmax(), TOKENS, ["nn.LogSoftmax(dim=-1)"]),
        (Dense(units=10, bias=False), VECTOR, ["nn.Linear(12, 10, bias=False)"]),
        (Dropout(rate=0.5), VECTOR, ["nn.Dropout(0.5)"]),
        (Scale(bias=True), EVEN, ["ChannelScale(4, spatial_axes=2, bias=True)"]),
        (Pad(padding=((1, 2), (3, 4))), EVEN, ["nn.ZeroPad2d((3, 4, 1, 2))"]),
        (Pad(padding=1, value=0.5), EVEN, ["nn.ConstantPad2d(1, 0.5)"]),
        (Pad(padding=1, mode="reflect"), EVEN, ["nn.ReflectionPad2d(1)"]),
        (Crop(cropping=1), EVEN, ["nn.ZeroPad2d(-1)"]),
        (Upsample(scale=2, mode="linear"), EVEN, ['nn.Upsample(scale_factor=2, mode="bilinear")']),
        (Select(channels=(1, 2, 3)), EVEN, ["_0[:, 1:4]"]),
        (Select(channels=(3, 1, 1)), EVEN, ["_0[:, [3, 1, 1]]"]),
        (Permute(order=("channels", "width", "height")), EVEN, ["_0.transpose(2, 3)"]),
        (Reshape(channels=3, height=2, width=2), VECTOR, ["nn.Unflatten(1, (3, 2, 2))"]),
        (
            Rbf(codes=((1.0,) * 7 + (-1.0,) * 5,)),
            VECTOR,
            ['RadialBasis(12, ("#######.....",))'],
        ),
        (Rbf(codes=((0.5, 2.0),)), vector(2), ["RadialBasis(2, ((0.5, 2.0),))"]),
    ],
    ids=lambda value: value.name if isinstance(value, Op) else None,
)
def test_is_written_as_people_write_it(op: Op, x: Axes, lines: list[str]) -> None:
    assert written(op, x) == lines


@pytest.mark.parametrize(
    ("op", "inputs", "expected"),
    [
        (Add(), (EVEN, EVEN), "_0 + _1"),
        (Multiply(), (EVEN, EVEN, EVEN), "_0 * _1 * _2"),
        (Average(), (EVEN, EVEN), "(_0 + _1) / 2"),
        (Maximum(), (EVEN, EVEN, EVEN), "torch.maximum(torch.maximum(_0, _1), _2)"),
        (Concat(), (EVEN, EVEN), "torch.cat([_0, _1], dim=1)"),
        (Concat(), (TOKENS, TOKENS), "torch.cat([_0, _1], dim=-1)"),
        (Crop(cropping=((0, 1), (2, 3))), (EVEN,), "_0[:, :, :-1, 2:-3]"),
        (Flatten(), (EVEN,), "torch.flatten(_0, 1)"),
        (Reshape(tokens=2, features=6), (VECTOR,), "_0.unflatten(1, (2, 6))"),
    ],
    ids=lambda value: value.name if isinstance(value, Op) else "",
)
def test_expression(op: Op, inputs: tuple[Axes, ...], expected: str) -> None:
    (stage,) = stages_of(op, *inputs)
    assert stage.expression is not None
    assert text(stage.expression) == expected


def test_a_long_code_is_broken_into_lines_that_fit() -> None:
    codes = tuple(tuple(1.0 if n == m else -1.0 for m in range(84)) for n in range(2))
    (line,) = written(Rbf(codes=codes), vector(84))
    rows = [row.strip() for row in line.splitlines() if '"' in row]
    assert rows == [f'"#{"." * 41}",', f'"{"." * 42}",', f'".#{"." * 40}",', f'"{"." * 42}",']


def test_a_thousand_branches_make_no_deep_tree() -> None:
    x = vector(2)
    (stage,) = stages_of(Add(), *[x] * 1000)
    assert stage.expression is not None
    names = {f"_{index}": index for index in range(1000)}
    assert eval(text(stage.expression), SCOPE, names) == sum(range(1000))


def literals(op: Op, x: Axes, label: str) -> list[tuple[object, str | None]]:
    (stage,) = (stage for stage in stages_of(op, x) if stage.label == label)
    assert stage.layer is not None
    return [(node.value, node.field) for node in walk(stage.layer) if isinstance(node, Lit)]


def test_literals_know_the_field_that_fills_them() -> None:
    op = Conv(filters=8, kernel_size=3, padding="same", activation=activation.Prelu(slope=0.5))
    assert literals(op, EVEN, "conv") == [
        (4, INCOMING),
        (8, "filters"),
        (3, "kernel_size"),
        (1, "stride"),
        (1, "padding"),
        (1, "dilation"),
        (1, "groups"),
        (True, "bias"),
    ]
    assert literals(op, EVEN, "prelu") == [(8, "filters"), (0.5, None)]
    depthwise = literals(DepthwiseConv(kernel_size=3), EVEN, "depthwise_conv")
    assert depthwise[:2] == [(4, INCOMING), (4, INCOMING)]
    assert (4, INCOMING) in depthwise[2:]
    wide = DepthwiseConv(kernel_size=3, multiplier=2, activation=activation.Prelu())
    assert literals(wide, EVEN, "depthwise_conv")[1] == (8, "filters")
    assert literals(wide, EVEN, "prelu")[0] == (8, "filters")
    assert literals(BatchNorm(), EVEN, "batch_norm")[0] == (4, INCOMING)
    assert literals(activation.Prelu(), EVEN, "prelu") == [(4, INCOMING), (0.25, "slope")]


@pytest.mark.parametrize("name", CASES)
def test_one_stage_is_the_op_itself(name: str) -> None:
    """The main stage has the op's weights, but for those of a fused activation."""
    for op, inputs in CASES[name]:
        stages = stages_of(op, *inputs)
        (main,) = (stage for stage in stages if stage.main)
        assert main.label == op.name
        assert all(stage.label and (stage.layer or stage.expression) for stage in stages)
        fused = getattr(op, "activation", None)
        own = op.weights(inputs) if fused is None else replace(op, activation=None).weights(inputs)  # type: ignore[call-arg]
        assert main.weighted == (bool(own) or isinstance(op, Rbf))
        if fused is not None:
            assert stages[-1].label == fused.name
            assert stages[-1].weighted == isinstance(fused, activation.Prelu)


# Initial values and training


FAN_IN, FAN_OUT = 32 * 9, 64 * 9
DEVIATIONS = {
    "glorot": math.sqrt(2 / (FAN_IN + FAN_OUT)),
    "he": math.sqrt(2 / FAN_IN),
    "lecun": math.sqrt(1 / FAN_IN),
}


def initialized(initializer: Initializer | None) -> Array:
    op = Conv(filters=64, kernel_size=3, initializer=initializer)
    (stage,) = stages_of(op, feature_map(32, (8, 8)))
    assert stage.layer is not None
    torch.manual_seed(0)
    layer = eval(text(stage.layer), SCOPE)
    if stage.initialize is not None:
        eval(text(stage.initialize), SCOPE, {"_0": layer})
    return layer.weight.detach().numpy().astype(np.float64)


@pytest.mark.parametrize("name", [name for name in NAMES if "_" in name])
def test_initial_weights_have_the_named_distribution(name: str) -> None:
    family, distribution = name.split("_")
    weight, deviation = initialized(Initializer(name)), DEVIATIONS[family]
    assert abs(weight.mean()) < 0.05 * deviation
    assert weight.std() == pytest.approx(deviation, rel=0.02)
    if distribution == "uniform":
        assert np.abs(weight).max() == pytest.approx(math.sqrt(3) * deviation, rel=0.01)
    else:
        assert np.abs(weight).max() > 3 * deviation


def test_other_initial_weights() -> None:
    assert not initialized(Initializer("zeros")).any()
    rows = initialized(Initializer("orthogonal")).reshape(64, -1)
    np.testing.assert_allclose(rows @ rows.T, np.eye(64), atol=1e-5)
    assert initialized(Initializer("normal", 0.5)).std() == pytest.approx(0.5, rel=0.02)
    assert np.abs(initialized(Initializer("uniform", 0.5))).max() == pytest.approx(0.5, rel=0.01)
    assert (initialized(Initializer("constant", 0.25)) == 0.25).all()
    own = torch.nn.Conv2d(32, 64, 3).weight.detach()
    assert initialized(None).std() == pytest.approx(float(own.std()), rel=0.02)


@pytest.mark.parametrize("kind", activation.OPS)
def test_a_fused_activation_trains_and_one_alone_keeps_its_input(kind: type[Op]) -> None:
    op = Conv(filters=3, kernel_size=1, activation=kind())  # type: ignore[arg-type]
    small = feature_map(4, (2, 2))
    conv, act = Lowered(op, (small,), train=True).layers
    x = torch.from_numpy(random_input(small)).requires_grad_()
    assert torch.autograd.gradcheck(lambda value: act(conv(value)), x)
    (alone,) = stages_of(kind(), EVEN)
    assert alone.layer is not None
    assert "inplace" not in text(alone.layer)


@pytest.mark.parametrize("act", [activation.LeakyRelu(slope=-0.5), activation.Elu(alpha=-0.5)])
def test_a_negative_factor_is_not_applied_in_place(act: activation.Activation) -> None:
    conv, layer = Lowered(Conv(filters=3, kernel_size=1, activation=act), (EVEN,)).layers
    x = torch.from_numpy(random_input(EVEN)).requires_grad_()
    assert torch.autograd.gradcheck(lambda value: layer(conv(value)), x)


def test_batch_norm_keeps_the_share_that_momentum_says() -> None:
    (layer,) = Lowered(BatchNorm(momentum=0.75), (EVEN,), train=True).layers
    before, x = layer.running_mean.numpy().copy(), random_input(EVEN)
    layer(torch.from_numpy(x))
    after = 0.75 * before + 0.25 * x.mean(axis=(0, 2, 3))
    np.testing.assert_allclose(layer.running_mean.numpy(), after, rtol=1e-12)


def test_drop_path_drops_whole_samples_and_scales_the_rest() -> None:
    layer = SCOPE["DropPath"](0.75).train()
    torch.manual_seed(0)
    y = layer(torch.ones(4000, 2, 3)).flatten(1)
    assert set(y.unique().tolist()) == {0.0, 4.0}
    assert torch.equal(y.amin(1), y.amax(1))
    assert float(y.mean()) == pytest.approx(1, abs=0.1)


def test_dropout_drops_the_share_that_rate_says() -> None:
    (layer,) = Lowered(Dropout(rate=0.75), (VECTOR,), train=True).layers
    y = layer(torch.ones(4000, 12))
    assert float((y == 0).double().mean()) == pytest.approx(0.75, abs=0.02)


def test_initial_values_of_learned_coefficients() -> None:
    (slopes,) = stages_of(activation.Prelu(slope=0.5), TOKENS)
    (scale,) = stages_of(Scale(bias=True, initial=0.5), EVEN)
    assert slopes.layer is not None
    assert scale.layer is not None
    assert eval(text(slopes.layer), SCOPE).weight.tolist() == [0.5] * 4
    made = eval(text(scale.layer), SCOPE)
    assert (made.weight.tolist(), made.bias.tolist()) == ([0.5] * 4, [0.0] * 4)


def test_groups_of_one_value_are_refused() -> None:
    with pytest.raises(Refusal, match="single value") as refused:
        stages_of(GroupNorm(groups=12), VECTOR)
    assert refused.value.field == "groups"


# The helper classes


def test_codes_move_with_the_module_and_are_not_saved() -> None:
    layer = SCOPE["RadialBasis"](2, ("#.", "##"))
    assert layer.double().codes.dtype == torch.float64
    assert not layer.state_dict()


def test_helpers_are_all_that_the_folder_holds() -> None:
    folder = Path(lowering.__file__).parent / "helpers"
    assert sorted(file.name for file in folder.glob("*.py")) == sorted(HELPERS.values())
    for name in HELPERS:
        imports, source = helper_source(name)
        assert source.startswith(f"class {name}(nn.")
        assert all(line.startswith(("import torch", "from torch")) for line in imports)
        assert "archc" not in source


@pytest.mark.parametrize(
    "command", [["check", "--select=ALL", "--ignore=D,CPY,INP001"], ["format", "--check"]]
)
def test_helpers_are_clean(command: list[str]) -> None:
    folder = Path(lowering.__file__).parent / "helpers"
    verb, *options = command
    done = subprocess.run(
        [sys.executable, "-m", "ruff", verb, "--isolated", "--no-cache", *options, str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
