"""Regularisation: nothing in evaluation, noise in training."""

from __future__ import annotations

from typing import Annotated, ClassVar

from archc.ops.base import Op, Order, Sign, Unit
from archc.ops.fields import Doc, Rate
from archc.records import record


@record
class Dropout(Op):
    """Drops single elements in training and scales the rest up (Srivastava et al. 2014)."""

    name: ClassVar[str] = "dropout"
    element_order: ClassVar[Order] = "carried"
    sign: ClassVar[Sign] = "kept"
    shorthand: ClassVar[str] = "rate"

    rate: Annotated[Rate, Doc("share of the elements dropped")]

    @property
    def drop_rate(self) -> float:
        return self.rate


@record
class DropPath(Op):
    """Drops whole samples of a residual branch in training and scales the rest up
    (stochastic depth, Huang et al. 2016)."""

    name: ClassVar[str] = "drop_path"
    drop_unit: ClassVar[Unit] = "sample"
    aliases: ClassVar[tuple[str, ...]] = ("stochastic_depth",)
    element_order: ClassVar[Order] = "carried"
    sign: ClassVar[Sign] = "kept"
    shorthand: ClassVar[str] = "rate"

    rate: Annotated[Rate, Doc("share of the samples dropped")]

    @property
    def drop_rate(self) -> float:
        return self.rate


OPS = (Dropout, DropPath)
