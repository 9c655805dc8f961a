"""Multi-head attention of PyTorch: the product of queries, keys and values, with the projections
before and after it, as one op."""

from __future__ import annotations

import math

from archc.importers.network import Array
from archc.importers.torch_export.arrangement import identity
from archc.importers.torch_export.calls import Bound, Call, Node, View
from archc.ops.attention import Attention
from archc.ops.dense import Dense
from archc.ops.shape import Split


def product(node: Node) -> Bound:
    """Scaled dot products of heads: the core of an attention, to which its last projection is still
    to be added."""
    query, key, value = (node.tensor(name) for name in ("query", "key", "value"))
    node.require(attn_mask=None, dropout_p=0.0, enable_gqa=False)
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
    scale = node.get("scale", 1 / math.sqrt(size))
    if not math.isclose(scale, 1 / math.sqrt(size), rel_tol=1e-6):
        node.refuse(f"with scale {scale}")
    biases = ["bias" in projection.weights for projection, _ in projected]
    if len(set(biases)) != 1:
        node.refuse("with a bias of some projections alone")
    weights: dict[str, Array] = {}
    for part, (projection, _) in zip(("query", "key", "value"), projected, strict=True):
        for name, array in projection.weights.items():
            weights[f"{part}_{name}"] = array
    causal = node.get("is_causal", False)
    op = Attention(heads=heads, bias=biases[0], output_bias=None, causal=causal)
    inputs = (x,) if memory is x else (x, memory)
    core = Call(op, inputs, x.axes, "", node.place, node.scope, weights, core=True)
    own = identity((node.batch, *x.axes.sizes))
    tokens, width = x.axes.sizes
    parted = own.reshaped((node.batch, tokens, heads, width // heads)).permuted((0, 2, 1, 3))
    if parted.shape != node.shape:
        node.refuse(f"to {list(node.shape)}")
    return View(core, parted, node.outputs[0])


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
    weights = {
        name: Array("rows", (units, *array.shape[1:]), (array,), (start, start + units))
        for name, array in whole.weights.items()
    }
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
    )
