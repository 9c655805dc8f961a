"""Normalisation, in evaluation, and what only training has."""

from __future__ import annotations

import numpy as np

from tests.backends.ops.reference.tensor import Array, Arrays, Tensor


def scaled(arrays: Arrays, x: Tensor, *, affine: bool) -> Tensor:
    """With `affine`, each channel times its weight, plus its bias."""
    if not affine:
        assert not arrays
        return x
    weight, bias = x.along_channels(arrays["weight"]), x.along_channels(arrays["bias"])
    return x.with_array(x.array * weight + bias)


def standardize(array: Array, axis: int, epsilon: float) -> Array:
    """Mean zero and variance one along an axis, but for epsilon. The variance is the biased one."""
    centred = array - array.mean(axis=axis, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=axis, keepdims=True) + epsilon)


def batch_norm(
    arrays: Arrays,
    x: Tensor,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    affine: bool = True,
) -> Tensor:
    """By the running statistics of each channel (Ioffe & Szegedy 2015)."""
    mean, variance = (x.along_channels(arrays[f"running_{one}"]) for one in ("mean", "var"))
    y = (x.array - mean) / np.sqrt(variance + epsilon)
    if affine:
        y = y * x.along_channels(arrays["weight"]) + x.along_channels(arrays["bias"])
    return x.with_array(y)


def layer_norm(arrays: Arrays, x: Tensor, *, epsilon: float = 1e-5, affine: bool = True) -> Tensor:
    """Over the channels of each position, or the features (Ba, Kiros & Hinton 2016)."""
    normal = x.with_array(standardize(x.array, x.channel_axis, epsilon))
    return scaled(arrays, normal, affine=affine)


def rms_norm(arrays: Arrays, x: Tensor, *, epsilon: float = 1e-5) -> Tensor:
    """By the root of the mean square and epsilon, over the channels of each position, or the
    features (Zhang & Sennrich 2019)."""
    square = (x.array**2).mean(axis=x.channel_axis, keepdims=True)
    return x.with_array(x.along_channels(arrays["weight"]) * x.array / np.sqrt(square + epsilon))


def group_norm(
    arrays: Arrays, x: Tensor, *, groups: int, epsilon: float = 1e-5, affine: bool = True
) -> Tensor:
    """Over neighbouring channels and all of space (Wu & He 2018)."""
    grouped = x.array.reshape(x.array.shape[0], groups, -1)
    normal = x.with_array(standardize(grouped, 2, epsilon).reshape(x.array.shape))
    return scaled(arrays, normal, affine=affine)


def local_response_norm(
    arrays: Arrays,
    x: Tensor,
    *,
    size: int = 5,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 2.0,
) -> Tensor:
    """a / (k + alpha * sum of a^2)^beta over `size` channels around each; of an even size, the
    extra one lies before (Krizhevsky et al. 2012)."""
    channels = x.array.shape[1]
    y = np.empty_like(x.array)
    for channel in range(channels):
        first = max(channel - size // 2, 0)
        near = x.array[:, first : channel - size // 2 + size]
        y[:, channel] = x.array[:, channel] / (k + alpha * (near**2).sum(axis=1)) ** beta
    return x.with_array(y)


def dropout_in_evaluation(arrays: Arrays, x: Tensor, *, rate: float) -> Tensor:
    """In evaluation nothing is dropped."""
    assert 0 <= rate < 1
    return x


MEANINGS = {
    "batch_norm": batch_norm,
    "layer_norm": layer_norm,
    "rms_norm": rms_norm,
    "group_norm": group_norm,
    "local_response_norm": local_response_norm,
    "dropout": dropout_in_evaluation,
    "drop_path": dropout_in_evaluation,
}
