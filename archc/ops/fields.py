"""The kinds of value an op's field can hold, and the walker that reads an op's declaration.

A kind alone knows what a field accepts: its JSON Schema, the words an error uses,
and the conversion of an evaluated value to the typed one an op holds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from types import SimpleNamespace
from typing import Annotated, Any, NamedTuple, get_type_hints

from archc.records import REQUIRED, fields_with_defaults

Schema = dict[str, Any]

EXPRESSION_SCHEMA: Schema = {"type": "string", "pattern": "^\\$"}
"""What stands for any value: `$name` or `$( ... )`."""

LARGEST = 2**53 - 1
"""The largest whole number a spec may hold: exact in every JSON reader."""


class Doc(NamedTuple):
    """One line that says what a field means."""

    text: str


class Kind:
    """A kind of field value. `convert` raises ValueError for what it does not accept; `schema` is
    built when it is read."""

    def __init__(
        self,
        expected: str,
        schema: Schema | Callable[[], Schema],
        convert: Callable[[object], object],
    ) -> None:
        self.expected = expected
        self.convert = convert
        self._schema = schema

    @property
    def schema(self) -> Schema:
        """The JSON Schema of the values accepted, expressions aside."""
        return self._schema() if callable(self._schema) else self._schema


class FieldInfo(NamedTuple):
    """One field of an op, as declared. `default` is as a spec would write it."""

    name: str
    kind: Kind
    doc: str
    required: bool
    default: object


def or_expression(schema: Schema) -> Schema:
    """`schema`, or an expression instead."""
    alternatives = schema["anyOf"] if schema.keys() == {"anyOf"} else [schema]
    return {"anyOf": [*alternatives, EXPRESSION_SCHEMA]}


_fields: dict[type, tuple[FieldInfo, ...]] = {}


def fields_of(declaration: type) -> tuple[FieldInfo, ...]:
    """The fields of an op class, in order."""
    if declaration not in _fields:
        _fields[declaration] = _read_fields(declaration)
    return _fields[declaration]


def _read_fields(declaration: type) -> tuple[FieldInfo, ...]:
    """The fields of an op class as its annotations have them."""
    defaults = fields_with_defaults(declaration)
    types = _types(declaration, defaults)
    infos = []
    for name, default in defaults.items():
        metadata = types[name].__metadata__
        kind = next(item for item in metadata if isinstance(item, Kind))
        doc = next(item.text for item in metadata if isinstance(item, Doc))
        required = default is REQUIRED
        infos.append(FieldInfo(name, kind, doc, required, None if required else default))
    return tuple(infos)


def _types(declaration: type, fields: Collection[str]) -> dict[str, Any]:
    """The types of these fields alone: an op class has twice as many annotated constants, which
    take as long to evaluate."""
    types: dict[str, Any] = {}
    for owner in reversed(declaration.__mro__):
        annotations = vars(owner).get("__annotations__", {})
        own = {name: text for name, text in annotations.items() if name in fields}
        names = vars(sys.modules[owner.__module__])
        types |= get_type_hints(SimpleNamespace(__annotations__=own), names, include_extras=True)
    return types


def whole_number(value: object, minimum: int = -LARGEST, maximum: int = LARGEST) -> int:
    """A whole number in a range, both ends included; 16.0 is 16. Raises ValueError for anything
    else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError
    if not minimum <= value <= maximum or value != int(value):
        raise ValueError
    return int(value)


def integer(minimum: int, maximum: int = LARGEST) -> Kind:
    """A whole number in a range, both ends included."""

    def convert(value: object) -> int:
        return whole_number(value, minimum, maximum)

    schema: Schema = {"type": "integer", "minimum": minimum}
    expected = f"a whole number from {minimum}"
    if maximum != LARGEST:
        schema["maximum"] = maximum
        expected += f" to {maximum}"
    return Kind(expected, schema, convert)


def real(
    expected: str,
    *,
    above: float | None = None,
    minimum: float | None = None,
    below: float | None = None,
    maximum: float | None = None,
) -> Kind:
    """A finite number, whole or not, within the bounds; converted to float."""

    def convert(value: object) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise ValueError
        number = float(value)
        if (
            number - number != 0.0
            or (above is not None and number <= above)
            or (minimum is not None and number < minimum)
            or (below is not None and number >= below)
            or (maximum is not None and number > maximum)
        ):
            raise ValueError
        return number

    bounds = {
        "exclusiveMinimum": above,
        "minimum": minimum,
        "exclusiveMaximum": below,
        "maximum": maximum,
    }
    schema: Schema = {"type": "number"}
    schema.update({key: bound for key, bound in bounds.items() if bound is not None})
    return Kind(expected, schema, convert)


def choice(*words: str) -> Kind:
    """One of a few words."""

    def convert(value: object) -> str:
        if isinstance(value, str) and value in words:
            return value
        raise ValueError

    listed = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
    return Kind(listed, {"type": "string", "enum": list(words)}, convert)


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError


