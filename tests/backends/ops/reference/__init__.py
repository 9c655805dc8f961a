"""What every op means, in NumPy and float64: written from the reference of the spec language and
from the papers that it names, with nothing of archc's or of a framework's.

A meaning is a function of the op's arrays (canonical layout, by their names), its inputs and its
fields; the defaults of the fields stand in its signature.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.backends.ops.reference import (
    activation,
    arrangement,
    attention,
    convolution,
    dense,
    merge,
    normalization,
    parameter,
    pooling,
    recurrence,
    shape,
)
from tests.backends.ops.reference.tensor import Arrays, Tensor

MEANINGS: Mapping[str, Callable[..., Tensor]] = {
    **convolution.MEANINGS,
    **dense.MEANINGS,
    **pooling.MEANINGS,
    **normalization.MEANINGS,
    **activation.MEANINGS,
    **shape.MEANINGS,
    **arrangement.MEANINGS,
    **parameter.MEANINGS,
    **attention.MEANINGS,
    **recurrence.MEANINGS,
    **merge.MEANINGS,
}


def compute(op: str, fields: Mapping[str, Any], arrays: Arrays, *inputs: Tensor) -> Tensor:
    """The output of an op. An activation among the fields is applied to the result."""
    own = {name: value for name, value in fields.items() if name != "activation"}
    result = MEANINGS[op](arrays, *inputs, **own)
    activation = fields.get("activation", "none")
    if activation == "none":
        return result
    ((name, options),) = activation.items() if isinstance(activation, dict) else [(activation, {})]
    return MEANINGS[name](arrays, result, **options)
