"""Normalisation."""

from __future__ import annotations

from typing import Annotated, ClassVar

from archc.ops.axes import Axes
from archc.ops.base import (
    Op,
    Order,
    ShapeError,
    Sign,
    Variable,
    require_divisible,
    require_feature_map,
)
from archc.ops.fields import Count, Doc, Flag, NonNegative, Number, Positive, Share
from archc.ops.initializer import constant
from archc.records import record

AFFINE = Doc("whether each channel or feature has a learned weight and bias")


def _refuse_sequence(op: str, x: Axes) -> None:
    if not (x.is_map or x.is_vector):
        raise ShapeError(
            "ARC102",
            f"{op} needs a feature map or a vector, got {x}",
            "use `layer_norm` or `rms_norm` on a sequence",
        )


def _affine(width: int) -> tuple[Variable, ...]:
    return (
        Variable("weight", "scale", (width,), initial=constant(1.0)),
        Variable("bias", "bias", (width,), initial=constant(0.0)),
    )


@record
class BatchNorm(Op):
    """Batch normalisation of each channel (Ioffe & Szegedy 2015):
    running = momentum * running + (1 - momentum) * batch."""

    name: ClassVar[str] = "batch_norm"
    aliases: ClassVar[tuple[str, ...]] = ("bn", "batch_normalization")
    element_order: ClassVar[Order] = "carried"

    epsilon: Annotated[Positive, Doc("added to the variance")] = 1e-5
    momentum: Annotated[Share, Doc("share of the running value that is kept at each step")] = 0.9
    affine: Annotated[Flag, AFFINE] = True

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        (x,) = inputs
        _refuse_sequence(self.name, x)
        return x

    def variables(self, inputs: tuple[Axes, ...]) -> tuple[Variable, ...]:
        width = inputs[0].width
        learned = _affine(width) if self.affine else ()
        mean, variance = constant(0.0), constant(1.0)
        running = (
            Variable("running_mean", "mean", (width,), momentum=self.momentum, initial=mean),
            Variable("running_var", "variance", (width,), momentum=self.momentum, initial=variance),
        )
        return (*learned, *running)


@record
class LayerNorm(Op):
    """Normalisation over the channels of each position, or the features of each token or vector
    (Ba, Kiros & Hinton 2016)."""

    name: ClassVar[str] = "layer_norm"
    aliases: ClassVar[tuple[str, ...]] = ("ln", "layer_normalization")
    element_order: ClassVar[Order] = "carried"

    epsilon: Annotated[Positive, Doc("added to the variance")] = 1e-5
    affine: Annotated[Flag, AFFINE] = True

    def variables(self, inputs: tuple[Axes, ...]) -> tuple[Variable, ...]:
        return _affine(inputs[0].width) if self.affine else ()


@record
class RmsNorm(Op):
    """Division by the root of the mean square, plus epsilon, over the channels of each position or
    the features of each token or vector, times a learned coefficient for each (Zhang & Sennrich
    2019)."""

    name: ClassVar[str] = "rms_norm"
    aliases: ClassVar[tuple[str, ...]] = ("rms", "rms_normalization")
    element_order: ClassVar[Order] = "carried"

    epsilon: Annotated[Positive, Doc("added to the mean square")] = 1e-5

    def variables(self, inputs: tuple[Axes, ...]) -> tuple[Variable, ...]:
        return (Variable("weight", "scale", (inputs[0].width,), initial=constant(1.0)),)


@record
class GroupNorm(Op):
    """Normalisation over groups of neighbouring channels and all of space (Wu & He 2018)."""

    name: ClassVar[str] = "group_norm"
    aliases: ClassVar[tuple[str, ...]] = ("gn", "group_normalization")
    shorthand: ClassVar[str] = "groups"

    groups: Annotated[Count, Doc("parts the channels are split into")]
    epsilon: Annotated[Positive, Doc("added to the variance")] = 1e-5
    affine: Annotated[Flag, AFFINE] = True

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        (x,) = inputs
        _refuse_sequence(self.name, x)
        require_divisible(self.name, "groups", self.groups, "channels", x.width)
        return x

    def variables(self, inputs: tuple[Axes, ...]) -> tuple[Variable, ...]:
        return _affine(inputs[0].width) if self.affine else ()


@record
class LocalResponseNorm(Op):
    """a / (k + alpha * sum of a^2)^beta over `size` neighbouring channels (Krizhevsky et al. 2012,
    section 3.3). Alpha is not divided by size. Of an even size, the extra channel lies before."""

    name: ClassVar[str] = "local_response_norm"
    aliases: ClassVar[tuple[str, ...]] = (
        "lrn",
        "local_response_normalization",
        "cross_channel_lrn",
    )
    sign: ClassVar[Sign] = "kept"

    size: Annotated[Count, Doc("neighbouring channels in the sum")] = 5
    alpha: Annotated[NonNegative, Doc("factor of the sum")] = 1e-4
    beta: Annotated[Number, Doc("exponent of the divisor")] = 0.75
    k: Annotated[Positive, Doc("constant of the divisor")] = 2.0

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        (x,) = inputs
        require_feature_map(self.name, x)
        return x


OPS = (BatchNorm, LayerNorm, RmsNorm, GroupNorm, LocalResponseNorm)
