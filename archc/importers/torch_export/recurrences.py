"""LSTM and GRU of PyTorch, and what is taken of their states."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from archc.importers.arrangement import Arrangement, Digit, identity, ordered
from archc.importers.network import Array
from archc.importers.torch_export import views
from archc.importers.torch_export.calls import (
    TRAINING,
    Bound,
    Call,
    Constant,
    Node,
    Unknown,
    View,
)
from archc.ops.base import Op
from archc.ops.recurrence import Gru, Lstm, Recurrence
from archc.ops.shape import Select
from archc.records import replace as with_fields

STATES = "the last states of all layers"
KINDS: dict[str, type[Recurrence]] = {"lstm": Lstm, "gru": Gru}


def recurrence(node: Node) -> list[Bound]:
    """The states after each token, and the last ones: of LSTM those of its cells, too, which
    archc has no name for."""
    kind = KINDS[node.kind]
    if not node.op.endswith(".input"):
        node.refuse("of packed sequences")
    if node.get("train", False):
        node.refuse(TRAINING)
    _require_zeros(node)
    batch_first = node.get("batch_first", False)
    x = node.tensor("input")
    if not batch_first:
        turned = x.arrangement.permuted((1, 0, *range(2, len(x.arrangement.dims))))
        x = x._replace(arrangement=turned)
    call, _ = views.canonical(x, node)
    layers, bidirectional = node.get("num_layers", 1), node.get("bidirectional", False)
    arrays = _arrays(node, layers * (2 if bidirectional else 1))
    op = kind(
        units=arrays[1].shape[-1],
        return_sequences=True,
        bidirectional=bidirectional,
        layers=layers,
        dropout=node.get("dropout", 0.0) if layers > 1 else 0.0,
    )
    weights = _weights(op, arrays)
    axes = op.infer((call.axes,))
    order = (0, 1, 2) if batch_first else (1, 0, 2)
    out = node.call(
        *(op, (call,), weights, ordered((node.batch, *axes.sizes), order)), note=_note(node, op)
    )
    results: list[Bound] = [out, _states(node, out)]
    return [*results, Unknown("the states of the cells of LSTM")][: len(node.outputs)]


def _require_zeros(node: Node) -> None:
    """Refuse first states other than zero."""
    states = node.arguments.get("hx")
    for state in states if isinstance(states, list) else [states]:
        array = state.array if isinstance(state, Constant) else None
        if array is None or array.kind != "fill" or any(array.fields):
            node.refuse("with first states")


def _arrays(node: Node, count: int) -> list[Array]:
    """The arrays of so many layers and directions. Raises RefusedError."""
    given: list[Bound] = node.get("params", [])
    arrays = [one.array for one in given if isinstance(one, Constant)]
    if not arrays or len(arrays) != len(given):
        node.refuse("with arrays that are computed")
    if len(arrays) != count * (4 if node.get("has_biases", True) else 2):
        node.refuse(f"with {len(arrays)} arrays for {count} layers and directions")
    return arrays


def _weights(op: Recurrence, arrays: list[Array]) -> dict[str, Array]:
    """The arrays of all layers and directions, the two biases of LSTM as their sum."""
    ends = [f"l{layer}{way}" for layer in range(op.layers) for way in op.directions]
    count = len(arrays) // len(ends)
    weights: dict[str, Array] = {}
    for number, end in enumerate(ends):
        token, state, *biases = arrays[count * number : count * (number + 1)]
        weights[f"weight_ih_{end}"], weights[f"weight_hh_{end}"] = token, state
        if not biases:
            zeros = Array("fill", token.shape[:1], (), (0.0,))
            weights |= {f"{name}_{end}": zeros for name in op.biases}
        elif len(op.biases) == 2:
            weights |= dict(zip((f"{name}_{end}" for name in op.biases), biases, strict=True))
        else:
            weights[f"bias_ih_{end}"] = Array("add", token.shape[:1], tuple(biases))
    return weights


def _note(node: Node, op: Recurrence) -> str | None:
    """The comment on biases that are not those of the file."""
    if not node.get("has_biases", True):
        return f"{op.name} has no biases in the file. Here it has, 0 at the start, and learns them."
    if len(op.biases) == 1:
        return f"{op.name} has two biases for each gate in the file. Here it has one, their sum."
    return None


def _states(node: Node, out: View) -> Bound:
    """The last states, (layers * directions, batch, units)."""
    op = out.call.op
    assert isinstance(op, Recurrence)
    ways = len(op.directions)
    width = op.layers * ways * op.units
    digits = ((Digit(1, op.units, op.layers * ways),), (Digit(0, 1, node.batch),))
    arrangement = Arrangement((node.batch, width), (*digits, (Digit(1, 1, op.units),)))
    last = _last(out.call, node.outputs[1], arrangement if op.layers == 1 else None)
    if op.layers > 1:
        last = replace(last, partial=STATES, parts=last, axes=last.axes.with_width(width))
    return View(last, arrangement, node.outputs[1], node.scope)


def _last(states: Call, value: str, arrangement: Arrangement | None) -> Call:
    """The states after the last token of a call that gives those after each."""
    assert isinstance(states.op, Recurrence)
    if states.op.bidirectional:
        op: Op = with_fields(states.op, return_sequences=False)
        inputs, weights = states.inputs, states.weights
    else:
        op, inputs, weights = Select(tokens=states.axes.sizes[0] - 1), (states,), {}
    axes = op.infer(tuple(one.axes for one in inputs))
    name = value if arrangement is not None else ""
    restoration = None if arrangement is None else arrangement.restoration()
    place, scope = f"`{value}`", states.scope
    return Call(op, inputs, axes, name, place, scope, weights, restoration)


def select(node: Node) -> Bound:
    """One index along an axis, also of the last states of several layers."""
    view = node.tensor()
    if view.call.partial != STATES:
        return views.select(node)
    count = view.arrangement.shape[0]
    if node.axis("dim", 3) != 0:
        node.refuse(f"of {STATES} along another axis than the first")
    return _state(node, view, node.get("index", 0) % count)


def _state(node: Node, view: View, index: int) -> View:
    """The last state of one direction of the last layer."""
    last = view.call.parts
    assert isinstance(last, Call)
    recurrence = last.op if isinstance(last.op, Recurrence) else last.inputs[0].op
    assert isinstance(recurrence, Recurrence)
    ways = len(recurrence.directions)
    before = (recurrence.layers - 1) * ways
    if index < before:
        node.refuse(f"of the last state of the layer {index // ways} of {recurrence.layers}")
    sizes = (node.batch, *last.axes.sizes)
    if ways == 1:
        own = replace(last, value=node.outputs[0])
        return View(own, identity(sizes), node.outputs[0], node.scope)
    parted = Arrangement(sizes, ((Digit(1, recurrence.units, ways),), *view.arrangement.dims[1:]))
    return views.selected(node, View(last, parted, view.name, view.scope), 0, index - before)


def zeros(node: Node) -> Bound:
    """An array of zeros: the first states of a recurrence."""
    sizes: list[object] = node.get("size", [])
    if [one for one in sizes if type(one) is int] != [
        own for own, one in zip(node.shape, sizes, strict=False) if type(one) is int
    ]:
        node.refuse(f"of {sizes}, which is not {list(node.shape)}")
    return Constant(Array("fill", node.shape, (), (0.0,)), node.shape, node.dtypes[0], False)


def with_last_states(drafts: Mapping[Call, Call], outputs: tuple[Call, ...]) -> dict[Call, Call]:
    """What calls are, where those that take the last state alone of a recurrence in one direction
    are this recurrence without the others."""
    uses = Counter([*outputs, *(one for draft in drafts.values() for one in draft.inputs)])
    own = dict(drafts)
    for call, draft in drafts.items():
        states = drafts.get(draft.inputs[0])
        if states is None or uses[states] > 1 or not isinstance(states.op, Recurrence):
            continue
        is_last = draft.op == Select(tokens=states.axes.sizes[0] - 1)
        if is_last and not states.op.bidirectional:
            op = with_fields(states.op, return_sequences=False)
            own[call] = replace(draft, op=op, inputs=states.inputs, weights=states.weights)
    return own
