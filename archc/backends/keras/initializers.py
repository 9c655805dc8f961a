"""The initial values of a kernel as Keras writes them.

Keras' own `he_normal` and its like are truncated, so normals are written out. A kernel of
`DepthwiseConv2D` counts its fans over all channels, so its distributions are written as numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod, sqrt

from archc.backends.constructors import layer, option
from archc.codegen.tree import Expr, Keyword, Lit, call
from archc.ops.initializer import Initializer

_SCALES = {"glorot": (1.0, "fan_avg"), "he": (2.0, "fan_in"), "lecun": (1.0, "fan_in")}
"""Variance times fan of each family, and which fan."""


def kernel_initializer(initializer: Initializer | None) -> Keyword:
    """The `kernel_initializer` argument; Keras' default is the one of Glorot & Bengio."""
    return Keyword("kernel_initializer", _written(initializer), Lit("glorot_uniform"))


def depthwise_initializer(
    initializer: Initializer | None, kernel: Sequence[int], filters: int
) -> Keyword:
    """The `depthwise_initializer` argument, for a kernel of `filters` filters of one channel."""
    written = _written(initializer)
    if initializer is not None and "_" in initializer.name:
        family, distribution = initializer.name.split("_")
        scale, fan = _SCALES[family]
        taps = prod(kernel)
        variance = scale / (taps if fan == "fan_in" else (taps + filters * taps) / 2)
        written = (
            _normal(sqrt(variance)) if distribution == "normal" else _uniform(sqrt(3 * variance))
        )
    return Keyword("depthwise_initializer", written, Lit("glorot_uniform"))


def _normal(deviation: float) -> Expr:
    return call("keras.initializers.RandomNormal", stddev=deviation)


def _uniform(limit: float) -> Expr:
    return call("keras.initializers.RandomUniform", -limit, limit)


def _written(initializer: Initializer | None) -> Expr:
    if initializer is None:
        return Lit("glorot_uniform")
    name, value = initializer
    if value is not None:
        match name:
            case "normal":
                return _normal(value)
            case "uniform":
                return _uniform(value)
            case _:
                return call("keras.initializers.Constant", value)
    if not name.endswith("_normal"):
        return Lit(name)
    scale, fan = _SCALES[name.removesuffix("_normal")]
    return layer(
        "keras.initializers.VarianceScaling",
        keywords=[
            option("scale", scale, 1.0),
            option("mode", fan, "fan_in"),
            option("distribution", "untruncated_normal", "truncated_normal"),
        ],
    )
