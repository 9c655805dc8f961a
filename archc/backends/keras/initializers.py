"""The initial values of a kernel as Keras writes them.

Keras' own `he_normal` and its like are truncated, so normals are written out. A kernel of
`DepthwiseConv2D` counts its fans over all channels, so its distributions are written as numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

from archc.backends.constructors import layer, option
from archc.codegen.tree import Expr, Keyword, Lit, call
from archc.ops.initializer import FAMILIES, Initializer, explicit


def kernel_initializer(initializer: Initializer | None) -> Keyword:
    """The `kernel_initializer` argument; Keras' default is the one of Glorot & Bengio."""
    return Keyword("kernel_initializer", _written(initializer), Lit("glorot_uniform"))


def depthwise_initializer(
    initializer: Initializer | None, kernel: Sequence[int], filters: int
) -> Keyword:
    """The `depthwise_initializer` argument, for a kernel of `filters` filters of one channel."""
    if initializer is not None and "_" in initializer.name:
        initializer = explicit(initializer, (filters, 1, *kernel))
    return Keyword("depthwise_initializer", _written(initializer), Lit("glorot_uniform"))


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
    scale, fan = FAMILIES[name.removesuffix("_normal")]
    return layer(
        "keras.initializers.VarianceScaling",
        keywords=[
            option("scale", scale, 1.0),
            option("mode", fan, "fan_in"),
            option("distribution", "untruncated_normal", "truncated_normal"),
        ],
    )
