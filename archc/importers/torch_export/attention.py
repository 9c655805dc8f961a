"""Multi-head attention of PyTorch: the product of queries, keys and values, with the projections
before and after it, as one op."""

from __future__ import annotations

import math
from typing import NamedTuple

from archc.importers.arrangement import identity
from archc.importers.network import Array, rows_of
from archc.importers.torch_export.calls import Bound, Call, Node, View
from archc.ops.attention import Attention
from archc.ops.dense import Dense
from archc.ops.parameter import Scale
from archc.ops.shape import Split

CORE = "attention without a projection of its result"
SCORES = "a product of two values"
WEIGHTS = "the softmax of a product of two values"


class Scores(NamedTuple):
    """How well queries fit keys: the heads of both, as (batch, heads, tokens, features), and a
    factor of their products; `dropout` is the share of the weights that is dropped in training."""

    query: View
    key: View
    factor: float = 1.0
    dropout: float = 0.0


def product(node: Node) -> Bound:
    """Scaled dot products of heads, weighted: the core of an attention, to which its last
    projection is still to be added."""
    query, key, value = (node.tensor(name) for name in ("query", "key", "value"))
    node.require(attn_mask=None, dropout_p=0.0, enable_gqa=False)
    width = query.arrangement.shape[-1]
    scores = Scores(query, key, node.get("scale", 1 / math.sqrt(width)))
    return _core(node, scores, value, causal=node.get("is_causal", False))


