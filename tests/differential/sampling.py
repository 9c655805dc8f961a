"""Random fields of ops, drawn from the JSON Schema that the op definitions give, so that a new op
or option is drawn without a change here. What a shape rule asks for beyond the schema stands in
the table at the end."""

from __future__ import annotations

from collections.abc import Callable
from math import gcd
from random import Random
from typing import Any

from archc.ops import MERGES, OPS
from archc.ops.axes import Axes
from archc.ops.base import Op, ShapeError
from archc.ops.fields import EXPRESSION_SCHEMA, FieldInfo, Schema, fields_of

CHOSEN = 0.8
"""How often a field is given where one of its values says the same as leaving it out."""
OPTIONAL = 0.45
"""How often any other field that has a default is given."""
OFTEN = {"epsilon": 0.9}
"""The usual 1e-5 now and then: what several of those in a row give cannot be compared."""
LARGEST = 3
"""The largest whole number of a field, over its minimum: networks stay small."""
SAME_SIZE = {"padding": "same", "stride": 1}
"""Fields of windows that keep the spatial axes as they are."""

SINGLE = tuple(op for name, op in OPS.items() if name not in MERGES)
"""The ops of one input."""
WEIGHTS = tuple(max(2, 1 + len(fields_of(op))) for op in SINGLE)
"""How often each is drawn: one with many fields has more to get wrong."""


def any_step(random: Random, x: Axes) -> dict[str, Any]:
    """A step of some op that takes the axes `x`."""
    while True:
        made = step(random, random.choices(SINGLE, WEIGHTS)[0], x)
        if output(made, x) is not None:
            return made


def keeping_step(random: Random, x: Axes) -> dict[str, Any]:
    """A step of some op that keeps the axes `x`, but perhaps for the number of channels."""
    while True:
        made = step(random, random.choices(SINGLE, WEIGHTS)[0], x)
        ((name, fields),) = made.items()
        known = {field.name for field in fields_of(OPS[name])}
        if not keeps(made, x) and known >= SAME_SIZE.keys():
            fields |= SAME_SIZE
        if keeps(made, x):
            return made


def keeps(made: dict[str, Any], x: Axes) -> bool:
    """Whether a step keeps the axes `x`, but perhaps for the number of channels."""
    found = output(made, x)
    return found is not None and found.with_width(x.width) == x


def projection(x: Axes, width: int) -> dict[str, Any]:
    """A step that turns `x` into axes of another number of channels or features."""
    if x.is_map:
        return {"conv": {"filters": width, "kernel_size": 1}}
    return {"dense": {"units": width}}


def step(random: Random, op: type[Op], x: Axes) -> dict[str, Any]:
    """A step of an op on a value of the axes `x`, all fields by their names. It may not fit."""
    fitting = FITTING.get(op.name)
    fields = fitting(random, x) if fitting is not None else {}
    for field in fields_of(op):
        if field.name in fields or (fitting is not None and field.name in FITTED):
            continue
        if field.required or random.random() < _share(field):
            fields[field.name] = value(random, field.kind.schema, x)
    return {op.name: fields}


def output(made: dict[str, Any], x: Axes) -> Axes | None:
    """The axes that a step of one op makes of `x`; None where the op's own rule refuses them."""
    ((name, given),) = made.items()
    kinds = {field.name: field.kind for field in fields_of(OPS[name])}
    typed = {key: kinds[key].convert(one) for key, one in given.items()}
    try:
        return OPS[name](**typed).infer((x,))
    except ShapeError:
        return None


def _share(field: FieldInfo) -> float:
    words = [one for part in alternatives(field.kind.schema) for one in part.get("enum", ())]
    if field.name in OFTEN:
        return OFTEN[field.name]
    return CHOSEN if words or field.kind.schema.get("type") == "boolean" else OPTIONAL


def alternatives(schema: Schema) -> list[Schema]:
    """The kinds of value that a schema accepts, expressions and no value at all aside."""
    if "anyOf" in schema:
        return [one for part in schema["anyOf"] for one in alternatives(part)]
    if isinstance(schema.get("type"), list):
        return [{**schema, "type": kind} for kind in schema["type"] if kind != "null"]
    return [] if schema == EXPRESSION_SCHEMA else [schema]


def value(random: Random, schema: Schema, x: Axes) -> Any:
    """A value that a schema accepts, no expression."""
    parts = alternatives(schema)
    # A word is as likely as another kind of value: there are many words.
    weights = [len(one.get("enum") or one.get("properties") or "1") for one in parts]
    schema = random.choices(parts, weights)[0] if len(parts) > 1 else parts[0]
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
        return _list(random, schema, x)
    name = random.choice(sorted(schema["properties"]))
    if schema.get("maxProperties") == 1:
        return {name: value(random, schema["properties"][name], x)}
    chosen = [key for key in schema["properties"] if random.random() < 0.7]
    return {key: value(random, schema["properties"][key], x) for key in chosen}


def _list(random: Random, schema: Schema, x: Axes) -> list[Any]:
    """An entry for each spatial axis, or two for a [begin, end] pair; all of one kind."""
    pair = schema.get("minItems") == schema.get("maxItems") == 2
    count = 2 if pair else max(1, len(x.spatial))
    items = random.choice(alternatives(schema["items"]))
    return [value(random, items, x) for _ in range(count)]


