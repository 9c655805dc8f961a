"""Initial values of a kernel, the same distribution on every backend."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from archc.ops.fields import Kind, Schema, or_expression, real

NAMES = (
    "glorot_uniform",
    "glorot_normal",
    "he_uniform",
    "he_normal",
    "lecun_uniform",
    "lecun_normal",
    "orthogonal",
    "zeros",
)
"""Glorot & Bengio 2010, He et al. 2015, LeCun et al. 1998; all normals are untruncated."""

_DEVIATION = real("a number above 0", above=0)
_PARAMETERS = {"normal": "deviation", "uniform": "limit", "constant": "value"}
_KINDS = {"deviation": _DEVIATION, "limit": _DEVIATION, "value": real("a number")}


class Initializer(NamedTuple):
    """A named distribution; `value` is its deviation, limit or constant where it has one."""

    name: str
    value: float | None = None


def _convert(value: object) -> Initializer | None:
    if value == "default":
        return None
    if isinstance(value, str) and value in NAMES:
        return Initializer(value)
    if isinstance(value, dict) and len(value) == 1:
        ((name, parameter),) = value.items()
        if name in _PARAMETERS:
            number = _KINDS[_PARAMETERS[name]].convert(parameter)
            assert isinstance(number, float)
            return Initializer(name, number)
    raise ValueError


_SCHEMA: Schema = {
    "anyOf": [
        {"type": "string", "enum": ["default", *NAMES]},
        {
            "type": "object",
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
            "properties": {
                name: {
                    "description": f"the {parameter}",
                    "x-expected": f"{_KINDS[parameter].expected}, or an expression",
                    **or_expression(_KINDS[parameter].schema),
                }
                for name, parameter in _PARAMETERS.items()
            },
        },
    ]
}

INITIALIZER = Kind(
    f"default, {', '.join(NAMES)}, or one of "
    + ", ".join(f"{{{name}: {parameter}}}" for name, parameter in _PARAMETERS.items()),
    _SCHEMA,
    _convert,
)
InitializerField = Annotated[Initializer | None, INITIALIZER]
