"""Attention within windows in Keras, which has no layer for it: one class for the usual form, one
for all."""

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
    usual = op.relative_bias == "table" and not op.cosine
    general = (
        option("relative_bias", op.relative_bias, "table", "relative_bias"),
        option("cosine", op.cosine, False, "cosine"),
    )
    constructor = layer(
        "WindowAttention" if usual else "GeneralWindowAttention",
        Lit(op.heads, "heads"),
        Lit(op.window, "window"),
        keywords=[
            option("shift", op.shift, 0, "shift"),
            option("grid", op.grid, False, "grid"),
            *(() if usual else general),
        ],
    )
    return (LoweredLayer(constructor, label=op.name, main=True, variables=VARIABLES),)
