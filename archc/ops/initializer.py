"""Initial values of a kernel, the same distribution on every backend."""

from __future__ import annotations

from math import prod, sqrt
from typing import Annotated, NamedTuple

from archc.ops.fields import Doc, Kind, Schema, or_expression, real

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

FAMILIES = {"glorot": (1.0, "fan_avg"), "he": (2.0, "fan_in"), "lecun": (1.0, "fan_in")}
"""The variance times the fan of each family, and which fan: the fan-in, or the mean of both."""

_DEVIATION = real("a number above 0", above=0)
_PARAMETERS = {"normal": "deviation", "uniform": "limit", "constant": "value"}
_KINDS = {"deviation": _DEVIATION, "limit": _DEVIATION, "value": real("a number")}


class Initializer(NamedTuple):
    """A named distribution; `value` is its deviation, limit or constant where it has one."""

    name: str
    value: float | None = None


def constant(value: float) -> Initializer:
    """One value for the whole array."""
    return Initializer("constant", value)


def explicit(initializer: Initializer, shape: tuple[int, ...]) -> Initializer:
    """An initializer of a kernel as `constant`, `normal`, `uniform` or `orthogonal`, with its
    number. The fan-in of a kernel is all of its canonical shape but the first axis, the fan-out
    all but the second, as PyTorch counts them."""
    if initializer.name == "zeros":
        return constant(0.0)
    family, _, distribution = initializer.name.partition("_")
    if family not in FAMILIES:
        return initializer
    scale, fan = FAMILIES[family]
    fan_in, fan_out = prod(shape[1:]), shape[0] * prod(shape[2:])
    variance = scale / (fan_in if fan == "fan_in" else (fan_in + fan_out) / 2)
    return Initializer(distribution, sqrt(variance if distribution == "normal" else 3 * variance))


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
INITIAL_KERNEL = Doc(
    "distribution of the initial kernel, the same on every backend; `default` is each framework's "
    "own, and theirs differ, as do their initial biases"
)
InitializerField = Annotated[Initializer | None, INITIALIZER, INITIAL_KERNEL]
