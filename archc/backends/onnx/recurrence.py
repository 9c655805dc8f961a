"""Recurrences in ONNX, one node a layer.

ONNX keeps the gates of an LSTM in the order i, o, f, candidate, those of a GRU in the order z, r,
candidate, and both directions of a layer in one array.
"""

from __future__ import annotations

from archc.backends.base import LoweredLayer, LoweringContext
from archc.backends.layouts import Layout
from archc.backends.onnx.operators import X, op, result, variable
from archc.codegen.tree import Call, Expr
from archc.ops.recurrence import Lstm, Recurrence

LSTM_GATES = (0, 3, 1, 2)
"""Which of i, f, candidate, o each of ONNX's gates is."""
GRU_GATES = (1, 0, 2)
"""Which of r, z, candidate each of ONNX's gates is."""


def lower_recurrence(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    own = context.op
    assert isinstance(own, Recurrence)
    is_lstm = isinstance(own, Lstm)
    shapes = {one.name: one.shape for one in own.variables(context.inputs)}
    layouts = {
        name: _layout(shape, LSTM_GATES if is_lstm else GRU_GATES, own.units)
        for name, shape in shapes.items()
    }
    lowered = []
    for layer in range(own.layers):
        is_last = layer == own.layers - 1
        ends = [f"l{layer}{direction}" for direction in own.directions]
        names = [name for name in shapes if name.rpartition("_l")[2] in (end[1:] for end in ends)]
        recurrence = op(
            "LSTM" if is_lstm else "GRU",
            op("Transpose", X, perm=(1, 0, 2)),  # tokens, batch, features
            _joined([f"weight_ih_{end}" for end in ends]),
            _joined([f"weight_hh_{end}" for end in ends]),
            _biases(ends, own),
            direction="bidirectional" if own.bidirectional else "forward",
            hidden_size=own.units,
            **({} if is_lstm else {"linear_before_reset": 1}),
        )
        lowered.append(
            LoweredLayer(
                expression=_output(recurrence, own, sequence=not is_last or own.return_sequences),
                label=own.name if own.layers == 1 else f"{own.name}_{layer}",
                main=is_last,
                variables={name: name for name in names},
                layouts={name: layouts[name] for name in names},
            )
        )
    return tuple(lowered)


def _layout(shape: tuple[int, ...], gates: tuple[int, ...], units: int) -> Layout:
    """An array with its gates in another order, under a first axis of its direction."""
    order = tuple(gate * units + unit for gate in gates for unit in range(units))
    return Layout(shape, shape, tuple(range(len(shape))), (1, *shape), order)


def _joined(names: list[str]) -> Expr:
    """Arrays of both directions as one."""
    values = [variable(name) for name in names]
    return values[0] if len(values) == 1 else op("Concat", *values, axis=0)


def _biases(ends: list[str], own: Recurrence) -> Expr:
    """The biases of the token beside those of the state, which an LSTM has not."""
    rows = own.gates_per_unit * own.units
    both = []
    for end in ends:
        token = variable(f"bias_ih_{end}")
        state = (
            variable(f"bias_hh_{end}") if "bias_hh" in own.biases else op("Expand", 0.0, (1, rows))
        )
        both.append(op("Concat", token, state, axis=1))
    return both[0] if len(both) == 1 else op("Concat", *both, axis=0)


def _output(recurrence: Call, own: Recurrence, *, sequence: bool) -> Expr:
    """The states after each token, or that after the last: features of all directions."""
    width = len(own.directions) * own.units
    if sequence:  # tokens, directions, batch, units
        return op("Reshape", op("Transpose", recurrence, perm=(2, 0, 1, 3)), (0, 0, width))
    state = result(recurrence, 1)  # directions, batch, units
    return op("Reshape", op("Transpose", state, perm=(1, 0, 2)), (0, width))
