"""Attention within windows in Keras, which has no layer for it."""

from __future__ import annotations

from archc.backends.base import LoweredLayer, LoweringContext
from archc.backends.constructors import layer, option
from archc.codegen.tree import Lit
from archc.ops.attention import WindowAttention

_PARTS = ("query", "key", "value", "output", "distance", "head")
VARIABLES = {
    **{f"{part}_weight": f"{part}/kernel" for part in _PARTS},
    **{f"{part}_bias": f"{part}/bias" for part in _PARTS},
    "logit_scale": "logit_scale",
    "bias_table": "bias_table",
}


def lower_window_attention(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op = context.op
    assert isinstance(op, WindowAttention)
    constructor = layer(
        "WindowAttention",
        Lit(op.heads, "heads"),
        Lit(op.window, "window"),
        keywords=[
            option("shift", op.shift, 0, "shift"),
            option("grid", op.grid, False, "grid"),
            option("relative_bias", op.relative_bias, "table", "relative_bias"),
            option("cosine", op.cosine, False, "cosine"),
        ],
    )
    return (LoweredLayer(constructor, label=op.name, main=True, variables=VARIABLES),)
