"""The op in Keras: a layer of its own."""

from __future__ import annotations

from pathlib import Path

from archc.backends.base import LoweredLayer, LoweringContext
from archc.backends.constructors import layer, option
from archc.backends.extensions import Extension
from offsets.ops import Offset


def lower_offset(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op = context.op
    assert isinstance(op, Offset)
    initial = option("initial", op.initial, 0.0, "initial")
    made = layer("Offset", keywords=[initial])
    return (LoweredLayer(made, label="offset", main=True, variables={"offset": "offset"}),)


EXTENSION = Extension(
    lowerings={Offset: lower_offset},
    helpers={"Offset": str(Path(__file__).parent / "helpers/keras_offset.py")},
)
