"""All ops by name. An op of a new family is added here; one of a known family in its module."""

from __future__ import annotations

from archc.ops import (
    activation,
    convolution,
    dense,
    merge,
    normalization,
    parameter,
    pooling,
    regularization,
    shape,
)
from archc.ops.base import Op

FAMILIES: dict[str, tuple[type[Op], ...]] = {
    "convolution": convolution.OPS,
    "dense": dense.OPS,
    "pooling": pooling.OPS,
    "normalisation": normalization.OPS,
    "activation": activation.OPS,
    "regularisation": regularization.OPS,
    "shape": shape.OPS,
    "parameters": parameter.OPS,
    "merge": merge.OPS,
}

OPS: dict[str, type[Op]] = {op.name: op for ops in FAMILIES.values() for op in ops}
"""Every op, by the name that a spec uses."""

MERGES = frozenset(op.name for op in merge.OPS)
"""The ops that take a list of branches."""
