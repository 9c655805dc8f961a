"""Recurrences in PyTorch: classes of its own kind that give their outputs alone."""

from __future__ import annotations

from archc.backends.base import LoweredLayer, LoweringContext
from archc.backends.constructors import layer, option
from archc.backends.torch.layers import incoming
from archc.codegen.tree import Lit
from archc.ops.recurrence import Lstm, Recurrence


def lower_recurrence(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op = context.op
    assert isinstance(op, Recurrence)
    constructor = layer(
        "LSTMLayer" if isinstance(op, Lstm) else "GRULayer",
        incoming(context.x),
        Lit(op.units, "units"),
        keywords=[
            option("layers", op.layers, 1, "layers"),
            option("dropout", op.dropout, 0.0, "dropout"),
            option("bidirectional", op.bidirectional, False, "bidirectional"),
            option("return_sequences", op.return_sequences, False, "return_sequences"),
        ],
    )
    names = {one.name: one.name for one in op.variables(context.inputs)}
    return (LoweredLayer(constructor, label=op.name, main=True, variables=names),)
