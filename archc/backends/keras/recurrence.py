"""Recurrences in Keras: a layer for each, with dropout in between."""

from __future__ import annotations

from archc.backends.base import LoweredLayer, LoweringContext
from archc.backends.constructors import layer, option
from archc.backends.layouts import Layout
from archc.codegen.tree import Call, Lit
from archc.ops.base import Variable
from archc.ops.recurrence import Gru, Recurrence

ZRH = (1, 0, 2)
"""Keras has the update gate of a GRU before its reset gate."""


def lower_recurrence(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op = context.op
    assert isinstance(op, Recurrence)
    layers: list[LoweredLayer] = []
    for number in range(op.layers):
        last = number == op.layers - 1
        returned = option("return_sequences", op.return_sequences, False, "return_sequences")
        constructor: Call = layer(
            "layers.GRU" if isinstance(op, Gru) else "layers.LSTM",
            Lit(op.units, "units"),
            keywords=[returned if last else option("return_sequences", True, False)],
        )
        if op.bidirectional:
            constructor = layer("layers.Bidirectional", constructor)
        ends = {f"l{number}{direction}": direction for direction in op.directions}
        own = [
            (one, ends[end])
            for one in op.variables(context.inputs)
            for end in ends
            if one.name.endswith(f"_{end}")
        ]
        layers.append(
            LoweredLayer(
                constructor,
                label=f"{op.name}_{number}",
                main=last,
                variables={
                    one.name: _path(op, one, "backward" if direction else "forward")
                    for one, direction in own
                },
                layouts={one.name: _layout(op, one) for one, _ in own},
            )
        )
        if op.dropout and not last:
            rate = Lit(op.dropout, "dropout")
            layers.append(LoweredLayer(layer("layers.Dropout", rate), label=f"dropout_{number}"))
    return tuple(layers)


def _path(op: Recurrence, variable: Variable, direction: str) -> str:
    """What Keras calls a variable, in the layer of its direction; the two biases of a GRU are rows
    of one variable."""
    kind = variable.name[: variable.name.index("_l")]
    names = {"weight_ih": "kernel", "weight_hh": "recurrent_kernel", "bias_ih": "bias"}
    if isinstance(op, Gru):
        names |= {"bias_ih": "bias[0]", "bias_hh": "bias[1]"}
    return f"{direction}/{names[kind]}" if op.bidirectional else names[kind]


def _layout(op: Recurrence, variable: Variable) -> Layout:
    """Kernels as (what comes in, gates)."""
    gates = (op.gates_per_unit, op.units)
    order = ZRH if isinstance(op, Gru) else ()
    if len(variable.shape) == 1:
        return Layout(variable.shape, gates, (0, 1), variable.shape, order)
    rows, width = variable.shape
    return Layout(variable.shape, (*gates, width), (2, 0, 1), (width, rows), order)
