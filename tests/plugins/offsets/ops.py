"""An op that adds a learned value to each channel."""

from __future__ import annotations

from typing import Annotated, ClassVar

from archc.ops.axes import Axes
from archc.ops.base import Op, Order, Variable
from archc.ops.fields import Doc, Number
from archc.ops.initializer import constant
from archc.records import record


@record
class Offset(Op):
    """A learned value added to each channel or feature."""

    name: ClassVar[str] = "offset"
    shorthand: ClassVar[str] = "initial"
    element_order: ClassVar[Order] = "carried"

    initial: Annotated[Number, Doc("initial value of every channel")] = 0.0

    def variables(self, inputs: tuple[Axes, ...]) -> tuple[Variable, ...]:
        initial = constant(self.initial)
        return (Variable("offset", "bias", (inputs[0].width,), initial=initial),)


OPS = (Offset,)
