"""The variables of Keras' layers, also of those inside them, by the names that lowerings give."""

from __future__ import annotations

from typing import Any


def variable_of(layer: Any, name: str) -> tuple[Any, int | None]:
    """The variable of a layer that has a name, and which of its rows it is, if it is not all of it:
    `kernel`, `query/kernel` of the layer inside whose name begins so, `forward/bias[1]`. None where
    there is none."""
    plain, _, row = name.removesuffix("]").partition("[")
    found = (one for one in layer.variables if _is_called(one, plain))
    return next(found, None), int(row) if row else None


def _is_called(variable: Any, name: str) -> bool:
    layer, _, own = name.rpartition("/")
    inside = variable.path.split("/")[1:-1]
    return variable.name == own and (not layer or any(one.startswith(layer) for one in inside))