def _core(node: Node, scores: Scores, value: View, *, causal: bool) -> View:
    """The op of an attention but for its last projection."""
    query, factor = _unscaled(scores.query, scores.factor)
    key, factor = _unscaled(scores.key, factor)
    projected = [_heads(one, node) for one in (query, key, value)]
    if len({heads for _, heads in projected}) != 1:
        node.refuse("of different numbers of heads")
    heads = projected[0][1]
    x = projected[0][0].inputs[0]
    memory = projected[1][0].inputs[0]
    if projected[2][0].inputs[0] is not memory:
        node.refuse("with keys and values of different sequences")
    widths = {projection.axes.width for projection, _ in projected}
    if widths != {x.axes.width}:
        node.refuse("of heads that have not the features of the input together")
    size = x.axes.width // heads
    if not math.isclose(factor, 1 / math.sqrt(size), rel_tol=1e-6):
        node.refuse(f"with scale {factor}")
    biases = ["bias" in projection.weights for projection, _ in projected]
    if len(set(biases)) != 1:
        node.refuse("with a bias of some projections alone")
    weights: dict[str, Array] = {}
    for part, (projection, _) in zip(("query", "key", "value"), projected, strict=True):
        for name, array in projection.weights.items():
            weights[f"{part}_{name}"] = array
    op = Attention(heads=heads, bias=biases[0], causal=causal, dropout=scores.dropout)
    inputs = (x,) if memory is x else (x, memory)
    core = Call(op, inputs, x.axes, "", node.place, node.scope, weights, partial=CORE)
    own = identity((node.batch, *x.axes.sizes))
    tokens, width = x.axes.sizes
    parted = own.reshaped((node.batch, tokens, heads, width // heads)).permuted((0, 2, 1, 3))
    return View(core, parted.reshaped(node.shape), node.outputs[0], node.scope)


def matmul(node: Node) -> Bound:
    """A product of two values: the scores of an attention, or its weights and values."""
    a, b = node.tensor(), node.tensor("mat2" if "mat2" in node.arguments else "other")
    first, second = _with_heads(a, node), _with_heads(b, node)
    if a.call.partial == WEIGHTS and isinstance(a.call.parts, Scores):
        return _core(node, a.call.parts, second, causal=False)
    turned = second._replace(arrangement=second.arrangement.permuted((0, 1, 3, 2)))
    batch, heads, queries, size = first.arrangement.shape
    if turned.arrangement.shape[:2] != (batch, heads) or turned.arrangement.shape[3] != size:
        node.refuse(f"of {list(a.arrangement.shape)} and {list(b.arrangement.shape)}")
    sizes = (batch, heads, queries, turned.arrangement.shape[2])
    scores = Scores(first, turned)
    own = identity(sizes).reshaped(node.shape)
    return _scores(node, SCORES, scores, View(a.call, own, node.outputs[0], node.scope))


def _with_heads(view: View, node: Node) -> View:
    """A tensor as (batch, heads, tokens, features), of which the first two may be one axis."""
    shape = view.arrangement.shape
    if len(shape) == 4:
        return view
    if len(shape) != 3 or shape[0] % node.batch:
        node.refuse(f"of {list(shape)}")
    own = (node.batch, shape[0] // node.batch, *shape[1:])
    return view._replace(arrangement=view.arrangement.reshaped(own))


def _scores(node: Node, what: str, scores: Scores, view: View) -> View:
    call = view.call
    made = Call(
        None, call.inputs, call.axes, "", node.place, node.scope, partial=what, parts=scores
    )
    return view._replace(call=made, name=node.outputs[0])


def scaled(node: Node, view: View, factor: float) -> Bound | None:
    """Scores times a factor; None of anything else."""
    scores = view.call.parts
    if view.call.partial != SCORES or not isinstance(scores, Scores):
        return None
    return _scores(node, SCORES, scores._replace(factor=scores.factor * factor), view)


def weighed(node: Node, view: View, axis: int) -> Bound | None:
    """The softmax of scores over all keys; None of anything else."""
    scores = view.call.parts
    last = axis == len(view.arrangement.dims) - 1
    if view.call.partial != SCORES or not last or not isinstance(scores, Scores):
        return None
    return _scores(node, WEIGHTS, scores, view)


def dropped(node: Node, view: View, rate: float) -> Bound | None:
    """Weights of which some are dropped in training; None of anything else."""
    scores = view.call.parts
    if view.call.partial != WEIGHTS or not isinstance(scores, Scores) or scores.dropout:
        return None
    return _scores(node, WEIGHTS, scores._replace(dropout=rate), view)


def _unscaled(view: View, factor: float) -> tuple[View, float]:
    """A tensor before its constant factors, and these times another one."""
    call = view.call
    while isinstance(call.op, Scale) and not call.op.learned:
        factor *= call.op.initial
        (call,) = call.inputs
    return view._replace(call=call), factor


def _heads(view: View, node: Node) -> tuple[Call, int]:
    """The projection whose heads a tensor has, as (batch, heads, tokens, features), and their
    number. Raises RefusedError."""
    call = view.call
    sizes, shape = view.arrangement.sizes, view.arrangement.shape
    projection = _projection(call)
    if projection is None or len(shape) != 4 or len(sizes) != 3:
        node.refuse("of what is no projection of a sequence")
    heads = shape[1]
    parted = identity(sizes).reshaped((sizes[0], sizes[1], heads, sizes[2] // heads))
    if parted.permuted((0, 2, 1, 3)) != view.arrangement:
        node.refuse("of heads that are arranged in another order")
    return projection, heads


def _projection(call: Call) -> Call | None:
    """A dense layer without an activation on a sequence, or a part of the units of one; None for
    anything else."""
    if isinstance(call.op, Split):
        whole = _projection(call.inputs[0])
        return None if whole is None else _part(whole, call)
    plain = isinstance(call.op, Dense) and call.op.activation is None
    return call if plain and call.axes.is_sequence else None


def _part(whole: Call, split: Call) -> Call:
    """A dense layer with some of the units of another."""
    assert isinstance(split.op, Split)
    units = split.axes.width
    start = split.op.index * units
    weights = {name: rows_of(array, start, start + units) for name, array in whole.weights.items()}
    op = Dense(units=units, bias="bias" in weights)
    return Call(op, whole.inputs, split.axes, "", split.place, split.scope, weights)


def with_projection(core: Call, weights: dict[str, Array], node: Node) -> Attention:
    """The op of attention with its last projection, whose weights are added to those of the core.
    Raises RefusedError."""
    assert isinstance(core.op, Attention)
    width = core.axes.width
    if weights["weight"].shape != (width, width):
        node.refuse(f"of attention to {weights['weight'].shape[0]} features")
    output_bias = "bias" in weights
    return Attention(
        heads=core.op.heads,
        bias=core.op.bias,
        output_bias=None if output_bias == core.op.bias else output_bias,
        causal=core.op.causal,
        dropout=core.op.dropout,
    )
