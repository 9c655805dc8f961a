"""Ops that are learned values and little else."""

from __future__ import annotations

from typing import Annotated, ClassVar

from archc.ops.axes import Axes
from archc.ops.base import Op, Order, Variable
from archc.ops.fields import Doc, Flag, Number
from archc.ops.initializer import constant
from archc.records import record


@record
class Scale(Op):
    """A learned coefficient for each channel or feature, and with `bias` a learned offset."""

    name: ClassVar[str] = "scale"
    element_order: ClassVar[Order] = "carried"

    bias: Annotated[Flag, Doc("whether a learned value is added to each channel")] = False
    initial: Annotated[Number, Doc("initial value of every coefficient")] = 1.0

    def variables(self, inputs: tuple[Axes, ...]) -> tuple[Variable, ...]:
        shape = (inputs[0].width,)
        weight = Variable("weight", "scale", shape, initial=constant(self.initial))
        bias = Variable("bias", "bias", shape, initial=constant(0.0))
        return (weight, bias) if self.bias else (weight,)


OPS = (Scale,)
