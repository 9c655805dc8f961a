"""Attention in Keras: its own layers where they compute the same, else a class of their kind."""

from __future__ import annotations

from archc.backends.attention import CROSS, SELF
from archc.backends.base import (
    APPLIED,
    INCOMING,
    LoweredLayer,
    LoweringContext,
    RefusalError,
    placeholder,
)
from archc.backends.constructors import layer, option
from archc.backends.keras.attention_class import OPTIONS
from archc.backends.layouts import Layout
from archc.codegen.tree import Binary, Call, Expr, Lit, Value
from archc.ops.attention import Attention

_PARTS = {"query": "query", "key": "key", "value": "value", "output": "attention_output"}
VARIABLES = {
    **{f"{part}_weight": f"{name}/kernel" for part, name in _PARTS.items()},
    **{f"{part}_bias": f"{name}/bias" for part, name in _PARTS.items()},
    "query_norm": "query_norm/scale",
    "key_norm": "key_norm/scale",
}


def lower_attention(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    """Keras' own layers have the causal mask as an argument of their call. Its layer for fewer key
    heads takes no memory of another width."""
    op = context.op
    assert isinstance(op, Attention)
    x = context.inputs[0]
    if op.size_of_head(x) == 1 < op.heads and op.heads in (x.sizes[0], context.inputs[-1].sizes[0]):
        # Its einsum, which all of Keras' attention is made of, takes one axis for the other.
        raise RefusalError("TensorFlow computes as many heads of one feature as tokens wrongly")
    heads = Lit(op.heads, "heads")
    # Where the spec leaves it out, in the widths that it follows from.
    size: Expr = Lit(op.head_size, "head_size")
    if op.head_size is None:
        size = Binary("//", Lit(x.width, INCOMING), heads)
    inputs = tuple(map(placeholder, range(len(context.inputs))))
    application = Call(APPLIED, inputs) if len(inputs) > 1 else None
    key_heads = None if op.key_heads == op.heads else op.key_heads
    same_width = context.inputs[-1].width == x.width
    biases = {op.adds_bias(part) for part in ("query", "key", "value", "output")}
    if (
        op.qk_norm
        or op.rotary is not None
        or len(biases) > 1
        or (key_heads is not None and not same_width)
    ):
        own: dict[str, Value] = {
            "key_heads": key_heads,
            "use_bias": op.bias,
            "rotary_share": op.rotary_share if op.rotary else 1.0,
        }
        keywords = []
        for name, declared in OPTIONS.items():
            value = own[name] if name in own else getattr(op, name)
            field = "bias" if name == "use_bias" else name
            keywords.append(option(name, value, declared.default, field))
        name = CROSS if len(inputs) > 1 else SELF
        constructor = layer(name, heads, size, keywords=keywords)
    else:
        words = (
            option("use_bias", op.bias, True, "bias"),
            option("dropout", op.dropout, 0.0, "dropout"),
            option("sliding_window", op.window, None, "window"),
        )
        if key_heads is not None:
            sizes = (size, heads, Lit(key_heads, "key_heads"))
            constructor = layer("layers.GroupQueryAttention", *sizes, keywords=words)
        else:
            constructor = layer("layers.MultiHeadAttention", heads, size, keywords=words)
        causal = option("use_causal_mask", op.causal, False, "causal")
        application = Call(APPLIED, (inputs[0], inputs[-1]), (causal,))
    return (
        LoweredLayer(
            constructor,
            label=op.name,
            main=True,
            variables=VARIABLES,
            layouts=_layouts(context, op),
            application=application,
        ),
    )


def _layouts(context: LoweringContext, op: Attention) -> dict[str, Layout]:
    """Kernels as (features, heads, head_size), or that of the output the other way around; biases
    as (heads, head_size)."""
    size = op.size_of_head(context.inputs[0])
    layouts: dict[str, Layout] = {}
    for variable in op.variables(context.inputs):
        part, kind = variable.name.split("_")
        shape = variable.shape
        if kind == "weight":
            outer, inner = shape
            heads = (inner if part == "output" else outer) // size
            kept = (heads, size, outer) if part == "output" else (inner, heads, size)
            layouts[variable.name] = Layout(shape, shape, (1, 0), kept)
        elif kind == "bias" and part != "output":
            layouts[variable.name] = Layout(shape, shape, (0,), (shape[0] // size, size))
    return layouts
