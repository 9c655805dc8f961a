"""The weights of ops that have a kernel: convolutions and dense layers."""

from __future__ import annotations

from archc.ops.activation import Activation
from archc.ops.axes import Axes
from archc.ops.base import Weight


def kernel_weights(
    shape: tuple[int, ...], output: Axes, *, bias: bool, activation: Activation | None
) -> tuple[Weight, ...]:
    """The kernel of a shape, a bias for each channel of the output, and what the activation
    keeps."""
    weights: tuple[Weight, ...] = (Weight("weight", shape),)
    if bias:
        weights += (Weight("bias", (output.width,)),)
    return weights if activation is None else weights + activation.weights((output,))
