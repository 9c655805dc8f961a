"""Frozen classes of fields, cheap to define.

`dataclasses.dataclass` compiles the methods of each class anew, 0.3 to 0.5 ms a class: for the
fifty that a report needs, a fifth of all the time it may take. These have the same meaning
(immutable, typed through `dataclass_transform`) with methods that all of them share.
"""

from __future__ import annotations

from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")

REQUIRED: Any = object()
"""Stands for the default of a field that has none."""


@dataclass_transform(frozen_default=True, kw_only_default=True)
def record(declaration: type[T]) -> type[T]:
    """A class of frozen values, equal where their fields are. Its annotated attributes, those of
    its bases first, are fields, passed by keyword."""
    _furnish(declaration, {"__init__": _initialize, "__eq__": _equal, "__hash__": _hashed})
    return declaration


@dataclass_transform(frozen_default=True, eq_default=False)
def entity(declaration: type[T]) -> type[T]:
    """A class of frozen objects, each equal to itself alone. Its fields may be passed in order."""
    _furnish(declaration, {"__init__": _initialize_in_order})
    return declaration


def _furnish(declaration: type, own_methods: dict[str, object]) -> None:
    fields: dict[str, object] = dict(getattr(declaration, "record_fields", {}))
    own = vars(declaration)
    for name, annotation in own.get("__annotations__", {}).items():
        if not isinstance(annotation, str):
            raise TypeError(f"{name}: the module needs `from __future__ import annotations`")
        if not annotation.startswith("ClassVar"):
            fields[name] = own.get(name, REQUIRED)
    attributes: dict[str, object] = {
        **own_methods,
        "record_fields": fields,
        "__match_args__": tuple(fields),
        "__setattr__": _reject_change,
        "__delattr__": _reject_change,
        "__repr__": _shown,
    }
    for name, value in attributes.items():
        setattr(declaration, name, value)


def fields_with_defaults(declaration: type) -> dict[str, object]:
    """The fields of a record class in order, with `REQUIRED` or a default for each."""
    furnished: Any = declaration  # of which a type checker does not see it
    fields: dict[str, object] = furnished.record_fields
    return fields


def replace(original: T, **changes: object) -> T:
    """A record with some fields changed."""
    return type(original)(**{**vars(original), **changes})


def _initialize_in_order(self: Any, *ordered: object, **values: object) -> None:
    names = tuple(self.record_fields)
    if len(ordered) > len(names):
        raise TypeError(f"{type(self).__name__} has {len(names)} fields, not {len(ordered)}")
    for name, value in zip(names, ordered, strict=False):
        if name in values:
            raise TypeError(f"{type(self).__name__} has two values for {name}")
        values[name] = value
    _initialize(self, **values)


def _initialize(self: Any, **values: object) -> None:
    fields = self.__dict__
    for name, default in self.record_fields.items():
        value = values.pop(name, default)
        if value is REQUIRED:
            raise TypeError(f"{type(self).__name__} needs {name}")
        fields[name] = value
    if values:
        raise TypeError(f"{type(self).__name__} has no {', '.join(values)}")


def _reject_change(self: object, name: str, value: object = None) -> None:
    raise AttributeError(f"{type(self).__name__} is frozen: {name}")


def _equal(self: object, other: object) -> bool:
    if type(self) is not type(other):
        return False
    return vars(self) == vars(other)


def _hashed(self: Any) -> int:
    return hash((type(self), *self.__dict__.values()))


def _shown(self: Any) -> str:
    shown = ", ".join(f"{name}={value!r}" for name, value in self.__dict__.items())
    return f"{type(self).__qualname__}({shown})"
