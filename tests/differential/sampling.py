"""Random fields of ops, drawn from the JSON Schema that the op definitions give, so that a new op
or option is drawn without a change here. What a shape rule asks for beyond the schema stands in
the table at the end."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from archc.ops import MERGES, OPS
from archc.ops.axes import Axes
from archc.ops.base import Op, ShapeFault
from archc.ops.fields import fields_of

OPTIONAL = 0.45
"""How often a field that has a default is given."""
OFTEN = {"epsilon": 0.9}
"""Normalisation with the usual 1e-5 makes rounding errors 300 times as large where what it takes is
constant; several such in a row are no network that anybody could compare."""
LARGEST = 4
"""The largest whole number of a field, over its minimum: networks stay small."""


def step(random: Random, op: type[Op], x: Axes) -> Any:
    """A step of an op on a value of the axes `x`, as a spec writes it. It may not fit."""
    special = SPECIAL.get(op.name)
    fields = special(random, x) if special is not None else {}
    for field in fields_of(op):
        if field.name in fields or (special is not None and field.name in NOT_DRAWN):
            continue
        if field.required or random.random() < OFTEN.get(field.name, OPTIONAL):
            fields[field.name] = _value(random, field.kind.schema, x)
    if op.scalar in fields and len(fields) == 1 and random.random() < 0.5:
        (given,) = fields.values()
        return {op.name: given}
    if not fields and random.random() < 0.8:
        return op.name
    return {op.name: fields}


def fits(op: type[Op], made: Any, x: Axes) -> bool:
    """Whether an op's own rule takes the axes with the fields of a step."""
    given = {} if isinstance(made, str) else made[op.name]
    if not isinstance(given, dict):
        given = {op.scalar: given}
    kinds = {field.name: field.kind for field in fields_of(op)}
    try:
        op(**{name: kinds[name].convert(value) for name, value in given.items()}).infer((x,))
    except ShapeFault:
        return False
    return True


def _value(random: Random, schema: dict[str, Any], x: Axes) -> Any:
    """A value that a schema accepts, no expression."""
    if "anyOf" in schema:
        kinds = [one for one in schema["anyOf"] if "pattern" not in one]
        return _value(random, random.choice(kinds), x)
    if "enum" in schema:
        return random.choice(schema["enum"])
    kind = schema["type"]
    if kind == "boolean":
        return random.random() < 0.5
    if kind == "integer":
        least = schema.get("minimum", 0)
        return random.randint(least, min(schema.get("maximum", least + LARGEST), least + LARGEST))
    if kind == "number":
        return _number(random, schema)
    if kind == "array":
        # The lists of the schema have one entry for each spatial axis, or two in all.
        both = schema.get("minItems") == schema.get("maxItems") == 2
        count = 2 if both else max(1, len(x.spatial))
        items = schema["items"]
        if "anyOf" in items:  # of one kind all
            items = random.choice([one for one in items["anyOf"] if "pattern" not in one])
        return [_value(random, items, x) for _ in range(count)]
    if kind == "object":
        name = random.choice(sorted(schema["properties"]))
        inner = schema["properties"][name]
        if schema.get("maxProperties") == 1:
            return {name: _value(random, inner, x)}
        chosen = [key for key in schema["properties"] if random.random() < 0.7]
        return {key: _value(random, schema["properties"][key], x) for key in chosen}
    raise AssertionError(schema)


def _number(random: Random, schema: dict[str, Any]) -> float:
    """A number of few digits inside the bounds. Its size is that of a usual one: no value of a
    field may drown what the other layers do."""
    least = schema.get("minimum", schema.get("exclusiveMinimum", -1.5))
    most = schema.get("maximum", schema.get("exclusiveMaximum", max(1.5, least + 1)))
    while True:
        number = round(random.uniform(least, most), 2)
        above = number > least or ("minimum" in schema and number >= least)
        below = number < most or ("exclusiveMaximum" not in schema and number <= most)
        if (above or "exclusiveMinimum" not in schema) and below:
            return number


def _divisor(random: Random, number: int) -> int:
    return random.choice([one for one in range(1, number + 1) if number % one == 0])


def _conv(random: Random, x: Axes) -> dict[str, Any]:
    groups = _divisor(random, x.width) if random.random() < 0.35 else 1
    fields: dict[str, Any] = {"filters": groups * random.randint(1, 4 if groups < 4 else 1)}
    return fields | ({"groups": groups} if groups > 1 else {})


def _reshape(random: Random, x: Axes) -> dict[str, Any]:
    shapes = (
        ("features",),
        ("tokens", "features"),
        ("channels", "length"),
        ("channels", "height", "width"),
        ("channels", "depth", "height", "width"),
    )
    names = random.choice(shapes)
    left, sizes = x.elements, {}
    for name in names[:-1]:
        sizes[name] = _divisor(random, left)
        left //= sizes[name]
    return {**sizes, names[-1]: left}


def _permute(random: Random, x: Axes) -> dict[str, Any]:
    return {"order": random.sample(x.names, len(x.names))}


def _select(random: Random, x: Axes) -> dict[str, Any]:
    count = random.randint(1, min(8, x.width + 1))
    return {"channels": [random.randrange(x.width) for _ in range(count)]}


def _codes(random: Random, x: Axes) -> dict[str, Any]:
    values = (-1, 1) if random.random() < 0.6 else (-1, 0.5, 0, 2)
    rows = range(random.randint(1, 4))
    return {"codes": [[random.choice(values) for _ in range(x.width)] for _ in rows]}


def _groups(random: Random, x: Axes) -> dict[str, Any]:
    return {"groups": _divisor(random, x.width)}


SPECIAL: dict[str, Callable[[Random, Axes], dict[str, Any]]] = {
    "conv": _conv,
    "conv_transpose": _conv,
    "reshape": _reshape,
    "permute": _permute,
    "select": _select,
    "rbf": _codes,
    "group_norm": _groups,
    "channel_shuffle": _groups,
}
"""Fields that must fit what comes in."""
NOT_DRAWN = frozenset(
    {"groups", "channels", "length", "depth", "height", "width", "tokens", "features"}
)
"""Fields that only the functions above give."""

SINGLE = tuple(op for name, op in OPS.items() if name not in MERGES)
"""The ops of one input."""
