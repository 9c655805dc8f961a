"""Local response normalisation, which PyTorch writes as x divided by (k + alpha * the mean of the
squares of neighbouring channels) to the power of beta. What is not complete yet is a partial call,
which nothing else takes."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from archc.importers.torch_export.calls import Bound, Call, Node, View
from archc.ops.merge import Multiply
from archc.ops.normalization import LocalResponseNorm
from archc.ops.parameter import Scale
from archc.ops.pooling import AvgPool
from archc.ops.shape import Pad, Reshape

SUM = "a number plus a mean of squares"
DIVISOR = "the divisor of a response normalisation"


class Response(NamedTuple):
    """What is squared, the channels of each mean, and the numbers of the divisor; `alpha` is the
    factor of the mean."""

    x: Call
    size: int
    alpha: float
    k: float
    beta: float = 1.0


def sum_of_squares(node: Node, view: View, k: float) -> Bound | None:
    """A number plus the mean of the squares of neighbouring channels; None of anything else."""
    call, alpha = view.call, 1.0
    if isinstance(call.op, Scale) and not call.op.learned:
        alpha = call.op.initial
        (call,) = call.inputs
    neighbours = _mean_of_squares(call)
    if neighbours is None:
        return None
    x, size = neighbours
    if not _is_in_order(view, 2):
        return None
    return _partial(node, view, Response(x, size, alpha, float(k)), SUM)


def _mean_of_squares(call: Call) -> tuple[Call, int] | None:
    """What is squared before the squares of neighbouring channels are averaged, and their number;
    None of anything else."""
    chain = [call]
    for kind in (AvgPool, Pad, Reshape, Multiply):
        if not isinstance(chain[-1].op, kind):
            return None
        chain.append(chain[-1].inputs[0])
    pool, pad, planes, square, x = chain
    assert isinstance(pool.op, AvgPool)
    assert isinstance(pad.op, Pad)
    kernel = pool.op.kernel_size
    size = kernel if isinstance(kernel, int) else kernel[0]
    ones = [1] * len(x.axes.spatial)
    around = ((size // 2, (size - 1) // 2), *((0, 0) for _ in ones))
    if (
        pool.op == AvgPool(kernel_size=(size, *ones), stride=1)
        and (pad.op.mode, pad.op.value, pad.op.amounts(planes.axes)) == ("constant", 0, around)
        and planes.axes.sizes == (1, *x.axes.sizes)
        and square.inputs == (x, x)
    ):
        return x, size
    return None


def power(node: Node, view: View, exponent: float) -> Bound | None:
    """The divisor of a response normalisation; None of anything else."""
    response = view.call.parts
    if view.call.partial != SUM or not isinstance(response, Response):
        return None
    return _partial(node, view, response._replace(beta=float(exponent)), DIVISOR)


def quotient(node: Node, x: View, divisor: View) -> Bound | None:
    """A response normalisation; None of another quotient."""
    response = divisor.call.parts
    if divisor.call.partial != DIVISOR or not isinstance(response, Response):
        return None
    if x.call is not response.x or not _is_in_order(x, 1):
        return None
    # PyTorch takes the mean of the squares, archc their sum.
    alpha = float(Decimal(repr(response.alpha)) / response.size)
    op = LocalResponseNorm(size=response.size, alpha=alpha, beta=response.beta, k=response.k)
    return node.call(op, (x.call,))


def _is_in_order(view: View, first: int) -> bool:
    """Whether a tensor has the axes of a value in order: the batch, and those from one on."""
    places = range(first, len(view.arrangement.sizes))
    return view.arrangement.matches([0], *([place] for place in places))


def _partial(node: Node, view: View, response: Response, what: str) -> View:
    call = view.call
    made = Call(
        None, call.inputs, call.axes, "", node.place, node.scope, partial=what, parts=response
    )
    return view._replace(call=made, name=node.outputs[0])
