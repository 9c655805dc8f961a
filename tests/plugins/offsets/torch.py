"""The op in PyTorch: a module of its own."""

from __future__ import annotations

from pathlib import Path

from archc.backends.base import LoweredLayer, LoweringContext
from archc.backends.constructors import layer, option
from archc.backends.extensions import Extension
from archc.codegen.tree import Lit
from offsets.ops import Offset


def lower_offset(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op, x = context.op, context.x
    assert isinstance(op, Offset)
    initial = option("initial", op.initial, 0.0, "initial")
    made = layer("Offset", Lit((x.width, *[1] * len(x.spatial))), keywords=[initial])
    return (LoweredLayer(made, label="offset", main=True, variables={"offset": "offset"}),)


EXTENSION = Extension(
    lowerings={Offset: lower_offset},
    helpers={"Offset": str(Path(__file__).parent / "helpers/torch_offset.py")},
)
