"""Attention in PyTorch: a class around `scaled_dot_product_attention`."""

from __future__ import annotations

from archc.backends.attention import CROSS, SELF
from archc.backends.base import LoweredLayer, LoweringContext, width_field
from archc.backends.constructors import layer, option
from archc.backends.torch.attention_class import OPTIONS
from archc.backends.torch.layers import incoming
from archc.codegen.tree import Lit, Value
from archc.ops.attention import Attention

VARIABLES = {
    **{
        f"{part}_{name}": f"{part}.{name}"
        for part in ("query", "key", "value", "output")
        for name in ("weight", "bias")
    },
    "query_norm": "query_norm.weight",
    "key_norm": "key_norm.weight",
}


def lower_attention(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op = context.op
    assert isinstance(op, Attention)
    x, memory = context.inputs[0], context.inputs[-1]
    own: dict[str, Value] = {
        "key_heads": None if op.key_heads == op.heads else op.key_heads,
        "head_size": None if op.size_of_head(x) * op.heads == x.width else op.head_size,
        "memory_features": None if memory.width == x.width else memory.width,
        "rotary_share": op.rotary_share if op.rotary else 1.0,
    }
    fields = {"memory_features": width_field(len(context.inputs) - 1)}
    keywords = []
    for name, declared in OPTIONS.items():
        value = own[name] if name in own else getattr(op, name)
        keywords.append(option(name, value, declared.default, fields.get(name, name)))
    constructor = layer(
        CROSS if len(context.inputs) > 1 else SELF,
        incoming(x),
        Lit(op.heads, "heads"),
        keywords=keywords,
    )
    return (LoweredLayer(constructor, label=op.name, main=True, variables=VARIABLES),)
