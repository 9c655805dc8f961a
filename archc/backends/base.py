"""What a backend makes of one op: a few lowered layers, each a layer that is built once and then
applied, or an expression.

A lowering is a plain function from a `LoweringContext` to its lowered layers. It stands in the
backend's table `LOWERINGS`; ops that a backend cannot express stand in `REFUSED` with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from archc.codegen.rewrite import transform
from archc.codegen.tree import Call, Expr, Ref
from archc.ops.axes import Axes
from archc.ops.base import Op

INCOMING = "in"
"""The `field` of a literal that is the width of what comes in, not a field of the op."""


class LoweringContext(NamedTuple):
    """An op where it stands: the axes that come in and go out (without the batch). `nonnegative`
    tells that what comes in is never below zero."""

    op: Op
    inputs: tuple[Axes, ...]
    output: Axes
    nonnegative: bool = False

    @property
    def x(self) -> Axes:
        """The axes of the one input."""
        (x,) = self.inputs
        return x

    @property
    def rank(self) -> int:
        """Spatial axes of the one input."""
        return len(self.x.spatial)


@dataclass(frozen=True, slots=True)
class LoweredLayer:
    """One step of a lowered op. `layer` constructs a module or layer that is applied to the value;
    `expression` computes on `hole(0)`, `hole(1)` … A stage has at least one of them: with both, a
    sequential container takes the layer, and other code the expression.

    `label` names the attribute of a layer that has no name of its own. `main` marks the stage that
    carries the node's own name and weights. `initialize` holds statements' calls on the weight,
    with `hole(0)` for the layer (PyTorch).
    """

    layer: Call | None = None
    expression: Expr | None = None
    label: str = ""
    main: bool = False
    weighted: bool = False
    initialize: Call | None = None


def is_same_step(a: LoweredLayer, b: LoweredLayer) -> bool:
    """Whether two layers of an op stand for the same step of it."""
    return a.main == b.main and (a.main or a.label == b.label)


class Placement(NamedTuple):
    """A stage where it stands in the emitted network. `place` is the path of the module (PyTorch),
    the name of the layer or its position in a `keras.Sequential` (Keras); None for an expression.
    """

    stage: LoweredLayer
    place: str | int | None


Lowering = Callable[[LoweringContext], tuple[LoweredLayer, ...]]


class Refusal(Exception):
    """A backend cannot compute this op with these fields. `field` names the field at fault."""

    def __init__(self, reason: str, field: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.field = field


def placeholder(index: int) -> Ref:
    """Where the value of an input stands in a stage's expression."""
    return Ref(f"_{index}")


def fill(expression: Expr, values: Mapping[str, Expr]) -> Expr:
    """An expression with values in its holes."""

    def put(expr: Expr) -> Expr:
        return values.get(expr.name, expr) if isinstance(expr, Ref) else expr

    return transform(expression, put)
