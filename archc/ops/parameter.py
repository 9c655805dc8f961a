"""Ops that are learned values and little else."""

from __future__ import annotations

from typing import Annotated, ClassVar

from archc.ops.axes import Axes
from archc.ops.base import Op, Order, ShapeError, Variable
from archc.ops.fields import Doc, Flag, Number, choice
from archc.ops.initializer import Initializer, constant
from archc.records import record


@record
class Scale(Op):
    """A learned coefficient for each channel or feature, and with `bias` a learned offset; or, with
    `learned: false`, one constant factor for all."""

    name: ClassVar[str] = "scale"
    aliases: ClassVar[tuple[str, ...]] = ("layer_scale", "channel_scale")
    element_order: ClassVar[Order] = "carried"

    bias: Annotated[Flag, Doc("whether a learned value is added to each channel")] = False
    initial: Annotated[Number, Doc("initial value of every coefficient")] = 1.0
    learned: Annotated[Flag, Doc("whether the coefficients are learned")] = True

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        if self.bias and not self.learned:
            raise ShapeError(
                "ARC115",
                f"{self.name} by a constant factor has no learned offset",
                "leave out `bias`, or `learned: false`",
                "bias",
            )
        return inputs[0]

    def variables(self, inputs: tuple[Axes, ...]) -> tuple[Variable, ...]:
        if not self.learned:
            return ()
        shape = (inputs[0].width,)
        weight = Variable("weight", "scale", shape, initial=constant(self.initial))
        bias = Variable("bias", "bias", shape, initial=constant(0.0))
        return (weight, bias) if self.bias else (weight,)


def _require_sequence(op: str, x: Axes) -> None:
    if not x.is_sequence:
        raise ShapeError(
            "ARC102", f"{op} needs a sequence, got {x}", "a sequence has tokens and features"
        )


class ClassToken(Op):
    """One learned token before the others (Devlin et al. 2019, Dosovitskiy et al. 2021)."""

    name: ClassVar[str] = "class_token"
    aliases: ClassVar[tuple[str, ...]] = ("cls_token", "cls")

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        (x,) = inputs
        _require_sequence(self.name, x)
        return x._replace(sizes=(x.sizes[0] + 1, x.width))

    def variables(self, inputs: tuple[Axes, ...]) -> tuple[Variable, ...]:
        return (Variable("token", "table", (inputs[0].width,), initial=constant(0.0)),)


@record
class PositionEmbedding(Op):
    """Adds to each token what tells its position: a row of a learned table, one for each token, or
    the sinusoids of Vaswani et al. 2017, section 3.5, which are no parameters: of position p the
    features 2i and 2i + 1 are the sine and cosine of p / 10000^(2i / features)."""

    name: ClassVar[str] = "position_embedding"
    aliases: ClassVar[tuple[str, ...]] = (
        "positional_encoding",
        "positional_embedding",
        "position_encoding",
    )
    shorthand: ClassVar[str] = "kind"

    kind: Annotated[str, choice("learned", "sinusoidal"), Doc("what is added")] = "learned"

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        (x,) = inputs
        _require_sequence(self.name, x)
        return x

    def variables(self, inputs: tuple[Axes, ...]) -> tuple[Variable, ...]:
        if self.kind == "sinusoidal":
            return ()
        initial = Initializer("normal", 0.02)
        return (Variable("weight", "table", inputs[0].sizes, initial=initial),)


OPS = (Scale, ClassToken, PositionEmbedding)