def _number(random: Random, schema: Schema) -> float:
    """A number of few digits inside the bounds. Its size is that of a usual one: no value of a
    field may drown what the other layers do."""
    least, most = -1.5, 1.5
    for key, bound in schema.items():
        least = bound if key in ("minimum", "exclusiveMinimum") else least
        most = bound if key in ("maximum", "exclusiveMaximum") else most
    steps = round((most - least) * 20)
    first = 0 if "minimum" in schema else 1
    number: float = least + random.randint(first, steps - ("exclusiveMaximum" in schema)) / 20
    return round(number, 2)


def divisor(random: Random, number: int) -> int:
    """A whole number that divides another."""
    return random.choice([one for one in range(1, number + 1) if number % one == 0])


def _conv(random: Random, x: Axes) -> dict[str, Any]:
    if random.random() < 0.6:
        return {"filters": random.randint(1, 6)}
    groups = divisor(random, x.width)
    return {"filters": groups * random.randint(1, 3 if groups < 4 else 1), "groups": groups}


def _conv_transpose(random: Random, x: Axes) -> dict[str, Any]:
    """In groups Keras has none, which is tried now and then. What is appended is less than the
    stride."""
    if random.random() < 0.02:
        return _conv(random, x)
    fields: dict[str, Any] = {"filters": random.randint(1, 6)}
    if random.random() < 0.3:
        stride = random.randint(2, 3)
        extra = random.randint(1, stride - 1)
        each = [extra] * len(x.spatial)
        fields |= {"stride": stride, "output_padding": each if each and extra == 1 else extra}
    return fields


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
        sizes[name] = divisor(random, left)
        left //= sizes[name]
    return {**sizes, names[-1]: left}


def _to_map(random: Random, x: Axes) -> dict[str, Any]:
    names = random.choice(((), ("height", "width"), ("depth", "height", "width")))
    left, sizes = x.sizes[0], {}
    for name in names[:-1]:
        sizes[name] = divisor(random, left)
        left //= sizes[name]
    return {**sizes, names[-1]: left} if names else {}


def _space_to_depth(random: Random, x: Axes) -> dict[str, Any]:
    return {"block_size": divisor(random, gcd(*x.sizes[1:]) or 1)}


def _depth_to_space(random: Random, x: Axes) -> dict[str, Any]:
    fitting = [one for one in range(1, x.width + 1) if x.width % (one * one) == 0]
    return {"block_size": random.choice(fitting)}


def _permute(random: Random, x: Axes) -> dict[str, Any]:
    return {"order": random.sample(x.names, len(x.names))}


def _select(random: Random, x: Axes) -> dict[str, Any]:
    field, size = "channels", x.width
    if x.is_sequence and random.random() < 0.7:
        field, size = "tokens", x.sizes[0]
        if random.random() < 0.3:
            return {field: random.randrange(size)}
    if random.random() < 0.3:  # neighbours, which are emitted as a slice
        first = random.randrange(size)
        return {field: [*range(first, random.randint(first + 1, size))]}
    count = random.randint(1, min(8, size + 1))
    return {field: [random.randrange(size) for _ in range(count)]}


def _codes(random: Random, x: Axes) -> dict[str, Any]:
    rows = range(random.randint(1, 4))
    if random.random() < 0.3:
        return {"codes": ["".join(random.choice("#.") for _ in range(x.width)) for _ in rows]}
    values = (-1, 1) if random.random() < 0.5 else (-1, 0.5, 0, 2)
    return {"codes": [[random.choice(values) for _ in range(x.width)] for _ in rows]}


def _groups(random: Random, x: Axes) -> dict[str, Any]:
    return {"groups": divisor(random, x.width)}


def _split(random: Random, x: Axes) -> dict[str, Any]:
    parts = divisor(random, x.width)
    return {"parts": parts, "index": random.randrange(parts)}


def _attention(random: Random, x: Axes) -> dict[str, Any]:
    """Of a head of one feature, of three or five, nothing can be turned."""
    heads = divisor(random, x.width) if x.width < 5 else random.choice([1, 2])
    fields: dict[str, Any] = {"heads": heads, "head_size": random.choice([2, 4, 4, 5])}
    if x.width % heads == 0 and random.random() < 0.6:
        del fields["head_size"]
    return fields


def _window_attention(random: Random, x: Axes) -> dict[str, Any]:
    """Of windows with more positions than one, if the map has them."""
    common = gcd(*x.spatial) or 1
    window = random.choice([n for n in range(1, common + 1) if common % n == 0])
    fields: dict[str, Any] = {"heads": divisor(random, x.width), "window": window}
    if window > 1 and random.random() < 0.5:
        fields["shift"] = random.randrange(1, window)
    return fields


FITTING: dict[str, Callable[[Random, Axes], dict[str, Any]]] = {
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "reshape": _reshape,
    "permute": _permute,
    "to_map": _to_map,
    "space_to_depth": _space_to_depth,
    "split": _split,
    "attention": _attention,
    "window_attention": _window_attention,
    "depth_to_space": _depth_to_space,
    "select": _select,
    "rbf": _codes,
    "group_norm": _groups,
    "channel_shuffle": _groups,
}
"""Fields that must fit what comes in."""
FITTED = frozenset(
    {"groups", "channels", "length", "depth", "height", "width", "tokens", "features"}
)
"""Fields that only the functions above give."""
