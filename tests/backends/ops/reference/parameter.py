"""Tables of vectors, and coefficients of channels."""

from __future__ import annotations

import math

import numpy as np

from tests.backends.ops.reference.convolution import with_bias
from tests.backends.ops.reference.tensor import Arrays, Tensor


def scale(
    arrays: Arrays, x: Tensor, *, bias: bool = False, initial: float = 1.0, learned: bool = True
) -> Tensor:
    """Each channel or feature times its coefficient, or all times one factor."""
    if not learned:
        assert not arrays
        return x.with_array(x.array * initial)
    result = x.with_array(x.array * x.along_channels(arrays["weight"]))
    return with_bias(arrays, result, bias=bias)


def embedding(arrays: Arrays, x: Tensor, *, vocabulary: int, features: int) -> Tensor:
    """The row of each id."""
    assert arrays["weight"].shape == (vocabulary, features)
    return Tensor(("tokens", "features"), arrays["weight"][x.array])


def class_token(arrays: Arrays, x: Tensor) -> Tensor:
    """One more token, the first, the same for every sample (Devlin et al. 2019)."""
    first = np.broadcast_to(arrays["token"], (x.array.shape[0], 1, x.array.shape[2]))
    return x.with_array(np.concatenate([first, x.array], axis=1))


def position_embedding(arrays: Arrays, x: Tensor, *, kind: str = "learned") -> Tensor:
    """Plus a row of the table, or the sine and cosine of the position, by the wavelength of each
    pair of features (Vaswani et al. 2017, section 3.5)."""
    if kind == "learned":
        return x.with_array(x.array + arrays["weight"])
    tokens, features = x.array.shape[1:]
    waves = np.empty((tokens, features))
    for position in range(tokens):
        for feature in range(features):
            angle = position / 10000 ** (2 * (feature // 2) / features)
            waves[position, feature] = math.cos(angle) if feature % 2 else math.sin(angle)
    return x.with_array(x.array + waves)


MEANINGS = {
    "scale": scale,
    "embedding": embedding,
    "class_token": class_token,
    "position_embedding": position_embedding,
}
