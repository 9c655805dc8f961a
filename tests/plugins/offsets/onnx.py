"""The op in ONNX: a sum."""

from __future__ import annotations

from archc.backends.base import LoweredLayer, LoweringContext
from archc.backends.extensions import Extension
from archc.backends.onnx.operators import X, lowered, op, per_channel
from offsets.ops import Offset


def lower_offset(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    return lowered(context, op("Add", X, per_channel("offset", context.rank)))


EXTENSION = Extension(lowerings={Offset: lower_offset})