def window(minimum: int) -> Kind:
    """One whole number for every spatial axis, or a list with one for each."""
    number: Schema = {"type": "integer", "minimum": minimum}

    def convert(value: object) -> int | tuple[int, ...]:
        if isinstance(value, list):
            return integers(value, minimum, 1, 3)
        return whole_number(value, minimum)

    listed = {"type": "array", "minItems": 1, "maxItems": 3, "items": or_expression(number)}
    return Kind(
        f"a whole number from {minimum}, or a list of them with one for each spatial axis",
        {"anyOf": [number, listed]},
        convert,
    )


def integers(value: object, minimum: int, shortest: int, longest: int) -> tuple[int, ...]:
    """`value` as a tuple of whole numbers. Raises ValueError where it is anything else."""
    if not isinstance(value, list) or not shortest <= len(value) <= longest:
        raise ValueError
    return tuple(whole_number(item, minimum) for item in value)


def listing(item: Kind, expected: str, *, longest: int = 100_000) -> Kind:
    """A list of one or more values of a kind; converted to a tuple."""

    def convert(value: object) -> tuple[object, ...]:
        if not isinstance(value, list) or not 1 <= len(value) <= longest:
            raise ValueError
        return tuple(item.convert(entry) for entry in value)

    schema = {"type": "array", "minItems": 1, "items": or_expression(item.schema)}
    return Kind(expected, schema, convert)


def _amounts(value: object) -> int | tuple[int, ...] | tuple[tuple[int, int], ...]:
    """`n`, `[h, w]` or `[[top, bottom], [left, right]]`."""
    if not isinstance(value, list):
        return whole_number(value, 0)
    if 1 <= len(value) <= 3 and isinstance(value[0], list):
        pairs = [integers(pair, 0, 2, 2) for pair in value]
        return tuple((begin, end) for begin, end in pairs)
    return integers(value, 0, 1, 3)


_AMOUNT: Schema = {"type": "integer", "minimum": 0}
_AMOUNTS_SCHEMA: list[Schema] = [
    _AMOUNT,
    {
        "type": "array",
        "minItems": 1,
        "maxItems": 3,
        "items": {
            "anyOf": [
                _AMOUNT,
                EXPRESSION_SCHEMA,
                {
                    "type": "array",
                    "minItems": 2,
                    "maxItems": 2,
                    "items": or_expression(_AMOUNT),
                },
            ]
        },
    },
]


Amounts = int | tuple[int, ...] | tuple[tuple[int, int], ...]
"""Elements at both sides of each spatial axis: `n`, `[h, w]`, `[[top, bottom], [left, right]]`."""

COUNT = integer(1)
WINDOW = window(1)


def _padding(*words: str) -> Kind:
    """One of some words, or amounts."""

    def convert(value: object) -> str | Amounts:
        return value if isinstance(value, str) and value in words else _amounts(value)

    return Kind(
        f"{', '.join(words)}, a whole number from 0, a list with one for each spatial axis, "
        "or a list of [begin, end] pairs",
        {"anyOf": [{"type": "string", "enum": list(words)}, *_AMOUNTS_SCHEMA]},
        convert,
    )


PADDING = _padding("valid", "same")
CAUSAL_PADDING = _padding("valid", "same", "causal")
AMOUNTS = Kind(
    "a whole number from 0, a list with one for each spatial axis, or a list of [begin, end] pairs",
    {"anyOf": _AMOUNTS_SCHEMA},
    _amounts,
)
BOOLEAN = Kind("true or false", {"type": "boolean"}, _boolean)

Count = Annotated[int, COUNT]
WindowSize = Annotated[int | tuple[int, ...], WINDOW]
Offsets = Annotated[int | tuple[int, ...], window(0)]
Padding = Annotated[str | Amounts, PADDING]
CausalPadding = Annotated[str | Amounts, CAUSAL_PADDING]
Flag = Annotated[bool, BOOLEAN]
Number = Annotated[float, real("a number")]
Positive = Annotated[float, real("a number above 0", above=0)]
NonNegative = Annotated[float, real("a number from 0", minimum=0)]
Rate = Annotated[float, real("a number from 0 up to, but not including, 1", minimum=0, below=1)]
Share = Annotated[float, real("a number from 0 to 1", minimum=0, maximum=1)]


def per_axis(value: int | Sequence[int], rank: int) -> tuple[int, ...]:
    """A window field broadcast over `rank` spatial axes. Raises ValueError on another length."""
    if isinstance(value, int):
        return (value,) * rank
    if len(value) != rank:
        raise ValueError
    return tuple(value)


def pairs_per_axis(value: Amounts, rank: int) -> tuple[tuple[int, int], ...]:
    """Amounts over `rank` spatial axes as (begin, end). Raises ValueError on another length."""
    if isinstance(value, int):
        return ((value, value),) * rank
    if len(value) != rank:
        raise ValueError
    return tuple(item if isinstance(item, tuple) else (item, item) for item in value)
