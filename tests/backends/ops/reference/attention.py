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
    key_bias: bool | None = None,
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
    biases = {"query": bias, "value": bias}
    biases["key"] = bias if key_bias is None else key_bias
    biases["output"] = bias if output_bias is None else output_bias

    def projected(part: str, source: Array, count: int) -> Array:
        y = source @ arrays[f"{part}_weight"].T
        if biases[part]:
            y = y + arrays[f"{part}_bias"]
        return y.reshape(*y.shape[:2], count, size)

    def placed(part: str, y: Array) -> Array:
        if qk_norm:
            root = np.sqrt((y**2).mean(axis=-1, keepdims=True) + 1e-6)
            y = y / root * arrays[f"{part}_norm"]
        if rotary is None:
            return y
        turned = y.copy()
        pairs = round(size * rotary_share) // 2
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
    return x.with_array(y + arrays["output_bias"] if biases["output"] else y)


def window_attention(
    arrays: Arrays,
    x: Tensor,
    *,
    heads: int,
    window: int,
    shift: int = 0,
    grid: bool = False,
    relative_bias: str = "table",
    cosine: bool = False,
) -> Tensor:
    """Each position with those of its window, position by position (Liu et al. 2021 and 2022; Tu
    et al. 2022 for `grid`)."""
    maps = np.moveaxis(x.array, 1, -1)
    batch, height, width, channels = maps.shape
    size = channels // heads

    def projected(part: str) -> Array:
        y = maps @ arrays[f"{part}_weight"].T + arrays.get(f"{part}_bias", 0.0)
        return y.reshape(batch, height, width, heads, size)

    def place(position: int, length: int) -> tuple[int, int]:
        """The window along an axis, and the position in it."""
        if grid:
            return position % (length // window), position // (length // window)
        return divmod(position - (shift if length > window else 0), window)

    def bias(down: int, right: int) -> Array:
        if relative_bias == "none":
            return np.zeros(heads)
        if relative_bias == "table":
            return arrays["bias_table"][(down + window - 1) * (2 * window - 1) + right + window - 1]
        apart = np.array([down, right]) * 8 / (window - 1)
        apart = np.sign(apart) * np.log2(np.abs(apart) + 1) / np.log2(8)
        hidden = np.maximum(arrays["distance_weight"] @ apart + arrays["distance_bias"], 0)
        return 16 / (1 + np.exp(-arrays["head_weight"] @ hidden))

    q, k, v = (projected(part) for part in ("query", "key", "value"))
    if cosine:
        q, k = (y / np.linalg.norm(y, axis=-1, keepdims=True) for y in (q, k))
        factor = np.exp(np.minimum(arrays["logit_scale"], np.log(100)))
    else:
        factor = np.full(heads, size**-0.5)
    positions = [(row, column) for row in range(height) for column in range(width)]
    at = {one: (place(one[0], height), place(one[1], width)) for one in positions}
    out = np.zeros((batch, height, width, heads, size))
    for one in positions:
        (own_row, down), (own_column, right) = at[one]
        seen = [
            other for other in positions
            if (at[other][0][0], at[other][1][0]) == (own_row, own_column)
        ]  # fmt: skip
        biases = [bias(down - at[other][0][1], right - at[other][1][1]) for other in seen]
        scores = np.stack([(q[:, *one] * k[:, *other]).sum(axis=-1) for other in seen])
        scores = scores * factor + np.stack(biases)[:, None]  # seen, batch, heads
        weights = np.exp(scores - scores.max(axis=0))
        weights /= weights.sum(axis=0)
        values = np.stack([v[:, *other] for other in seen])
        out[:, *one] = (weights[..., None] * values).sum(axis=0)
    y = out.reshape(batch, height, width, channels) @ arrays["output_weight"].T
    return x.with_array(np.moveaxis(y + arrays["output_bias"], -1, 1))


MEANINGS = {"attention": attention, "window_attention": window_attention}
