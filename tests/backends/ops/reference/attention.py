"""Attention, query by query."""

from __future__ import annotations

import numpy as np

from tests.backends.ops.reference.tensor import Array, Arrays, Tensor


def attention(
    arrays: Arrays,
    x: Tensor,
    memory: Tensor | None = None,
    *,
    heads: int,
    key_heads: int | None = None,
    head_size: int | None = None,
    bias: bool = True,
    output_bias: bool | None = None,
    causal: bool = False,
    window: int | None = None,
    dropout: float = 0.0,
    rotary: float | None = None,
    rotary_share: float = 1.0,
    qk_norm: bool = False,
) -> Tensor:
    """Each query with the keys that it may see, head by head (Vaswani et al. 2017; Ainslie et al.
    2023 for fewer key heads; Su et al. 2021, in the form of Touvron et al. 2023, for `rotary`)."""
    keys_from = x.array if memory is None else memory.array
    size = head_size or x.array.shape[-1] // heads
    key_heads = key_heads or heads
    has_output_bias = bias if output_bias is None else output_bias

    def projected(part: str, source: Array, count: int) -> Array:
        y = source @ arrays[f"{part}_weight"].T
        if bias:
            y = y + arrays[f"{part}_bias"]
        return y.reshape(*y.shape[:2], count, size)

    def placed(part: str, y: Array) -> Array:
        if qk_norm:
            root = np.sqrt((y**2).mean(axis=-1, keepdims=True) + 1e-6)
            y = y / root * arrays[f"{part}_norm"]
        if rotary is None:
            return y
        turned = y.copy()
        pairs = int(size * rotary_share) // 2
        for position in range(y.shape[1]):
            for pair in range(pairs):
                angle = position * rotary ** (-pair / pairs)
                number = y[:, position, :, pair] + 1j * y[:, position, :, pair + pairs]
                number = number * np.exp(1j * angle)
                turned[:, position, :, pair] = number.real
                turned[:, position, :, pair + pairs] = number.imag
        return turned

    q = placed("query", projected("query", x.array, heads))
    k = placed("key", projected("key", keys_from, key_heads))
    v = projected("value", keys_from, key_heads)
    out = np.zeros_like(q)
    for head in range(heads):
        shared = head * key_heads // heads
        for token in range(q.shape[1]):
            seen = [
                other
                for other in range(k.shape[1])
                if not (causal and other > token)
                and not (window is not None and abs(other - token) >= window)
            ]
            scores = np.einsum("bs,bks->bk", q[:, token, head], k[:, seen, shared]) / size**0.5
            weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
            weights /= weights.sum(axis=-1, keepdims=True)
            out[:, token, head] = np.einsum("bk,bks->bs", weights, v[:, seen, shared])
    y = out.reshape(*out.shape[:2], -1) @ arrays["output_weight"].T
    return x.with_array(y + arrays["output_bias"] if has_output_bias else y)


MEANINGS = {"attention": attention}
