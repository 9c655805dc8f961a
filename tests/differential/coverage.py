"""Which options of an op there are, by its definition, which of them networks have, and steps that
have two of them: drawn one by one, some of three thousand pairs would hardly ever be met."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import combinations, product
from random import Random
from typing import Any, NamedTuple

from archc.ir.costs import Costs
from archc.ops import OPS
from archc.ops.axes import Axes
from archc.ops.base import Op
from archc.ops.fields import FieldInfo, fields_of
from archc.ops.initializer import Initializer
from tests.differential.sampling import alternatives, step, value

LEFT_OUT = "left out"
NOT_TOGETHER = ("reshape", "select", "to_map")
"""Ops whose fields exclude each other: of the axes, only those that make a shape are given."""
REFUSED = (
    "conv_transpose: groups=number",
    "conv_transpose: stride=number, dilation=number",
    "lstm: layers=left out, dropout=number",
    "gru: layers=left out, dropout=number",
    "scale: bias=True, learned=False",
    "window_attention: shift=number, grid=True",
)
"""What Keras has not, or what means nothing, so that archc refuses it, alone or with any other
option."""


def option(field: FieldInfo, value: object) -> str:
    """What kind of value a field has: a word or flag itself, an activation or distribution by its
    name, else the form in which it is written."""
    if value is None or (not field.required and value == field.default):
        return _default(field)
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, Op | Initializer):
        return value.name
    if isinstance(value, tuple):
        pairs = all(isinstance(item, tuple) for item in value)
        return "pairs" if pairs else "list"
    return "number"


def _default(field: FieldInfo) -> str:
    return str(field.default) if isinstance(field.default, bool | str) else LEFT_OUT


def options(field: FieldInfo) -> set[str]:
    """The kinds of value that a field may have."""
    found = set() if field.required else {_default(field)}
    for one in alternatives(field.kind.schema):
        if "enum" in one:
            words = set(one["enum"])
            # A word that says the same as no value.
            same = words & {"none", "default"} if field.default not in words - {"none"} else set()
            found |= words - same
            found |= {_default(field)} if same else set()
        elif one["type"] == "boolean":
            found |= {"True", "False"}
        elif one["type"] in ("integer", "number"):
            found.add("number")
        elif one["type"] == "object":
            found |= set(one["properties"])
        elif one["type"] == "array":
            items = alternatives(one["items"])
            found |= {"pairs"} if any(item["type"] == "array" for item in items) else set()
            # A picture, which a pattern describes, is a list of numbers.
            single = [item for item in items if item["type"] != "array" and "pattern" not in item]
            found |= {"list"} if single else set()
    return found


def all_options() -> Iterator[str]:
    """Every op, and every option of each of its fields."""
    for op in OPS.values():
        yield op.name
        for field in fields_of(op):
            found = (f"{op.name}: {field.name}={one}" for one in sorted(options(field)))
            yield from (one for one in found if one not in REFUSED)


def all_pairs() -> Iterator[str]:
    """Every pair of options of two fields of an op."""
    return (pair.told for pair in _pairs())


class Pair(NamedTuple):
    """Two options of an op, each of a field."""

    op: type[Op]
    options: tuple[tuple[FieldInfo, str], tuple[FieldInfo, str]]

    @property
    def told(self) -> str:
        """As networks are counted."""
        return f"{self.op.name}: {', '.join(f'{field.name}={one}' for field, one in self.options)}"


@cache
def _pairs() -> tuple[Pair, ...]:
    found = []
    for op in OPS.values():
        if op.name in NOT_TOGETHER:
            continue
        for one, other in combinations(fields_of(op), 2):
            for first, second in product(sorted(options(one)), sorted(options(other))):
                pair = Pair(op, ((one, first), (other, second)))
                parts = {f"{op.name}: {field.name}={part}" for field, part in pair.options}
                if parts.isdisjoint(REFUSED) and pair.told not in REFUSED:
                    found.append(pair)
    return tuple(found)


def pair_step(random: Random, x: Axes) -> dict[str, Any]:
    """A step of some op on the axes `x` that has two options, all pairs being as likely. It may not
    fit."""
    pair = random.choice(_pairs())
    made = step(random, pair.op, x)
    for field, one in pair.options:
        fields = made[pair.op.name]
        fields.pop(field.name, None)
        if one != LEFT_OUT:
            fields[field.name] = _of_option(random, field, one, x)
    return made


def _of_option(random: Random, field: FieldInfo, one: str, x: Axes) -> Any:
    """A value of a field that is of an option."""
    for schema in alternatives(field.kind.schema):
        kind = schema["type"]
        if one in schema.get("enum", ()):
            return one
        if kind == "boolean":
            return one == "True"
        if kind in ("integer", "number") and one == "number":
            return value(random, schema, x)
        if kind == "object" and one in schema["properties"]:
            return {one: value(random, schema["properties"][one], x)}
        if kind == "array" and one in ("list", "pairs"):
            items = alternatives(schema["items"])
            fitting = [item for item in items if (item["type"] == "array") == (one == "pairs")]
            if fitting:
                return value(random, {**schema, "items": {"anyOf": fitting}}, x)
    raise AssertionError(f"{field.name} has no option {one}")


def counted(costs: Costs) -> Counter[str]:
    """How often a network has each op, option and pair of options."""
    counts: Counter[str] = Counter()
    for layer in costs.layers:
        op = layer.node.op
        fields = fields_of(type(op))
        given = [f"{one.name}={option(one, getattr(op, one.name))}" for one in fields]
        counts[op.name] += 1
        counts.update(f"{op.name}: {one}" for one in given)
        counts.update(f"{op.name}: {one}, {other}" for one, other in combinations(given, 2))
    return counts
