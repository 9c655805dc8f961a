"""The variables of ops that have a kernel: convolutions and dense layers."""

from __future__ import annotations

from math import prod

from archc.ops.activation import Activation
from archc.ops.axes import Axes
from archc.ops.base import Variable
from archc.ops.initializer import Initializer, explicit


def kernel_variables(
    shape: tuple[int, ...],
    output: Axes,
    *,
    bias: bool,
    activation: Activation | None,
    initializer: Initializer | None,
    fan_in: float | None = None,
) -> tuple[Variable, ...]:
    """The kernel of a shape, a bias for each channel of the output, and what the activation
    keeps. The fan-in is all of the shape but its first axis, if there is no other. The bias begins
    as each framework has it."""
    fan_in = float(prod(shape[1:])) if fan_in is None else fan_in
    initial = None if initializer is None else explicit(initializer, shape)
    kernel = Variable("weight", "kernel", shape, fan_in, initial=initial)
    variables: tuple[Variable, ...] = (kernel,)
    if bias:
        variables += (Variable("bias", "bias", (output.width,)),)
    return variables if activation is None else variables + activation.variables((output,))
