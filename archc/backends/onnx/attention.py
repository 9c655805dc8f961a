"""Attention in ONNX: its own operators for the heads, the turn by position and the norm."""

from __future__ import annotations

from archc.backends.base import LoweringContext, placeholder
from archc.backends.onnx.operators import X, linear, op, reshape, variable
from archc.codegen.tree import Expr
from archc.ops.attention import Attention

QK_EPSILON = 1e-6
"""Added to the mean square of queries and keys."""


def attention(context: LoweringContext) -> Expr:
    own = context.op
    assert isinstance(own, Attention)
    x, memory = context.inputs[0], context.inputs[-1]
    key_heads = own.key_heads or own.heads
    source = placeholder(len(context.inputs) - 1)
    query, key, value = (
        _projection(own, part, y) for part, y in (("query", X), ("key", source), ("value", source))
    )
    size = own.size_of_head(x)
    if own.qk_norm:
        query = _normalized(query, "query_norm", x.sizes[0], own.heads, size)
        key = _normalized(key, "key_norm", memory.sizes[0], key_heads, size)
    if own.rotary:
        cache = _rotary_cache(own.rotary, own.turned(x), x.sizes[0])
        positions = _positions(x.sizes[0])
        query, key = (
            op(
                "RotaryEmbedding",
                y,
                *cache,
                positions,
                num_heads=heads,
                rotary_embedding_dim=own.turned(x),
            )
            for y, heads in ((query, own.heads), (key, key_heads))
        )
    limits = {} if own.window is None else {"left_window_size": own.window - 1}
    if own.window is not None and not own.causal:
        limits["right_window_size"] = own.window - 1
    heads = op(
        "Attention",
        query,
        key,
        value,
        q_num_heads=own.heads,
        kv_num_heads=key_heads,
        **({"is_causal": 1} if own.causal else {}),
        **limits,
    )
    return _projection(own, "output", heads)


def _projection(own: Attention, part: str, x: Expr) -> Expr:
    return linear(x, f"{part}_weight", f"{part}_bias" if own.adds_bias(part) else None)


def _normalized(x: Expr, name: str, tokens: int, heads: int, size: int) -> Expr:
    """Each head of each token by its root mean square."""
    split = reshape(x, tokens, heads, size)
    y = op("RMSNormalization", split, variable(name), axis=-1, epsilon=QK_EPSILON)
    return reshape(y, tokens, heads * size)


def _rotary_cache(base: float, turned: int, tokens: int) -> tuple[Expr, Expr]:
    """The cosine and sine of the angle of each position and pair of features."""
    exponents = op("Div", op("Range", 0.0, float(turned), 2.0), float(turned))
    positions = op("Unsqueeze", op("Range", 0.0, float(tokens), 1.0), (1,))
    angles = op("Div", positions, op("Pow", float(base), exponents))
    return op("Cos", angles), op("Sin", angles)


def _positions(tokens: int) -> Expr:
    """The positions of the tokens of each sample."""
    shape = op("Concat", op("Shape", X, start=0, end=1), (tokens,), axis=0)
    return op("Expand", op("Range", 0, tokens, 1), shape)
