"""Activations that a program takes apart: SiLU as a product, softsign as a quotient, the hard gates
of MobileNet v3 as relu6(x + 3) / 6. What is not complete yet is a partial call, which nothing else
takes."""

from __future__ import annotations

from archc.importers.torch_export.calls import Bound, Call, Node, View
from archc.ops import activation
from archc.ops.base import Op

SHIFTED = "a sum with a number"
RECTIFIED = "relu(x + 3)"
CLIPPED = "relu6(x + 3), not divided by 6"
WEIGHTED = "x * relu6(x + 3), not divided by 6"
MAGNITUDE = "|x|"
DIVISOR = "1 + |x|, by which x is not divided"


def _partial(node: Node, view: View, x: Call, what: str) -> View:
    call = Call(None, (x,), x.axes, "", node.place, node.scope, partial=what)
    return View(call, view.arrangement, node.outputs[0], node.scope)


def shifted(node: Node, view: View, offset: float) -> Bound:
    """x + 3, or 1 + |x|."""
    if (view.call.partial, offset) == (MAGNITUDE, 1):
        return _partial(node, view, view.call.inputs[0], DIVISOR)
    if offset != 3:
        node.refuse(f"of the number {offset}")
    return _partial(node, view, view.call, SHIFTED)


def magnitude(node: Node, view: View) -> Bound:
    """|x|."""
    return _partial(node, view, view.call, MAGNITUDE)


def quotient(node: Node, x: View, divisor: View) -> Bound | None:
    """Softsign, x / (1 + |x|); None of another quotient."""
    if divisor.call.partial != DIVISOR or divisor.call.inputs != (x.call,):
        return None
    if divisor.arrangement != x.arrangement:
        return None
    return node.call(activation.Softsign(), (x.call,), arrangement=x.arrangement)


def clipped(node: Node, view: View, low: object, high: object) -> Bound | None:
    """relu6 of x + 3, in one step or in two; None of anything else."""
    steps: dict[tuple[object, object, object], str] = {
        (SHIFTED, 0, 6): CLIPPED,
        (SHIFTED, 0, None): RECTIFIED,
        (RECTIFIED, None, 6): CLIPPED,
    }
    what = steps.get((view.call.partial, low, high))
    return None if what is None else _partial(node, view, view.call.inputs[0], what)


def divided(node: Node, view: View, factor: float) -> Bound | None:
    """One of the hard gates, divided by 6; None for anything else."""
    ops: dict[str, Op] = {CLIPPED: activation.HardSigmoid(), WEIGHTED: activation.HardSwish()}
    op = ops.get(view.call.partial)
    if op is None or abs(6 * factor - 1) > 1e-6:
        return None
    return node.call(op, view.call.inputs, arrangement=view.arrangement)


GATES: tuple[tuple[type[Op], type[Op]], ...] = (
    (activation.Sigmoid, activation.Silu),
    (activation.HardSigmoid, activation.HardSwish),
)


def weighted(node: Node, x: View, gate: View) -> Bound | None:
    """x times a gate of x; None for another product."""
    if gate.call.inputs != (x.call,) or gate.arrangement != x.arrangement:
        return None
    if gate.call.partial == CLIPPED:
        return _partial(node, x, x.call, WEIGHTED)
    for kind, op in GATES:
        if isinstance(gate.call.op, kind):
            return node.call(op(), (x.call,), arrangement=x.arrangement)
    return None
