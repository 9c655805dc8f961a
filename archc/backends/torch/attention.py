"""Attention in PyTorch: a class around `scaled_dot_product_attention`, the smallest that does."""

from __future__ import annotations

from archc.backends.base import LoweredLayer, LoweringContext, width_field
from archc.backends.constructors import layer, option
from archc.backends.torch.layers import incoming
from archc.codegen.tree import Keyword, Lit
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
    key_heads = None if op.key_heads == op.heads else op.key_heads
    head_size = None if op.size_of_head(x) * op.heads == x.width else op.head_size
    memory_features = None if memory.width == x.width else memory.width
    key_bias = None if op.adds_bias("key") == op.bias else op.key_bias
    output_bias = None if op.adds_bias("output") == op.bias else op.output_bias
    general = op.qk_norm or op.window is not None or op.rotary is not None
    special = (key_heads, head_size, memory_features, key_bias, output_bias)
    plain = not general and all(one is None for one in special)
    dropout = option("dropout", op.dropout, 0.0, "dropout")
    biases = (
        option("key_bias", key_bias, None, "key_bias"),
        option("output_bias", output_bias, None, "output_bias"),
    )
    by_position = (
        option("window", op.window, None, "window"),
        option("rotary", op.rotary, None, "rotary"),
        option("rotary_share", op.rotary_share if op.rotary else 1.0, 1.0, "rotary_share"),
        option("qk_norm", op.qk_norm, False, "qk_norm"),
    )
    own: tuple[Keyword, ...]
    if plain and len(context.inputs) > 1:
        name, own = "CrossAttention", (dropout,)
    elif plain and op.dropout:
        name, own = "DropoutSelfAttention", (Keyword("dropout", Lit(op.dropout, "dropout")),)
    elif plain:
        name, own = "SelfAttention", ()
    elif general:
        name, own = "GeneralAttention", (*biases, dropout, *by_position)
    else:
        name, own = "MultiHeadAttention", (*biases, dropout)
    constructor = layer(
        name,
        incoming(x),
        Lit(op.heads, "heads"),
        keywords=[
            option("key_heads", key_heads, None, "key_heads"),
            option("head_size", head_size, None, "head_size"),
            option("memory_features", memory_features, None, width_field(len(context.inputs) - 1)),
            option("bias", op.bias, True, "bias"),
            option("causal", op.causal, False, "causal"),
            *own,
        ],
    )
    return (LoweredLayer(constructor, label=op.name, main=True, variables=VARIABLES),)
